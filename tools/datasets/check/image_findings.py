"""Findings about the number of images, their classes, sizes and splits, and whether they can be decoded."""

from collections import Counter
from collections.abc import Mapping, Sequence
from statistics import median

from tools.datasets.cache.decode import UnreadableImage, read_header
from tools.datasets.cache.value_range import describe_span
from tools.datasets.cache.views import count_groups
from tools.datasets.check.class_balance import ClassCounts, class_counts, imbalance, scarce, unbalanced
from tools.datasets.check.finding import Finding, shortened
from tools.datasets.check.inspection import Inspection
from tools.datasets.config import DataConfig
from tools.datasets.types import SPLITS, Dataset
from tools.text import counted

_HEADERS = 300
"""At most this many images have their size and mode read."""


def published_counts(published: Dataset, layouts: Sequence[Mapping[str, int]]) -> Finding:
    """The number of images against those that were published, one mapping for each known layout."""
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


def unreadable_images(found: Inspection, config: DataConfig) -> Finding:
    """Images that cannot be decoded."""
    total = len(found.published.records)
    numbers = {"files": [{"file": each.file, "reason": each.reason} for each in found.skipped]}
    if not found.skipped:
        return Finding("readable", "right", f"all {total:,} images can be decoded", numbers=numbers)
    where = found.published.source.where
    lines = shortened([f"{where(each.file)}: {each.reason}" for each in found.skipped])
    text = f"{len(found.skipped):,} of {total:,} images cannot be decoded"
    if config.on_corrupt == "skip":
        return Finding("readable", "warning", f"{text}; a study omits them", lines, numbers)
    return Finding("readable", "problem", text, lines, numbers)


def files(published: Dataset) -> Finding:
    """How the folder was read: what is not used, and what is used and may be no image of the class."""
    if published.warnings:
        lines = shortened([*published.warnings, *published.notes])
        numbers = {"warnings": list(published.warnings)}
        return Finding("files", "warning", "some should be looked at", lines, numbers)
    text = "none is in doubt; how they were read:" if published.notes else "every file is an image of a class"
    return Finding("files", "right", text, published.notes, {"warnings": []})


def class_sizes(counts: ClassCounts, several_labels: bool = False) -> Finding:
    """How many images the classes, or labels, have."""
    if not counts:
        return Finding(
            "classes", "problem", "no image can be used", numbers={"counts": counts, "imbalance": {}}
        )
    ratios = {split: round(imbalance(of_class), 2) for split, of_class in counts.items()}
    lines = [
        f"no image in {split}: {', '.join(absent)}"
        for split, of_class in counts.items()
        if (absent := [name for name, count in of_class.items() if count == 0])
    ]
    first, of_class = next(iter(counts.items()))
    present = {name: count for name, count in of_class.items() if count}
    large, small = max(present, key=present.__getitem__), min(present, key=present.__getitem__)
    if of_class[large] == of_class[small]:
        sizes = f"{counted(of_class[large], 'image')} each"
    else:
        sizes = (
            f"{of_class[small]:,} ({small}) to {of_class[large]:,} ({large}) images each, a ratio of "
            f"{ratios[first]:.1f}"
        )
    text = f"{len(of_class)} {'labels' if several_labels else 'classes'}; in {first}, {sizes}"
    if not several_labels and (said := unbalanced(counts)):
        lines.append(said)
    numbers = {"counts": counts, "imbalance": ratios}
    return Finding("classes", "warning" if lines else "right", text, shortened(lines), numbers)


def split_sizes(found: Inspection, leaking: bool) -> Finding:
    """The splits that a study would use; `leaking`: some images are in two splits."""
    published = found.published
    if published.shift_of is not None:
        text = f"a test split only, for classifiers trained on {published.shift_of}"
        return Finding("splits", "right", text, published.notes, {"shift_of": published.shift_of})
    first, *rest = found.refusal.splitlines() or [""]
    if found.division is None:
        return Finding("splits", "problem", f"no study can use it: {first}", shortened(rest))
    if first and not leaking:
        # By the splits of a file, which are not those that the other findings looked at.
        return Finding("splits", "problem", f"a study with these settings stops: {first}", shortened(rest))
    sizes = Counter(str(record.split) for record in found.division.records)
    when = "once leaked images are dropped, a study" if leaking else "a study with these settings"
    text = f"{when} uses {_by_split(sizes)}"
    lines = [note for note in found.division.notes if note not in published.notes]
    lines += [line for line in found.division.warnings if line not in published.warnings]
    few = scarce(class_counts(found.division.records, published.card), count_groups(found.division))
    lines += [few] if few else []
    return Finding("splits", "warning" if few else "right", text, tuple(lines), {"sizes": dict(sizes)})


def image_sizes(published: Dataset, image_size: int) -> Finding:
    """Sizes, modes and formats of a sample, from the headers."""
    records = published.records
    sizes: list[tuple[int, int]] = []
    modes: Counter[str] = Counter()
    kinds: Counter[str] = Counter()
    for at in sorted({number * len(records) // _HEADERS for number in range(_HEADERS)}):
        try:
            header = read_header(published.source.read(records[at].file))
        except (OSError, UnreadableImage):  # reported where images are decoded
            continue
        sizes.append((header.width, header.height))
        modes[header.mode] += 1
        kinds[header.format] += 1
    if not sizes:
        return Finding("sizes", "problem", "no image has a readable header")
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


def appearance(found: Inspection, config: DataConfig) -> Finding:
    """What became of the pixels: black, blank or hidden pictures, and pictures stored otherwise than the rest."""
    numbers = {each.what: list(each.files) for each in found.odd}
    said = describe_span(config, found.span)
    if not found.usable:
        return Finding("appearance", "unknown", "no image can be decoded", said, numbers)
    if not found.odd:
        text = "no image is black, blank, hidden, or stored otherwise than the rest"
        return Finding("appearance", "right", text, said, numbers)
    lines = shortened([*said, *(each.line for each in found.odd)])
    odd = len({file for each in found.odd for file in each.files})
    text = f"{odd:,} of {len(found.usable):,} images should be looked at as they are trained on"
    return Finding("appearance", "warning", text, lines, numbers)


def caveats(published: Dataset) -> Finding:
    """The warnings of the data set's card."""
    warnings = published.card.warnings
    if not warnings:
        return Finding("caveats", "right", "the data set's card lists none")
    text = f"{counted(len(warnings), 'caveat')} to be read with every number"
    return Finding("caveats", "warning", text, warnings, {"warnings": list(warnings)})


def _listed(counts: Counter[str]) -> str:
    return ", ".join(f"{name} {count:,}" for name, count in counts.most_common())


def _by_split(counts: Mapping[str, int]) -> str:
    return ", ".join(f"{split} {counts[split]:,}" for split in SPLITS if split in counts) + " images"
