"""What a study ends with: the comparison on the test set, the report, the words on the terminal and in MLflow."""

from collections.abc import Mapping, Sequence

from agent.context import Context
from agent.memory.candidate import REFERENCE, Candidate
from agent.memory.history import IterationRecord, noise_of
from agent.memory.ledger import describe
from agent.screen.tables import verdict
from agent.screen.terminal import FinalRow
from agent.steps.cheap import TAG
from agent.steps.choosing import Choice
from agent.steps.comparing import Finish, compare_all, named, sentence_of, versus
from agent.steps.handing_over import about, backgrounds_command, hand_over, policy_as_python
from agent.steps.judging import log_spending
from agent.steps.length_report import length_facts, length_section
from evaluators.report.comparison import Comparison, TestScores
from evaluators.report.report import (
    IterationLine,
    Report,
    interval_percent,
    interval_points,
    plot_search,
    write_markdown,
)
from tools.datasets.seed_folds import describe_folds
from tools.policy.named import DEFAULT
from tools.text import markdown
from tools.training.recipes import describe_recipe


def build_report(context: Context, finish: Finish) -> Report:
    """Everything that the report says."""
    config, data, choice = context.config, context.data, finish.choice
    # Only an opened test set is read here; the number of its images is no secret.
    opened = finish.scores is not None
    groups = data.open_test().groups if opened else []
    scores = finish.scores or {}
    records = sorted(context.tracking.records(), key=lambda r: r.number)
    iterations = [_line(r, records) for r in records if r.number > 0]
    sentence = sentence_of(finish, scores, groups, bool(iterations), opened)
    recommended, found = choice.recommended, choice.recommendation
    return Report(
        study=context.study,
        title=f"{data.card.title}: augmentation for {config.model.name}",
        facts=_facts(context),
        warnings=data.card.warnings,
        iterations=iterations,
        comparisons=compare_all(context, finish, scores, groups),
        sentence=sentence,
        why_stopped=finish.why_stopped,
        ledger=describe(context.ledger.spent(), config.budget),
        python=policy_as_python(context, recommended, about(context, recommended, sentence)),
        recall=_recall(data.card.classes, scores, recommended),
        test_images=sum(data.class_counts("test").values()),
        test_groups=len(set(groups)) or sum(data.class_counts("test").values()),
        shifts=finish.shifts,
        opened=opened,
        earlier=finish.earlier,
        notes=[note for note in (choice.note, *finish.fresh.notes) if note],
        versus=versus(finish, scores, groups),
        metric=config.search.metric,
        recommended=named(recommended).title,
        reason=found.reason if found else "",
        measure=found.measure.replace("metric", context.terminal.score) if found else "",
        backgrounds=backgrounds_command(context, recommended),
        length=length_section(context),
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
        *((("cheap measure", said),) if (said := context.tracking.study_tags().get(TAG)) else ()),
        (
            "seeds",
            f"search {_range(search.search_seeds)}; choice "
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


def _line(record: IterationRecord, records: Sequence[IterationRecord]) -> IterationLine:
    return IterationLine(
        name=record.name,
        policy=record.proposal.in_one_line(),
        mean=record.mean,
        std=record.std,
        over_default=record.gain_over_default,
        interval_over_default=record.interval_over_default,
        gain=record.gain,
        interval=record.gain_interval,
        verdict=verdict(record, records),
        hypothesis=record.proposal.hypothesis,
        failures=tuple(f"seed {t.seed}: {t.reason}" for t in record.trials if t.status == "failed"),
    )


def _recall(
    classes: Sequence[str], scores: Mapping[str, TestScores], recommended: Candidate
) -> list[tuple[str, float | None, float | None]]:
    if recommended.name == REFERENCE or recommended.name not in scores or REFERENCE not in scores:
        return []

    def mean(name: str, index: int) -> float | None:
        values = [r for recall in scores[name].per_class_recall.values() if (r := recall[index]) is not None]
        return sum(values) / len(values) if values else None

    return [(name, mean(REFERENCE, i), mean(recommended.name, i)) for i, name in enumerate(classes)]


def publish(context: Context, report: Report, finish: Finish) -> None:
    """Write the report to the study's folder and to MLflow, and its essence to the terminal."""
    folder, recommended = context.folder, finish.choice.recommended
    _plot(context, report)
    write_markdown(report, folder / "report.md")
    for name in ("search.png", "report.md"):
        context.tracking.log_file(context.tracking.study_run, folder / name)
    context.tracking.log_leaderboard([_row(report, each) for each in report.comparisons])
    log_spending(context)
    files = hand_over(context, recommended, about(context, recommended, report.sentence), report.python)
    _log_result(context, report, finish.choice)
    context.terminal.final(
        [
            FinalRow(
                name=c.name,
                policy=c.policy,
                role="recommended" if c.recommended else c.role,
                validation=c.validation,
                test=c.test,
                gain=c.verdict.over_both if c.verdict else None,
                over_default=c.over_default.over_both if c.over_default else None,
            )
            for c in report.comparisons
        ],
        report.sentence,
        [
            ("report", str(folder / "report.md")),
            *((what, str(where)) for what, where in files),
            *([("its images", report.backgrounds)] if report.backgrounds else []),
            ("all trials", f"agent ui --runs-dir {context.config.runs_dir}"),
        ],
        report.warnings,
        [f"On {shift.name}: {shift.sentence}" for shift in report.shifts],
    )


def _plot(context: Context, report: Report) -> None:
    records = context.tracking.records()
    reference = next((r for r in records if r.name == REFERENCE), None)
    default = next((r for r in records if r.number == 0 and r.name == DEFAULT), None)
    band = (reference.mean, noise_of(records) or 0.0) if reference and reference.mean is not None else None
    plot_search(report, context.folder / "search.png", band, default.mean if default else None)


def _row(report: Report, comparison: Comparison) -> dict[str, str]:
    """One row of the leaderboard in MLflow."""
    c, over = comparison, comparison.verdict
    return {
        "arm": c.name,
        "role": c.role,
        "recommended": "yes" if c.recommended else "",
        "policy": c.policy,
        f"validation {report.score}, search (%)": interval_percent(c.validation),
        f"validation {report.score}, fresh seeds (%)": interval_percent(c.fresh_validation),
        f"test {report.score}, fresh seeds (%)": interval_percent(c.test),
        **({} if report.metric == "accuracy" else {"test accuracy (%)": interval_percent(c.accuracy)}),
        "test macro-F1 (%)": interval_percent(c.macro_f1),
        "gain over default (points)": interval_points(c.over_default.over_both if c.over_default else None),
        "gain over seeds and images (points)": interval_points(over.over_both if over else None),
        "gain over seeds (points)": interval_points(over.over_seeds if over else None),
        "gain over images (points)": interval_points(over.over_images if over else None),
    }


def _log_result(context: Context, report: Report, choice: Choice) -> None:
    """Tags, metrics and the note of the study's run."""
    winner = next(c for c in report.comparisons if c.recommended)
    tags = {
        "recommended": choice.recommended.name if choice.recommendation else "",
        "best_proposal": choice.proposal.name if choice.proposal else "",
        "verdict": _word(winner, report),
        "sentence": report.sentence,
        "phase": "final",
        "cautions": "\n".join(report.cautions),
        **({"test_opened_before": report.earlier} if report.earlier else {}),
    }
    metrics = {}
    if winner.test is not None:
        metrics[f"test_{report.metric}"] = winner.test.mean
    if winner.verdict is not None:
        metrics["test_gain"] = winner.verdict.over_seeds.mean
    if winner.over_default is not None:
        metrics["test_gain_over_default"] = winner.over_default.over_seeds.mean
    cautions = (f"Caution: {warning}" for warning in report.cautions)
    note = "\n\n".join(
        (
            f"**{markdown(report.sentence)}**",
            *map(markdown, cautions),
            "The full report is report.md among the artifacts.",
        )
    )
    context.tracking.log_study(metrics, tags=tags, note=note)


def _word(winner: Comparison, report: Report) -> str:
    """What the test says of the recommended against no augmentation."""
    if not report.opened or winner.test is None:
        return "not tested"
    if winner.role == "reference":
        return "no augmentation"
    return winner.verdict.kind if winner.verdict else "not tested"
