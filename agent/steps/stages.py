"""The stages of a training whose policy the arm `online` may change: which trials they are, and where they stop.

Each stage is a trial of its own, which continues the one before. The whole is the trial of the policy by epoch, as any
other candidate has it: under fresh seeds it is trained without stages, to the same numbers.
"""

from collections.abc import Sequence
from math import ceil

from agent.context import Context
from agent.memory.candidate import Candidate
from agent.memory.proposal import SCHEMA_VERSION
from tools.policy.canonical import canonical_json, from_canonical
from tools.training.config import Beginning, TrialSpec
from tools.training.stages import state_file
from tools.training.trial_store import trial_key

ARM = "online"
LOOKS = 3
"""How often a training stops where nothing else is set, at most."""


def looks_of(context: Context, epochs: int) -> tuple[int, ...]:
    """The epochs after which a training of so many stops and the model is asked; none in a training of one epoch."""
    every = context.config.search.adapt_every or ceil(epochs / (LOOKS + 1))
    return tuple(range(every, epochs, every))


def stages_of(context: Context, spec: TrialSpec) -> list[TrialSpec]:
    """The stages of a whole training but its last one, in order, each with the policy that was known by then."""
    policy, stages, data = from_canonical(spec.policy), list[TrialSpec](), context.data
    for stop in looks_of(context, spec.recipe.epochs):
        known = canonical_json(policy.until(stop))
        key = trial_key(
            known,
            data.fingerprint,
            spec.model,
            spec.recipe,
            spec.seed,
            SCHEMA_VERSION,
            spec.synthetic,
            spec.fold,
            stop=stop,
        )
        directory = context.store.directory(key)
        stage = spec.model_copy(update={"key": key, "policy": known, "directory": directory, "stop": stop})
        stages.append(beginning_with(stage, stages))
    return stages


def beginning_with(spec: TrialSpec, stages: Sequence[TrialSpec]) -> TrialSpec:
    """A trial that resumes where the last of `stages` stopped; as it is where there are none."""
    if not stages:
        return spec.model_copy(update={"begins": None})
    before = stages[-1]
    assert before.stop is not None
    begins = Beginning(key=before.key, directory=before.directory, epochs=before.stop)
    return spec.model_copy(update={"begins": begins})


def after_its_stages(context: Context, candidate: Candidate, spec: TrialSpec) -> TrialSpec:
    """The trial of a candidate as its last stage, where it is trained in stages: in the search, by the arm `online`."""
    search = context.config.search
    of_search = candidate.number > 0 and candidate.epochs is None and spec.seed in search.search_seeds
    if candidate.arm != ARM or not of_search:
        return spec
    return beginning_with(spec, stages_of(context, spec))


def drop_states(context: Context, spec: TrialSpec) -> None:
    """Delete the states that the stages of a trial have left, and their weights; their results stay."""
    for stage in stages_of(context, spec) if spec.begins is not None else ():
        state_file(stage.directory).unlink(missing_ok=True)
        context.store.drop_weights(stage.key)
