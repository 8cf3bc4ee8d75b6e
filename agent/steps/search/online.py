"""The arm `online`: one training per seed, in which the language model may change the policy.

After each of `stages.looks_of`, all seeds have stopped; the model reads their curves, and what it answers is the policy
of the epochs that follow. What was decided is written down before anything is trained by it, so that a study that is
killed does not ask twice. In the end the proposal has the policy by epoch, and is trained, judged and chosen like any
other.

An answer that is no policy, or is refused, leaves the policy as it is; the model is told why at the next look.
"""

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from statistics import fmean
from typing import Any

from agent.context import Context
from agent.memory.candidate import Candidate, iteration
from agent.memory.curves import InTraining, Phase, curve_of
from agent.memory.ledger import BudgetSpent
from agent.memory.look_ups import Notebook
from agent.memory.proposal import Proposal, parse_proposal
from agent.proposers import Malformed, ask_for
from agent.state import State
from agent.steps.search.cheap import default_candidate
from agent.steps.search.proposing import history_of
from agent.steps.search.vetting import HYPOTHESIS_LIMIT, refuse
from agent.steps.stages import ARM, looks_of, stages_of
from agent.steps.trials import recipe_of, train_candidates, trial_spec
from evaluators.length import times
from tools.disk import disk_errors_explained
from tools.errors import AugurError, ConfigurationError
from tools.files import DamagedFile, read_json, write_json
from tools.policy.canonical import canonical_policy, one_line
from tools.policy.policy import Change, Operation, Policy
from tools.training.stages import state_file
from tools.training.types import TrialResult

_WHY = 400
"""Characters of each reason for a change that the proposal's hypothesis keeps."""


@dataclass(frozen=True)
class Decision:
    """What came of one look at a training."""

    epoch: int
    """The last one that was trained."""
    operations: list[Operation]
    """From the next epoch on."""
    why: str
    refused: tuple[str, ...] = ()
    """Why the model's answer was not used, so that the operations are those of before."""
    notes: str = ""
    """For the notebook."""

    @classmethod
    def from_json(cls, data: dict[str, Any]) -> "Decision":
        """As `Diary` writes it."""
        operations = Policy.model_validate({"operations": data["operations"]}).operations
        return cls(**{**data, "operations": operations, "refused": tuple(data["refused"])})


class Diary:
    """The decisions of one iteration, in a file of the study's folder."""

    def __init__(self, file: Path, first: Proposal) -> None:
        """`first` is what the training began with: decisions about another one do not count."""
        self.file, self._first = file, first.identity
        content = read_json(file)
        rows = []
        if isinstance(content, dict) and content.get("first") == self._first:
            rows = content["decisions"]
        self.decisions = [Decision.from_json(each) for each in rows]

    def at(self, epoch: int) -> Decision | None:
        """What was decided after `epoch`, if it was."""
        return next((each for each in self.decisions if each.epoch == epoch), None)

    def write(self, decision: Decision) -> None:
        """Add one, before anything is trained by it."""
        self.decisions.append(decision)
        rows = [
            {**asdict(each), "operations": [item.model_dump() for item in each.operations]}
            for each in self.decisions
        ]
        self.file.parent.mkdir(exist_ok=True)
        write_json(self.file, {"first": self._first, "decisions": rows})


def diary_file(context: Context, candidate: Candidate) -> Path:
    """Where the decisions of an iteration are written down."""
    return context.folder / ARM / f"iteration-{candidate.place}.json"


def log_decisions(context: Context, candidate: Candidate, run: str) -> None:
    """Keep with the iteration what was decided in its training, where that is of the arm `online`."""
    file = diary_file(context, candidate)
    if candidate.arm == ARM and file.exists():
        context.tracking.log_file(run, file)


