"""Judge a data set before anything is trained on it: one finding for each thing that spoils results.

A *problem* is what a study with the same settings would refuse, or what is not as it was published. A *warning* is
what it runs with, and what its numbers have to be read with. Test images are counted, compared and decoded here, and
shown nowhere.
"""

import io
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median
from typing import Any, Literal

from tools.datasets.cache.decode_all import Progress
from tools.datasets.check.inspection import Inspection, inspect
from tools.datasets.config import DataConfig
from tools.datasets.splits.leaks import EXACT, NAMED, Pair, describe
from tools.datasets.types import SPLITS, Dataset, Record, Split

Verdict = Literal["right", "warning", "problem", "unknown"]

UNBALANCED = 5
"""The largest class of a split over its smallest, from which on accuracy alone misleads."""
_HEADERS = 300
"""So many images are asked for their size and mode."""


@dataclass(frozen=True)
class Finding:
    """One thing that was looked at. `unknown`: nothing is published that would tell."""

    check: str
    verdict: Verdict
    text: str
    details: tuple[str, ...] = ()
    """Files, pairs, … by name, at most `NAMED` and a count of the rest."""
    numbers: Mapping[str, Any] = field(default_factory=dict)
    """The same for programs, JSON-able."""


@dataclass(frozen=True)
class Report:
    """All findings about a data set."""

    inspection: Inspection
    counts: Mapping[Split, Mapping[str, int]]
    """Readable images by split (as published, those that are there) and class."""
    findings: tuple[Finding, ...]

    @property
    def problems(self) -> int:
        """Findings that are problems."""
        return sum(each.verdict == "problem" for each in self.findings)

    @property
    def warnings(self) -> int:
        """Findings that are warnings."""
        return sum(each.verdict == "warning" for each in self.findings)


def check(
    published: Dataset,
    counts: Sequence[Mapping[str, int]],
    config: DataConfig,
    image_size: int,
    root: Path,
    progress: Progress | None = None,
) -> Report:
    """Look at every image, and judge what was found.

    Args:
        published: as `open_published` returns it.
        counts: published numbers of images (`Entry.counts`).
        config: the settings of the study that is planned.
        image_size: side of the decoded images in pixels.
        root: folder of all caches; the images stay there, decoded, for studies.
        progress: called with (images done, images in all).

    Raises:
        AugurError: the disk is full or cannot be written, or a decoding process died.
    """
    found = inspect(published, config, image_size, root, progress)
    by_class = class_counts(found.usable, published.card.classes)
    leaks = (
        _copies(found, config, "exact copies", "the same bytes", lambda pair: pair.how == EXACT),
        _near(found, config),
        _groups(published, config),
    )
    findings = (
        _published_counts(published, counts),
        _unreadable(found, config),
        _classes(by_class),
        _sizes(published, image_size),
        *leaks,
        _contradictions(found),
        _splits(found, leaking=any(each.verdict == "problem" for each in leaks)),
        _remarks(published),
    )
    return Report(found, by_class, findings)


def class_counts(records: Sequence[Record], classes: Sequence[str]) -> dict[Split, dict[str, int]]:
    """Images of each class in each split that is there."""
    there: list[Split] = [split for split in SPLITS if any(record.split == split for record in records)]
    counts: dict[Split, dict[str, int]] = {split: dict.fromkeys(classes, 0) for split in there}
    for record in records:
        counts[record.split][classes[record.label]] += 1
    return counts


def _published_counts(published: Dataset, layouts: Sequence[Mapping[str, int]]) -> Finding:
    found = Counter(str(record.split) for record in published.records)
    numbers = {"found": dict(found), "published": [dict(each) for each in layouts]}
    said = _by_split(found)
    if not layouts:
        return Finding("counts", "unknown", f"{said}; no numbers are published", numbers=numbers)

    def differences(layout: Mapping[str, int]) -> dict[str, int]:
        have = {"all": found.total()} if "all" in layout else found
        return {
            split: have.get(split, 0) - layout.get(split, 0)
            for split in {**layout, **have}
            if have.get(split, 0) != layout.get(split, 0)
        }

    nearest = min(layouts, key=lambda layout: sum(map(abs, differences(layout).values())))
    if not (wrong := differences(nearest)):
        return Finding("counts", "right", f"{said}, as published", numbers=numbers)
    lines = tuple(
        f"{split}: {nearest.get(split, 0):,} published, {abs(count):,} {'too many' if count > 0 else 'missing'}"
        for split, count in wrong.items()
    )
    return Finding("counts", "problem", f"{said}: not as published", lines, numbers)


