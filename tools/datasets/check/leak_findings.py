"""Findings about the same thing more than once: a file, a picture or a group in two splits, or under two labels."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from typing import Any

from tools.datasets.check.finding import Finding, Severity, shortened
from tools.datasets.check.inspection import Inspection
from tools.datasets.config import DataConfig
from tools.datasets.splits.leaks import EXACT, Pair, describe
from tools.datasets.types import Card, Dataset, Record, Split
from tools.text import counted


def exact_copies(found: Inspection, config: DataConfig) -> Finding:
    """Images with the same bytes."""
    return _copies(found, config, "exact copies", "the same bytes", lambda pair: pair.how == EXACT)


def near_copies(found: Inspection, config: DataConfig) -> Finding:
    """Images that show the same picture and differ in their bytes."""
    if config.leak_guard != "near":
        return Finding(
            "near copies",
            "unknown",
            f"not searched for, since data.leak_guard is {config.leak_guard}",
        )
    copies = _copies(found, config, "near copies", "the same appearance", lambda pair: pair.how != EXACT)
    if not found.plain:
        return copies
    plain = counted(found.plain, "is", "are")
    return replace(
        copies,
        severity="warning" if copies.severity == "right" else copies.severity,
        text=f"{copies.text}; of {len(found.usable):,}, {plain} too plain to be compared (blank or nearly black)",
        numbers={**copies.numbers, "too_plain": found.plain},
    )


def _copies(
    found: Inspection, config: DataConfig, name: str, alike: str, chosen: Callable[[Pair], bool]
) -> Finding:
    records, card = found.usable, found.published.card
    pairs = [pair for pair in found.pairs if chosen(pair)]
    across = [pair for pair in pairs if _crosses_splits(records, pair, config)]
    within = [pair for pair in pairs if not _crosses_splits(records, pair, config)]
    numbers = {
        "across_splits": [_named_pair(records, pair) for pair in across],
        "within_a_split": [_named_pair(records, pair) for pair in within],
    }
    if not pairs:
        return Finding(name, "right", f"no two images have {alike}", numbers=numbers)
    lines = shortened([describe(records, pair, card) for pair in (*across, *within)])
    parts = [
        f"{counted(len(group), 'pair')} {place}"
        for group, place in ((across, "across splits"), (within, "within one split"))
        if group
    ]
    text = f"{' and '.join(parts)} {'has' if len(pairs) == 1 else 'have'} {alike}"
    if not across:
        return Finding(name, "warning", text, lines, numbers)
    if config.splits is not None:
        return Finding(name, "warning", f"{text}; data.splits decides where they go", lines, numbers)
    if config.on_leak != "stop" or found.published.known_leaks:
        moved = config.on_leak == "move"
        what = "moves them to one split, with their groups" if moved else "keeps them in one split only"
        return Finding(name, "warning", f"{text}; a study {what}", lines, numbers)
    return Finding(name, "problem", text, lines, numbers)


def contradictions(found: Inspection) -> Finding:
    """One picture under two labels."""
    records, card = found.usable, found.published.card
    pairs = [pair for pair in found.pairs if records[pair.one].label != records[pair.other].label]
    numbers = {"pairs": [_named_pair(records, pair) for pair in pairs]}
    if not pairs:
        return Finding("labels", "right", "no picture has two labels", numbers=numbers)
    lines = shortened([_contradiction(records, pair, card) for pair in pairs])
    text = f"{counted(len(pairs), 'pair')} of images show one picture under two labels"
    return Finding("labels", "warning", text, lines, numbers)


def _contradiction(records: Sequence[Record], pair: Pair, card: Card) -> str:
    return " and ".join(f"{each.file} ({card.label_name(each.label)})" for each in _both(records, pair))


def groups(published: Dataset, config: DataConfig) -> Finding:
    """Groups (patients, sources) in two splits."""
    files_of: dict[str, dict[Split, str]] = {}
    for record in published.records:
        files_of.setdefault(record.group, {}).setdefault(_decided_split(record, config), record.file)
    if all(record.group == record.file for record in published.records):
        text = "no groups (patients, sources) are known: images that belong together may be in two splits"
        return Finding("groups", "warning", text, numbers={"groups": None, "crossing": []})
    crossing = {group: files for group, files in files_of.items() if len(files) > 1}
    numbers = {"groups": len(files_of), "crossing": list(crossing)}
    text = f"{len(published.records):,} images are of {len(files_of):,} groups (patients, sources)"
    if not crossing:
        return Finding("groups", "right", f"{text}, none in two splits", numbers=numbers)
    lines = shortened(
        [
            f"{group}: " + " and ".join(f"{file} ({split})" for split, file in files.items())
            for group, files in crossing.items()
        ]
    )
    severity: Severity = "problem" if config.on_leak == "stop" and config.splits is None else "warning"
    return Finding(
        "groups", severity, f"{text}; {counted(len(crossing), 'is', 'are')} in two splits", lines, numbers
    )


def _crosses_splits(records: Sequence[Record], pair: Pair, config: DataConfig) -> bool:
    return len({_decided_split(each, config) for each in _both(records, pair)}) > 1


def _decided_split(record: Record, config: DataConfig) -> Split:
    """The split as published, or 'train' where train and validation are still to be divided into folds."""
    one = config.fold is not None or config.folds == "on"
    return "train" if one and record.split == "validation" else record.split


def _both(records: Sequence[Record], pair: Pair) -> Iterator[Record]:
    yield records[pair.one]
    yield records[pair.other]


def _named_pair(records: Sequence[Record], pair: Pair) -> dict[str, Any]:
    return {
        "files": [each.file for each in _both(records, pair)],
        "splits": [each.split for each in _both(records, pair)],
        "how": pair.how,
    }
