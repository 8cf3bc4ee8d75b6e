"""The leading contenders at another length: twice, where they are unfinished, or half, where they over-train.

Each becomes one more contender, with a name of its own, under the seeds of the search. It is done where the study has
found its length, and so no augmentation and the default policy have theirs; `search.second_lengths` says otherwise.
"""

from collections.abc import Sequence
from dataclasses import replace

from agent.context import Context
from agent.memory.candidate import REFERENCE, Candidate
from agent.memory.proposal import LENGTHS
from agent.steps.finish.contenders import chosen_by, phases_of
from agent.steps.finish.judging import judge, training_of
from agent.steps.finish.room import has_room
from agent.steps.trials import recipe_of, train_candidates, trial_spec
from evaluators.length import times
from evaluators.length_costs import second_lengths
from tools.disk import disk_errors_explained

_STATES = {"unfinished": "is not finished", "over-trained": "over-trains"}


def is_wanted(context: Context) -> bool:
    """Whether this study does it."""
    wanted = context.config.search.second_lengths
    return wanted == "on" or (wanted == "auto" and context.lengths is not None and context.lengths.found)


def with_length(candidate: Candidate, epochs: int, times_as_long: int) -> Candidate:
    """A contender at another length.

    Args:
        candidate: as it was.
        epochs: of the other.
        times_as_long: as many times as the study's length; 0 where it is none of `LENGTHS`.
    """
    proposal = candidate.proposal
    if times_as_long:
        proposal = proposal.model_copy(update={"length": times_as_long})
    return replace(candidate, name=f"{candidate.name}, {times(epochs)}", proposal=proposal, epochs=epochs)


def try_second_lengths(
    context: Context, candidates: Sequence[Candidate], order: Sequence[str]
) -> list[Candidate]:
    """Train the two leading contenders at another length, where they need it and the budget has room.

    Args:
        context: of the study.
        candidates: everything that may be recommended.
        order: names, best first. No augmentation has a length of its own and is passed over.

    Returns:
        Those with a finished trial. Called again, it finds the same.
    """
    if not is_wanted(context):
        return []
    by_name = {each.name: each for each in candidates}
    leading = [
        (name, training.state, recipe_of(context, by_name[name]).epochs)
        for name in order
        if name != REFERENCE and (training := training_of(context, name, phases_of(by_name[name])))
    ]
    room, states = _Room(context, by_name), {name: state for name, state, _ in leading}
    variants = []
    for name, epochs in second_lengths(leading, room):
        variant = _variant(context, by_name[name], epochs)
        if variant is None or any(_alike(context, variant, each) for each in candidates):
            continue
        now = times(recipe_of(context, by_name[name]).epochs)
        context.terminal.note(f"{name} {_STATES[states[name]]} after {now}: it is also trained for {epochs}.")
        variants.append(variant)
    if not variants:
        return []
    train_candidates(context, variants, context.config.search.search_seeds, "choice", "another length")
    for variant in variants:
        judge(context, variant, "choice")
        _drop_weights(context, variant)
    return [each for each in variants if chosen_by(context, each)]


def _variant(context: Context, candidate: Candidate, epochs: int) -> Candidate | None:
    """None where it would be longer than a proposal may ask for."""
    times_as_long, rest = divmod(epochs, context.recipe.epochs)
    if times_as_long > max(LENGTHS):
        return None
    if candidate.proposal.changes:
        policy = candidate.proposal.as_policy().stretched(epochs / recipe_of(context, candidate).epochs)
        by_epoch = {"policy": policy.operations, "changes": policy.changes}
        candidate = replace(candidate, proposal=candidate.proposal.model_copy(update=by_epoch))
    return with_length(candidate, epochs, times_as_long if not rest and times_as_long in LENGTHS else 0)


def _alike(context: Context, one: Candidate, other: Candidate) -> bool:
    """Whether the two are trained alike."""
    seed = context.config.search.seed
    return trial_spec(context, one, seed).key == trial_spec(context, other, seed).key


def _drop_weights(context: Context, candidate: Candidate) -> None:
    """Only fresh seeds are tested."""
    with disk_errors_explained(context.store.root):
        for seed in context.config.search.search_seeds:
            context.store.drop_weights(trial_spec(context, candidate, seed).key)


class _Room:
    """Whether the budget leaves room for one contender more, after the test of what is recommended.

    What an earlier session has begun was admitted; what is left of it is counted before others are.
    """

    def __init__(self, context: Context, by_name: dict[str, Candidate]) -> None:
        self._context, self._by_name = context, by_name
        self._waiting: list[int] = []
        """Epochs of each training of those that were admitted, as far as it has not ended."""
        self._longest = 0

    def __call__(self, name: str, epochs: int) -> bool:
        context, ledger = self._context, self._context.ledger
        variant = _variant(context, self._by_name[name], epochs)
        if variant is None:  # it is not trained
            return True
        keys = [trial_spec(context, variant, seed).key for seed in context.config.search.search_seeds]
        waiting = [*self._waiting, *(epochs for key in keys if not ledger.has_ended(key))]
        begun = any(ledger.knows(key) for key in keys)
        if not begun and not has_room(context, waiting, self._longest):
            return False
        self._waiting, self._longest = waiting, max(self._longest, epochs)
        return True
