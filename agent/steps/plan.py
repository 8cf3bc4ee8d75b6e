"""What a study will take, told before it takes it: trainings, time, disk, and calls of the language model.

The time comes from a few batches that every worker trains. A study of a few minutes is not measured: its first
trainings tell the same (`tell_rest`).
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from math import ceil
from statistics import fmean
from typing import Any

from agent.context import Context
from agent.memory.candidate import Candidate, baseline_count, baselines, reference
from agent.memory.proposal import Proposal
from agent.proposers.factory import LLM_ARMS
from agent.screen.plan import Plan, in_words_of_more
from agent.settings.config import SearchConfig, StudyConfig
from agent.steps.finish_plan import iteration_count, plan_finish, trials_of_iteration
from agent.steps.length.plan import (
    LONGEST_STEPS,
    costs_at_first,
    costs_of,
    first_epochs,
    images_of,
    planned_trials,
    steps_of,
)
from agent.steps.speed import timings_of, trial_seconds
from agent.steps.stages import ARM, looks_of
from agent.steps.trials import trial_spec
from evaluators.length_costs import LARGEST_SHARE, lengths_within, seeds_for
from tools.disk import free_space
from tools.durations import about
from tools.files import DamagedFile
from tools.policy.starts import default_policy
from tools.text import counted
from tools.training.config import TrialSpec
from tools.training.types import Timing, TrialResult

_WORTH_MEASURING = 4e7
"""Pixels that a study trains on, from which its speed is measured: below, it takes minutes."""
_USUAL_DOUBLINGS = 3
"""How often the shortest length is usually doubled, at most, before longer trainings gain nothing."""
_LONG = 1_800.0
"""Seconds from which cheaper settings are named."""
_CHEAPER = 0.6
"""Of the time, that a cheaper setting may take at most, to be named alone; also all together, of the best alone."""
_HELPS = 0.9
"""Of the time, that a setting may take at most to be named together with others."""
_SIZES = (160, 128, 96, 64, 48, 32)
_FINE_TUNING = 8
"""Epochs that pretrained weights usually need."""
_BESIDES, OF_A_TRIAL, OF_A_CALL = 15.0, 0.4, 12.0
"""Seconds of a study outside training: once, for each trial, and for each call of a language model."""
_READ = 10_000
"""Tokens that a call of the language model reads, about."""
_KEPT = 200_000
"""Bytes that a trial leaves besides weights: its files, and its run in MLflow."""


def tell_plan(context: Context) -> None:
    """Tell what the study takes, unless it was resumed: then something of it is done."""
    spent = context.ledger.spent()
    if spent.trials or spent.reused_trials or context.lengths is not None:
        return
    for name, text in make_plan(context).lines(free_space(context.folder)):
        context.terminal.note(f"{name}: {text}")


def tell_found(context: Context) -> None:
    """Tell what the study takes now that its length was found, if that was measured in this session."""
    if context.config.training.epochs == "auto" and context.timings and context.lengths is not None:
        name, text = make_plan(context).lines()[0]
        context.terminal.note(f"{name}: {text}")


def tell_rest(context: Context, ended: Sequence[tuple[int, TrialResult]]) -> None:
    """Tell how much is left after the reference and the baselines, by what their trials took.

    Args:
        context: of the study.
        ended: (training images, result) of these trials.
    """
    seconds = [(samples, result.seconds) for samples, result in ended if samples and result.scores]
    left = _rounds(context, context.config.search, first=False)
    if not seconds or not left:
        return
    each = sum(took for _, took in seconds) / sum(samples for samples, _ in seconds)
    trial = each * context.recipe.epochs * images_of(context)
    rest = left * trial * (1 + _explained(context.config)) + _outside(context)
    trials = (
        planned_trials(context) - (1 + baseline_count(context.config.search)) * context.config.search.seeds
    )
    if trials > 0:
        more = in_words_of_more(_more(context))
        context.terminal.note(f"left: up to {counted(trials, 'training')}{more}, about {about(rest)}")


def make_plan(context: Context, always: bool = False) -> Plan:
    """What the study takes; nothing of it has begun.

    Args:
        context: of the study.
        always: measure its speed even where it is small.
    """
    config, search = context.config, context.config.search
    low, high = _epochs(context)
    pixels = planned_trials(context) * low * images_of(context) * context.data.image_size**2
    timings: list[Timing] = []
    if always or pixels >= _WORTH_MEASURING:
        timings = timings_of(context, usual_trial(context, low))
    before = _trained_before(context) if low == high else 0
    share = 1 - before / max(1, planned_trials(context))
    plan = Plan(
        trainings=planned_trials(context),
        trained_before=before,
        epochs=(low, high),
        seconds=None,
        limit=_limit(config, len(context.machines)),
        images_per_second=fmean(each.training for each in timings) if timings else None,
        workers=len(context.machines),
        cheaper=(),
        disk=None,
        llm_calls=_calls(context),
        dollars=_dollars(context),
        model=(config.llm.model or "") if search.proposer in LLM_ARMS else "",
        backgrounds=context.backgrounds != "off",
        trainings_more=_more(context),
    )
    if not timings:
        return plan
    plan = replace(
        plan,
        seconds=tuple(_seconds(context, timings, epochs, search, share) for epochs in (low, high)),
        smallest=_smallest(context, timings, low),
        disk=_disk(context, timings),
    )
    if plan.seconds is None or plan.seconds[1] < _LONG:
        return plan
    return replace(plan, cheaper=tuple(_cheaper(context, timings, (low, high), plan.seconds[1])))


def _smallest(context: Context, timings: Sequence[Timing], epochs: int) -> float:
    """Seconds of the smallest study that has a result, with so many epochs a training."""
    trials = ceil(costs_of(context).smallest / len(context.machines))
    return _BESIDES + trials * (OF_A_TRIAL + trial_seconds(context, timings, epochs))


def _more(context: Context) -> int:
    """Trainings that the finish takes beside `planned_trials`, at most, as far as the budget allows them."""
    config = context.config
    plan = plan_finish(config.search, found=config.training.epochs == "auto")
    more = plan.lengths + (plan.parts if context.backgrounds != "off" else 0)
    limit = config.budget.trials
    return more if limit is None else min(more, limit - planned_trials(context))


def _epochs(context: Context) -> tuple[int, int]:
    """Epochs of a training of this study: the fewest and, as far as that can be known, the most."""
    if context.config.training.epochs != "auto" or context.lengths is not None:
        return context.recipe.epochs, context.recipe.epochs
    first = first_epochs(context)
    seeds = seeds_for(planned_trials(context), context.config.search.seeds)
    longest = int(LONGEST_STEPS / steps_of(context, 1))
    usual = min(longest, 2**_USUAL_DOUBLINGS * first)
    return first, max(first, *lengths_within(costs_at_first(context), first, seeds, usual))


def usual_trial(context: Context, epochs: int) -> TrialSpec:
    """A trial by which speed is measured: the default policy under the first seed, for so many epochs."""
    policy = default_policy(context.data.card.modality).policy.operations
    proposal = Proposal(hypothesis="How fast a trial trains.", expected_gain=0.0, policy=policy)
    return trial_spec(context, Candidate("speed", 0, "length", proposal, epochs), context.config.search.seed)


def _seconds(
    context: Context, timings: Sequence[Timing], epochs: int, search: SearchConfig, share: float
) -> float:
    """Of the whole study with so many epochs; `share` is the part of its trainings that is not there already."""
    each = trial_seconds(context, timings, epochs)
    training = _rounds(context, search) * each * share
    if context.config.training.epochs == "auto":
        training *= 1 + LARGEST_SHARE / 2
    tested = plan_finish(search).test * context.data.size("test")
    evaluating = tested / fmean(timing.evaluation for timing in timings) / len(context.machines)
    return training * (1 + _explained(context.config)) + evaluating + _outside(context, search)


def _rounds(context: Context, search: SearchConfig, first: bool = True) -> int:
    """How often all workers train a trial each, one after the other, in a study; without `first`, after the
    reference and the baselines."""
    plan, limit, workers = plan_finish(search), context.config.budget.trials, len(context.machines)
    begun = (1 + baseline_count(search)) * search.seeds
    phases = [
        *([begun] if first else []),
        *[trials_of_iteration(search)] * iteration_count(search),
        plan.choice,
        plan.test,
    ]
    if limit is None:
        return sum(ceil(trials / workers) for trials in phases)
    return ceil(min(sum(phases), limit - (0 if first else begun)) / workers)


def _outside(context: Context, search: SearchConfig | None = None) -> float:
    """Seconds that are spent neither on training nor on testing."""
    return _BESIDES + OF_A_TRIAL * planned_trials(context) + OF_A_CALL * _usual_calls(context, search)


def _usual_calls(context: Context, search: SearchConfig | None) -> int:
    config = context.config
    if config.search.proposer not in LLM_ARMS:
        return 0
    return min(_calls(context), 3 * _answers(context) * iteration_count(search or config.search))


def _answers(context: Context) -> int:
    """Of the model in one iteration: its proposal, and one more at each look at a training that it may change."""
    looks = looks_of(context, context.recipe.epochs) if context.config.search.proposer == ARM else ()
    return 1 + len(looks)


def _explained(config: StudyConfig) -> float:
    """What explaining the result takes of the training (`agent.explanation.finishing`)."""
    return 0.0 if config.report.explain == "off" else 0.05


def _limit(config: StudyConfig, workers: int) -> float | None:
    budget = config.budget
    training = None if budget.training_seconds is None else budget.training_seconds / workers
    return min((limit for limit in (budget.wall_clock, training) if limit is not None), default=None)


def _trained_before(context: Context) -> int:
    """Trainings without augmentation and of the baselines that the store has already."""
    search = context.config.search
    seeds = [*search.choice_seeds, *search.fresh_seeds]
    found = 0
    for candidate in (reference(), *baselines(search, context.data.card.modality)):
        for seed in seeds:
            try:
                found += context.store.result(trial_spec(context, candidate, seed).key) is not None
            except DamagedFile:
                continue  # told when it is needed, and trained again
    return min(found, planned_trials(context))


def _disk(context: Context, timings: Sequence[Timing]) -> int:
    plan, weights = plan_finish(context.config.search), timings[0].weights
    kept = plan.choice + plan.test + _more(context) + context.config.search.seeds
    checkpoints = 3 * len(context.machines)  # a model and the two moments of its optimiser
    return (kept + checkpoints) * weights + _KEPT * planned_trials(context)


@dataclass(frozen=True)
class _Settings:
    """Settings of a study, as far as its time depends on them."""

    flags: str
    timings: Sequence[Timing]
    epochs: tuple[int, int]
    search: SearchConfig


def _cheaper(
    context: Context, timings: Sequence[Timing], epochs: tuple[int, int], longest: float
) -> Iterator[tuple[str, float, float]]:
    """Settings with which the study takes much less, each alone, then all that help together: flags, seconds for the
    fewest and the most epochs."""
    search = context.config.search
    now = _Settings("", timings, epochs, search)
    fewer = {"iterations": min(4, iteration_count(search)), "seeds": min(2, search.seeds)}
    changes: list[dict[str, Any]] = [
        *_smaller_images(context, timings, epochs),
        *_fine_tuning(context, epochs),
        {"flags": "--iterations 4 --seeds 2", "search": search.model_copy(update=fewer)},
    ]

    def seconds(settings: _Settings) -> tuple[float, float]:
        low, high = (
            _seconds(context, settings.timings, each, settings.search, 1.0) for each in settings.epochs
        )
        return low, high

    helpful, best = [], longest
    for change in changes:
        low, high = seconds(replace(now, **change))
        if high <= _CHEAPER * longest:
            yield change["flags"], low, high
        if high <= _HELPS * longest:
            helpful.append(change)
            best = min(best, high)
    together = {name: value for change in helpful for name, value in change.items()}
    if len(helpful) > 1:
        together["flags"] = " ".join(change["flags"] for change in helpful)
        low, high = seconds(replace(now, **together))
        if high <= _CHEAPER * best:
            yield together["flags"], low, high


def _fine_tuning(context: Context, epochs: tuple[int, int]) -> Iterator[dict[str, Any]]:
    """As few epochs as published weights need, where the study trains longer."""
    if epochs[1] > _FINE_TUNING:
        weights = "--model.weights torchvision " if context.config.model.weights is None else ""
        yield {"flags": f"{weights}--epochs {_FINE_TUNING}", "epochs": (_FINE_TUNING, _FINE_TUNING)}


def _smaller_images(
    context: Context, timings: Sequence[Timing], epochs: tuple[int, int]
) -> Iterator[dict[str, Any]]:
    """Images with about a third, or half, of the pixels, where the model takes that; its updates are timed.

    Fewer pixels need not be faster: small images have a first layer that keeps them whole (`networks/stems.py`).
    """
    now = context.data.image_size
    sizes = [next((each for each in _SIZES if each**2 <= share * now**2), 0) for share in (0.35, _CHEAPER)]
    sizes = [size for size in dict.fromkeys(sizes) if size]
    if not sizes:
        return
    spec = usual_trial(context, epochs[0])
    updates = context.executor.time_updates(spec, context.folder / "speed", (now, *sizes))
    known = [(updates[size], size) for size in sizes if size in updates]
    for _, size in sorted(known)[:1]:
        found = [other for each in timings if (other := each.at_size(updates, size, now)) is not None]
        yield {"flags": f"--image-size {size}", "timings": found}


def _calls(context: Context) -> int:
    """Calls of the language model, at most, where no answer is refused."""
    config = context.config
    if config.search.proposer not in LLM_ARMS:
        return 0
    each = 1 if config.llm.mode == "structured" else 1 + config.llm.max_tool_calls
    calls = iteration_count(config.search) * each * _answers(context)
    return calls if config.budget.llm_calls is None else min(calls, config.budget.llm_calls)


def _dollars(context: Context) -> float | None:
    from agent.llm.prices import cost

    config = context.config
    calls, written = _calls(context), config.llm.max_tokens
    if not calls:
        return 0.0
    price = cost(
        config.llm,
        {"input_tokens": _READ, "output_tokens": written, "total_tokens": _READ + written},
    )
    if price is None:
        return config.budget.dollars
    return calls * price if config.budget.dollars is None else min(calls * price, config.budget.dollars)