def _unreadable(found: Inspection, config: DataConfig) -> Finding:
    total = len(found.published.records)
    numbers = {"files": [{"file": each.file, "reason": each.reason} for each in found.skipped]}
    if not found.skipped:
        return Finding("readable", "right", f"all {total:,} images can be decoded", numbers=numbers)
    where = found.published.source.where
    lines = _some([f"{where(each.file)}: {each.reason}" for each in found.skipped])
    text = f"{len(found.skipped):,} of {total:,} images cannot be decoded"
    if config.on_corrupt == "skip":
        return Finding("readable", "warning", f"{text}; a study leaves them out", lines, numbers)
    return Finding("readable", "problem", text, lines, numbers)


def _classes(counts: Mapping[Split, Mapping[str, int]]) -> Finding:
    ratios: dict[str, float] = {}
    lines: list[str] = []
    numbers: dict[str, Any] = {"counts": counts, "imbalance": ratios}
    for split, its in counts.items():
        if absent := [name for name, count in its.items() if count == 0]:
            lines.append(f"no image in {split}: {', '.join(absent)}")
        present = [count for count in its.values() if count]
        ratios[split] = round(max(present) / min(present), 2)
    if not counts:
        return Finding("classes", "problem", "no image can be used", numbers=numbers)
    first, its = next(iter(counts.items()))
    present = {name: count for name, count in its.items() if count}
    large, small = max(present, key=present.__getitem__), min(present, key=present.__getitem__)
    if its[large] == its[small]:
        sizes = f"{its[large]:,} images each"
    else:
        sizes = f"{its[small]:,} ({small}) to {its[large]:,} ({large}) images each, a ratio of {ratios[first]:.1f}"
    text = f"{len(its)} classes; in {first}, {sizes}"
    if ratios[first] >= UNBALANCED:
        lines.append(
            "unbalanced: read macro F1 or balanced accuracy beside accuracy, which the large classes decide"
        )
    return Finding("classes", "warning" if lines else "right", text, _some(lines), numbers)


def _splits(found: Inspection, leaking: bool) -> Finding:
    published = found.published
    if published.shift_of is not None:
        text = f"a test split only, for classifiers of {published.shift_of}: none can be trained on it"
        return Finding("splits", "right", text, published.notes, {"shift_of": published.shift_of})
    if found.division is None:
        first, *rest = found.refusal.splitlines()
        return Finding("splits", "problem", f"no study can use it: {first}", _some(rest))
    sizes = Counter(str(record.split) for record in found.division.records)
    when = "once what leaks is dropped, a study" if leaking else "a study with these settings"
    text = f"{when} uses {_by_split(sizes)}"
    return Finding("splits", "right", text, tuple(found.division.notes), {"sizes": dict(sizes)})


