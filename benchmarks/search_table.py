"""Makes a table of trained policies on which ways of searching are compared (docs/search_table.md).

`python -m benchmarks.search_table` trains what the table lacks and can be interrupted at any time: each training is a
trial of the store, as those of `agent train` are, and becomes a line of the table. Policies are trained one after
another, under every seed and for every length, so that an unfinished table is a smaller one. With `--data FOLDER` it
makes one of a user's own images. `--pack FOLDER` writes the policies that are complete, compressed.
"""

import argparse
import gzip
import itertools
import json
import sys
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch

from agent.proposers.drawn_prompts import is_safe
from agent.proposers.random import RandomProposer
from agent.proposers.space import rounded_operation
from agent.simulating.told import history_of
from benchmarks.trials import spec_of
from tools.datasets.cache.build import build_cache
from tools.datasets.cache.read import CachedDataset
from tools.datasets.config import DataConfig
from tools.datasets.grey import is_grey
from tools.datasets.registry import open_dataset
from tools.datasets.types import Modality
from tools.files import read_json, write_json, write_whole
from tools.policy.canonical import canonical_json, canonical_policy, one_line
from tools.policy.catalogue import CATALOGUE
from tools.policy.named import named_policy
from tools.policy.policy import Policy
from tools.policy.priors import PROBABILITY, value_at
from tools.policy.starts import starts_for
from tools.training.config import ModelConfig, Recipe, TrainingConfig
from tools.training.evaluation import evaluate_trial
from tools.training.loop import train_trial
from tools.training.recipes import resolve_recipe
from tools.training.types import Predictions

MODEL = ModelConfig(name="benchmarks.small_network:network")
PRACTICE = (
    "trivial_augment_wide",
    "rand_augment",
    "rand_augment(num_ops=1, magnitude=5)",
    "aug_mix",
    "mixup(p=0.5)",
    "cutmix(p=0.5)",
    "erasing(p=0.5)",
    "affine(p=0.8, degrees=10, translate=0.08, scale=0.1, shear=0)",
    "affine(p=0.8, degrees=20, translate=0.1, scale=0.2, shear=10)",
    "translate(p=0.8, fraction=0.08)",
    "rotate(p=0.8, degrees=12)",
    "shear(p=0.8, degrees=12)",
    "elastic(p=0.5, displacement=0.02, cells=3)",
    "perspective(p=0.5, distortion=0.3)",
    "resized_crop(p=0.8, scale_min=0.7, aspect=1.2)",
    "gaussian_noise(p=0.5, sigma=0.05)",
)
"""What people use besides the usual policies of the kind of images."""
DRAWN = "as the arm random draws"
NEAR = "other numbers of a usual policy"
RUNS = Path("runs/search_table")


@dataclass(frozen=True)
class Entry:
    """One policy of the table."""

    name: str
    origin: str
    policy: Policy


def entries(modality: Modality, grey: bool, count: int) -> list[Entry]:
    """The first `count` policies: no augmentation, the default, what people use; then drawn ones, of which every third
    has the operations of a usual policy with other numbers. The same for every count, and no policy twice."""
    found, seen = [], set[str]()
    for entry in itertools.chain(_usual(modality), _drawn(modality, grey)):
        identity = canonical_json(entry.policy)
        if identity not in seen and is_safe(entry.policy, history_of(modality, grey, 0)):
            seen.add(identity)
            found.append(replace(entry, policy=canonical_policy(entry.policy)))
        if len(found) == count:
            break
    return found


def _usual(modality: Modality) -> Iterator[Entry]:
    yield Entry("none", "practice", Policy(operations=[]))
    first, *others = starts_for(modality)
    yield Entry("default", "practice", first.policy)
    for each in others:
        yield Entry(each.name, "practice", each.policy)
    for text in PRACTICE:
        yield Entry(text, "practice", named_policy(text, modality).policy)


