"""A table of made results for real policies: what an operation does to the accuracy is known."""

import json
from functools import lru_cache
from pathlib import Path

import numpy as np

from benchmarks.search_table import Entry, entries
from tests.evaluators.made_tables import rows_of
from tools.policy.policy import Policy

COUNT, SEEDS, LENGTHS = 60, 4, (6, 24)
GOOD, BAD = "shear", "erasing"


def gain(policy: Policy) -> float:
    """In accuracy (0..1): slanting a digit helps, covering parts of it harms, and so does anything else a little."""
    chances = {operation.name: operation.probability for operation in policy.operations}
    return 0.11 * chances.get(GOOD, 0.0) - 0.07 * chances.get(BAD, 0.0) - 0.03 * sum(chances.values())


@lru_cache(maxsize=1)
def policies() -> tuple[Entry, ...]:
    """No augmentation, the default, what people use, and drawn ones."""
    return tuple(entries("digits", True, COUNT))


def write_world(folder: Path, short_agrees: bool = True, about: bool = True) -> Path:
    """NAME.jsonl of the table; after the short length, all are worse, and in the same order or in none."""
    gains = [gain(entry.policy) for entry in policies()]
    short = [each - 0.05 for each in gains] if short_agrees else [-0.05] * len(gains)
    rows = [
        row
        for epochs, of_length in zip(LENGTHS, (short, gains), strict=True)
        for row in rows_of(of_length, SEEDS, epochs, np.random.default_rng(epochs))
    ]
    written = [
        {"name": entry.name, "policy": entry.policy.model_dump(mode="json"), "origin": entry.origin}
        for entry in policies()
    ]
    (folder / "world.policies.json").write_text(json.dumps(written), encoding="utf-8")
    if about:
        said = {"modality": "digits", "grey": True, "title": "Made digits"}
        (folder / "world.about.json").write_text(json.dumps(said), encoding="utf-8")
    file = folder / "world.jsonl"
    file.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return file
