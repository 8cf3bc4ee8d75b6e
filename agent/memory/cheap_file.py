"""`cheap.json` in a study's folder: candidates that it measured cheaply and in full, and what it knew of other studies.

Later studies with the same runs folder read the pairs of all studies before they trust the cheap measure. A study looks
at the others' once, and writes down what it saw: a resumed one decides by the same. What it decided by the room in its
budget is written down as well, before anything is trained by it: the trainings themselves take of that room. A pair has
the keys of its two trials, since studies reuse one another's; files of earlier versions have none.
"""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from evaluators.cheap import Pair
from tools.errors import AugurError
from tools.files import read_understood, write_json

NAME = "cheap.json"
TAG = "cheap_measure"
"""Of the study's run in MLflow: whether the measure is used, and why."""


@dataclass(frozen=True)
class CheapFile:
    """What is written down."""

    about: str
    """Data and model of the study, for a reader."""
    own: tuple[Pair, ...] = ()
    others: tuple[tuple[Pair, ...], ...] = ()
    """Pairs of every other study, when this one first looked."""
    decided: Mapping[str, bool] = field(default_factory=dict)
    """What was asked, such as 'iteration 3: cheap first' → the answer."""


def write_pairs(folder: Path, content: CheapFile) -> None:
    """Write down the pairs of the study in `folder`.

    Raises:
        OSError: as the system raises it.
    """
    write_json(folder / NAME, asdict(content))


def read_pairs(folder: Path) -> CheapFile | None:
    """What was written down; None where nothing was.

    Raises:
        AugurError: the file is damaged.
    """
    about = "which says how well the cheap measure ranked candidates"
    return read_understood(folder / NAME, _parsed, about, "its pairs then no longer count")


def pairs_of_others(folder: Path) -> tuple[tuple[tuple[Pair, ...], ...], list[Path]]:
    """The pairs of the studies beside the one in `folder`, sorted by name, and files that are damaged."""
    found, damaged = [], []
    for file in sorted(folder.parent.glob(f"*/{NAME}")):
        if file.parent == folder:
            continue
        try:
            other = read_pairs(file.parent)
        except AugurError:
            damaged.append(file)
            continue
        if other is not None and other.own:
            found.append(other.own)
    return tuple(found), damaged


def _parsed(content: Any) -> CheapFile:
    return CheapFile(
        about=str(content["about"]),
        own=_pairs(content["own"]),
        others=tuple(_pairs(each) for each in content["others"]),
        decided={str(what): bool(answer) for what, answer in content.get("decided", {}).items()},
    )


def _pairs(items: Sequence[Any]) -> tuple[Pair, ...]:
    return tuple(
        Pair(str(each["candidate"]), float(each["cheap"]), float(each["full"]), _keys(each.get("trials")))
        for each in items
    )


def _keys(found: Any) -> tuple[str, str] | None:
    """Of both trials; None in files of earlier versions."""
    return None if found is None else (str(found[0]), str(found[1]))
