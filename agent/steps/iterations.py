"""How many iterations fit into a limit in time (`search.iterations auto`), settled once and written into the settings.

It is settled as soon as speed and length are known, and before the search: from then on, the study is one with so many
iterations, for the session that resumes it as well. The limit itself still ends the search when its time is over.
"""

from agent.context import Context
from agent.memory.candidate import baseline_count
from agent.proposers.factory import LLM_ARMS
from agent.settings.config import StudyConfig
from agent.steps.finish_plan import UNTIL_KNOWN, plan_finish, trials_of_iteration
from agent.steps.length.plan import images_of, planned_trials, taken_by_length
from agent.steps.plan import OF_A_CALL, OF_A_TRIAL, usual_trial
from agent.steps.speed import limited_in_time, measure_speed, read_speed
from agent.study_folder import write_config
from tools.durations import as_flag, exactly
from tools.execution.devices import plan_workers
from tools.text import counted

_ROOM = 0.9
"""Of the time that is planned with: speeds vary, and the finish must not be cut short."""
_MOST = 10_000
"""Iterations that a study may have (`search.iterations`)."""


def with_time_as_count(config: StudyConfig) -> StudyConfig:
    """The settings of a study that begins; `search.iterations` becomes 'auto' on this machine's GPUs under a limit on
    wall-clock time, unless they say a number."""
    if config.budget.wall_clock is None or "iterations" in config.search.model_fields_set:
        return config
    if config.execution.kind != "local":
        return config
    if not all(plan.device.startswith("cuda") for plan in plan_workers(config.execution)):
        return config
    return config.model_copy(update={"search": config.search.model_copy(update={"iterations": "auto"})})


def settle_iterations(context: Context, trained: bool = False) -> None:
    """Put the number of iterations that fit into the time in the place of 'auto', where it can be known by now.

    Args:
        context: of the study; its settings, and config.yaml, are changed.
        trained: whether the reference is trained, so that all is known that ever will be.
    """
    config = context.config
    if config.search.iterations != "auto":
        return
    if config.training.epochs == "auto" and context.lengths is None and not trained:
        return
    if not trained:
        epochs = context.recipe.epochs
        measure_speed(context, usual_trial(context, epochs), epochs)
    seconds = _seconds_of_a_trial(context)
    if seconds is None and not trained:
        return
    count = UNTIL_KNOWN if seconds is None else iterations_within(config, _time(context), seconds)
    context.config = config.model_copy(
        update={"search": config.search.model_copy(update={"iterations": count})}
    )
    write_config(context.folder, context.config)
    limit = as_flag(_limit(config))
    if seconds is None:
        context.terminal.note(
            f"How many iterations fit into {limit} could not be measured; the search has {count}."
        )
        return
    each = f"{seconds:.2g} s" if seconds < 10 else exactly(seconds)
    by = f"by {each} for a training"
    if len(context.machines) > 1:
        by += f" with {counted(len(context.machines), 'worker')}"
    trainings = counted(planned_trials(context), "training")
    if _takes(config, count, seconds) > _time(context):
        context.terminal.warn(
            f"{limit} is too short for one iteration and a finish, which are {trainings}, {by}: raise the limit, or "
            "take smaller images, fewer epochs (--epochs) or fewer seeds (--seeds)"
        )
        return
    context.terminal.note(f"about {trainings} in {limit}: {counted(count, 'iteration')}, {by}")


def iterations_within(config: StudyConfig, time: float, seconds: float) -> int:
    """The most iterations whose trainings, with those before and after the search, take so long; at least one.

    Args:
        config: of the study.
        time: seconds that the whole study has.
        seconds: that a training takes, of all workers together.
    """
    room, none = _ROOM * time, _takes(config, 0, seconds)
    each = _takes(config, 1_001, seconds) - _takes(
        config, 1_000, seconds
    )  # beyond the last that adds a finalist
    count = max(1, int((room - none) / each))
    while count > 1 and _takes(config, count, seconds) > room:
        count -= 1
    return min(count, _MOST)


def _takes(config: StudyConfig, count: int, seconds: float) -> float:
    """Seconds of a study of so many iterations whose trainings take `seconds` each."""
    search = config.search
    plan = plan_finish(search.model_copy(update={"iterations": count}))
    besides = (1 + baseline_count(search)) * search.seeds + plan.choice + plan.test
    calls = OF_A_CALL if search.proposer in LLM_ARMS else 0.0
    trainings = besides + count * trials_of_iteration(search)
    return trainings * (seconds + OF_A_TRIAL) + count * calls


def _limit(config: StudyConfig) -> float:
    """The limit in time that is told: one of the two is set."""
    budget = config.budget
    return budget.wall_clock or budget.training_seconds or 0.0


def _time(context: Context) -> float:
    """Seconds that all workers together have for what is planned: finding the length, where it is found, is over."""
    budget, workers = context.config.budget, len(context.machines)
    speed = read_speed(context.folder)
    begun = 0.0 if speed is None else speed.begun
    limits = [
        *([] if budget.wall_clock is None else [budget.wall_clock - begun]),
        *([] if budget.training_seconds is None else [budget.training_seconds / workers]),
    ]
    before = 0.0 if speed is None else taken_by_length(context) / speed.images_per_second / speed.workers
    return max(0.0, min(limits) - before)


def _seconds_of_a_trial(context: Context) -> float | None:
    """That a training takes, by the speed that was written down: divided by the workers, which train side by side."""
    speed = read_speed(context.folder) if limited_in_time(context) else None
    if speed is None:
        return None
    return context.recipe.epochs * images_of(context) / speed.images_per_second / speed.workers
