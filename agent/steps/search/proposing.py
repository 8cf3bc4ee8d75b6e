"""What an arm is told before it proposes, and what is shown of its proposal."""

import json
from collections.abc import Sequence
from dataclasses import replace
from statistics import fmean
from typing import Any

from agent.context import Context
from agent.images.set_in_words import describe as describe_images
from agent.images.set_in_words import describe_prompts, describe_unread
from agent.memory.candidate import REFERENCE, Candidate
from agent.memory.history import History, Rejection, noise_of
from agent.memory.ledger import BudgetSpent
from agent.memory.look_ups import Notebook
from agent.memory.ranking import best_iteration
from agent.memory.remaining import describe_remaining
from agent.memory.reviews import reviewer_notes
from agent.proposers import Malformed, ask_for
from agent.proposers.factory import LLM_ARMS
from agent.proposers.kept import notes_in
from agent.state import Refusal, State
from agent.steps.finish_plan import iteration_count
from agent.steps.left_out import shown_images, training_examples
from agent.steps.search.cheap import trust_of
from agent.steps.search.instruments import StudyInstruments
from agent.steps.search.warm_start import earlier_of, next_warm
from agent.steps.speed import samples_allowed
from agent.steps.stages import ARM, looks_of
from tools.errors import AugurError, ConfigurationError
from tools.training.config import fold_of_seed
from tools.training.recipes import describe_recipe, training_steps
from tools.training.views import training_size


def ask_arm(context: Context, state: State) -> dict[str, Any]:
    """Ask the arm for the proposal of an iteration; what becomes of the state of the loop.

    What the arm wrote down and looked up is kept with the state, until a proposal is accepted.
    """
    refusals = state["rejections"]
    kept = state.get("notebook") if refusals else None
    notebook = Notebook.from_json(kept) if kept else Notebook()
    instruments = StudyInstruments(context)
    history = history_of(context, state["iteration"], refusals, notebook)
    try:
        answer = next_warm(context, history)
        answer = answer or ask_for(
            context.proposer, replace(history, instruments=instruments, on_tool=context.trace.tool)
        )
    except BudgetSpent as spent:
        return {"stop": str(spent)}
    notes = notes_in(answer.answer) if isinstance(answer, Malformed) else answer.notes
    notebook = notebook.then(Notebook(notes.strip(), tuple(instruments.kept)))
    said = {"notebook": notebook.as_json()}
    if isinstance(answer, Malformed):
        return {"answer": answer.answer, "malformed": answer.reason, **said}
    # Not model_dump_json: that writes a NaN as null, and vet has to see and name it.
    return {"answer": json.dumps(answer.model_dump()), "malformed": "", **said}


def history_of(
    context: Context, iteration: int, refusals: Sequence[Refusal], notebook: Notebook | None = None
) -> History:
    """What the arm is told before it proposes `iteration`: everything from MLflow, what is of this iteration from the
    state (refusals, `notebook`)."""
    records = [record for record in context.tracking.records() if record.number < iteration]
    reference = next((record for record in records if record.name == REFERENCE), None)
    past = tuple(sorted((r for r in records if r.number > 0), key=lambda record: record.number))
    search, model, data = context.config.search, context.config.model, context.data
    low, high = search.operation_range
    return History(
        card=data.card,
        class_counts=data.class_counts("train"),
        images=data.size("train"),
        image_size=data.image_size,
        model=f"{model.title}, "
        + ("trained from scratch" if model.weights is None else "started from pretrained weights"),
        recipe=describe_recipe(context.recipe),
        minimum_operations=low,
        maximum_operations=high,
        iteration=iteration,
        iterations=iteration_count(search),
        seed=search.seed,
        reference=reference,
        noise=noise_of(records),
        baselines=tuple(r for r in records if r.number == 0 and r.name != REFERENCE),
        past=past,
        cache=data.folder,
        rejections=tuple(Rejection(refusal["answer"], tuple(refusal["reasons"])) for refusal in refusals),
        budget_left=describe_remaining(context.ledger.spent(), context.config.budget),
        backgrounds=context.backgrounds,
        incumbent=best_iteration(records),
        advice=search.advice == "on",
        whole_policies=search.whole_policies == "on",
        seeds=search.seeds,
        longer=samples_allowed(context) is not None,
        steps=_steps(context),
        original_size=context.original_size,
        metric=search.metric,
        fold_count=context.fold_count,
        grey=context.grey,
        chain=None if context.backgrounds == "off" else context.synthesis.chain.facts,
        notebook=context.tracking.notebook().then(notebook or Notebook()),
        candidates=search.candidates,
        earlier=earlier_of(context),
        looks=looks_of(context, context.recipe.epochs) if search.proposer == ARM else (),
        epochs=context.recipe.epochs,
        cheap_first=search.candidates > 1 and trust_of(context).is_given,
        reviewer_notes=reviewer_notes(context.tracking) if search.proposer in LLM_ARMS else (),
    )


def _steps(context: Context) -> int:
    """Steps of the optimiser in one trial without synthetic images: with folds, which differ a little in size, their
    mean over the seeds of the search."""
    folds = [fold_of_seed(seed, context.fold_count) for seed in context.config.search.search_seeds]
    steps = [training_steps(context.recipe, training_size(context.data.folder, fold)) for fold in folds]
    return round(fmean(steps))


def announce(context: Context, candidate: Candidate) -> None:
    """Tell what is tried next, and why."""
    proposal = candidate.proposal
    context.terminal.proposal(
        candidate.name.removeprefix("iteration "),
        iteration_count(context.config.search),
        candidate.arm,
        proposal.hypothesis,
        proposal.expected_gain,
        proposal.in_one_line(),
    )


def log_contact_sheet(context: Context, candidate: Candidate, run: str) -> None:
    """Draw what the policy does to training images, and log it with the iteration."""
    from tools.policy.preview import contact_sheet

    path = context.folder / "contact_sheets" / f"iteration-{candidate.place}.png"
    path.parent.mkdir(exist_ok=True)
    images, labels = training_examples(context)
    contact_sheet(images, labels, candidate.proposal.as_policy(), path, seed=context.config.search.seed)
    context.tracking.log_file(run, path)


def make_images(context: Context, candidate: Candidate, run: str) -> dict[str, str]:
    """Make the synthetic images that a proposal asks for; what becomes of the state of the loop.

    Raises:
        AugurError: they cannot be made for a reason that another proposal would meet as well.
    """
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
    context.terminal.note(describe_images(made))
    if unread := describe_unread(made):
        context.terminal.note(unread)
    sheet = context.folder / "contact_sheets" / f"backgrounds-{candidate.place}.png"
    sheet.parent.mkdir(exist_ok=True)
    shown = shown_images(context)
    drawn = context.synthesis.sheet(prompts, sheet, only=set(shown.files))
    told = "; ".join(filter(None, (describe_images(made), describe_prompts(made, context.synthesis.root))))
    context.tracking.log_generated(run, told, made.gates, sheet if drawn else None)
    return {"unrealised": ""}
