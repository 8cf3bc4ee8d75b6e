"""What an arm is told where a table stands in for the trainings: the history of a study, made without one."""

from collections.abc import Mapping
from pathlib import Path

from agent.memory.candidate import REFERENCE
from agent.memory.history import History, IterationRecord, TrialRecord
from agent.memory.proposal import Proposal
from agent.settings.config import SearchConfig
from tools.datasets.types import Card, Modality
from tools.policy.named import DEFAULT
from tools.policy.policy import Policy


def history_of(
    modality: Modality,
    grey: bool,
    seed: int,
    operations: tuple[int, int] | None = None,
    reference: IterationRecord | None = None,
    default: IterationRecord | None = None,
) -> History:
    """A search that has not begun its first iteration; `dataclasses.replace` adds what it tries.

    Args:
        modality: kind of images, which decides what is safe for them.
        grey: whether the images have no colour.
        seed: of the search.
        operations: fewest and most of a policy; those of a study where None.
        reference: no augmentation.
        default: the default policy; None where the arm is not told of it.
    """
    least, most = operations or SearchConfig().operation_range
    return History(
        card=Card("table", "A table of trained policies", modality, "", ()),
        class_counts={},
        image_size=0,
        model="",
        recipe="",
        minimum_operations=least,
        maximum_operations=most,
        iteration=1,
        iterations=1,
        seed=seed,
        reference=reference,
        noise=None,
        baselines=() if default is None else (default,),
        past=(),
        cache=Path(),
        grey=grey,
    )


def record_of(
    policy: Policy,
    number: int,
    arm: str,
    scores: Mapping[int, float],
    losses: Mapping[int, float],
    name: str | None = None,
    hypothesis: str = "",
    cheap_gain: float | None = None,
    stopped: str = "",
) -> IterationRecord:
    """A candidate with its results.

    Args:
        policy: what was trained.
        number: of the iteration; 0 for no augmentation and the default.
        arm: who proposed it.
        scores: seed → accuracy on validation (0..1); empty where it was not trained in full.
        losses: seed → log loss on validation, of the same seeds.
        name: where it is not that of the iteration.
        hypothesis: of the proposal.
        cheap_gain: over the default by the cheap measure.
        stopped: why it was not trained under all seeds.
    """
    trials = tuple(
        TrialRecord(seed, "finished", score, loss=losses[seed], validation_loss=losses[seed])
        for seed, score in scores.items()
    )
    return IterationRecord(
        number=number,
        arm=arm,
        name=name or f"iteration {number}",
        proposal=Proposal(hypothesis=hypothesis, expected_gain=0.0, policy=policy.operations),
        trials=trials,
        mean=sum(scores.values()) / len(scores) if scores else None,
        std=None,
        gain=None,
        gain_interval=None,
        within_noise=None,
        cheap_gain=cheap_gain,
        stopped=stopped,
    )


def reference_of(scores: Mapping[int, float], losses: Mapping[int, float]) -> IterationRecord:
    """No augmentation, with its results."""
    return record_of(Policy(operations=[]), 0, "reference", scores, losses, REFERENCE)


def default_of(policy: Policy, scores: Mapping[int, float], losses: Mapping[int, float]) -> IterationRecord:
    """The default policy, with its results."""
    return record_of(policy, 0, "baseline", scores, losses, DEFAULT)
