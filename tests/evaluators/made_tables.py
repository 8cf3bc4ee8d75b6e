"""Small tables of trained policies, drawn instead of trained."""

import json
from pathlib import Path
from typing import Any

import numpy as np

DEFAULT = "flip+affine-mild"
IMAGES = 603
"""Not a multiple of eight: the bits are padded."""


def rows_of(
    gains: list[float], seeds: int = 4, epochs: int = 30, draw: np.random.Generator | None = None
) -> list[dict[str, Any]]:
    """A training for each policy and seed; gains in accuracy (0..1) over the first policy, which scores about 0.7."""
    draw = draw or np.random.default_rng(0)
    hard = draw.random((2, IMAGES))
    rows = []
    for policy, gain in enumerate(gains):
        tilt = 0.06 * draw.random((2, IMAGES))
        for seed in range(seeds):
            row: dict[str, Any] = {"policy": policy, "seed": seed, "epochs": epochs, "train": 0.9}
            for split, difficulty, own in zip(("val", "test"), hard, tilt, strict=True):
                right = difficulty + own + 0.05 * draw.random(IMAGES) < 0.755 + gain + 0.012 * draw.normal()
                row |= {
                    split: round(float(right.mean()), 5),
                    f"{split}_loss": round(1.2 - float(right.mean()) + 0.005 * draw.normal(), 5),
                    f"{split}_bits": np.packbits(right).tobytes().hex(),
                }
            rows.append(row)
    return rows


def write_table(folder: Path, rows: list[dict[str, Any]], names: list[str], stem: str = "made") -> Path:
    """The two files; the first name is no augmentation."""
    policies = [
        {"name": name, "line": name, "policy": {"operations": [{"name": "rotate"}] if at else []}}
        for at, name in enumerate(names)
    ]
    (folder / f"{stem}.policies.json").write_text(json.dumps(policies), encoding="utf-8")
    lines = folder / f"{stem}.jsonl"
    lines.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return lines


def names_of(count: int) -> list[str]:
    """No augmentation, the default, and others."""
    return ["none", DEFAULT, *(f"other {number}" for number in range(count - 2))]
