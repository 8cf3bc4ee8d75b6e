"""What lies in a folder of images and is not used, in words: nothing is left out without being named."""

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path, PurePosixPath

from tools.datasets.folder.companions import CompanionRule, looks_like_mask, names_companions
from tools.datasets.folder.walk import ImageFiles
from tools.datasets.formats import may_be_image, remedy
from tools.errors import DataError
from tools.text import counted

_NAMED = 5
"""At most this many files or classes are named in a line."""
_LOOKED_AT = 32
_MOST = 0.9


def tell_left_out(
    found: Mapping[str, ImageFiles], root: Path, companions: CompanionRule = "auto", classes: bool = True
) -> tuple[list[str], list[str]]:
    """What is not used of the files in the folders that are.

    Args:
        found: path of a folder → what is in it.
        root: folder of the data set, for messages.
        companions: the setting that the files were found with.
        classes: whether each of the folders is a class.

    Returns:
        Notes; and warnings: what may be images, and is not used, or may be none, and is.

    Raises:
        DataError: a class folder is empty, or all of its images are of a format that is not read; or a class folder
            holds masks of the images in the others.
    """
    if classes:
        _refuse_vanished(found, root)
        if companions != "keep":
            _refuse_masks(found, root)
    notes: list[str] = []
    if classes and (no_class := [name for name, files in found.items() if not files.images]):
        notes.append(f"folders without an image are no classes: {_listed(no_class)}")
    plain = _by_suffix(found, _no_images)
    if plain:
        total = sum(counts.total() for counts in plain.values())
        what = counted(total, "file is not an image and is", "files are not images and are")
        notes.append(f"{what} not used: {_suffixes(plain)}")
    warnings = [
        f"{_possible(counts.total(), suffix)} not used ({_places(counts)}): {remedy(suffix)}"
        for suffix, counts in _by_suffix(found, _possible_images).items()
    ]
    warnings += _special(found)
    notes += _passed_over(found)
    more_notes, more_warnings = _companions(found)
    return notes + more_notes, warnings + more_warnings


def _possible(count: int, suffix: str) -> str:
    which = f"with the suffix {suffix}" if suffix else "without a suffix"
    return counted(count, f"file {which} may be an image and is", f"files {which} may be images and are")


def _possible_images(files: ImageFiles) -> dict[str, int]:
    """Files that are not used and may be images: number by suffix."""
    possible = {s: count for s, count in files.left_out.items() if s and may_be_image(s)}
    return possible | ({"": len(files.unnamed)} if files.unnamed else {})


def _no_images(files: ImageFiles) -> dict[str, int]:
    possible = _possible_images(files)
    rest = {suffix: count - possible.get(suffix, 0) for suffix, count in files.left_out.items()}
    return {suffix: count for suffix, count in rest.items() if count}


def _by_suffix(
    found: Mapping[str, ImageFiles], which: Callable[[ImageFiles], dict[str, int]]
) -> dict[str, Counter[str]]:
    counts: dict[str, Counter[str]] = {}
    for folder, files in found.items():
        for suffix, count in which(files).items():
            counts.setdefault(suffix, Counter())[folder] += count
    return counts


def _refuse_vanished(found: Mapping[str, ImageFiles], root: Path) -> None:
    lines: list[str] = []
    remedies: dict[str, None] = {}
    for folder, files in found.items():
        possible = _possible_images(files)
        if files.images or (files.left_out and not (possible or files.special or files.passed_over)):
            continue  # only tables and texts: a folder that is no class, which a note tells
        parts = [f"{count} {suffix or 'images without a suffix'}" for suffix, count in possible.items()]
        parts += [f"{count} in {name}" for name, count in files.passed_over.items()]
        parts += [f"{each}" for each in files.special[:_NAMED]]
        lines.append(f"  {folder}: {', '.join(parts) or 'no file'}")
        remedies |= {f"{suffix or 'No suffix'}: {remedy(suffix)}": None for suffix in possible}
    if lines:
        shown = [*lines[:20], *([f"  … and {len(lines) - 20} more"] if len(lines) > 20 else [])]
        raise DataError(
            f"class folders in {root} have no image that can be read, so their classes would be missing:\n"
            + "\n".join(shown)
            + "".join(f"\n{each}." for each in remedies)
            + "\nMove a folder that is no class out of the data set."
        )


