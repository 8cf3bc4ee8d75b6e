"""What runs inside a worker process. Its results are files in the trials' folders; the pipe carries only names.

A kill can cut a message through the pipe in half, and the parent would then wait for ever; a file that is replaced
whole has no such state.
"""

import json
from pathlib import Path

from tools.files import write_json
from tools.processes import exit_with_parent
from tools.training.config import TrialSpec
from tools.training.types import TrialResult

OUTCOME = "outcome.json"
"""How the last session of a trial ended; unlike result.json it is written for every kind of failure."""


def start_worker(threads: int) -> None:
    """Run once in each worker: watch the parent, import what is slow to import, limit torch to `threads`."""
    exit_with_parent()
    import torch

    import tools.training.loop  # noqa: F401 -- imported here, so that it counts towards no trial's time-out

    torch.set_num_threads(threads)


def do_nothing() -> None:
    """Submitted to start a worker."""


def train_in_worker(spec: TrialSpec, device: str) -> None:
    """Train one trial; its outcome is written to its folder."""
    from tools.training.loop import train_trial

    outcome = spec.directory / OUTCOME
    outcome.unlink(missing_ok=True)
    result = train_trial(spec, device, on_epoch=lambda report: None)  # the parent follows epochs.jsonl
    write_json(outcome, result.as_json())


def evaluate_in_worker(split: str, spec: TrialSpec, device: str) -> str | None:
    """Evaluate one trial; its predictions are written to its folder. Returns the reason if it failed."""
    from tools.training.evaluation import evaluate_trial
    from tools.training.failures import failure_of

    try:
        evaluate_trial(spec, split, device)
    except Exception as error:
        return failure_of(spec, device, error)[1][:2000]
    return None


def read_outcome(directory: Path) -> TrialResult:
    """How the session ended that a worker has just finished."""
    return TrialResult.from_json(json.loads((directory / OUTCOME).read_text("utf-8")))
