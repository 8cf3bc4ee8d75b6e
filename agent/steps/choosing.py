"""The end of the search: finalists, more seeds for them, and one choice, on validation and the seeds of the search."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from agent.context import Context
from agent.memory.candidate import Candidate, Phase, baselines, reference
from agent.steps.finish_plan import room_for_trials
from agent.steps.judging import accuracies, judge
from agent.steps.trials import train_candidates
from evaluators.choice import best, finalists

POLICY_ONLY, BACKGROUNDS_ONLY = "policy only", "backgrounds only"

Validation = Mapping[str, Mapping[int, float]]
"""Candidate → seed → validation accuracy, over the finished trials."""


@dataclass(frozen=True)
class Choice:
    """What the study recommends, and by which trials."""

    finalists: Sequence[Candidate]
    """Best first, by the search."""
    chosen: Candidate | None
    """None where no proposal finished a trial."""
    validation: Validation
    """Reference, baselines and finalists in the search and the choice."""
    note: str = ""
    """Why the finalists were trained under fewer seeds than wanted; empty if they were not."""


def choose_policy(context: Context) -> Choice:
    """Train the finalists under the seeds of the choice, where there are several, and choose one."""
    rivals, note = finalists_of(context), ""
    if len(rivals) > 1 and len(context.config.search.choice_seeds) > context.config.search.seeds:
        reason = train_for_choice(context, rivals)
        for candidate in rivals:
            judge(context, candidate, "choice")
        if reason:
            wanted = len(context.config.search.choice_seeds)
            note = f"Not all of {wanted} seeds were trained by which one finalist is chosen: {reason}."
    phases: list[tuple[Candidate, Sequence[Phase]]] = [
        *(
            (each, ["reference"])
            for each in (reference(), *baselines(context.config.search, context.data.card.modality))
        ),
        *((each, ["search", "choice"]) for each in rivals),
    ]
    validation = {
        each.name: {
            seed: value for phase in names for seed, value in accuracies(context, each, phase).items()
        }
        for each, names in phases
    }
    return Choice(rivals, choose(rivals, validation), validation, note)


def finalists_of(context: Context) -> list[Candidate]:
    """The top k iterations by mean validation accuracy in the search, best first; the earlier one where they tie."""
    found = {
        record.name: record
        for record in sorted(context.tracking.records(), key=lambda record: record.number)
        if record.number > 0 and record.mean is not None
    }
    names = finalists({name: record.scores for name, record in found.items()}, context.config.search.top_k)
    return [Candidate.of(found[name]) for name in names]


def train_for_choice(context: Context, rivals: Sequence[Candidate]) -> str:
    """Train the finalists under the seeds of the choice; why some are missing, or the empty string.

    Where a budget bounds the study, one seed after the other, and only what leaves room for the test of the choice
    and the reference under every fresh seed: without that, there is no result.
    """
    search, budget = context.config.search, context.config.budget.of_training
    title = "more seeds for the choice"
    if not budget.is_limited:
        return train_candidates(context, rivals, search.choice_seeds, "choice", title) or ""
    if cut := train_candidates(context, rivals, search.search_seeds, "choice", title):
        return cut
    for seed in search.choice_seeds[search.seeds :]:
        room = room_for_trials(context.ledger.spent(), budget)
        if room is not None and room < len(rivals) + 2 * search.final_seeds:
            return "what is left of the budget is kept for the test"
        if cut := train_candidates(context, rivals, [seed], "choice", title):
            return cut
    return ""


def choose(rivals: Sequence[Candidate], validation: Validation) -> Candidate | None:
    """The finalist with the best mean validation accuracy, compared on equal seeds (`evaluators.choice.best`)."""
    name = best({each.name: validation[each.name] for each in rivals})
    return next((each for each in rivals if each.name == name), None)


def ablations(chosen: Candidate | None) -> list[Candidate]:
    """The chosen proposal's policy alone and its backgrounds alone, where it has both."""
    if chosen is None or not chosen.proposal.backgrounds or not chosen.proposal.policy:
        return []
    why = "A part of the chosen proposal, to see what it does alone."
    parts = {
        POLICY_ONLY: chosen.proposal.model_copy(update={"backgrounds": [], "hypothesis": why}),
        BACKGROUNDS_ONLY: chosen.proposal.model_copy(update={"policy": [], "hypothesis": why}),
    }
    return [Candidate(name, 0, chosen.arm, proposal) for name, proposal in parts.items()]
