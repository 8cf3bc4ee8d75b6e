"""Which folders are called like splits: `train`, but also `training_set`, `seg_train`, `TestSet`, `val2017`."""

import re
from collections.abc import Sequence

from tools.datasets.folder.walk import split_named
from tools.datasets.types import Split

_WORD = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+|[^\W\d_a-zA-Z]+")
_GLUED = re.compile(
    r"(training|train|validation|valid|val|testing|test|dev)(?:set|sets|data|dataset|images?|imgs?|dir|folder|split)?"
)
_FILLERS = frozenset(
    (
        *("data", "dataset", "datasets", "set", "sets", "split", "part", "dir", "file", "files", "folder"),
        *("image", "images", "img", "imgs", "photos", "pictures", "samples", "seg"),
        *("all", "full", "my", "new", "raw", "the"),
    )
)
"""Words that say nothing about which split a folder is."""


def split_names(names: Sequence[str]) -> dict[str, Split]:
    """The split that each of these names of neighbouring folders stands for; names that stand for none are left out.

    Words that say nothing (`set`, `images`, `seg`, a year) may stand beside the split's own. Any other word may too if
    folders of two splits share it (`fruits-360_Training` and `fruits-360_Test`), so that a class `train station` or the
    folder `train_masks` is no split.
    """
    found: dict[str, tuple[Split, frozenset[str]]] = {}
    for name in names:
        if (split := split_named(name)) is not None:
            found[name] = split, frozenset()
        elif (parts := _parts(name)) is not None:
            found[name] = parts
    shared: dict[frozenset[str], set[Split]] = {}
    for split, rest in found.values():
        shared.setdefault(rest, set()).add(split)
    return {name: split for name, (split, rest) in found.items() if not rest or len(shared[rest]) > 1}


def _parts(name: str) -> tuple[Split, frozenset[str]] | None:
    """The one split among the words of a name, and the other words that might mean something."""
    splits: set[Split] = set()
    rest: set[str] = set()
    for word in (found.casefold() for found in _WORD.findall(name)):
        glued = _GLUED.fullmatch(word)
        split = split_named(glued[1]) if glued else None
        if split is not None:
            splits.add(split)
        elif word not in _FILLERS:
            rest.add(word)
    return (splits.pop(), frozenset(rest)) if len(splits) == 1 else None