def adapted(context: Context, state: State) -> dict[str, Any]:
    """Train an iteration of the arm `online` up to its last look; what becomes of the state of the loop.

    Returns:
        The proposal with what was changed on the way; nothing for another arm.

    Raises:
        TransportError: the model cannot be reached; the study stops and can be resumed.
    """
    if context.proposer.name != ARM:
        return {}
    first = parse_proposal(state["answer"])
    candidate = iteration(state["iteration"], ARM, first)
    if not _can_be_trained(context, first):
        return {}
    given = bool(first.changes)  # by an earlier study, or decided before a kill
    diary = Diary(diary_file(context, candidate), first)
    epochs = recipe_of(context, candidate).epochs
    looks = looks_of(context, epochs)
    if not looks:
        context.terminal.warn(
            f"{candidate.name}: the model does not look: a training has {times(epochs)} only"
        )
    for count, epoch in enumerate(looks, start=1):
        results = _train_to(context, candidate, count)
        if not results:  # a limit was reached, or no seed can be trained: what comes next says so
            break
        if given:
            continue
        decision = diary.at(epoch)
        if decision is None:
            decision = _decide(context, candidate, results, looks, diary.decisions[-1:])
            diary.write(decision)
            _tell(context, candidate, decision)
        candidate = replace(candidate, proposal=_changed(candidate.proposal, decision))
    if given:
        return {}
    notes = [each.notes for each in diary.decisions if each.notes]
    notebook = Notebook.from_json(state.get("notebook") or Notebook().as_json())
    return {
        "answer": json.dumps(candidate.proposal.model_dump()),
        "notebook": notebook.then(Notebook(notes[-1] if notes else "")).as_json(),
    }


def _can_be_trained(context: Context, proposal: Proposal) -> bool:
    """Whether its synthetic images, if it has any, can be made; what becomes of one that cannot is decided after this.

    Raises:
        AugurError: they cannot be made for a reason that another proposal would meet as well.
    """
    try:
        context.synthesis.of(proposal)
    except BudgetSpent:
        return False
    except AugurError as error:
        if error.resumable or isinstance(error, ConfigurationError):
            raise
        return False
    return True


def _train_to(context: Context, candidate: Candidate, count: int) -> list[TrialResult]:
    """Train the first `count` stages under every seed of the search; the last one's results, of those that finished."""
    seeds = context.config.search.search_seeds
    with disk_errors_explained(context.store.root):
        for seed in seeds:
            _forget_without_state(context, candidate, seed, count)
    for place in range(count):
        stages = [stages_of(context, trial_spec(context, candidate, seed))[place] for seed in seeds]
        if place < count - 1 and all(_result(context, each.key) is not None for each in stages):
            continue
        shown = replace(candidate, name=f"{candidate.name}, to epoch {stages[0].stop}")

        def spec_of(context: Context, each: Candidate, seed: int, place: int = place) -> Any:
            return stages_of(context, trial_spec(context, candidate, seed))[place]

        if train_candidates(context, [shown], seeds, "probe", shown.name, spec_of=spec_of):
            return []
    keys = [stages_of(context, trial_spec(context, candidate, seed))[count - 1].key for seed in seeds]
    ended = [result for key in keys if (result := _result(context, key)) is not None]
    return [each for each in ended if each.status == "finished"]


def _forget_without_state(context: Context, candidate: Candidate, seed: int, count: int) -> None:
    """Where an earlier study trained a stage, and its state was deleted since, it is trained again: else the next one
    would have to train it, at a price that nothing counts."""
    whole = trial_spec(context, candidate, seed)
    stages = stages_of(context, whole)
    following = [*stages[1:count], *([whole] if count == len(stages) else [])]
    for before, after in reversed(list(zip(stages, following, strict=False))):
        if _result(context, after.key) is None and not state_file(before.directory).exists():
            context.store.forget(before.key)


def _result(context: Context, key: str) -> TrialResult | None:
    try:
        return context.store.result(key)
    except DamagedFile:
        return None


