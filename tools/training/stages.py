"""A training in stages: one trial stops in the middle of it and leaves its state, another resumes from there.

In between, somebody may look at the curves and change the policy for the rest. A trial is a pure function of its key,
whether such a state is there or not: what it reads is what it would compute from the first epoch on.
"""

from pathlib import Path
from typing import Any

from tools.training.checkpoint import Checkpoint
from tools.training.config import TrialSpec

STATE = "state.pt"


def state_file(directory: Path) -> Path:
    """Where a trial that stopped has left its state."""
    return directory / STATE


def leave_state(spec: TrialSpec, state: dict[str, Any]) -> None:
    """Keep the state of a trial that stops, for those that begin with it.

    Raises:
        OSError: as the system raises it.
    """
    Checkpoint(spec.directory, spec.key, STATE).save(state)


def later_of(
    state: dict[str, Any] | None, done: int, spec: TrialSpec, device: str
) -> tuple[dict[str, Any] | None, int]:
    """The state to begin with: that of the trial's own checkpoint, or of its beginning, if that is further on.

    Args:
        state: of its own checkpoint, or None.
        done: epochs that this trial has reported itself.
        spec: the trial.
        device: where the tensors go.

    Returns:
        The state, and how many of its epochs this trial has reported.
    """
    begins = spec.begins
    trained = 0 if state is None else len(state["reports"])
    if begins is None or begins.epochs <= trained:
        return state, done
    found = Checkpoint(begins.directory, begins.key, STATE).load(device)
    if found is None:
        return state, done
    for report in found["reports"]:
        report["seconds"] = 0.0  # another trial took them
    return found, done