def _drawn(modality: Modality, grey: bool) -> Iterator[Entry]:
    usual = [
        entry.policy
        for entry in _usual(modality)
        if entry.policy.operations
        and not any(CATALOGUE[o.name].whole_policy for o in entry.policy.operations)
    ]
    for number in itertools.count():
        if number % 3 == 2:
            draw = np.random.default_rng([number])
            yield Entry(f"near {number}", NEAR, _renumbered(usual[number // 3 % len(usual)], draw))
        else:
            proposal = RandomProposer().ask(history_of(modality, grey, number))
            yield Entry(f"drawn {number}", DRAWN, proposal.as_policy())


def _renumbered(policy: Policy, draw: np.random.Generator) -> Policy:
    return Policy(
        operations=[
            rounded_operation(
                operation.name,
                value_at(draw.uniform(), PROBABILITY),
                {spec.name: value_at(draw.uniform(), spec) for spec in CATALOGUE[operation.name].parameters},
            )
            for operation in policy.operations
        ]
    )


def row_of(data: CachedDataset, root: Path, policy: Policy, recipe: Recipe, seed: int) -> dict[str, Any]:
    """Train one policy, or find its trial in the store, and say what it came to.

    Raises:
        RuntimeError: the training failed.
    """
    spec = spec_of(data, root, canonical_json(policy), MODEL, recipe, seed)
    result = train_trial(spec, "cpu", _ignore)
    if result.scores is None or result.fit is None:
        raise RuntimeError(f"{one_line(policy)}, seed {seed}, {recipe.epochs} epochs: {result.reason}")
    found = {split: evaluate_trial(spec, split, "cpu") for split in ("validation", "test")}
    return {
        "seed": seed,
        "epochs": recipe.epochs,
        "train": round(result.fit.accuracy, 5),
        "train_loss": round(result.epochs[-1].train_loss, 5),
        **_columns("val", found["validation"]),
        **_columns("test", found["test"]),
        "seconds": round(result.seconds, 2),
    }


def _columns(name: str, found: Predictions) -> dict[str, Any]:
    right = found.probabilities.argmax(axis=1) == found.labels
    return {
        name: round(float(right.mean()), 5),
        f"{name}_loss": round(found.scores.loss, 5),
        f"{name}_bits": np.packbits(right).tobytes().hex(),
    }


def make(
    data: CachedDataset,
    modality: Modality,
    runs: Path,
    file: Path,
    count: int,
    seeds: int,
    lengths: Sequence[int],
    training: dict[str, Any],
) -> Iterator[dict[str, Any]]:
    """Train what `file` (NAME.jsonl) lacks, and add each line to it; yields the new lines."""
    grey = is_grey(data)
    policies = entries(modality, grey, count)
    recipes = [resolve_recipe(TrainingConfig(epochs=epochs, **training)) for epochs in lengths]
    file.parent.mkdir(parents=True, exist_ok=True)
    write_json(
        file.with_suffix(".policies.json"),
        [
            {
                "origin": entry.origin,
                "name": entry.name,
                "line": one_line(entry.policy),
                "policy": entry.policy.model_dump(mode="json"),
            }
            for entry in policies
        ],
    )
    write_json(file.with_suffix(".about.json"), _about(data, modality, grey, recipes))
    known = _known(file)
    with file.open("a", encoding="utf-8") as lines:
        for number, entry in enumerate(policies):
            for seed, recipe in itertools.product(range(seeds), recipes):
                if (number, seed, recipe.epochs) in known:
                    continue
                row = {"policy": number, **row_of(data, runs, entry.policy, recipe, seed)}
                lines.write(json.dumps(row) + "\n")
                lines.flush()
                yield row


def _known(file: Path) -> set[tuple[int, int, int]]:
    """What is in the table; a line that was torn when the making was killed is removed."""
    text = file.read_text(encoding="utf-8") if file.exists() else ""
    whole = _whole_lines(text)
    if whole != text:
        write_whole(file, whole.encode())
    rows = map(json.loads, whole.splitlines())
    return {(row["policy"], row["seed"], row["epochs"]) for row in rows}


def _whole_lines(text: str) -> str:
    """Without the last line, where that is torn, or being written."""
    return text[: text.rfind("\n") + 1]


def _about(data: CachedDataset, modality: Modality, grey: bool, recipes: Sequence[Recipe]) -> dict[str, Any]:
    """What the table is of; `agent simulate` reads the kind of images and whether they are grey."""
    return {
        "title": data.card.title,
        "modality": modality,
        "grey": grey,
        "licence": data.card.licence,
        "image_size": data.image_size,
        "images": {name: len(data.split(name)) for name in ("train", "validation")}
        | {"test": len(data.open_test())},
        "model": MODEL.name,
        "recipe": recipes[-1].model_dump(mode="json", exclude={"epochs"}),
        "lengths": [recipe.epochs for recipe in recipes],
        "fingerprint": data.fingerprint,
        "torch": torch.__version__,
    }


def pack(file: Path, folder: Path) -> Path:
    """Write the complete policies of a table to `folder`, compressed; the same bytes for the same lines.

    A policy is complete that was trained under every seed and for every length. `seconds` are left out: they depend on
    what else the machine did.
    """
    rows = [json.loads(line) for line in _whole_lines(file.read_text(encoding="utf-8")).splitlines()]
    wanted = {(row["seed"], row["epochs"]) for row in rows}
    done = Counter(row["policy"] for row in rows)
    complete = sorted(policy for policy, count in done.items() if count == len(wanted))
    places = {policy: place for place, policy in enumerate(complete)}
    kept = [row | {"policy": places[row["policy"]]} for row in rows if row["policy"] in places]
    kept.sort(key=lambda row: (row["policy"], row["seed"], row["epochs"]))
    text = "".join(json.dumps({k: v for k, v in row.items() if k != "seconds"}) + "\n" for row in kept)
    folder.mkdir(parents=True, exist_ok=True)
    written = folder / f"{file.name}.gz"
    write_whole(written, gzip.compress(text.encode(), 9, mtime=0))
    policies = read_json(file.with_suffix(".policies.json")) or []
    write_json(folder / f"{file.stem}.policies.json", [policies[policy] for policy in complete])
    write_json(folder / f"{file.stem}.about.json", read_json(file.with_suffix(".about.json")))
    return written


def main() -> int:
    """The command line."""
    parser = argparse.ArgumentParser(description="a table of trained policies for `agent simulate --arms`")
    parser.add_argument("--dataset", help="as for `agent run`; the digits of the demo if neither is given")
    parser.add_argument("--data", type=Path, help="folder of images, or where the files of --dataset are")
    parser.add_argument("--modality", default="digits", help="kind of images")
    parser.add_argument("--per-class", type=int, help="training images of each class of --data; all if unset")
    parser.add_argument("--image-size", type=int, default=16)
    parser.add_argument("--policies", type=int, default=120)
    parser.add_argument("--seeds", type=int, default=4)
    parser.add_argument("--epochs", default="4,16", help="lengths, the study's last (default: %(default)s)")
    parser.add_argument("--batch-size", type=int, default=20)
    parser.add_argument("--learning-rate", type=float, default=1e-2)
    parser.add_argument("--table", type=Path, default=RUNS / "digits.jsonl", metavar="NAME.jsonl")
    parser.add_argument("--runs", type=Path, default=RUNS, help="store of the trials")
    parser.add_argument("--minutes", type=float, help="stop after so long; the same command continues")
    parser.add_argument(
        "--pack", type=Path, metavar="FOLDER", help="train nothing: write what is complete there"
    )
    options = parser.parse_args()
    if options.pack is not None:
        packed = pack(options.table, options.pack)
        print(f"{packed}: {packed.stat().st_size / 1e6:.2f} MB")
        return 0
    torch.set_num_threads(1)
    name = options.dataset or ("folder" if options.data else "demo")
    per_class = {"per_class": options.per_class} if options.per_class else {}
    config = DataConfig(dataset=name, path=options.data, decode_workers=1, **per_class)
    data = build_cache(open_dataset(config), config, options.image_size, options.runs / "cache")
    training = {"batch_size": options.batch_size, "learning_rate": options.learning_rate}
    lengths = [int(each) for each in options.epochs.split(",")]
    began = time.monotonic()
    rows = make(
        data,
        options.modality,
        options.runs,
        options.table,
        options.policies,
        options.seeds,
        lengths,
        training,
    )
    for done, row in enumerate(rows, start=1):
        print({key: value for key, value in row.items() if not key.endswith("bits")}, flush=True)
        if options.minutes is not None and time.monotonic() - began > 60 * options.minutes:
            print(f"stopped after {done} trainings: the same command continues")
            break
    return 0


def _ignore(report: object) -> None:
    """Progress is not shown."""


if __name__ == "__main__":
    sys.exit(main())
