"""What a cell of a paper's table came to: written when it is finished, and read back by every later command."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

from agent.paper.cells import Cell, Table
from tools.errors import AugurError
from tools.files import read_json, write_json


@dataclass(frozen=True)
class Result:
    """One finished cell. Scores are of the protocol's metric, 0..1."""

    study: str
    """Its entry in runs/studies."""
    line: str
    """Its policy in one line; of a search, the best that it found."""
    scores: Mapping[str, Mapping[int, float]]
    """Place → seed → score."""
    iteration: int | None = None
    """Of a search: in which the best was found."""
    failures: tuple[str, ...] = ()
    """Trainings that failed, and why."""
    trainings: int = 0
    """Done for this cell; what another cell or study had trained is not counted."""
    seconds: float = 0.0
    """That these took."""
    tested: list[dict[str, Any]] = field(default_factory=list)
    """Of a search: its own test under fresh seeds, as `agent show --json` prints it."""


def read_result(table: Table, cell: Cell) -> Result | None:
    """What the cell came to; None where it is not finished.

    Raises:
        AugurError: its file is damaged.
    """
    file = table.folder / "cells" / f"{cell.slug}.json"
    if not file.exists():
        return None
    content: Any = read_json(file)
    try:
        known: dict[str, Any] = dict(content)
        if known.pop("digest") != cell.digest:
            return None
        known.pop("cell")
        known["failures"] = tuple(known["failures"])
        known["scores"] = {
            place: {int(seed): float(score) for seed, score in by_seed.items()}
            for place, by_seed in known["scores"].items()
        }
        return Result(**known)
    except (TypeError, KeyError, ValueError, AttributeError) as error:
        raise AugurError(
            f"{file}, which says what a cell of {table.name} came to, is damaged. Delete it: the same command then "
            "makes it again from what was trained"
        ) from error


def write_result(table: Table, cell: Cell, result: Result) -> None:
    """Keep it: the cell is finished now."""
    file = table.folder / "cells" / f"{cell.slug}.json"
    file.parent.mkdir(parents=True, exist_ok=True)
    write_json(file, {"cell": cell.name, "digest": cell.digest, **asdict(result)})
