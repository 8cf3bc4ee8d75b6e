"""The end of the search: finalists, extra seeds, and one choice on validation."""

from collections.abc import Mapping, Sequence

from agent.context import Context
from agent.memory.candidate import Candidate, baselines, reference
from agent.steps.judging import accuracies, judge
from agent.steps.trials import train_candidates

POLICY_ONLY, BACKGROUNDS_ONLY = "policy only", "backgrounds only"


def finalists_of(context: Context) -> list[Candidate]:
    """The top k iterations by mean validation accuracy, best first; the earlier one where they tie."""
    judged = [
        (record.mean, -record.number, record)
        for record in context.tracking.records()
        if record.number > 0 and record.mean is not None
    ]
    judged.sort(key=lambda entry: entry[:2], reverse=True)
    return [Candidate.of(record) for _, _, record in judged[: context.config.search.top_k]]


def contenders_of(context: Context) -> list[Candidate]:
    """Everything that the study may still evaluate on the test set: the reference, the baselines, the finalists."""
    return [reference(), *baselines(context.config.search), *finalists_of(context)]


def train_extra_seeds(context: Context, contenders: Sequence[Candidate]) -> None:
    """Train all contenders under the final seeds; one seed after the other where a budget may cut that short."""
    seeds = context.seeds(max(context.config.search.final_seeds, context.config.search.seeds))
    limited = any(value is not None for value in context.config.budget.model_dump().values())
    for chunk in [[seed] for seed in seeds] if limited else [seeds]:
        if cut := train_candidates(context, contenders, chunk, "final", "extra seeds for the best"):
            context.terminal.warn(f"The finish is cut short: {cut}.")
            # What was trained before counts: it is reused.
            return


def judge_final(context: Context, candidates: Sequence[Candidate]) -> dict[str, dict[int, float]]:
    """Log what each candidate came to under the final seeds: name → seed → validation accuracy."""
    for candidate in candidates:
        judge(context, candidate, "final")
    return {candidate.name: accuracies(context, candidate, "final") for candidate in candidates}


def choose(finalists: Sequence[Candidate], validation: Mapping[str, Mapping[int, float]]) -> Candidate | None:
    """The finalist with the best mean validation accuracy over the seeds that all finalists finished.

    Finalists are compared on equal seeds; the earlier one wins a tie. One that finished no seed is not considered.
    """
    running = [c for c in finalists if validation[c.name]]
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
