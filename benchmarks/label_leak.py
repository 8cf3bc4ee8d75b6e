"""How well backgrounds alone tell the class: those of photographs of ants and bees, and those of their composites.

Composites are those that `agent generate` makes by default from the training photographs, with backgrounds drawn by
the words of their captions. Both are judged as every set of a study is (`tools.aga.making.set_facts.background_leak`).
A photograph's own background is what is left where its subject, by the mask that was drawn by hand and a margin of
`MARGIN` pixels, is filled with the mean colour of the rest. The shape of what is filled may tell the class as well, so
the masks alone are judged too.
"""

import json
import subprocess
import sys
import tempfile
from dataclasses import asdict
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from PIL import Image

from benchmarks.mask_quality import photos, truth_of, truths
from tools.aga.making.set_facts import Leak, background_leak, in_colours, leak_of

MARGIN = 4
TARGET = 0.05
"""The most by which the backgrounds of composites may tell the class better than the most frequent class does."""


def of_photographs(folder: Path) -> dict[str, Leak]:
    """'backgrounds': of photographs with a drawn subject, without it; 'masks': where it was."""
    backgrounds, masks, labels = [], [], []
    for file in sorted(truths()):
        subject = truth_of(file).astype(np.uint8)
        if not subject.any():
            continue
        picture = np.array(Image.open(folder / file).convert("RGB"))
        around = cv2.dilate(subject, np.ones((2 * MARGIN + 1, 2 * MARGIN + 1), np.uint8)) > 0
        if around.all():
            continue
        picture[around] = picture[~around].mean(axis=0)
        backgrounds.append(in_colours(picture))
        masks.append(in_colours(np.repeat(255 * around[..., None].astype(np.uint8), 3, axis=2)))
        labels.append(Path(file).parent.name == "bees")
    fold = np.random.default_rng(0).permutation(len(labels)) % 5
    found = {"backgrounds": backgrounds, "masks": masks}
    return {name: leak_of(np.stack(rows), np.array(labels, int), fold) for name, rows in found.items()}


def of_composites(folder: Path) -> Leak:
    """Of the set that `agent generate` makes of the training photographs.

    Raises:
        RuntimeError: it ends with an error, or makes too few images to tell.
    """
    with tempfile.TemporaryDirectory() as place:
        runs = Path(place) / "runs"
        words = ["--data", str(folder), "--modality", "natural", "--runs-dir", str(runs)]
        command = [sys.executable, "-m", "agent", "generate", *words, "--out", f"{place}/images"]
        done = subprocess.run(command, capture_output=True, text=True)
        sets = list((runs / "aga/sets").glob("*/set.json"))
        leak = background_leak(sets[0].parent, runs / "aga") if len(sets) == 1 else None
        if leak is None:
            raise RuntimeError(f"agent generate ended with {done.returncode}: {done.stderr}{done.stdout}")
        return leak


def run() -> dict[str, Any]:
    """Measure; takes about four minutes on two cores.

    Returns:
        name, share (how much better than the most frequent class the backgrounds of composites tell the class), target,
        met, details.
    """
    folder = photos()
    composites = of_composites(folder)
    over = composites.accuracy - composites.chance
    return {
        "name": "label_leak",
        "share": round(over, 3),
        "target": TARGET,
        "met": over <= TARGET,
        "details": {
            "composites": asdict(composites),
            **{f"{name} of photographs": asdict(leak) for name, leak in of_photographs(folder).items()},
            "margin": MARGIN,
        },
    }


if __name__ == "__main__":
    print(json.dumps(run(), indent=2))
