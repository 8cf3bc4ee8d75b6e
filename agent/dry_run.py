"""`agent run --dry-run`: what a study would take, of which nothing is left behind but the decoded images."""

import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, cast

from agent.screen.plan import Plan
from agent.screen.terminal import Terminal
from agent.settings.config import StudyConfig
from tools.disk import free_space

if TYPE_CHECKING:
    from agent.memory import Tracking


@dataclass(frozen=True)
class _NoStore:
    """Stands for the MLflow store, which a plan neither reads nor writes."""

    study_run: str = ""


def plan_study(config: StudyConfig, terminal: Terminal) -> Plan:
    """Say what the study of `config` would take: trainings, time, disk, and calls of the language model.

    The images are decoded as for the study, which finds them later. Nothing is asked of a language model.

    Raises:
        AugurError: the study could not start; the text says what to do.
    """
    from agent.starting.arithmetic import settle_arithmetic
    from agent.starting.model_start import settle_model
    from agent.starting.prechecks import check_before_start, check_schedules
    from agent.starting.startup import open_context
    from agent.steps.iterations import settle_iterations, with_time_as_count
    from agent.steps.plan import make_plan
    from agent.study import resolve

    config, why = resolve(config)
    dataset = check_before_start(config)
    check_schedules(config, dataset.card)
    config = settle_model(config, dataset, terminal, rehearsal=True)
    config = with_time_as_count(settle_arithmetic(config, dataset, terminal, keep=False))
    with tempfile.TemporaryDirectory(prefix="augur-plan-") as folder:
        store = cast("Tracking", _NoStore())
        named = config.model_copy(update={"study": config.study or "(not begun)"})
        opened = open_context(named, why, Path(folder), terminal, store, dataset, rehearsal=True)
        with opened as context:
            settle_iterations(context)
            plan = make_plan(context, always=True)
    for name, text in plan.lines(free_space(config.runs_dir)):
        terminal.result(f"{name}: {text}")
    terminal.study = None
    return plan
