"""The seven steps of the loop. Each may be killed at any point and run again: it finds what it had done."""

import json
import threading
from typing import Any

from langgraph.runtime import Runtime

from agent.context import REFERENCE, Context
from agent.memory import Candidate
from agent.memory.ledger import BudgetSpent
from agent.memory.proposal import Proposal
from agent.proposers import Malformed
from agent.state import Refusal, State
from agent.steps.finish import finish
from agent.steps.synthesis import describe
from agent.steps.trials import train_candidates
from agent.steps.vetting import refuse
from tools.errors import AugurError, ConfigurationError


class ProposalsRefused(AugurError):
    """Every answer of an iteration was refused, up to the limit; the study stops and can be resumed."""

    resumable = True


def prepare(state: State, runtime: Runtime[Context]) -> dict[str, Any]:
    """Train the reference (its spread over seeds is the noise) and the baselines."""
    context = runtime.context
    # Importing torch takes seconds, and drawing contact sheets needs it: let that pass while the workers train.
    threading.Thread(target=_import_preview, daemon=True).start()
    candidates = [context.reference(), *context.baselines()]
    cut = train_candidates(
        context,
        candidates,
        context.seeds(context.config.search.seeds),
        "reference",
        "reference and baselines",
    )
    for candidate in candidates:
        context.judge(candidate, "reference")
    context.terminal.iteration_table(context.tracking.records())
    if not context.accuracies(context.reference(), "reference") and not cut:
        reasons = {
            result.reason for result in context.tracking.trial_results(REFERENCE, "reference").values()
        }
        raise AugurError(
            f"No trial of the reference (no augmentation) finished: {'; '.join(sorted(reasons))}. Nothing can be "
            "compared with it. Mend that (model, recipe, device, time-out), then start a new study."
        )
    return {"iteration": 1, "rejections": [], "stop": _stop(context, 1, cut)}


def propose(state: State, runtime: Runtime[Context]) -> dict[str, Any]:
    """Ask the arm, with all results so far and this iteration's refusals."""
    context = runtime.context
    refusals, limit = state["rejections"], context.config.search.repairs
    if len(refusals) > limit:
        raise ProposalsRefused(
            f"Iteration {state['iteration']}: {len(refusals)} answers of {context.proposer.name} were refused, "
            f"the last because: {' '.join(refusals[-1]['reasons'])} Try a stronger model (--llm), or allow more "
            "repairs (--search.repairs)."
        )
    if not refusals:
        context.stopwatch.start()
    try:
        answer = context.proposer.ask(context.history(state["iteration"], refusals))
    except BudgetSpent as spent:
        return {"stop": str(spent)}
    if isinstance(answer, Malformed):
        return {"answer": answer.answer, "malformed": answer.reason}
    # Not model_dump_json: that writes a NaN as null, and vet is to see and name it.
    return {"answer": json.dumps(answer.model_dump()), "malformed": ""}


def vet(state: State, runtime: Runtime[Context]) -> dict[str, Any]:
    """Refuse, with reasons, what is malformed, out of range, tried before, or unsafe for the labels."""
    context = runtime.context
    if state["malformed"]:
        reasons, warnings = [state["malformed"]], []
    else:
        proposal = Proposal.model_validate(json.loads(state["answer"]))
        tried = [record for record in context.tracking.records() if record.number != state["iteration"]]
        reasons, warnings = refuse(
            proposal,
            context.config.search,
            context.data.card,
            tried,
            trusted=context.proposer.name == "fixed",
            backgrounds=context.backgrounds,
        )
    if not reasons:
        return {"accepted": True, "warnings": warnings, "rejections": []}
    context.terminal.rejection(len(state["rejections"]) + 1, reasons)
    refusal = Refusal(answer=state["answer"], reasons=reasons)
    context.tracking.log_json(
        context.tracking.study_run,
        refusal,
        f"refused/iteration-{state['iteration']:03d}-{len(state['rejections']) + 1}.json",
    )
    return {"accepted": False, "rejections": [*state["rejections"], refusal]}


