"""What runs inside a worker process. Its results are files in the trials' folders; the pipe carries only names.

A message through the pipe may be cut in half by a kill, and would block the parent for ever; a file replaced whole
cannot.
"""

import json
from pathlib import Path

from tools.files import write_json
from tools.processes import exit_with_parent
from tools.training.config import TrialSpec
from tools.training.types import TrialResult

OUTCOME = "outcome.json"
"""How the last sitting of a trial ended; unlike result.json it is there for every kind of failure."""


def start_worker(threads: int) -> None:
    """Once in each worker: watch the parent, load what is slow to load, and take no more threads than planned."""
    exit_with_parent()
    import torch

    import tools.training.loop  # noqa: F401 -- loaded here, so that no trial's time-out pays for it

    torch.set_num_threads(threads)


def wake() -> None:
    """Nothing to do; asking for it starts the worker."""


def train_in_worker(spec: TrialSpec, device: str) -> None:
    """Trains one trial; its outcome lies in its folder."""
    from tools.training.loop import train_trial

    outcome = spec.directory / OUTCOME
    outcome.unlink(missing_ok=True)
    result = train_trial(spec, device, on_epoch=lambda report: None)  # the parent follows epochs.jsonl
    write_json(outcome, result.as_json())


def evaluate_in_worker(spec: TrialSpec, split: str, device: str) -> str | None:
    """Evaluates one trial; its predictions lie in its folder. Returns the reason where it failed."""
    from tools.training.evaluation import evaluate_trial
    from tools.training.failures import failure_of

    try:
        evaluate_trial(spec, split, device)
    except Exception as error:
        return failure_of(spec, device, error)[1][:2000]
    return None


def read_outcome(directory: Path) -> TrialResult:
    """How the sitting ended that a worker has just reported as over."""
    return TrialResult.from_json(json.loads((directory / OUTCOME).read_text("utf-8")))
