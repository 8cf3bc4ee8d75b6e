"""What a study ends with: the comparison on the test set, the report, the words on the terminal and in MLflow."""

from collections.abc import Collection, Sequence
from dataclasses import replace
from datetime import datetime
from pathlib import Path

from agent.context import Context
from agent.memory.candidate import REFERENCE
from agent.memory.cheap_file import TAG
from agent.memory.ledger import describe
from agent.memory.views import view_address
from agent.reports.backgrounds import backgrounds_section
from agent.reports.files import write_files
from agent.reports.origin import commands, versions
from agent.reports.other_starts import start_lines
from agent.reports.progress import iteration_lines, simple_lines, spending
from agent.screen.terminal import FinalRow
from agent.steps.finish.choosing import Choice
from agent.steps.finish.comparing import Finish, compare_all, named, sentence_of, versus
from agent.steps.finish.handing_over import about, backgrounds_command, hand_over, policy_as_python
from agent.steps.finish.judging import log_spending
from agent.steps.length.report import length_facts, length_section
from evaluators.report.class_gains import class_gains, confusion_of
from evaluators.report.comparison import Comparison
from evaluators.report.report import Report, interval_percent, interval_points
from evaluators.report.sections import Backgrounds, ClassGain, Confusion, Picture
from prompts import template_hash
from tools.datasets.seed_folds import describe_folds
from tools.errors import AugurError
from tools.text import markdown, one_line
from tools.training.recipes import describe_recipe


def build_report(context: Context, finish: Finish) -> Report:
    """Everything that the report says."""
    config, data, choice = context.config, context.data, finish.choice
    # Only an opened test set is read here; the number of its images is no secret.
    opened = finish.scores is not None
    groups = data.open_test().groups if opened else []
    scores = finish.scores or {}
    records = sorted(context.tracking.records(), key=lambda r: r.number)
    iterations, spent = iteration_lines(records, context.folder), context.ledger.spent()
    sentence = sentence_of(finish, scores, groups, bool(iterations), opened)
    recommended, found = choice.recommended, choice.recommendation
    lines = about(context, recommended, sentence, _tested(finish))
    report = Report(
        study=context.study,
        title=f"{data.card.title}: augmentation for {config.model.title}",
        facts=_facts(context),
        warnings=data.card.warnings,
        iterations=iterations,
        comparisons=compare_all(context, finish, scores, groups),
        sentence=sentence,
        why_stopped=finish.why_stopped,
        ledger=describe(spent, config.budget),
        python=policy_as_python(context, recommended, lines) if found else "",
        classes=_classes(context, finish, groups),
        several_labels=data.card.several_labels,
        shown_candidate=_shown(finish) if data.card.several_labels else "",
        confusions=_confusions(context, finish),
        test_images=data.size("test"),
        test_groups=len(set(groups)) or data.size("test"),
        shifts=finish.shifts,
        opened=opened,
        earlier=finish.earlier,
        notes=[note for note in (choice.note, *finish.fresh.notes) if note],
        versus=versus(finish, scores, groups),
        metric=config.search.metric,
        recommended=named(recommended).title,
        reason=_reason(choice),
        measure=found.measure.replace("metric", context.terminal.score) if found else "",
        backgrounds=backgrounds_command(context, recommended),
        length=length_section(context),
        written=f"{datetime.now():%d %B %Y, %H:%M}",
        simple=simple_lines(records),
        spending=spending(spent),
        made=_backgrounds(context, finish),
        commands=commands(context.study, context.folder, config.runs_dir, bool(recommended.proposal.policy)),
        origin=list(dict([*versions(), *context.machines[0].items(), ("prompts", template_hash())]).items()),
    )
    return replace(report, starts=start_lines(report, config.runs_dir)) if opened else report


def _tested(finish: Finish) -> Collection[int]:
    """The seeds under which what is recommended was tested."""
    scores = (finish.scores or {}).get(finish.choice.recommended.name)
    return [] if scores is None else scores.accuracy.keys()


def _kind(context: Context) -> str:
    return "labels (an image may have several)" if context.data.card.several_labels else "classes"


def _reason(choice: Choice) -> str:
    """Why the recommended is recommended; empty where there was no choice."""
    if choice.recommendation is None:
        return ""
    chance = (
        "validation does not show that anything was learnt, so that all its differences rest on chance; "
        if choice.unlearnt
        else ""
    )
    return f"{chance}{choice.recommendation.reason}"