def _decide(
    context: Context,
    candidate: Candidate,
    results: Sequence[TrialResult],
    looks: Sequence[int],
    before: Sequence[Decision],
) -> Decision:
    """Show the model the curves, and read what it answers."""
    current = candidate.proposal.as_policy().phases[-1][1].operations
    done = len(results[0].epochs)
    kept = Decision(done, current, "")
    training = _so_far(context, candidate, results, looks, before[0].refused if before else ())
    history = replace(
        history_of(context, candidate.number, ()),
        backgrounds="off",
        longer=False,
        in_training=training,
        on_tool=context.trace.tool,
    )
    try:
        answer = ask_for(context.proposer, history)
    except BudgetSpent as spent:
        return replace(kept, why=str(spent))
    if isinstance(answer, Malformed):
        return _refused(context, kept, candidate, answer.answer, [answer.reason])
    assert isinstance(answer, Proposal)
    if reasons := _reasons(context, answer):
        return _refused(context, kept, candidate, answer.model_dump_json(), reasons)
    operations = canonical_policy(Policy(operations=answer.policy)).operations
    return Decision(done, operations, answer.hypothesis, notes=answer.notes.strip())


def _so_far(
    context: Context,
    candidate: Candidate,
    results: Sequence[TrialResult],
    looks: Sequence[int],
    refused: tuple[str, ...],
) -> InTraining:
    whole, done = recipe_of(context, candidate).epochs, len(results[0].epochs)
    phases = candidate.proposal.as_policy().phases
    ends = [first - 1 for first, _ in phases[1:]] + [done]
    default = default_candidate(context)
    keys = [trial_spec(context, default, result.seed).key for result in results]
    fits = [each.fit.accuracy for each in results if each.fit is not None]
    return InTraining(
        epochs=whole,
        seeds=len(results),
        until=next((epoch for epoch in looks if epoch > done), whole),
        curve=curve_of(
            results,
            [found for key in keys if (found := _result(context, key)) is not None],
            context.config.search.metric,
        ),
        phases=tuple(
            Phase(first, last, one_line(policy)) for (first, policy), last in zip(phases, ends, strict=True)
        ),
        train_accuracy=fmean(fits) if fits else None,
        refused=refused,
    )


def _reasons(context: Context, answer: Proposal) -> list[str]:
    """Why the answer may not be used; no augmentation always may, and so may what was tried before."""
    if not answer.policy:
        return []
    reasons, _ = refuse(answer, context.config.search, context.data.card, [], grey=context.grey)
    return reasons


def _refused(
    context: Context, kept: Decision, candidate: Candidate, answer: str, reasons: Sequence[str]
) -> Decision:
    """The policy stays; the refused answer is kept with the study."""
    content = {"answer": answer, "reasons": list(reasons)}
    name = f"refused/iteration-{candidate.place}-epoch-{kept.epoch}.json"
    context.tracking.log_json(context.tracking.study_run, content, name)
    return replace(kept, refused=tuple(reasons))


def _changed(proposal: Proposal, decision: Decision) -> Proposal:
    """The proposal, with what was decided and why."""
    policy = proposal.as_policy()
    change = Change(epoch=decision.epoch + 1, operations=decision.operations)
    later = canonical_policy(Policy(operations=policy.operations, changes=[*policy.changes, change]))
    if later == canonical_policy(policy):
        return proposal
    why = f"{proposal.hypothesis} From epoch {change.epoch}: {decision.why[:_WHY]}"
    update = {"policy": later.operations, "changes": later.changes, "hypothesis": why[:HYPOTHESIS_LIMIT]}
    return proposal.model_copy(update=update)


def _tell(context: Context, candidate: Candidate, decision: Decision) -> None:
    if decision.refused:
        context.terminal.rejection(1, decision.refused)
    changed = _changed(candidate.proposal, decision) is not candidate.proposal
    then = f"changed to {one_line(Policy(operations=decision.operations))}" if changed else "the policy stays"
    why = f": {decision.why}" if decision.why else ""
    context.terminal.note(f"{candidate.name}, after epoch {decision.epoch}: {then}{why}")
