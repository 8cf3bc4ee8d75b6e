"""The phase `length`: how long the study trains is found, with no augmentation and the default policy, or checked.

Every length is a training of its own with the study's schedule: a cool-down from a shared trunk is cheaper, but it
scores differently at short lengths (docs/length.md). What a length comes to is kept with its trials, so that the phase,
when it is killed, resumes where it was; its outcome is written down once.
"""

from dataclasses import asdict

from agent.context import Context
from agent.memory.length_file import NAME, Lengths, write_lengths
from agent.steps.length.phase import Phase
from agent.steps.length.plan import costs_of
from agent.steps.length.report import PLOT, section_of
from evaluators.length import too_short
from evaluators.report.lengths import plot_lengths

CHECK_SHARE = 0.1
"""Of a study's training images, for checking a length that was given, unless it is asked for."""


def find_length(context: Context) -> str | None:
    """Find how long the study trains, unless it was given or found before; why a limit cut it short, or None."""
    if context.config.training.epochs != "auto" or context.lengths is not None:
        return None
    phase = Phase(context)
    cut = phase.run()
    lengths = phase.outcome(cut)
    if phase.warning:
        context.terminal.warn(phase.warning)
    _settle(context, lengths)
    return cut


def check_length(context: Context, spent: int) -> str | None:
    """Say whether a length that was given is too short for augmentation; why a limit cut that short, or None.

    Args:
        context: of the study, whose reference and baselines are trained.
        spent: training images of these. Not those of the ledger, which has the check's own where it was killed.
    """
    config = context.config
    epochs, wanted = context.recipe.epochs, config.search.check_length
    if config.training.epochs == "auto" or context.lengths is not None or wanted == "off":
        return None
    phase = Phase(context, seeds=[context.config.search.seed])
    extra = 2 * 2 * epochs * phase.images
    own = config.data.dataset == "folder" and config.training.epochs is not None
    if wanted == "auto" and not (own and extra <= CHECK_SHARE * costs_of(context).study(epochs)):
        return None
    if not costs_of(context).fits(epochs, spent + extra):
        context.terminal.note("The budget leaves no room for a look at twice the length.")
        return None
    cut = phase.train_at(epochs) or phase.train_at(2 * epochs)
    none, default = phase.curves()
    if not cut and len(default.points) == 2 and none.points:
        _settle(context, phase.recorded(epochs, epochs, too_short(none, default), found=False))
    return cut


def _settle(context: Context, lengths: Lengths) -> None:
    """Write the outcome down, tell it, and train by it from now on.

    The study's own file comes last: where it is there, the rest is.
    """
    tracking = context.tracking
    tracking.log_json(tracking.study_run, asdict(lengths), NAME)
    for tried in lengths.tried:
        name = tried.arm.replace(" ", "_")
        tracking.log_study(
            {f"length_{name}_score": tried.score, f"length_{name}_loss": tried.loss}, step=tried.epochs
        )
    tracking.log_study(
        {"epochs": float(lengths.epochs), "reference_epochs": float(lengths.reference)},
        tags={"length": lengths.sentence},
    )
    if lengths.tried:
        plot = context.folder / PLOT
        section = section_of(lengths, context.config.search.metric)
        plot_lengths(section, plot, lengths.epochs, lengths.reference)
        tracking.log_file(tracking.study_run, plot)
    write_lengths(context.folder, lengths)
    context.lengths = lengths
    context.recipe = context.recipe.model_copy(update={"epochs": lengths.epochs})
    context.terminal.lengths(lengths, context.config.search.metric)
