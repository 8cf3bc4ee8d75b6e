"""What a study ends with: the comparison on the test set, the report, the policy as code, the words on the terminal."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from agent.context import Context
from agent.memory.candidate import REFERENCE, Candidate
from agent.memory.history import IterationRecord, noise_of
from agent.memory.ledger import describe
from agent.screen.tables import verdict
from agent.screen.terminal import FinalRow
from agent.steps.choosing import Choice
from agent.steps.judging import log_spending
from agent.steps.length_report import length_facts, length_section
from agent.steps.shifts import Shift
from agent.steps.testing import Fresh
from evaluators.report.comparison import Comparison, TestScores, Versus, compare, verdict_between
from evaluators.report.report import (
    IterationLine,
    Report,
    ShiftTable,
    interval_percent,
    interval_points,
    plot_search,
    write_markdown,
)
from tools.datasets.seed_folds import describe_folds
from tools.policy.export import as_python
from tools.text import markdown
from tools.training.recipes import describe_recipe


@dataclass(frozen=True)
class Finish:
    """What the finish of a study came to."""

    choice: Choice
    fresh: Fresh
    why_stopped: str
    """Why the search ended."""
    earlier: str = ""
    """A sentence on the studies that opened the test set before; empty where none did."""
    scores: Mapping[str, TestScores] | None = None
    """None where the test set stayed sealed."""
    shifts: Sequence[ShiftTable] = ()


def compare_all(
    finish: Finish, scores: Mapping[str, TestScores], groups: Sequence[str] | None
) -> list[Comparison]:
    """Every candidate of the finish against the reference; `groups` are those of the test images."""
    chosen, validation = finish.choice.chosen, finish.choice.validation
    parts = finish.fresh.parts(finish.choice)
    of_search = [each for each in finish.fresh.candidates if each not in parts and each != chosen]

    def role(candidate: Candidate) -> str:
        if candidate.name == REFERENCE:
            return "reference"
        if candidate in parts:
            return "ablation"
        if candidate.number == 0:
            return "baseline"
        return "chosen" if candidate == chosen else "finalist"

    return [
        compare(
            name=c.name,
            policy=c.proposal.in_one_line(),
            role=role(c),
            validation=validation.get(c.name, {}),
            fresh_validation=finish.fresh.validation.get(c.name, {}),
            test=scores.get(c.name),
            reference=None if c.name == REFERENCE else scores.get(REFERENCE),
            groups=_crossed(groups),
        )
        for c in (*of_search, *finish.choice.finalists, *parts)
    ]


def _crossed(groups: Sequence[str] | None) -> Sequence[str] | None:
    """The groups, or None where every image is its own."""
    return groups if groups and len(set(groups)) < len(groups) else None


def _versus(finish: Finish, scores: Mapping[str, TestScores], groups: Sequence[str]) -> list[Versus]:
    """The chosen policy against each baseline."""
    chosen = finish.choice.chosen
    if chosen is None or chosen.name not in scores:
        return []
    return [
        Versus(each.name, verdict)
        for each in finish.fresh.candidates
        if each.arm == "baseline" and each.name in scores
        if (verdict := verdict_between(scores[chosen.name], scores[each.name], _crossed(groups)))
    ]


def build_report(context: Context, finish: Finish) -> Report:
    """Everything that the report says."""
    config, data, chosen = context.config, context.data, finish.choice.chosen
    # Only an opened test set is read here; the number of its images is no secret.
    groups = data.open_test().groups if finish.scores is not None else []
    scores = finish.scores or {}
    comparisons = compare_all(finish, scores, groups)
    records = sorted(context.tracking.records(), key=lambda r: r.number)
    return Report(
        study=context.study,
        title=f"{data.card.title}: augmentation for {config.model.name}",
        facts=_facts(context),
        warnings=data.card.warnings,
        iterations=[_line(r) for r in records if r.number > 0],
        comparisons=comparisons,
        sentence=_sentence(comparisons, opened=finish.scores is not None),
        why_stopped=finish.why_stopped,
        ledger=describe(context.ledger.spent(), config.budget),
        python=as_python(chosen.proposal.as_policy(), data.image_size, len(data.card.classes))
        if chosen
        else None,
        recall=_recall(data.card.classes, scores, chosen),
        test_images=sum(data.class_counts("test").values()),
        test_groups=len(set(groups)) or sum(data.class_counts("test").values()),
        shifts=finish.shifts,
        opened=finish.scores is not None,
        earlier=finish.earlier,
        notes=[note for note in (finish.choice.note, *finish.fresh.notes) if note],
        versus=_versus(finish, scores, groups),
        length=length_section(context),
    )


def shift_table(shift: Shift, finish: Finish, earlier: str, scores: Mapping[str, TestScores]) -> ShiftTable:
    """The comparison on a shifted set, as a section of the report; `earlier` as in `Finish`."""
    test = shift.data.open_test()
    tested = [c for c in compare_all(finish, scores, test.groups) if c.name in scores]
    return ShiftTable(
        shift.name,
        shift.data.card.title,
        len(test),
        (*shift.cautions, *([earlier] if earlier else [])),
        tested,
        _sentence(tested, opened=True),
    )


def _sentence(comparisons: Sequence[Comparison], opened: bool) -> str:
    winner = next((c for c in comparisons if c.role == "chosen"), None)
    if winner is None:
        return "No proposal finished a trial, so there is no policy to compare with no augmentation."
    if winner.verdict is not None:
        return winner.verdict.sentence(f"The chosen policy ({winner.policy})")
    sealed = "" if opened else " The test set stays sealed."
    return (
        f"Nothing can be said of the chosen policy ({winner.policy}) against no augmentation: they finished no trial "
        f"under the same fresh seed.{sealed}"
    )


def _facts(context: Context) -> list[tuple[str, str]]:
    config, data = context.config, context.data
    sizes = ", ".join(
        f"{sum(data.class_counts(split).values())} {split}" for split in ("train", "validation")
    )
    search = config.search
    return [
        ("study", context.study),
        ("data", f"{data.card.name}, {len(data.card.classes)} classes, {sizes}, {data.image_size} px"),
        ("data fingerprint", data.fingerprint),
        *(("about the data", note) for note in (*data.warnings, *data.notes)),
        ("splits", "splits.csv beside this report: --data.splits FILE uses the same again"),
        *_validation(context),
        ("unreadable images skipped", str(len(data.skipped))),
        ("model", f"{config.model.name}, " + (config.model.weights or "from scratch")),
        ("recipe", describe_recipe(context.recipe)),
        *length_facts(context),
        ("backgrounds", _chain(context)),
        ("arm", f"{context.proposer.name}" + (f" ({config.llm.model})" if config.llm.model else "")),
        (
            "seeds",
            f"search {_range(search.search_seeds)}; choice among several finalists "
            f"{_range(search.choice_seeds)}; test, fresh {_range(search.fresh_seeds)}",
        ),
        ("MLflow", f"experiment {context.tracking.experiment_id}, run {context.tracking.study_run}"),
    ]


def _validation(context: Context) -> list[tuple[str, str]]:
    """What the seeds are validated on, where that is not the validation split."""
    count, data = context.fold_count, context.data
    if count is None:
        return []
    images = sum(sum(data.class_counts(split).values()) for split in ("train", "validation"))
    again = "; with --data.splits, add --data.folds on"
    return [("validation", f"{describe_folds(count, images).removeprefix('folds: ')}{again}")]


def _range(seeds: Sequence[int]) -> str:
    return str(seeds[0]) if len(seeds) == 1 else f"{seeds[0]} to {seeds[-1]}"


def _chain(context: Context) -> str:
    """Whether proposals had backgrounds, and what made the images."""
    if context.backgrounds == "off":
        return "off"
    aga = context.config.aga
    kinds = (aga.detector.kind, aga.segmenter.kind, aga.caption.kind, aga.background.kind)
    mixing = ", ".join(f"{name} {value}" for name, value in aga.mixing.decisive().items())
    return f"{context.backgrounds}: {' → '.join(kinds)}; {mixing}"


def _line(record: IterationRecord) -> IterationLine:
    return IterationLine(
        name=record.name,
        policy=record.proposal.in_one_line(),
        mean=record.mean,
        std=record.std,
        gain=record.gain,
        interval=record.gain_interval,
        verdict=verdict(record),
        hypothesis=record.proposal.hypothesis,
        failures=tuple(f"seed {t.seed}: {t.reason}" for t in record.trials if t.status == "failed"),
    )


def _recall(
    classes: Sequence[str], scores: Mapping[str, TestScores], chosen: Candidate | None
) -> list[tuple[str, float | None, float | None]]:
    if chosen is None or chosen.name not in scores or REFERENCE not in scores:
        return []

    def mean(name: str, index: int) -> float | None:
        values = [r for recall in scores[name].per_class_recall.values() if (r := recall[index]) is not None]
        return sum(values) / len(values) if values else None

    return [(name, mean(REFERENCE, i), mean(chosen.name, i)) for i, name in enumerate(classes)]


def publish(context: Context, report: Report, chosen: Candidate | None) -> None:
    """Write the report to the study's folder and to MLflow, and its essence to the terminal."""
    tracking, folder = context.tracking, context.folder
    records = tracking.records()
    reference = next((r for r in records if r.name == REFERENCE), None)
    band = (reference.mean, noise_of(records) or 0.0) if reference and reference.mean is not None else None
    plot_search(report, folder / "search.png", band)
    write_markdown(report, folder / "report.md")
    tracking.log_file(tracking.study_run, folder / "search.png")
    tracking.log_file(tracking.study_run, folder / "report.md")
    tracking.log_leaderboard(
        [
            {
                "arm": c.name,
                "role": c.role,
                "policy": c.policy,
                "validation accuracy, search (%)": interval_percent(c.validation),
                "validation accuracy, fresh seeds (%)": interval_percent(c.fresh_validation),
                "test accuracy, fresh seeds (%)": interval_percent(c.test),
                "test macro-F1 (%)": interval_percent(c.macro_f1),
                "gain over seeds and images (points)": interval_points(
                    c.verdict.over_both if c.verdict else None
                ),
                "gain over seeds (points)": interval_points(c.verdict.over_seeds if c.verdict else None),
                "gain over images (points)": interval_points(c.verdict.over_images if c.verdict else None),
            }
            for c in report.comparisons
        ]
    )
    log_spending(context)
    winner = next((c for c in report.comparisons if c.role == "chosen"), None)
    if chosen is not None:
        policy = folder / "policy.json"
        policy.write_text(chosen.policy_json + "\n", encoding="utf-8")
        (folder / "policy.py").write_text(report.python or "", encoding="utf-8")
        tracking.log_file(tracking.study_run, policy)
        tracking.log_file(tracking.study_run, folder / "policy.py")
    tags = {
        "chosen": chosen.name if chosen else "",
        "verdict": winner.verdict.kind
        if winner and winner.verdict
        else "not tested"
        if winner
        else "no proposal",
        "sentence": report.sentence,
        "phase": "final",
        "cautions": "\n".join(report.cautions),
        **({"test_opened_before": report.earlier} if report.earlier else {}),
    }
    metrics = {}
    if winner is not None and winner.test is not None and winner.verdict is not None:
        metrics = {"test_accuracy": winner.test.mean, "test_gain": winner.verdict.over_seeds.mean}
    cautions = (f"Caution: {warning}" for warning in report.cautions)
    note = "\n\n".join(
        (
            f"**{markdown(report.sentence)}**",
            *map(markdown, cautions),
            "The full report is report.md among the artifacts.",
        )
    )
    tracking.log_study(metrics, tags=tags, note=note)
    context.terminal.final(
        [
            FinalRow(
                name=c.name,
                policy=c.policy,
                role=c.role,
                validation=c.validation,
                test=c.test,
                gain=c.verdict.over_both if c.verdict else None,
            )
            for c in report.comparisons
        ],
        "\n".join([report.sentence, *(f"On {shift.name}: {shift.sentence}" for shift in report.shifts)]),
        [
            ("report", str(folder / "report.md")),
            *([("policy as Python", str(folder / "policy.py"))] if chosen else []),
            ("all trials", f"agent ui --runs-dir {context.config.runs_dir}"),
        ],
        report.warnings,
    )
