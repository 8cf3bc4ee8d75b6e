"""What the report says of the length of training."""

from agent.context import Context
from agent.memory.candidate import REFERENCE
from agent.memory.length_file import Lengths
from agent.screen.lengths import cost_line
from evaluators.given_length import WithinSchedule, within_given, within_schedule
from evaluators.length import times
from evaluators.report.lengths import LengthLine, LengthSection
from tools.policy.named import DEFAULT
from tools.training.metrics import Metric, metric_title

PLOT = "length.png"
"""In the study's folder."""


def section_of(lengths: Lengths, metric: Metric) -> LengthSection:
    """What the report says of the length."""
    return LengthSection(
        sentence=lengths.sentence,
        measure=metric_title(metric),
        default=lengths.default,
        seeds=lengths.seeds,
        lines=[
            LengthLine(each.arm, each.epochs, each.steps, each.score, each.loss) for each in lengths.tried
        ],
        cost=cost_line(lengths),
        plot=PLOT if lengths.tried else "",
    )


def length_section(context: Context) -> LengthSection | None:
    """What the report says of the length; None where it was given and not looked into."""
    lengths = context.lengths
    return None if lengths is None else section_of(lengths, context.config.search.metric)


def tell_given(context: Context) -> None:
    """What the trainings so far say of a length that was given, where no other was tried."""
    if context.lengths is None:
        curves = (_within_schedule(context, name) for name in (REFERENCE, DEFAULT))
        context.terminal.note(f"length: {within_given(context.recipe.epochs, *curves)}")


def _within_schedule(context: Context, name: str) -> WithinSchedule | None:
    results = context.tracking.trial_results(name, "reference").values()
    return within_schedule(
        [[epoch.validation_accuracy for epoch in result.epochs] for result in results if result.scores]
    )


def length_facts(context: Context) -> list[tuple[str, str]]:
    """(name, value) lines: the lengths that were found, or how no augmentation did within the one that was given."""
    lengths = context.lengths
    if lengths is not None and lengths.found:
        own = ", the same for no augmentation"
        if lengths.reference != lengths.epochs:
            own = f"; no augmentation: {times(lengths.reference)}, its own best length"
        return [("length of training", f"{times(lengths.epochs)}, found first{own}")]
    curve = _within_schedule(context, REFERENCE)
    given = [("length of training", f"{times(context.recipe.epochs)}, the same for all")]
    return [*given, *([("no augmentation at its best length", curve.sentence())] if curve else [])]
