"""Rows for the contact sheet of a finished set: read back from its provenance, spread over the whole set."""

from collections.abc import Collection
from pathlib import Path

import numpy as np

from tools.aga.making.example_sheet import Example
from tools.aga.making.source_images import TrainingSources
from tools.aga.store.pictures import kept_mask, kept_picture
from tools.aga.store.sets import GeneratedSet

_COLUMNS = ["training_row", "class", "mask", "background", "caption", "file", "accepted"]


def sheet_rows(
    made: GeneratedSet,
    root: Path,
    sources: TrainingSources,
    count: int = 8,
    only: Collection[str] | None = None,
) -> list[Example]:
    """Up to `count` accepted images of a set, the classes in turn, with all that they were made from.

    Args:
        made: the set.
        root: folder of the store (runs_dir/aga).
        sources: what the set was made from.
        only: the files of the sources that may be shown; None: all.
        count: rows at most. An image whose mask or background was pruned since is skipped.
    """
    import pyarrow.parquet as pq

    rows = pq.read_table(made.provenance, columns=_COLUMNS).to_pylist()
    accepted = [
        row for row in rows if row["accepted"] and (only is None or sources.file(row["training_row"]) in only)
    ]
    found = []
    for row in _in_turns(accepted, count):
        composite = kept_picture(made.folder / row["file"])
        if composite is None:
            continue
        real = sources[row["training_row"]].pixels
        if row["mask"] is None:  # the whole image was edited
            found.append(Example(real, None, None, composite, row["caption"], row["class"]))
            continue
        mask, background = kept_mask(root / row["mask"]), kept_picture(root / row["background"])
        if mask is None or background is None:
            continue
        found.append(Example(real, mask[0], background, composite, row["caption"], row["class"]))
    return found


def _in_turns(rows: list[dict], count: int) -> list[dict]:
    """`count` rows, one of each class after the other, each class's own spread evenly over the set."""
    by_class: dict[str, list[dict]] = {}
    for row in rows:
        by_class.setdefault(row["class"], []).append(row)
    share = -(-count // max(1, len(by_class)))
    picked = [
        [members[i] for i in np.linspace(0, len(members) - 1, min(share, len(members))).astype(int)]
        for members in by_class.values()
    ]
    turns = [members[turn] for turn in range(share) for members in picked if turn < len(members)]
    return turns[:count]
