"""What a finished set says of the prompts that it was made from: for the model that wrote them, and for the report."""

import json
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from tools.aga.backgrounds.scenes.reading import Understanding, understanding
from tools.aga.config import PromptSet
from tools.aga.store.pictures import kept_picture
from tools.files import read_checked_json
from tools.text import one_line
from tools.training.synthetic import DESCRIPTION

_ENTRIES = {"instructions": "caption_instruction", "settings": "caption_setting", "times": "caption_time"}
"""Set of a proposal → column of backgrounds.parquet."""
_WRITTEN = ("caption_origin", "caption_attempts", "caption_warning")
"""Columns of backgrounds.parquet: who wrote a caption, after how many tries, and what was wrong."""
_SEEN, _FOLDS, _PENALTY = 6, 5, 10.0
"""Side in pixels to which the leak's classifier shrinks a background, its folds, and its penalty on weights."""
_LONGEST_REASON = 200
"""Characters."""


@dataclass(frozen=True)
class EntryVerdict:
    """What became of the backgrounds of an entry."""

    set: str
    """'instructions', 'settings' or 'times'."""
    entry: str
    tried: int
    refused: int
    reasons: tuple[str, ...]
    """Why, each once, the most frequent first."""


@dataclass(frozen=True)
class Leak:
    """How well the background alone tells the class; no better than chance where it was assigned without the label."""

    accuracy: float
    """0..1, of a linear classifier on the colours of the backgrounds, on backgrounds that it was not trained on."""
    chance: float
    """0..1: the share of the most frequent class."""
    images: int


@dataclass(frozen=True)
class Unwritten:
    """Captions that the model which is to write them did not: the template's words stand alone."""

    captions: int
    of: int
    reason: str
    """Why, of most of them."""


@dataclass(frozen=True)
class SetFacts:
    """A set of synthetic images, in facts."""

    prompts: PromptSet
    images: int
    backgrounds: int
    """In the pool."""
    captions: tuple[str, ...]
    """Up to five, spread over the pool."""
    caption_count: int
    """Different ones of the pool."""
    verdicts: tuple[EntryVerdict, ...]
    """Every entry that was tried, in the order of the prompts."""
    read: Understanding | None
    """What kind 'scenes' understood of the captions; None for other makers."""
    leak: Leak | None
    """None where there are too few images or backgrounds to tell."""
    unwritten: Unwritten | None = None
    """None where the template was not needed in place of a model."""

    def of(self, name: str) -> list[EntryVerdict]:
        """The verdicts of 'instructions', 'settings' or 'times'."""
        return [each for each in self.verdicts if each.set == name]


def facts_of(folder: Path, root: Path | None = None, captions: int = 5) -> SetFacts:
    """Read a finished set.

    Args:
        folder: of the set (`GeneratedSet.folder`).
        root: the store (runs_dir/aga), for the leak, which looks at the backgrounds; None: without it.
        captions: samples at most.

    Raises:
        DamagedFile: its set.json is torn.
        FileNotFoundError: the set is not finished.
    """
    import pyarrow.parquet as pq

    about = read_checked_json(folder / DESCRIPTION)
    columns = ["caption", *_ENTRIES.values(), *_WRITTEN, "accepted", "refused_because"]
    rows = pq.read_table(folder / "backgrounds.parquet", columns=columns).to_pylist()
    prompts = PromptSet.model_validate(about["prompts"])
    accepted = list(dict.fromkeys(row["caption"] for row in rows if row["accepted"]))
    at = np.linspace(0, len(accepted) - 1, min(captions, len(accepted))).astype(int) if accepted else []
    drawn = str(about["identities"].get("maker")).startswith("scenes/")
    return SetFacts(
        prompts,
        about["images"],
        about["backgrounds"],
        tuple(accepted[each] for each in at),
        len(accepted),
        tuple(_verdicts(rows, prompts)),
        understanding(row["caption"] for row in rows) if drawn else None,
        None if root is None else background_leak(folder, root),
        _unwritten(rows),
    )


def _unwritten(rows: Sequence[dict[str, Any]]) -> Unwritten | None:
    by_caption = {row["caption"]: row for row in rows}
    left = [
        row for row in by_caption.values() if row["caption_origin"] == "template" and row["caption_attempts"]
    ]
    if not left:
        return None
    ((reason, _),) = Counter(row["caption_warning"] for row in left).most_common(1)
    return Unwritten(len(left), len(by_caption), one_line(reason, _LONGEST_REASON))


def _verdicts(rows: Sequence[dict[str, Any]], prompts: PromptSet) -> list[EntryVerdict]:
    found = []
    for name, column in _ENTRIES.items():
        for entry in dict.fromkeys(each.strip() for each in getattr(prompts, name)):
            own = [row for row in rows if row[column] == entry]
            refused = [row["refused_because"] or "" for row in own if not row["accepted"]]
            reasons = sorted(set(refused), key=lambda reason: (-refused.count(reason), reason))
            if own:
                found.append(EntryVerdict(name, entry, len(own), len(refused), tuple(reasons)))
    return found


