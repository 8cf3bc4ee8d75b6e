"""The explanation in the finish of a study, by `report.explain`."""

from collections.abc import Iterator

from agent.context import Context
from agent.explanation.pair import Arm, choose_pair
from agent.memory.candidate import Candidate
from agent.steps.finish.choosing import Choice
from agent.steps.finish.testing import Fresh
from agent.steps.trials import is_testable, trial_spec
from tools.errors import AugurError
from tools.training.config import TrialSpec

NO_LABEL_SETS = (
    "agent explain is for images of one class each. Where an image may have several labels, the report has the AUROC "
    "and average precision of each label, and agent evaluate the scores of each."
)
_SHARE = 0.05
"""Of the time that the study trained: as long may explanations take with 'auto'."""


def explain_finish(context: Context, choice: Choice, fresh: Fresh) -> None:
    """Explain what is recommended, once the test set is open. What goes wrong is told, and loses no result."""
    how = context.config.report.explain
    if how == "off" or not fresh.tested:
        return
    if context.data.card.several_labels:
        context.terminal.note(f"Nothing is explained: {NO_LABEL_SETS}")
        return
    from agent.explanation.running import explain  # imports torch: not before the first trial is trained
    from agent.explanation.work import Options

    seconds = _SHARE * context.ledger.spent().training_seconds if how == "auto" else None
    others = [each.name for each in (choice.proposal, choice.rival) if each is not None]
    arms = [Arm(each, dict(_specs(context, each, fresh))) for each in fresh.tested]
    if len(arms) < 2:
        return
    try:
        pair = choose_pair(arms, choice.recommended.name, others)
        found = explain(context, pair, Options(seconds=seconds))
    except AugurError as fault:
        context.terminal.warn(f"The result could not be explained: {fault}")
        return
    for note in found.notes:
        context.terminal.note(note)


def _specs(context: Context, candidate: Candidate, fresh: Fresh) -> Iterator[tuple[int, TrialSpec]]:
    for seed in sorted(fresh.validation[candidate.name]):
        spec = trial_spec(context, candidate, seed)
        if is_testable(context, spec.key):
            yield seed, spec
