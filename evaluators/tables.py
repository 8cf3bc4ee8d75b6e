"""Tables of trained policies, for trying choice rules and searches on real noise; the format is in docs/tables.md."""

import gzip
import json
import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, get_args

import numpy as np

from tools.datasets.types import Modality
from tools.errors import DataError, did_you_mean

_NUMBERS = ("val", "test", "val_loss", "test_loss")
_ROUNDED = 6e-4
"""How far an accuracy in a table may be off by rounding."""


@dataclass(frozen=True, eq=False)
class Results:
    """Of all entries on one split: (entries, seeds)."""

    scores: np.ndarray
    """Accuracy (0..1)."""
    losses: np.ndarray
    """Mean log loss."""
    correct: np.ndarray | None
    """bool (entries, seeds, images): which images were right; None where the table does not say it of all."""


@dataclass(frozen=True, eq=False)
class Table:
    """The trainings of one length, under the seeds that the default has; entries that lack one of them are left out."""

    names: Sequence[str]
    """Of the entries."""
    default: int
    """Index of the default."""
    none: int
    """Index of no augmentation."""
    seeds: Sequence[int]
    epochs: int
    validation: Results
    test: Results
    incomplete: Sequence[str]
    """Names of the policies that were left out."""
    lengths: Sequence[int] = ()
    """Of all trainings in the file, in epochs."""
    policies: Sequence[Any] = ()
    """Of the entries, as the file has them: `{"operations": […]}`."""

    def only(self, entries: Sequence[int]) -> "Table":
        """The table of some of its entries, in this order; the default and no augmentation must be among them."""
        kept = np.array(entries)
        return replace(
            self,
            names=[self.names[at] for at in entries],
            default=list(entries).index(self.default),
            none=list(entries).index(self.none),
            validation=_only(self.validation, kept),
            test=_only(self.test, kept),
            policies=[self.policies[at] for at in entries],
        )


def _only(results: Results, entries: np.ndarray) -> Results:
    correct = None if results.correct is None else results.correct[entries]
    return Results(results.scores[entries], results.losses[entries], correct)


DEFAULTS = ("flip+affine-mild", "default")
"""What the entry of the default policy may be called, where nobody says it."""


def read_table(path: Path, default: str | None = None, epochs: int | None = None) -> Table:
    """Read NAME.jsonl, or NAME.jsonl.gz, and NAME.policies.json beside it.

    Args:
        path: of the .jsonl file, compressed or not; the suffix may be left out.
        default: name of the default policy's entry; the first of `DEFAULTS` that there is where None.
        epochs: length of the trainings; the longest in the table where None.

    Raises:
        DataError: if a file is missing or malformed, or has no such default, length, or entry without operations.
    """
    lines, policies = files_of(path)
    names, nothing, written = _read_policies(policies)
    rows = _read_rows(lines, len(names))
    lengths = sorted({row["epochs"] for row in rows})
    if epochs is not None and epochs not in lengths:
        raise DataError(f"{lines}: no training of {epochs} epochs; --epochs can be {_listed(lengths)}")
    chosen = lengths[-1] if epochs is None else epochs
    found = {(row["policy"], row["seed"]): row for row in rows if row["epochs"] == chosen}
    trained = sorted({policy for policy, _ in found})
    wanted = DEFAULTS if default is None else (default,)
    at = next((policy for name in wanted for policy in trained if names[policy] == name), None)
    if at is None:
        default = wanted[0]
        known = [names[policy] for policy in trained]
        hint = did_you_mean(default, known) or f"it has {_listed(known)}"
        raise DataError(
            f"{lines}: no entry {default!r} of {chosen} epochs to be the default (--default NAME): {hint}"
        )
    plain = [policy for policy in trained if policy in nothing]
    if not plain:
        raise DataError(
            f"{lines}: no entry of {chosen} epochs is without operations in {policies.name}: the table must hold no "
            "augmentation as well"
        )
    seeds = sorted(seed for policy, seed in found if policy == at)
    complete = [policy for policy in trained if all((policy, seed) in found for seed in seeds)]
    if plain[0] not in complete:
        raise DataError(f"{lines}: {names[plain[0]]!r} lacks seeds that {names[at]!r} has, {_listed(seeds)}")
    grid = [[found[policy, seed] for seed in seeds] for policy in complete]
    return Table(
        [names[policy] for policy in complete],
        complete.index(at),
        complete.index(plain[0]),
        seeds,
        chosen,
        _results(grid, "val", lines),
        _results(grid, "test", lines),
        [names[policy] for policy in trained if policy not in complete],
        lengths,
        [written[policy] for policy in complete],
    )


def files_of(path: Path) -> tuple[Path, Path]:
    """The file of the trainings, and that of the policies; whether they exist is not said.

    Args:
        path: NAME, NAME.jsonl or NAME.jsonl.gz. Without a suffix, the compressed one is meant where there is no other.
    """
    stem = path.name.removesuffix(".gz").removesuffix(".jsonl")
    plain, packed = path.with_name(f"{stem}.jsonl"), path.with_name(f"{stem}.jsonl.gz")
    given = path.suffix in (".gz", ".jsonl")
    lines = path if given else packed if packed.is_file() and not plain.is_file() else plain
    return lines, path.with_name(f"{stem}.policies.json")


@dataclass(frozen=True)
class About:
    """What the images of a table are, by NAME.about.json beside it."""

    modality: Modality = "unknown"
    grey: bool = False
    title: str = ""


