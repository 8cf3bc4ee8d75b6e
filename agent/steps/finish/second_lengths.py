"""The leading contenders at another length: twice, where they are unfinished, or half, where they over-train.

Each becomes one more contender, with a name of its own, under the seeds of the search. It is done where the study has
found its length, and so no augmentation and the default policy have theirs; `search.second_lengths` says otherwise.
"""

from collections.abc import Sequence
from dataclasses import replace
from math import ceil

from agent.context import Context
from agent.memory.candidate import REFERENCE, Candidate
from agent.memory.proposal import LENGTHS
from agent.steps.finish.contenders import chosen_by, phases_of
from agent.steps.finish.judging import judge, training_of
from agent.steps.finish_plan import plan_finish, room_for_trials
from agent.steps.speed import samples_allowed
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
    """Whether the budget leaves room for one contender more, after the test of what is recommended."""

    def __init__(self, context: Context, by_name: dict[str, Candidate]) -> None:
        self._context, self._by_name = context, by_name
        self._admitted: list[int] = []
        """Epochs of those that were admitted in this session and are not trained yet."""

    def __call__(self, name: str, epochs: int) -> bool:
        context, search = self._context, self._context.config.search
        budget, spent = context.config.budget.of_training, context.ledger.spent()
        if not budget.is_limited:
            return True
        variant = _variant(context, self._by_name[name], epochs)
        if variant is not None and any(
            context.ledger.knows(trial_spec(context, variant, seed).key) for seed in search.search_seeds
        ):
            return True  # an earlier session has begun it
        wanted = [*self._admitted, epochs]
        least, fresh, usual = plan_finish(search).least, search.final_seeds, context.recipe.epochs
        if budget.trials is not None and spent.trials + search.seeds * len(wanted) + least > budget.trials:
            return False
        allowed = samples_allowed(context)
        if allowed is not None:
            images = context.data.size("train")
            test = (least - fresh) * usual + fresh * max(usual, *wanted)
            if spent.samples + images * (search.seeds * sum(wanted) + test) > allowed:
                return False
        elif (left := room_for_trials(spent, budget)) is not None:
            taken = sum(search.seeds * max(1, ceil(each / usual)) for each in wanted)
            if taken + least + fresh * (ceil(max(usual, *wanted) / usual) - 1) > left:
                return False
        self._admitted = wanted
        return True
