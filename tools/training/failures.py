"""Failures of a trial as results: what happened, and what to try."""

import re
import traceback

from tools.errors import AugurError, ImagesGone, first_line
from tools.machine import SHARED_MEMORY_REMEDY, is_out_of_memory, is_shared_memory_fault
from tools.training.config import TrialSpec
from tools.training.epoch_log import read_epochs
from tools.training.types import FailureKind, TrialResult

TRACEBACK = "error.txt"

_LOADER_DIED = re.compile(r"DataLoader worker \(pid.*(exited unexpectedly|killed by signal)")


class NonFiniteLoss(AugurError):
    """The classifier has diverged: its loss is NaN or infinite. The text says where."""


def failure_of(spec: TrialSpec, device: str, error: Exception) -> tuple[FailureKind, str]:
    """The kind and the text of a failure; an unexpected one also leaves its traceback in the trial's folder."""
    if isinstance(error, NonFiniteLoss):
        return "non_finite_loss", f"{error}; try a smaller training.learning_rate or a milder policy"
    if is_shared_memory_fault(error):
        return "shared_memory", SHARED_MEMORY_REMEDY
    if _LOADER_DIED.search(str(error)):
        return "worker_died", f"a process that loads images died ({first_line(error)})"
    if is_out_of_memory(error):
        return "out_of_memory", (
            f"out of memory on {device} with batches of {spec.recipe.batch_size} images of {spec.image_size} px: "
            "try a smaller training.batch_size or data.image_size, a smaller model.name, or fewer execution.workers"
        )
    if isinstance(error, AugurError):
        return "error", str(error)
    file = spec.directory / TRACEBACK
    file.write_text("".join(traceback.format_exception(error)), "utf-8", errors="backslashreplace")
    return "error", f"{type(error).__name__}: {first_line(error)} (the traceback is in {file})"


def images_gone(error: Exception) -> ImagesGone | None:
    """`error` where it says that images are gone; a process that loads them adds its traceback, which is cut off."""
    if not isinstance(error, ImagesGone):
        return None
    return ImagesGone(str(error).rpartition(f"{ImagesGone.__name__}: ")[2].strip())


def failed(
    spec: TrialSpec, failure: FailureKind, reason: str, machine: dict[str, str], seconds: float
) -> TrialResult:
    """The result of a trial that did not finish, with the epochs that it had finished.

    Args:
        spec: the trial's.
        failure: its kind.
        reason: for the user, and for the proposer.
        machine: what is known of the environment.
        seconds: spent on it over all sessions, unfinished epochs included.
    """
    return TrialResult(
        key=spec.key,
        seed=spec.seed,
        status="failed",
        epochs=read_epochs(spec.directory),
        seconds=seconds,
        failure=failure,
        reason=reason,
        environment=machine,
    )