def read_about(lines: Path) -> About:
    """What is said of the images; nothing is known where there is no such file.

    Raises:
        DataError: it is malformed.
    """
    stem = lines.name.removesuffix(".gz").removesuffix(".jsonl")
    file = lines.with_name(f"{stem}.about.json")
    try:
        found = json.loads(file.read_text(encoding="utf-8"))
        about = About(found.get("modality", "unknown"), bool(found.get("grey")), str(found.get("title", "")))
    except FileNotFoundError:
        return About()
    except (ValueError, AttributeError) as error:
        raise DataError(f"{file}: expected an object with modality, grey and title ({error})") from error
    if about.modality not in get_args(Modality):
        known = ", ".join(get_args(Modality))
        raise DataError(f"{file}: modality is {about.modality!r}; expected one of {known}")
    return about


def _read_policies(path: Path) -> tuple[list[str], set[int], list[Any]]:
    """The names by index, the indices of those without operations, and the policies as they are written."""
    try:
        entries = json.loads(path.read_text(encoding="utf-8"))
        names = [str(entry["name"]) for entry in entries]
        written = [entry["policy"] for entry in entries]
        nothing = {at for at, policy in enumerate(written) if not policy["operations"]}
    except FileNotFoundError:
        raise DataError(
            f"{path} is missing: a table is two files, NAME.jsonl and NAME.policies.json"
        ) from None
    except (ValueError, KeyError, TypeError) as error:
        raise DataError(
            f"{path}: expected a list of {{name, line, policy: {{operations: […]}}}} ({error!r}); see docs/tables.md"
        ) from error
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise DataError(f"{path}: {_listed(twice)} is the name of several policies; give each its own")
    return names, nothing, written


def _read_rows(path: Path, policies: int) -> list[dict[str, Any]]:
    try:
        data = path.read_bytes()
        text = (gzip.decompress(data) if path.suffix == ".gz" else data).decode("utf-8")
    except FileNotFoundError:
        raise DataError(
            f"{path} is missing: a table is two files, NAME.jsonl (or NAME.jsonl.gz) and NAME.policies.json"
        ) from None
    except (OSError, EOFError, zlib.error, UnicodeDecodeError) as error:
        raise DataError(f"{path} cannot be read as a table: {error}") from error
    rows, seen = [], {}
    for number, line in enumerate(text.splitlines(), 1):
        if not line.strip():
            continue
        row = _checked(line, f"{path}, line {number}", policies)
        key = row["policy"], row["seed"], row["epochs"]
        if key in seen:
            raise DataError(
                f"{path}, line {number}: policy {key[0]}, seed {key[1]}, {key[2]} epochs is there already, in line "
                f"{seen[key]}; remove one of them"
            )
        seen[key] = number
        rows.append(row)
    if not rows:
        raise DataError(f"{path} has no line: expected one a training; see docs/tables.md")
    return rows


def _checked(line: str, place: str, policies: int) -> dict[str, Any]:
    try:
        row = json.loads(line)
    except ValueError as error:
        raise DataError(f"{place}: not JSON ({error})") from error
    if not isinstance(row, dict):
        raise DataError(f'{place}: expected an object such as {{"policy": 0, …}}, got {line[:60]}')
    missing = [name for name in ("policy", "seed", "epochs", *_NUMBERS) if name not in row]
    if missing:
        raise DataError(f"{place}: no {_listed(missing)}; every training needs it (docs/tables.md)")
    for name in ("policy", "seed", "epochs"):
        if isinstance(row[name], bool) or not isinstance(row[name], int):
            raise DataError(f"{place}: {name} is {row[name]!r}; expected a whole number")
    if not 0 <= row["policy"] < policies:
        raise DataError(f"{place}: policy {row['policy']}, but the policies are numbered 0 to {policies - 1}")
    for name in _NUMBERS:
        value, most = row[name], np.inf if name.endswith("loss") else 1.0
        if (
            isinstance(value, bool)
            or not isinstance(value, int | float)
            or not 0 <= value <= most
            or value == np.inf
        ):
            wanted = "a finite log loss" if name.endswith("loss") else "an accuracy from 0 to 1"
            raise DataError(f"{place}: {name} is {value!r}; expected {wanted}")
    return row


def _results(grid: Sequence[Sequence[Mapping[str, Any]]], split: str, path: Path) -> Results:
    scores = np.array([[row[split] for row in rows] for rows in grid], dtype=np.float64)
    losses = np.array([[row[f"{split}_loss"] for row in rows] for rows in grid], dtype=np.float64)
    column = f"{split}_bits"
    if any(not row.get(column) for rows in grid for row in rows):
        return Results(scores, losses, None)
    try:
        packed = [[np.frombuffer(bytes.fromhex(row[column]), np.uint8) for row in rows] for rows in grid]
        bits = np.unpackbits(np.array(packed), axis=2).astype(bool)
    except (ValueError, TypeError) as error:
        raise DataError(
            f"{path}: {column} must be hexadecimal, equally long in every line ({error})"
        ) from error
    return Results(scores, losses, bits[:, :, : _images(scores, bits, path, column)])


def _images(scores: np.ndarray, bits: np.ndarray, path: Path, column: str) -> int:
    """How many images the bits are of: the number, up to the padding of the last byte, that explains the accuracies."""
    right, most = bits.sum(2), bits.shape[2]
    off = {images: float(np.abs(right / images - scores).max()) for images in range(most - 7, most + 1)}
    best = min(off, key=lambda images: off[images])
    if off[best] > _ROUNDED or bits[:, :, best:].any():
        raise DataError(
            f"{path}: {column} do not agree with {column.removesuffix('_bits')}, be it for {most - 7} or up to {most} "
            "images: expected numpy.packbits of which images were right, as hexadecimal"
        )
    return best


def _listed(values: Sequence[object], most: int = 8) -> str:
    shown = ", ".join(map(str, values[:most]))
    return shown + (f" and {len(values) - most} more" if len(values) > most else "")
