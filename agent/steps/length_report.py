"""What the report says of the length of training."""

from agent.context import Context
from agent.memory.candidate import REFERENCE
from agent.memory.length_file import Lengths
from agent.screen.lengths import cost_line
from evaluators.length import times, within_schedule
from evaluators.report.lengths import LengthLine, LengthSection
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


def length_facts(context: Context) -> list[tuple[str, str]]:
    """(name, value) lines: the lengths that were found, or how no augmentation did within the one that was given."""
    lengths = context.lengths
    if lengths is not None and lengths.found:
        own = f"; no augmentation: {times(lengths.reference)}, its own best length"
        return [("length of training", f"{times(lengths.epochs)}, found first{own}")]
    results = context.tracking.trial_results(REFERENCE, "reference").values()
    curve = within_schedule(
        [[epoch.validation_accuracy for epoch in result.epochs] for result in results if result.scores]
    )
    given = [("length of training", f"{times(context.recipe.epochs)}, the same for all")]
    return [*given, *([("no augmentation at its best length", curve.sentence())] if curve else [])]