def _refuse_masks(found: Mapping[str, ImageFiles], root: Path) -> None:
    """A class folder named `masks` whose pictures are masks of the other classes' images is no class."""
    for folder, files in found.items():
        name = PurePosixPath(folder).name
        if not (names_companions(name) and files.images):
            continue
        others = {
            PurePosixPath(file).stem.casefold()
            for other, those in found.items()
            if PurePosixPath(other).name != name
            for file in those.images
        }
        sample = files.images[:: -(-len(files.images) // _LOOKED_AT)]
        twins = [file for file in sample if _may_belong(PurePosixPath(file).stem.casefold(), others)]
        if len(twins) >= _MOST * len(sample) and all(looks_like_mask(root / file) for file in twins):
            raise DataError(
                f"the folder {root / folder} has the name of no class: its {len(files.images)} pictures are masks with "
                f"the names of images in the other folders (such as {twins[0]}). Leave it out with --data.exclude "
                f"{name}, or, if it is a class all the same, use --data.companions keep --data.layout class."
            )


def _may_belong(stem: str, others: set[str]) -> bool:
    return stem in others or any(stem.rpartition(mark)[0] in others for mark in "_-. ")


def _special(found: Mapping[str, ImageFiles]) -> list[str]:
    special = [each for files in found.values() for each in files.special]
    if not special:
        return []
    what = counted(len(special), "entry is no file and is", "entries are no files and are")
    return [f"{what} not used: {_listed(special)}"]


def _passed_over(found: Mapping[str, ImageFiles]) -> list[str]:
    counts: Counter[str] = Counter()
    for files in found.values():
        counts.update(files.passed_over)
    return [passed_over_line(counts)] if counts else []


def passed_over_line(counts: Mapping[str, int]) -> str:
    """A note on images that are not used because of where they are: number by the name of the folder."""
    where = ", ".join(f"{count} in {name}" for name, count in sorted(counts.items()))
    return f"images that the system or a file manager keeps for itself are not used: {where}"


def _companions(found: Mapping[str, ImageFiles]) -> tuple[list[str], list[str]]:
    notes: list[str] = []
    warnings: list[str] = []
    left = [pair for files in found.values() for pair in files.companions]
    if left:
        counts = Counter({folder: len(files.companions) for folder, files in found.items()})
        kinds = Counter(pair.kind for pair in left)
        what = " and ".join(f"{count} {_KINDS[kind]}" for kind, count in kinds.most_common())
        notes.append(
            f"{what} of images beside them are not used ({_places(counts)}), such as {left[0].file} of {left[0].of}; "
            "--data.companions keep uses them"
        )
    doubtful = [pair for files in found.values() for pair in files.doubtful]
    if doubtful:
        one = "file is named like a mask or a copy of an image beside it and is used as an image"
        many = "files are named like a mask or a copy of an image beside them and are used as images"
        warnings.append(
            f"{counted(len(doubtful), one, many)}, "
            f"such as {doubtful[0].file} beside {doubtful[0].of}: --data.companions skip leaves them out, keep says "
            "that they are images"
        )
    alone = [file for files in found.values() for file in files.alone]
    if alone:
        one = "file is named like a mask, looks like a mask, and is used as an image"
        many = "files are named like masks, look like masks, and are used as images"
        it, masks = ("it", "it is a mask") if len(alone) == 1 else ("them", "they are masks")
        warnings.append(
            f"{counted(len(alone), one, many)}, since no image of that name is beside {it} ({_listed(alone)}): "
            f"move {it} out of the data set if {masks}"
        )
    return notes, warnings


_KINDS = {"mask": "masks", "copy": "annotated copies", "thumbnail": "thumbnails"}


def _suffixes(by_suffix: Mapping[str, Counter[str]]) -> str:
    ordered = sorted(by_suffix.items(), key=lambda each: -each[1].total())
    return "; ".join(f"{c.total()} {s or 'without a suffix'} ({_places(c)})" for s, c in ordered)


def _places(counts: Counter[str]) -> str:
    shown = [f"{name} {count}" for name, count in counts.most_common(_NAMED) if count]
    more = sum(count > 0 for count in counts.values()) - len(shown)
    return ", ".join(shown) + (f" and {more} more" if more else "")


def _listed(names: Sequence[str]) -> str:
    more = len(names) - _NAMED
    return ", ".join(names[:_NAMED]) + (f" and {more} more" if more > 0 else "")