def _sizes(published: Dataset, image_size: int) -> Finding:
    from PIL import Image

    records = published.records
    sizes: list[tuple[int, int]] = []
    modes: Counter[str] = Counter()
    kinds: Counter[str] = Counter()
    for at in sorted({number * len(records) // _HEADERS for number in range(_HEADERS)}):
        try:
            with Image.open(io.BytesIO(published.source.read(records[at].file))) as image:
                sizes.append(image.size)
                modes[image.mode] += 1
                kinds[image.format or "unknown"] += 1
        except Exception:  # any fault of a broken header: named where images are decoded
            continue
    if not sizes:
        return Finding("sizes", "problem", "no image has a header that can be read")
    widths, heights = zip(*sizes, strict=True)
    numbers = {
        "looked_at": len(sizes),
        "width": [min(widths), median(widths), max(widths)],
        "height": [min(heights), median(heights), max(heights)],
        "modes": dict(modes),
        "formats": dict(kinds),
    }
    shape = (
        f"{widths[0]} × {heights[0]} pixels"
        if len(set(sizes)) == 1
        else f"{min(widths)} to {max(widths)} pixels wide (median {median(widths):g}), {min(heights)} to "
        f"{max(heights)} high (median {median(heights):g})"
    )
    how = "enlarged to" if median(map(min, sizes)) < image_size else "reduced to"
    if set(sizes) == {(image_size, image_size)}:
        how = "trained on as they are,"
    lines = (
        f"modes: {_listed(modes)}; formats: {_listed(kinds)}",
        f"{'most are ' if len(set(sizes)) > 1 else ''}{how} {image_size} × {image_size} pixels",
    )
    text = f"{shape}, in {'all' if len(sizes) == len(records) else 'a sample of'} {len(sizes):,} images"
    return Finding("sizes", "right", text, lines, numbers)


def _near(found: Inspection, config: DataConfig) -> Finding:
    if config.leak_guard != "near":
        return Finding(
            "near copies",
            "unknown",
            f"not looked for, since data.leak_guard is {config.leak_guard}",
        )
    return _copies(found, config, "near copies", "the same look", lambda pair: pair.how != EXACT)


def _copies(
    found: Inspection, config: DataConfig, name: str, alike: str, chosen: Callable[[Pair], bool]
) -> Finding:
    records, card = found.usable, found.published.card
    pairs = [pair for pair in found.pairs if chosen(pair)]
    across = [pair for pair in pairs if len({_home(each, config) for each in _both(records, pair)}) > 1]
    within = [pair for pair in pairs if len({_home(each, config) for each in _both(records, pair)}) == 1]
    numbers = {
        "across_splits": [_named_pair(records, pair) for pair in across],
        "within_a_split": [_named_pair(records, pair) for pair in within],
    }
    if not pairs:
        return Finding(name, "right", f"no two images have {alike}", numbers=numbers)
    lines = _some([describe(records, pair, card) for pair in (*across, *within)])
    parts = [
        f"{_counted(len(some), 'pair')} {place}"
        for some, place in ((across, "across splits"), (within, "within one"))
        if some
    ]
    text = f"{' and '.join(parts)} have {alike}"
    if not across:
        return Finding(name, "warning", text, lines, numbers)
    if config.splits is not None:
        return Finding(name, "warning", f"{text}; data.splits decides where they go", lines, numbers)
    if config.on_leak != "stop" or found.published.known_leaks:
        what = "moves them to one split" if config.on_leak == "move" else "keeps them in one split only"
        return Finding(name, "warning", f"{text}; a study {what}", lines, numbers)
    return Finding(name, "problem", text, lines, numbers)


def _contradictions(found: Inspection) -> Finding:
    records, card = found.usable, found.published.card
    pairs = [pair for pair in found.pairs if records[pair.one].label != records[pair.other].label]
    numbers = {"pairs": [_named_pair(records, pair) for pair in pairs]}
    if not pairs:
        return Finding("labels", "right", "no picture has two labels", numbers=numbers)
    lines = _some([_contradiction(records, pair, card.classes) for pair in pairs])
    text = f"{_counted(len(pairs), 'pair')} of images show one picture under two labels"
    return Finding("labels", "warning", text, lines, numbers)


def _contradiction(records: Sequence[Record], pair: Pair, classes: Sequence[str]) -> str:
    return " and ".join(f"{each.file} ({classes[each.label]})" for each in _both(records, pair))


def _groups(published: Dataset, config: DataConfig) -> Finding:
    homes: dict[str, dict[Split, str]] = {}
    for record in published.records:
        homes.setdefault(record.group, {}).setdefault(_home(record, config), record.file)
    if all(record.group == record.file for record in published.records):
        text = "no groups (patients, sources) are known: images that belong together may be in two splits"
        return Finding("groups", "warning", text, numbers={"groups": None, "crossing": []})
    crossing = {group: files for group, files in homes.items() if len(files) > 1}
    numbers = {"groups": len(homes), "crossing": list(crossing)}
    text = f"{len(published.records):,} images are of {len(homes):,} groups (patients, sources)"
    if not crossing:
        return Finding("groups", "right", f"{text}, none in two splits", numbers=numbers)
    lines = _some(
        [
            f"{group}: " + " and ".join(f"{file} ({split})" for split, file in files.items())
            for group, files in crossing.items()
        ]
    )
    verdict: Verdict = "problem" if config.on_leak == "stop" and config.splits is None else "warning"
    return Finding("groups", verdict, f"{text}; {len(crossing):,} are in two splits", lines, numbers)


def _remarks(published: Dataset) -> Finding:
    warnings = published.card.warnings
    if not warnings:
        return Finding("caveats", "right", "the data set's card names none")
    text = f"{_counted(len(warnings), 'caveat')} to be read with every number"
    return Finding("caveats", "warning", text, warnings, {"warnings": list(warnings)})


def _home(record: Record, config: DataConfig) -> Split:
    """The split that an image is in for good: a fold makes train and validation anew, alike images together."""
    return "train" if config.fold is not None and record.split == "validation" else record.split


def _both(records: Sequence[Record], pair: Pair) -> Iterator[Record]:
    yield records[pair.one]
    yield records[pair.other]


def _named_pair(records: Sequence[Record], pair: Pair) -> dict[str, Any]:
    return {
        "files": [each.file for each in _both(records, pair)],
        "splits": [each.split for each in _both(records, pair)],
        "how": pair.how,
    }


def _some(lines: Sequence[str]) -> tuple[str, ...]:
    if len(lines) <= NAMED:
        return tuple(lines)
    return (*lines[:NAMED], f"… and {len(lines) - NAMED:,} more")


def _listed(counts: Counter[str]) -> str:
    return ", ".join(f"{name} {count:,}" for name, count in counts.most_common())


def _by_split(counts: Mapping[str, int]) -> str:
    return ", ".join(f"{split} {counts[split]:,}" for split in SPLITS if split in counts) + " images"


def _counted(count: int, what: str) -> str:
    return f"{count:,} {what}{'' if count == 1 else 's'}"
