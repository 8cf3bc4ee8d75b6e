"""Labels that are not what they seem: the same class in two spellings, and values that mean that there is no label.

The same values mean that there is no group.
"""

import re
import unicodedata
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import replace

from tools.datasets.assemble import Item
from tools.datasets.config import DataConfig
from tools.datasets.folder.wording import counts_in_words
from tools.errors import DataError
from tools.text import counted

_NOTHING = frozenset(("", "nan", "none", "null", "n/a", "#n/a", "na", "<na>", "nat", "?", "-", "--"))
"""What a cell without a value holds, as spreadsheets and programs write it."""
_NUMBER = re.compile(r"[+-]?(\d+([.,]\d*)?|[.,]\d+)([eE][+-]?\d+)?")
_GAP = re.compile(r"(?<=[^\W_])[\s_\-]+(?=[^\W_])")


def settle_labels(
    items: Sequence[Item], where: Callable[[int], str], declared: Sequence[str] | None, config: DataConfig
) -> tuple[list[Item], list[str]]:
    """Decide what becomes of labels that are hardly different, and of those that mean that there is none.

    Args:
        items: with labels as they are written.
        where: the place of an item (by position) for messages: its file, or a table and line.
        declared: the classes of dataset.yaml: their spelling is right.
        config: `similar_labels` and `missing_labels`.

    Returns:
        The items that are used, and notes about what was done.

    Raises:
        DataError: there are such labels, and the setting is 'stop'.
    """
    kept, notes = _without_missing(items, where, config)
    merged, more = _merged([items[at] for at in kept], lambda at: where(kept[at]), declared, config)
    return merged, [*notes, *more]


def named_group(cell: str) -> str | None:
    """The group that a cell of a table names; None where it is empty, or holds a word for nothing, such as nan."""
    return None if cell.strip().casefold() in _NOTHING else cell


def note_ungrouped(cells: Sequence[str]) -> list[str]:
    """A note on images without a group, where others have one; `cells` are those of the column of groups."""
    counts = Counter(cell for cell in cells if named_group(cell) is None)
    if counts.total() in (0, len(cells)):
        return []
    one, many = (
        "image has no group and is one of its own",
        "images have no group and are each one of their own",
    )
    return [f"{counted(counts.total(), one, many)} ({counts_in_words(counts.most_common())})"]


def comparable_label(label: str) -> str:
    """What labels have in common that differ only in case, blanks, Unicode form or the format of a number."""
    text = unicodedata.normalize("NFKC", label).strip()
    if _NUMBER.fullmatch(text):
        return repr(float(text.replace(",", ".")) + 0.0)
    return _GAP.sub(_joined, text.casefold().strip(" _\t"))


def _joined(match: re.Match[str]) -> str:
    """What stands for a gap: nothing, but a blank between digits, which would become another number."""
    text, start, end = match.string, match.start(), match.end()
    return " " if text[start - 1].isdigit() and text[end].isdigit() else ""


def _without_missing(
    items: Sequence[Item], where: Callable[[int], str], config: DataConfig
) -> tuple[list[int], list[str]]:
    labels = {item.label for item in items}
    negative = {label for label in labels if comparable_label(label) == "-1.0"}
    # Labels of -1 and 1 are two classes; beside two others, -1 is a way to write 'unknown'.
    meaningless = {label for label in labels if label.strip().casefold() in _NOTHING}
    if len(labels - negative - meaningless) >= 2:
        meaningless |= negative
    missing = [at for at, item in enumerate(items) if item.label in meaningless]
    if not missing or config.missing_labels == "keep":
        if empty := [at for at, item in enumerate(items) if not item.label.strip()]:
            raise DataError(
                f"{where(empty[0])}: the label of {items[empty[0]].file!r} is empty ({len(empty):,} such images): "
                "write a label, or leave them out with --data.missing_labels drop"
            )
        return list(range(len(items))), []
    counts = Counter(items[at].label for at in missing)
    if config.missing_labels == "drop":
        dropped = set(missing)
        what = counted(len(missing), "image without a label is", "images without a label are")
        note = f"{what} not used ({counts_in_words(counts.most_common())})"
        return [at for at in range(len(items)) if at not in dropped], [note]
    first = missing[0]
    said = (
        f"the label of {items[first].file!r} is empty"
        if not items[first].label.strip()
        else f"the label {items[first].label!r} of {items[first].file!r} looks like a missing one"
    )
    raise DataError(
        f"{where(first)}: {said} ({counted(len(missing), 'image')} in all: "
        f"{counts_in_words(counts.most_common())}). Write the right label; or leave these "
        "images out with --data.missing_labels drop; or, if it is a class, use --data.missing_labels keep."
    )


def _merged(
    items: list[Item], where: Callable[[int], str], declared: Sequence[str] | None, config: DataConfig
) -> tuple[list[Item], list[str]]:
    counts = Counter(item.label for item in items)
    alike: dict[str, list[str]] = {}
    for label in sorted(counts, key=lambda each: (-counts[each], len(each), each)):
        alike.setdefault(comparable_label(label), []).append(label)
    groups = sorted(labels for labels in alike.values() if len(labels) > 1)
    if not groups or config.similar_labels == "keep":
        return items, []
    lines = [counts_in_words((repr(label), counts[label]) for label in labels) for labels in groups]
    if config.similar_labels == "stop":
        first = groups[0]
        at = next(at for at, item in enumerate(items) if item.label == first[1])
        raise DataError(
            f"some classes differ only in case, blanks, Unicode form or the format of a number: {'; '.join(lines)} "
            f"(such as {items[at].label!r} at {where(at)}). Give each class one spelling; or merge them with "
            "--data.similar_labels merge; or, if they are different classes, use --data.similar_labels keep."
        )
    chosen: dict[str, str] = {}
    for labels in groups:
        right = next((label for label in labels if label in (declared or ())), labels[0])
        chosen.update(dict.fromkeys(labels, right))
    said = "; ".join(f"{line} → {chosen[labels[0]]!r}" for line, labels in zip(lines, groups, strict=True))
    merged = [replace(item, label=chosen.get(item.label, item.label)) for item in items]
    return merged, [f"labels in several spellings are merged: {said}"]