def _facts(context: Context) -> list[tuple[str, str]]:
    config, data = context.config, context.data
    sizes = ", ".join(f"{data.size(split)} {split}" for split in ("train", "validation"))
    search = config.search
    return [
        ("study", context.study),
        (
            "data",
            f"{data.card.name}, {len(data.card.classes)} {_kind(context)}, {sizes}, {data.image_size} px",
        ),
        ("data fingerprint", data.fingerprint),
        *(("about the data", note) for note in (*data.warnings, *data.notes)),
        ("splits", "splits.csv beside this report: --data.splits FILE uses the same again"),
        *_validation(context),
        ("unreadable images skipped", str(len(data.skipped))),
        ("model", f"{config.model.title}, {config.model.start}"),
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
    images = sum(data.size(split) for split in ("train", "validation"))
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


def _groups(groups: Sequence[str]) -> Sequence[str] | None:
    """None where every image is its own."""
    return groups if len(set(groups)) < len(groups) else None


def _classes(context: Context, finish: Finish, groups: Sequence[str]) -> list[ClassGain]:
    """By class, of what is recommended, else of the proposal that was tested."""
    scores, shown = finish.scores or {}, _shown(finish)
    if REFERENCE not in scores or shown not in scores or shown == REFERENCE:
        return []
    return class_gains(scores[shown], scores[REFERENCE], context.data.card.classes, _groups(groups))


def _shown(finish: Finish) -> str:
    """Whose images and classes the report shows beside those of no augmentation."""
    recommended, proposal = finish.choice.recommended, finish.choice.proposal
    return proposal.name if recommended.name == REFERENCE and proposal else recommended.name


def _confusions(context: Context, finish: Finish) -> list[Confusion]:
    scores = finish.scores or {}
    names = dict.fromkeys(name for name in (REFERENCE, _shown(finish)) if name in scores)
    found = (confusion_of(name, scores[name], context.data.card.classes) for name in names)
    return [each for each in found if each is not None]


def _backgrounds(context: Context, finish: Finish) -> Backgrounds | None:
    """Of the proposal that was tested."""
    proposal = finish.choice.proposal
    if proposal is None or proposal.proposal.prompts is None:
        return None
    records = context.tracking.records()
    said = next((record.generated for record in records if record.name == proposal.name), "")
    try:
        made = context.synthesis.set_of(proposal.proposal.prompts)
    except AugurError:  # nothing was trained on them, or they were removed since
        made = None
    return backgrounds_section(
        proposal, made, said, context.folder, context.synthesis.root, context.config.aga
    )


def publish(context: Context, report: Report, finish: Finish) -> None:
    """Write the report to the study's folder and to MLflow, and its essence to the terminal."""
    folder, recommended = context.folder, finish.choice.recommended
    context.tracking.log_leaderboard([_row(report, each) for each in report.comparisons])
    log_spending(context)
    lines = about(context, recommended, report.sentence, _tested(finish))
    files = hand_over(context, recommended, lines, report.python) if finish.choice.recommendation else []
    report = replace(report, pictures=_pictures(context, recommended.proposal.in_one_line(), files))
    page = write_files(report, folder, context.tracking)
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
            ("report", str(page)),
            *((what, str(where)) for what, where in files),
            *([("its images", report.backgrounds)] if report.backgrounds else []),
            ("all trials", _where_trials_are(context)),
        ],
        [*([report.price] if report.price else []), *report.warnings],
        [f"On {shift.name}: {shift.sentence}" for shift in report.shifts],
    )


def _where_trials_are(context: Context) -> str:
    """The address of the study's table on a server, else the command that serves it."""
    tracking = context.tracking
    if tracking.address.kind == "server" and tracking.address.bare:
        return view_address(tracking.address.bare, tracking.experiment_id, tracking.study_run)
    return f"agent ui --runs-dir {context.config.runs_dir}"


def _pictures(context: Context, policy: str, files: Sequence[tuple[str, Path]]) -> list[Picture]:
    """What is recommended, on the user's own images."""
    words = f"Training images in the first row, and below them what the recommended policy makes of them: {policy}"
    return [
        Picture(str(file.relative_to(context.folder)), one_line(words), one_line(f"Contact sheet. {words}"))
        for what, file in files
        if what == "picture of it"
    ]


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
        f"test {report.second} (%)": interval_percent(c.second),
        "gain over default (points)": interval_points(c.over_default.over_both if c.over_default else None),
        "gain over seeds and images (points)": interval_points(over.over_both if over else None),
        "gain over seeds (points)": interval_points(over.over_seeds if over else None),
        "gain over images (points)": interval_points(over.over_images if over else None),
    }


def _log_result(context: Context, report: Report, choice: Choice) -> None:
    """Tags, metrics and the note of the study's run."""
    winner = next((c for c in report.comparisons if c.recommended), None)
    tags = {
        "recommended": choice.recommended.name if choice.recommendation else "",
        "best_proposal": choice.proposal.name if choice.proposal else "",
        "verdict": _word(winner, report) if winner else "not tested",
        "sentence": report.sentence,
        "phase": "final",
        "cautions": "\n".join(report.cautions),
        **({"test_opened_before": report.earlier} if report.earlier else {}),
    }
    metrics = {}
    if winner and winner.test is not None:
        metrics[f"test_{report.metric}"] = winner.test.mean
    if winner and winner.verdict is not None:
        metrics["test_gain"] = winner.verdict.over_seeds.mean
        both = winner.verdict.over_both
        bounds = {"test_gain_low": both.low, "test_gain_high": both.high}
        metrics |= {name: value for name, value in bounds.items() if value is not None}
    if winner and winner.over_default is not None:
        metrics["test_gain_over_default"] = winner.over_default.over_seeds.mean
    cautions = (f"Caution: {warning}" for warning in report.cautions)
    note = "\n\n".join(
        (
            f"**{markdown(report.sentence)}**",
            *map(markdown, cautions),
            "The full report is report.html among the artifacts.",
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
