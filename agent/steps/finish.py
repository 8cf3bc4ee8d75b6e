"""The end of a study: extra seeds for the best, one choice on validation, the test set opened once, the report.

The only code of the loop that asks for the test split.
"""

import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict

import numpy as np

from agent.context import REFERENCE, Context, describe_recipe
from agent.memory import Candidate
from agent.memory.history import IterationRecord
from agent.memory.ledger import describe
from agent.screen.tables import verdict
from agent.screen.terminal import FinalRow
from agent.steps.shifts import Shift, test_on
from agent.steps.trials import train_candidates
from evaluators.report.report import (
    Comparison,
    IterationLine,
    Report,
    ShiftTable,
    TestScores,
    compare,
    percent,
    plot_search,
    points,
    write_markdown,
)
from tools.policy.export import as_python

POLICY_ONLY, BACKGROUNDS_ONLY = "policy only", "backgrounds only"


def finish(context: Context, why_stopped: str) -> str:
    """Run the end of the study; the name of the chosen candidate, or '' where no proposal finished a trial."""
    finalists = context.finalists()
    contenders = [context.reference(), *context.baselines(), *finalists]
    _train_extra_seeds(context, contenders)
    validation = {c.name: context.accuracies(c, "final") for c in contenders}
    for contender in contenders:
        context.judge(contender, "final")
    chosen = choose(finalists, validation)
    tested = [c for c in contenders if (c not in finalists or c == chosen) and validation[c.name]]
    seeds = sorted({seed for c in tested for seed in validation[c.name]})
    train_candidates(context, tested, seeds, "final", "weights that an earlier study dropped", testable=True)
    if parts := ablations(chosen):
        train_candidates(context, parts, seeds, "final", "what each part of the choice does", testable=True)
        for part in parts:
            validation[part.name] = context.accuracies(part, "final")
            context.judge(part, "final")
        contenders += parts
        tested += [part for part in parts if validation[part.name]]
    scores = _open_test(context, tested, validation)
    test = context.data.open_test()
    comparisons = _compare(context, contenders, chosen, validation, scores, test.groups)
    shifts = [_shifted(context, shift, tested, chosen, validation) for shift in context.shifts]
    report = _report(context, comparisons, chosen, scores, why_stopped, shifts)
    _publish(context, report, chosen)
    context.prune_weights(tested)
    return chosen.name if chosen else ""


def choose(finalists: Sequence[Candidate], validation: Mapping[str, Mapping[int, float]]) -> Candidate | None:
    """The finalist with the best mean validation accuracy over the seeds that all finalists finished.

    Finalists are held against each other on equal seeds; the earlier one wins a tie. One that finished no seed is out.
    """
    running = [c for c in finalists if validation[c.name]]
    if not running:
        return None
    common = set.intersection(*(set(validation[c.name]) for c in running))

    def mean(candidate: Candidate) -> float:
        seeds = common or set(validation[candidate.name])
        return sum(validation[candidate.name][seed] for seed in seeds) / len(seeds)

    return max(running, key=mean)


def ablations(chosen: Candidate | None) -> list[Candidate]:
    """The chosen proposal's policy alone and its backgrounds alone, where it has both."""
    if chosen is None or not chosen.proposal.backgrounds:
        return []
    why = "A part of the chosen proposal, to see what it does alone."
    parts = {
        POLICY_ONLY: chosen.proposal.model_copy(update={"backgrounds": [], "hypothesis": why}),
        BACKGROUNDS_ONLY: chosen.proposal.model_copy(update={"policy": [], "hypothesis": why}),
    }
    return [Candidate(name, 0, chosen.arm, proposal) for name, proposal in parts.items()]


def _train_extra_seeds(context: Context, contenders: Sequence[Candidate]) -> None:
    """All contenders under the final seeds; one seed after the other where a budget may cut that short."""
    seeds = context.seeds(max(context.config.search.final_seeds, context.config.search.seeds))
    limited = any(value is not None for value in context.config.budget.model_dump().values())
    for chunk in [[seed] for seed in seeds] if limited else [seeds]:
        if cut := train_candidates(context, contenders, chunk, "final", "extra seeds for the best"):
            context.terminal.note(f"The finish is cut short: {cut}.")
            # What was trained before counts: it is found again without training.
            return


