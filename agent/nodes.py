"""The seven steps of the loop. Each may be killed at any point and run again: it finds what it had done."""

import threading
from dataclasses import replace
from typing import Any

from langgraph.runtime import Runtime

from agent.context import Context
from agent.explanation.finishing import explain_finish
from agent.memory.candidate import REFERENCE, Candidate, baselines, of_iteration, reference
from agent.memory.look_ups import Notebook
from agent.memory.proposal import parse_proposals
from agent.memory.ranking import best_iteration
from agent.reports.series import before_search, iteration_series
from agent.shifts import Shift
from agent.state import Refusal, State
from agent.steps.finish.choosing import choose
from agent.steps.finish.comparing import Finish, shift_table
from agent.steps.finish.contenders import warn_of_nothing_learnt
from agent.steps.finish.judging import has_reference, judge_all_again, log_spending
from agent.steps.finish.judging import judge as judge_candidate
from agent.steps.finish.publishing import build_report, publish
from agent.steps.finish.testing import announce_opening, open_test, test_on, train_for_test
from agent.steps.iterations import settle_iterations
from agent.steps.length.finding import check_length, find_length
from agent.steps.length.report import tell_given
from agent.steps.plan import tell_found, tell_plan, tell_rest
from agent.steps.search.cheap import drop_trunks, has_begun_to_settle, settle_trust
from agent.steps.search.online import adapted, log_decisions
from agent.steps.search.proposing import announce, ask_arm, log_contact_sheet, make_images
from agent.steps.search.racing import train_iteration
from agent.steps.search.vetting import about_one, refuse_all
from agent.steps.speed import samples_allowed, settle_speed
from agent.steps.stopping import why_stop
from agent.steps.trials import prune_weights, results_of, train_candidates
from evaluators.report.report import ShiftTable
from tools.errors import AugurError


class ProposalsRefused(AugurError):
    """Every answer of an iteration was refused, up to the limit; the study stops and can be resumed."""

    resumable = True


def prepare(state: State, runtime: Runtime[Context]) -> dict[str, Any]:
    """Train the reference (its spread over seeds is the noise) and the baselines."""
    context = runtime.context
    # Importing torch takes seconds, and drawing contact sheets needs it: do that while the workers train.
    threading.Thread(target=_import_preview, daemon=True).start()
    settle_iterations(context)
    tell_plan(context)
    cut = find_length(context)
    settle_iterations(context)
    tell_found(context)
    candidates = [reference(), *baselines(context.config.search, context.data.card.modality)]
    seeds = context.seeds(context.config.search.seeds)
    cut = cut or train_candidates(context, candidates, seeds, "reference", "reference and baselines")
    ended = results_of(context, candidates, seeds)
    settle_speed(context, ended)
    settle_iterations(context, trained=True)
    cut = cut or check_length(context, sum(samples for samples, _ in ended))
    for candidate in candidates:
        judge_candidate(context, candidate, "reference")
    records = context.tracking.records()
    context.tracking.log_study(before_search(records, context.config.search.metric))
    context.terminal.iteration_table(records)
    tell_given(context)
    if not has_reference(context) and not cut:
        failed = context.tracking.trial_results(REFERENCE, "reference").values()
        raise AugurError(
            f"No trial of the reference (no augmentation) finished: {'; '.join(sorted({r.reason for r in failed}))}. "
            "Nothing can be compared with it. Fix the cause (model, recipe, device, timeout), then start a new study."
        )
    # Asked once: what the trust in the cheap measure takes is no reason to stop.
    stop = (cut or "") if has_begun_to_settle(context) else why_stop(context, 1, cut)
    if not stop:
        warn_of_nothing_learnt(context, candidates)
        settle_trust(context)
        tell_rest(context, ended)
    return {"iteration": 1, "rejections": [], "stop": stop}


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
    return ask_arm(context, state)


def vet(state: State, runtime: Runtime[Context]) -> dict[str, Any]:
    """Refuse, with reasons, what is malformed, out of range, tried before, or unsafe for the labels."""
    context = runtime.context
    if state["malformed"]:
        reasons, warnings = [state["malformed"]], []
    else:
        reasons, warnings = refuse_all(
            parse_proposals(state["answer"]),
            [record for record in context.tracking.records() if record.number != state["iteration"]],
            search=context.config.search,
            card=context.data.card,
            trusted=context.proposer.name == "fixed",
            backgrounds=context.backgrounds,
            grey=context.grey,
            longer=samples_allowed(context) is not None,
        )
    if not reasons:
        return {"accepted": True, "warnings": warnings, "rejections": []}
    attempt = len(state["rejections"]) + 1
    context.terminal.rejection(attempt, reasons)
    refusal = Refusal(answer=state["answer"], reasons=reasons)
    name = f"refused/iteration-{state['iteration']:03d}-{attempt}.json"
    context.tracking.log_json(context.tracking.study_run, refusal, name)
    return {"accepted": False, "rejections": [*state["rejections"], refusal]}


