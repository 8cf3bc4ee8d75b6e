"""The choice of one proposal on validation: finalists, extra seeds, the best mean; then what its parts do alone."""

from collections.abc import Mapping, Sequence

from agent.context import Context
from agent.memory.candidate import Candidate, baselines, reference
from agent.steps.trials import train_candidates

POLICY_ONLY, BACKGROUNDS_ONLY = "policy only", "backgrounds only"

Validation = Mapping[str, Mapping[int, float]]
"""Candidate's name → seed → validation accuracy (0..1), over the finished trials."""


def finalists(context: Context) -> list[Candidate]:
    """The top k iterations by mean validation accuracy, best first; the earlier one where they tie."""
    judged = [
        (-record.mean, record.number, record)
        for record in context.tracking.records()
        if record.number > 0 and record.mean is not None
    ]
    judged.sort(key=lambda ranked: ranked[:2])
    return [Candidate.of(record) for *_, record in judged[: context.config.search.top_k]]


def contenders(context: Context) -> list[Candidate]:
    """Everything that the end of the study compares: the reference, the baselines, the finalists."""
    return [reference(), *baselines(context.config.search), *finalists(context)]


def train_extra_seeds(context: Context, candidates: Sequence[Candidate]) -> None:
    """Train all candidates under the final seeds; one seed after the other where a budget may cut that short."""
    seeds = context.seeds(max(context.config.search.final_seeds, context.config.search.seeds))
    limited = any(value is not None for value in context.config.budget.model_dump().values())
    for chunk in [[seed] for seed in seeds] if limited else [seeds]:
        if cut := train_candidates(context, candidates, chunk, "final", "extra seeds for the best"):
            context.terminal.note(f"The finish is cut short: {cut}.")
            # Trials that finished before the cut still count: they are reused.
            return


def choose(candidates: Sequence[Candidate], validation: Validation) -> Candidate | None:
    """The candidate with the best mean validation accuracy over the seeds that all of them finished.

    The earlier one wins a tie. One that finished no seed is not considered; None where none did.
    """
    running = [c for c in candidates if validation[c.name]]
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