def _open_test(
    context: Context, candidates: Sequence[Candidate], validation: Mapping[str, Mapping[int, float]]
) -> dict[str, TestScores]:
    """Test scores of every candidate, under every seed that it finished."""
    specs = {
        c.name: [spec for spec in context.specs(c, sorted(validation[c.name])) if context.testable(spec.key)]
        for c in candidates
    }
    context.terminal.note("The choice is made on validation; the sealed test set is opened now.")
    context.tracking.log_study({}, tags={"test_opened": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())})
    wanted = [spec for group in specs.values() for spec in group]
    evaluated = context.executor.evaluate(wanted, "test")
    by_key = {spec.key: predictions for spec, predictions in zip(wanted, evaluated, strict=True)}
    scores = {}
    for candidate in candidates:
        found = {spec.seed: by_key[spec.key] for spec in specs[candidate.name]}
        scores[candidate.name] = TestScores.of(found)
        parent = context.tracking.open_candidate(candidate, "final")
        for spec in specs[candidate.name]:
            run = context.tracking.open_trial(parent, candidate, "final", spec.key, spec.seed)
            p = found[spec.seed]
            context.tracking.log_test(run, p.scores.accuracy, p.scores.macro_f1)
            context.tracking.log_json(run, asdict(p.scores), "test_scores.json")
            context.tracking.close_run(run)
        mean = scores[candidate.name]
        context.tracking.log_test(
            parent, float(np.mean(list(mean.accuracy.values()))), float(np.mean(list(mean.macro_f1.values())))
        )
        context.tracking.close_run(parent)
    return scores


def _compare(
    context: Context,
    contenders: Sequence[Candidate],
    chosen: Candidate | None,
    validation: Mapping[str, Mapping[int, float]],
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


def _report(
    context: Context,
    comparisons: Sequence[Comparison],
    chosen: Candidate | None,
    scores: Mapping[str, TestScores],
    why_stopped: str,
    shifts: Sequence[ShiftTable],
) -> Report:
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


def _sentence(comparisons: Sequence[Comparison]) -> str:
    winner = next((c for c in comparisons if c.role == "chosen"), None)
    if winner is None:
        return "No proposal finished a trial, so there is no policy to compare with no augmentation."
    if winner.verdict is None:
        return (
            "The reference finished no trial under a seed of the chosen policy, so nothing can be said of it."
        )
    return winner.verdict.sentence(f"The chosen policy ({winner.policy})")


def _shifted(
    context: Context,
    shift: Shift,
    tested: Sequence[Candidate],
    chosen: Candidate | None,
    validation: Mapping[str, Mapping[int, float]],
) -> ShiftTable:
    scores = test_on(context, shift, tested, validation)
    images = shift.data.open_test()
    comparisons = _compare(context, tested, chosen, validation, scores, images.groups)
    card = shift.data.card
    return ShiftTable(
        shift.name, card.title, len(images), shift.cautions, comparisons, _sentence(comparisons)
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
        *(("about the data", note) for note in data.notes),
        ("splits", "splits.csv beside this report: --data.splits FILE uses the same again"),
        ("unreadable images left out", str(len(data.skipped))),
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


def _publish(context: Context, report: Report, chosen: Candidate | None) -> None:
    """The report to the study's folder, to MLflow, and its gist to the terminal."""
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
                "validation accuracy (%)": percent(c.validation),
                "test accuracy (%)": percent(c.test),
                "test macro-F1 (%)": percent(c.macro_f1),
                "gain over seeds (points)": points(c.verdict.over_seeds if c.verdict else None),
                "gain over images (points)": points(c.verdict.over_images if c.verdict else None),
            }
            for c in report.comparisons
        ]
    )
    context.log_ledger()
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
        "mlflow.note.content": "\n\n".join(
            (
                f"**{report.sentence}**",
                *(f"Caution: {warning}" for warning in report.warnings),
                "All of it: report.md among the artifacts.",
            )
        ),
        "phase": "final",
    }
    metrics = {}
    if winner is not None and winner.test is not None and winner.verdict is not None:
        metrics = {"test_accuracy": winner.test.mean, "test_gain": winner.verdict.over_seeds.mean}
    tracking.log_study(metrics, tags=tags)
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