def background_leak(folder: Path, root: Path) -> Leak | None:
    """How well a linear classifier tells the class of an image from its background alone.

    Ridge regression on the colours of the background, 6 × 6 pixels, to one column for each class; judged on backgrounds
    that it was not trained on. None where there are fewer than 40 images, 10 backgrounds or 2 classes, where
    backgrounds were pruned, or where there are none because whole images were edited.

    Args:
        folder: of the set.
        root: the store, with the backgrounds.
    """
    import pyarrow.parquet as pq

    table = pq.read_table(folder / "provenance.parquet", columns=["label", "background", "accepted"])
    rows = [row for row in table.to_pylist() if row["accepted"]]
    if any(row["background"] is None for row in rows):  # whole images were edited
        return None
    names = sorted({row["background"] for row in rows})
    labels = np.array([row["label"] for row in rows])
    classes = np.unique(labels)
    if len(rows) < 40 or len(names) < 2 * _FOLDS or len(classes) < 2:
        return None
    pictures = {}
    for name in names:
        picture = kept_picture(root / name)
        if picture is None:
            return None
        pictures[name] = in_colours(picture)
    fold = np.array([names.index(row["background"]) % _FOLDS for row in rows])
    return leak_of(np.stack([pictures[row["background"]] for row in rows]), labels, fold)


def in_colours(picture: np.ndarray) -> np.ndarray:
    """What the leak's classifier sees of a picture, uint8 (H, W, 3): float64 (108,), colours of 6 × 6 pixels, 0..1."""
    import cv2

    return cv2.resize(picture, (_SEEN, _SEEN), interpolation=cv2.INTER_AREA).ravel() / 255


def leak_of(colours: np.ndarray, labels: np.ndarray, fold: np.ndarray) -> Leak:
    """How well these pictures tell the labels, as `background_leak` measures it.

    Args:
        colours: float (N, F), a row for each image (`in_colours`).
        labels: int (N,).
        fold: int (N,), 0..4: where each image is held out; equal backgrounds belong into one fold.
    """
    classes = np.unique(labels)
    wanted = (labels[:, None] == classes[None]).astype(float)
    right = sum(_right(colours, wanted, fold == each) for each in range(_FOLDS))
    chance = max(np.mean(labels == each) for each in classes)
    return Leak(right / len(labels), float(chance), len(labels))


def _right(features: np.ndarray, wanted: np.ndarray, held_out: np.ndarray) -> int:
    """Images of a fold that are told right by what is learned from the others."""
    if held_out.all() or not held_out.any():
        return 0
    train = features[~held_out]
    middle, centre = train.mean(axis=0), wanted[~held_out].mean(axis=0)
    spread = train.std(axis=0) + 1e-6
    x = (train - middle) / spread
    weights = np.linalg.solve(x.T @ x + _PENALTY * np.eye(x.shape[1]), x.T @ (wanted[~held_out] - centre))
    told = ((features[held_out] - middle) / spread) @ weights + centre
    return int((told.argmax(axis=1) == wanted[held_out].argmax(axis=1)).sum())


def told_in_a_line(facts: SetFacts, most: int = 6) -> str:
    """The facts for a model that writes prompts: sample captions, which settings passed, what was not understood."""
    parts = []
    if facts.captions:
        parts.append(
            "such as " + "; ".join(json.dumps(each, ensure_ascii=False) for each in facts.captions[:5])
        )
    settings = facts.of("settings")
    passed = [each for each in settings if not each.refused]
    refused = sorted((each for each in settings if each.refused), key=lambda each: -each.refused / each.tried)
    if settings:
        parts.append(f"{len(passed)} of {len(settings)} settings passed whole")
    if refused:
        listed = ", ".join(f"{each.entry!r} ({each.refused} of {each.tried})" for each in refused[:most])
        parts.append(
            f"refused: {listed}" + (f" and {len(refused) - most} more" if len(refused) > most else "")
        )
    if said := captions_in_a_line(facts, most):
        parts.append(said)
    if facts.leak:
        leak = facts.leak
        parts.append(
            f"the background alone tells the class of {leak.accuracy:.0%} of the images "
            f"(the most frequent class: {leak.chance:.0%})"
        )
    return "; ".join(parts)


def unwritten_in_a_line(unwritten: Unwritten) -> str:
    """How many captions the model did not write, and why."""
    return (
        f"{unwritten.captions} of {unwritten.of} captions are the template's, without a word of the model "
        f"({unwritten.reason})"
    )


def captions_in_a_line(facts: SetFacts, most: int = 8) -> str:
    """Captions that the model did not write, and what kind 'scenes' did not understand; empty without either."""
    parts, read = [], facts.read
    if facts.unwritten is not None:
        parts.append(unwritten_in_a_line(facts.unwritten))
    if read is None:
        return "; ".join(parts)
    if read.plain:
        parts.append(
            f"{read.plain} of {read.captions} captions name nothing that can be drawn: plain backdrops were made"
        )
    if read.unknown:
        listed = ", ".join(f"{word} ({count})" for word, count in read.unknown[:most])
        more = f" and {len(read.unknown) - most} more" if len(read.unknown) > most else ""
        parts.append(f"words that changed nothing, with their captions: {listed}{more}")
    return "; ".join(parts)