def realise(state: State, runtime: Runtime[Context]) -> dict[str, Any]:
    """Open the iteration in MLflow, show what the policies do to training images, make the synthetic ones.

    The arm `online` finds its policy in the training itself: that is done first.
    """
    changed = adapted(runtime.context, state)
    return {**changed, **_realised({**state, **changed}, runtime.context)}  # type: ignore[typeddict-item]


def _realised(state: State, context: Context) -> dict[str, Any]:
    candidates, unmade = _candidates(state, context), dict[str, str]()
    for place, candidate in enumerate(candidates, start=1):
        announce(context, candidate)
        about = about_one(place, len(candidates))
        warnings = [each.removeprefix(about) for each in state["warnings"] if each.startswith(about)]
        for warning in warnings:
            context.terminal.warn(warning)
        run = context.tracking.open_candidate(candidate, "search", warnings)
        log_contact_sheet(context, candidate, run)
        log_decisions(context, candidate, run)
        if candidate is candidates[0] and (notebook := state.get("notebook")):
            context.tracking.log_notebook(run, Notebook.from_json(notebook))
        made = make_images(context, candidate, run)
        if made["unrealised"]:
            unmade[candidate.name] = made["unrealised"]
        if "stop" in made:
            return {
                "unrealised": made["unrealised"],
                "unmade": [each.name for each in candidates],
                "stop": made["stop"],
            }
    return {"unrealised": "; ".join(unmade.values()), "unmade": list(unmade)}


def train(state: State, runtime: Runtime[Context]) -> dict[str, Any]:
    """Train the proposal under every seed; of several, the best."""
    context, unmade = runtime.context, state.get("unmade", [])
    made = [each for each in _candidates(state, context) if each.name not in unmade]
    if not made or (state["unrealised"] and not unmade):
        return {}
    return {"stop": train_iteration(context, made) or ""}


def judge(state: State, runtime: Runtime[Context]) -> dict[str, Any]:
    """Compare with the reference, update the incumbent, and decide whether the search continues."""
    context, number = runtime.context, state["iteration"]
    for candidate in _candidates(state, context):
        judge_candidate(context, candidate, "search")
    records = context.tracking.records()
    best = best_iteration(records)
    curve = {
        "iterations_done": float(number),
        f"incumbent_validation_{context.config.search.metric}": best.mean if best else None,
        "seconds_outside_training": context.stopwatch.outside_training(),
        **iteration_series(records, number, context.config.search.metric),
    }
    known = {name: value for name, value in curve.items() if value is not None}
    context.tracking.log_study(known, step=number)
    log_spending(context)
    prune_weights(context)
    context.terminal.iteration_table(records)
    stop = why_stop(context, number + 1, state["stop"])
    if stop:
        judge_all_again(context)
    return {"iteration": number + 1, "rejections": [], "stop": stop}


def finalise(state: State, runtime: Runtime[Context]) -> dict[str, Any]:
    """Choose what to use on validation, train it under fresh seeds, open the test set once, report."""
    context = runtime.context
    choice = choose(context)
    fresh = train_for_test(context, choice)
    finish = Finish(choice, fresh, state["stop"])
    for line in (choice.note, *fresh.notes):
        if line:
            context.terminal.warn(line)
    if fresh.tested:
        context.terminal.note("The choice is made on validation; the sealed test set is opened now.")
        earlier = announce_opening(context, context.data)
        scores = open_test(context, fresh)
        finish = replace(finish, earlier=earlier, scores=scores)
        finish = replace(finish, shifts=[_shifted(context, shift, finish) for shift in context.shifts])
        explain_finish(context, choice, fresh)
    publish(context, build_report(context, finish), finish)
    prune_weights(context)
    drop_trunks(context)
    return {"chosen": choice.recommended.name if choice.recommendation else ""}


def _shifted(context: Context, shift: Shift, finish: Finish) -> ShiftTable:
    return shift_table(
        context, shift, finish, announce_opening(context, shift.data), test_on(context, shift, finish.fresh)
    )


def _candidates(state: State, context: Context) -> list[Candidate]:
    return of_iteration(state["iteration"], context.proposer.name, parse_proposals(state["answer"]))


def _import_preview() -> None:
    import tools.policy.preview  # noqa: F401
