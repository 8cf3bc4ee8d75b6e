"""Epochs at a constant rate that several trials have in common, trained once.

They are trials of several lengths, or of several policies that differ in the cool-down alone. A trial of schedule 'wsd'
is a pure function of its key, whether these files are there or not: what it reads here is what it would compute. Each
state is a file of its own, named by its last epoch; a damaged one is reported and not used.
"""

from pathlib import Path
from typing import Any

from tools.files import make_folder
from tools.training.checkpoint import Checkpoint
from tools.training.config import TrialSpec
from tools.training.recipes import trunk_epochs


def trunk_spec(spec: TrialSpec) -> TrialSpec:
    """What is trained where the trunk of `spec` is not there: its epochs, in its own folder, under its own key."""
    trunk = spec.trunk
    assert trunk is not None
    own = {"key": trunk.key, "directory": trunk.directory, "policy": trunk.policy, "synthetic": None}
    return spec.model_copy(update=own)


class SharedTrunk:
    """The states of one trunk, as one of its branches sees them; nothing at all for a trial without one."""

    def __init__(self, spec: TrialSpec) -> None:
        self._trunk = spec.trunk
        self._epochs, self._end = spec.recipe.epochs, trunk_epochs(spec.recipe) if spec.trunk else 0
        self._foreign = spec.has_foreign_trunk

    def ends_with(self, epoch: int) -> bool:
        """Whether `epoch` (from 1) is the last one before this branch cools down."""
        return self._trunk is not None and epoch == self._end

    def is_missing(self, done: int) -> bool:
        """Whether a trial with `done` finished epochs waits for its trunk to be trained (`loop.begin_with_trunk`)."""
        return self._foreign and done < self._end

    def save(self, state: dict[str, Any]) -> None:
        """Keep the state at the end of the trunk for longer branches, unless one of them has done so.

        Raises:
            OSError: as the system raises it.
        """
        assert self._trunk is not None
        file = self._file(self._end)
        if not file.exists():
            make_folder(file.parent)
            Checkpoint(file.parent, self._trunk.key, file.name).save(state)

    def latest(self, own: dict[str, Any] | None, device: str) -> tuple[dict[str, Any] | None, int]:
        """The state to begin with: of this trial's `own` checkpoint, or one of the trunk that is further on.

        Returns:
            The state, and how many of its epochs this trial has reported.
        """
        done = 0 if own is None else len(own["reports"])
        shared = self.load_beyond(done, device)
        return (own, done) if shared is None else (shared, done)

    def load_beyond(self, done: int, device: str) -> dict[str, Any] | None:
        """The latest state with more than `done` epochs that this branch may begin with, tensors on `device`; or None.

        Its reports are those that this branch would have written; the seconds are 0, since another trial took them.
        """
        if self._trunk is None:
            return None
        # Only the whole trunk is a beginning for a cool-down under another policy.
        first = max(done, self._end - 1) if self._foreign else done
        for epoch in range(self._end, first, -1):
            file = self._file(epoch)
            if file.exists() and (state := Checkpoint(file.parent, self._trunk.key, file.name).load(device)):
                reports = state["reports"]
                for report in reports:
                    report |= {"epochs": self._epochs, "seconds": 0.0}
                return state
        return None

    def remove(self) -> None:
        """Delete the state at the end of the trunk, which is damaged or no longer needed."""
        self._file(self._end).unlink(missing_ok=True)

    @property
    def directory(self) -> Path:
        """Where the states lie."""
        assert self._trunk is not None
        return self._trunk.directory

    @property
    def end(self) -> int:
        """The last epoch before the cool-down."""
        return self._end

    def _file(self, epoch: int) -> Path:
        assert self._trunk is not None
        return self._trunk.directory / f"epoch-{epoch:05d}.pt"
