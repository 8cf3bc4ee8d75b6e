"""One choice among all: no augmentation, every baseline and the best proposals, on validation and on equal seeds."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from agent.context import Context
from agent.memory.candidate import REFERENCE, Candidate, baselines, reference
from agent.steps.finish.contenders import chosen_by, contenders_of, kind_of, nothing_learnt_by, phases_of
from agent.steps.finish.judging import judge_all
from agent.steps.finish.room import has_room
from agent.steps.finish.second_lengths import try_second_lengths
from agent.steps.trials import recipe_of, train_candidates, trial_spec
from evaluators.recommendation import Recommendation, rank, recommend

POLICY_ONLY, BACKGROUNDS_ONLY = "policy only", "backgrounds only"

Validation = Mapping[str, Mapping[int, float]]
"""Candidate → seed → score on validation, over the finished trials."""


@dataclass(frozen=True)
class Choice:
    """What the study recommends, and by which trials."""

    candidates: Sequence[Candidate]
    """Everything that could be recommended: no augmentation, the baselines, the best proposals (best first), and the
    leading ones at another length."""
    recommendation: Recommendation | None
    """None where nothing finished a trial."""
    order: Sequence[str]
    """Names, best first by the least noisy measure."""
    validation: Validation
    """Of the candidates, in the search and the choice."""
    note: str = ""
    """Why fewer seeds were trained than wanted; empty if they were not."""
    parts: Sequence[Candidate] = ()
    """Policy and backgrounds alone, of the proposal that is tested and has both."""
    unlearnt: str = ""
    """That no candidate has learnt anything, in a sentence without its full stop; empty where one has."""

    @property
    def recommended(self) -> Candidate:
        """What to use; no augmentation where nothing can be said."""
        return self.named(self.recommendation.name) if self.recommendation else self.candidates[0]

    @property
    def proposals(self) -> list[Candidate]:
        """The finalists of the search, best first."""
        known = [self.named(name) for name in self.order]
        return [each for each in known if each.number > 0]

    @property
    def proposal(self) -> Candidate | None:
        """The proposal that is tested: the recommended one, else the best; None where none finished a trial."""
        return self.recommended if self.recommended.number > 0 else next(iter(self.proposals), None)

    @property
    def rival(self) -> Candidate | None:
        """The best baseline besides what is recommended; None where there is none."""
        known = [self.named(name) for name in self.order]
        others = (each for each in known if kind_of(each) in ("default", "baseline"))
        return next((each for each in others if each != self.recommended), None)

    @property
    def tested(self) -> list[Candidate]:
        """What is trained under fresh seeds, the most important first: no augmentation, the recommended, its rival."""
        simple = [each for each in self.candidates if each.number == 0 and each.epochs is None]
        wanted = [self.candidates[0], self.recommended, self.rival, self.proposal, *simple, *self.parts]
        return list({each.name: each for each in wanted if each is not None}.values())

    def named(self, name: str) -> Candidate:
        """The candidate of that name."""
        return next(each for each in self.candidates if each.name == name)


def choose(context: Context) -> Choice:
    """Train what competes under the seeds of the choice, and recommend one of it."""
    search = context.config.search
    simple = [reference(), *baselines(search, context.data.card.modality)]
    rivals = finalists_of(context)
    every = [_with_epochs(context, each) for each in (*simple, *rivals)]
    note = ""
    if len(every) > 1 and len(search.choice_seeds) > search.seeds:
        reason = train_for_choice(context, every)
        judge_all(context, every, "choice")
        if reason:
            note = f"Not all of {len(search.choice_seeds)} seeds were trained that the choice is made by: {reason}."
    contenders = contenders_of(context, every)
    if contenders and (longer := try_second_lengths(context, every, rank(contenders))):
        every += longer
        contenders = contenders_of(context, every)
    validation = {each.name: chosen_by(context, each) for each in every}
    found = recommend(contenders) if contenders else None
    unlearnt = nothing_learnt_by(context, contenders)
    if found and unlearnt and any(each.name == REFERENCE for each in contenders):
        found = replace(found, name=REFERENCE, reason="nothing speaks for more than the simplest")
    choice = Choice(every, found, rank(contenders) if contenders else (), validation, note, unlearnt=unlearnt)
    return replace(choice, parts=ablations(choice.proposal))


def _with_epochs(context: Context, candidate: Candidate) -> Candidate:
    """With the number of epochs, where its proposal asks for another length than the study's."""
    if candidate.proposal.length == 1:
        return candidate
    return replace(candidate, epochs=recipe_of(context, candidate).epochs)


def finalists_of(context: Context) -> list[Candidate]:
    """The top k iterations by the least noisy measure, best first; the earlier one where they tie.

    By the trials of the search alone: a study that resumes in the middle of the choice, or after it, finds the same.
    A candidate that finished fewer than half as many seeds as others is left out: one lucky trial, where the other
    trainings failed, says nothing. So is one that was left behind in its iteration.
    """
    records = sorted(context.tracking.records(), key=lambda record: record.number)
    found = {record.name: record for record in records if record.scores}
    most = max((len(record.scores) for record in found.values()), default=0)
    searched = [Candidate.of(record) for record in found.values()]
    contenders = contenders_of(context, searched, phases=lambda candidate: phases_of(candidate)[:1])
    return [
        Candidate.of(found[name])
        for name in (rank(contenders) if contenders else ())
        if found[name].number > 0 and not found[name].stopped and 2 * len(found[name].scores) >= most
    ][: context.config.search.top_k]


def train_for_choice(context: Context, candidates: Sequence[Candidate]) -> str:
    """Train the candidates under the seeds of the choice; why some are missing, or the empty string.

    Where a budget bounds the study, one seed after the other, and only what leaves room for the test of what is
    recommended, of no augmentation and of the best baseline under every fresh seed: without that, there is no result.
    """
    search, budget = context.config.search, context.config.budget.of_training
    title = "more seeds for the choice"
    if not budget.is_limited:
        return train_candidates(context, candidates, search.choice_seeds, "choice", title) or ""
    if cut := train_candidates(context, candidates, search.search_seeds, "choice", title):
        return cut
    epochs = [recipe_of(context, each).epochs for each in candidates]
    for seed in search.choice_seeds[search.seeds :]:
        keys = [trial_spec(context, each, seed).key for each in candidates]
        # Begun in an earlier session, which had room for it.
        begun = not context.ledger.trial_keys().isdisjoint(keys)
        if not begun and not has_room(context, epochs):
            return "what is left of the budget is kept for the test"
        if cut := train_candidates(context, candidates, [seed], "choice", title):
            return cut
    return ""


def ablations(proposal: Candidate | None) -> list[Candidate]:
    """The policy alone and the backgrounds alone of a proposal that has both."""
    if proposal is None or not proposal.proposal.backgrounds or not proposal.proposal.policy:
        return []
    why = f"A part of {proposal.name}, to see what it does alone."
    parts = {
        POLICY_ONLY: proposal.proposal.model_copy(update={"backgrounds": [], "hypothesis": why}),
        BACKGROUNDS_ONLY: proposal.proposal.model_copy(
            update={"policy": [], "changes": [], "hypothesis": why}
        ),
    }
    return [Candidate(name, 0, proposal.arm, part, proposal.epochs) for name, part in parts.items()]
