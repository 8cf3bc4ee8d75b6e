"""What a study ends with: the comparison on the test set, the report, the policy as code, the words on the terminal."""

from collections.abc import Mapping, Sequence

from agent.context import Context
from agent.memory.candidate import REFERENCE, Candidate
from agent.memory.history import IterationRecord
from agent.memory.ledger import describe
from agent.screen.tables import verdict
from agent.screen.terminal import FinalRow
from agent.steps.choosing import BACKGROUNDS_ONLY, POLICY_ONLY
from agent.steps.judging import log_spending
from agent.steps.shifts import Shift
from agent.steps.testing import Validation
from evaluators.report.report import (
    Comparison,
    IterationLine,
    Report,
    ShiftTable,
    TestScores,
    compare,
    interval_percent,
    interval_points,
    plot_search,
    write_markdown,
)
from tools.policy.export import as_python
from tools.training.recipes import describe_recipe


def compare_all(
    contenders: Sequence[Candidate],
    chosen: Candidate | None,
    validation: Validation,
    scores: Mapping[str, TestScores],
    groups: Sequence[str],
) -> list[Comparison]:
    """Every contender against the reference; `groups` are those of the test images."""
    crossed = groups if len(set(groups)) < len(groups) else None

    def role(candidate: Candidate) -> str:
        if candidate.name == REFERENCE:
            return "reference"
        if candidate.name in (POLICY_ONLY, BACKGROUNDS_ONLY):
            return "ablation"
        if candidate.number == 0:
            return "baseline"
        return "chosen" if candidate == chosen else "finalist"

    return [
        compare(
            name=c.name,
            policy=c.proposal.in_one_line(),
            role=role(c),
            validation=validation[c.name],
            test=scores.get(c.name),
            reference=None if c.name == REFERENCE else scores.get(REFERENCE),
            groups=crossed,
        )
        for c in contenders
    ]


def build_report(
    context: Context,
    comparisons: Sequence[Comparison],
    chosen: Candidate | None,
    scores: Mapping[str, TestScores],
    why_stopped: str,
    shifts: Sequence[ShiftTable],
) -> Report:
    """Everything that the report says."""
    config, data = context.config, context.data
    test = data.open_test()
    records = sorted(context.tracking.records(), key=lambda r: r.number)
    return Report(
        study=context.study,
        title=f"{data.card.title}: augmentation for {config.model.name}",
        facts=_facts(context),
        warnings=data.card.warnings,
        iterations=[_line(r) for r in records if r.number > 0],
        comparisons=comparisons,
        sentence=_sentence(comparisons),
        why_stopped=why_stopped,
        ledger=describe(context.ledger.spent(), config.budget),
        python=as_python(chosen.proposal.as_policy(), data.image_size, len(data.card.classes))
        if chosen
        else None,
        recall=_recall(data.card.classes, scores, chosen),
        test_images=len(test.labels),
        test_groups=len(set(test.groups)),
        shifts=shifts,
    )


def shift_table(shift: Shift, comparisons: Sequence[Comparison]) -> ShiftTable:
    """The comparison on a shifted set, as a section of the report."""
    return ShiftTable(
        shift.name,
        shift.data.card.title,
        len(shift.data.open_test()),
        shift.cautions,
        comparisons,
        _sentence(comparisons),
    )


def _sentence(comparisons: Sequence[Comparison]) -> str:
    winner = next((c for c in comparisons if c.role == "chosen"), None)
    if winner is None:
        return "No proposal finished a trial, so there is no policy to compare with no augmentation."
    if winner.verdict is None:
        return (
            "The reference finished no trial under a seed of the chosen policy, so nothing can be said of it."
        )
    return winner.verdict.sentence(f"The chosen policy ({winner.policy})")


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
        ("unreadable images skipped", str(len(data.skipped))),
        ("model", f"{config.model.name}, " + (config.model.weights or "from scratch")),
        ("recipe", describe_recipe(context.recipe)),
        ("backgrounds", _chain(context)),
        ("arm", f"{context.proposer.name}" + (f" ({config.llm.model})" if config.llm.model else "")),
        (
            "seeds",
            f"{search.seeds} in the search, {search.final_seeds} at the end, counted from {search.seed}",
        ),
        ("MLflow", f"experiment {context.tracking.experiment_id}, run {context.tracking.study_run}"),
    ]


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
    reference = next((r for r in tracking.records() if r.name == REFERENCE), None)
    band = (reference.mean, reference.std or 0.0) if reference and reference.mean is not None else None
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
                "validation accuracy (%)": interval_percent(c.validation),
                "test accuracy (%)": interval_percent(c.test),
                "test macro-F1 (%)": interval_percent(c.macro_f1),
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
        "verdict": winner.verdict.kind if winner and winner.verdict else "no proposal",
        "sentence": report.sentence,
        "phase": "final",
    }
    metrics = {}
    if winner is not None and winner.test is not None and winner.verdict is not None:
        metrics = {"test_accuracy": winner.test.mean, "test_gain": winner.verdict.over_seeds.mean}
    cautions = (f"Caution: {warning}" for warning in report.warnings)
    note = "\n\n".join(
        (f"**{report.sentence}**", *cautions, "The full report is report.md among the artifacts.")
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
                gain=c.verdict.over_seeds if c.verdict else None,
            )
            for c in report.comparisons
        ],
        "\n".join([report.sentence, *(f"On {shift.name}: {shift.sentence}" for shift in report.shifts)]),
        [
            ("report", str(folder / "report.md")),
            ("policy as Python", str(folder / "policy.py")),
            ("all trials", f"agent ui --runs-dir {context.config.runs_dir}"),
        ],
        report.warnings,
    )