def realise(state: State, runtime: Runtime[Context]) -> dict[str, Any]:
    """Open the iteration in MLflow, show what the policy does to the training images, make the synthetic ones."""
    from tools.policy.preview import contact_sheet

    context, candidate = runtime.context, _candidate(state, runtime.context)
    policy = candidate.proposal.as_policy()
    context.terminal.proposal(
        state["iteration"],
        context.config.search.iterations,
        candidate.arm,
        candidate.proposal.hypothesis,
        candidate.proposal.expected_gain,
        candidate.proposal.in_one_line(),
    )
    for warning in state["warnings"]:
        context.terminal.warn(warning)
    run = context.tracking.open_candidate(candidate, "search", state["warnings"])
    path = context.folder / "contact_sheets" / f"iteration-{state['iteration']:03d}.png"
    path.parent.mkdir(exist_ok=True)
    images, labels = context.examples()
    contact_sheet(images, labels, policy, path, seed=context.config.search.seed)
    context.tracking.log_file(run, path)
    prompts = candidate.proposal.prompts
    if prompts is None:
        return {"unrealised": ""}
    try:
        made = context.synthesis.set_of(prompts)
    except BudgetSpent as spent:
        return {"unrealised": str(spent), "stop": str(spent)}
    except AugurError as error:
        if error.resumable or isinstance(error, ConfigurationError):
            raise
        context.terminal.warn(f"no synthetic images: {error}")
        context.tracking.log_generated(run, f"failed: {error}", {}, None)
        return {"unrealised": str(error)}
    context.terminal.note(describe(made))
    sheet = path.with_name(f"backgrounds-{state['iteration']:03d}.png")
    context.synthesis.sheet(prompts, sheet)
    context.tracking.log_generated(run, describe(made), made.gates, sheet)
    return {"unrealised": ""}


def train(state: State, runtime: Runtime[Context]) -> dict[str, Any]:
    """Train the proposal under every seed."""
    context = runtime.context
    if state["unrealised"]:
        return {}
    seeds = context.seeds(context.config.search.seeds)
    cut = train_candidates(
        context, [_candidate(state, context)], seeds, "search", f"iteration {state['iteration']}"
    )
    return {"stop": cut or ""}


def judge(state: State, runtime: Runtime[Context]) -> dict[str, Any]:
    """Compare with the reference, update the incumbent, and decide whether the search goes on."""
    context, number = runtime.context, state["iteration"]
    context.judge(_candidate(state, context), "search")
    records = context.tracking.records()
    best = max((r.mean for r in records if r.number > 0 and r.mean is not None), default=None)
    curve = {"iterations_done": float(number)}
    if best is not None:
        curve["incumbent_validation_accuracy"] = best
    if (outside := context.stopwatch.outside_training()) is not None:
        curve["seconds_outside_training"] = outside
    context.tracking.log_study(curve, step=number)
    context.log_ledger()
    context.prune_weights([context.reference(), *context.baselines(), *context.finalists()])
    context.terminal.iteration_table(records)
    return {"iteration": number + 1, "rejections": [], "stop": _stop(context, number + 1, state["stop"])}


def finalise(state: State, runtime: Runtime[Context]) -> dict[str, Any]:
    """Give the best proposals extra seeds, choose one on validation, open the test set once, report."""
    return {"chosen": finish(runtime.context, state["stop"])}


def _candidate(state: State, context: Context) -> Candidate:
    return context.candidate(state["iteration"], Proposal.model_validate(json.loads(state["answer"])))


def _stop(context: Context, iteration: int, cut: str | None) -> str:
    """Why iteration `iteration` is not begun, or the empty string."""
    if cut:
        return cut
    if iteration > context.iterations():
        return f"all {context.iterations()} iterations are done"
    return context.search_over() or ""


def _import_preview() -> None:
    import tools.policy.preview  # noqa: F401
