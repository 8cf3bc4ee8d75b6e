"""What studies of a fixed small size recommend on real images, and how that does on the test set.

`python -m benchmarks.answers NAME=FOLDER[:MODALITY] … [-- settings of agent run]` runs the arm `nearby` for 8
iterations on each folder and writes benchmarks/results/answers.json and answers.md (rows of other data sets are kept).
A study that was stopped resumes, and one that has finished is not run again.

Why these settings (`SETTINGS`): about 55 trainings of one classifier have to fit into ten minutes of one core. So
images are of 32 px, a quarter as costly as 64; the classifier is the smallest of torchvision's that trains well from
scratch; each class gives its share of about 300 training images; and the length is given, with a learning rate four
times that of the recipe, by which ShuffleNet learns from so few images within it (bloodcells3, 12 epochs: 77.5% by that
of the recipe, 94.8% by this). Everything else is as a user finds it, apart from two seeds for three in the search, and
three for five in the choice.
"""

import argparse
import json
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from agent.memory.candidate import REFERENCE
from agent.screen.terminal import Terminal
from agent.studies.evaluation import Target, evaluated
from agent.studies.evaluation_output import Evaluated
from agent.training.sources import attached
from benchmarks.__main__ import RESULTS, metadata
from evaluators.report.comparison import TestScores, verdict_between
from evaluators.statistics import Interval, Verdict
from evaluators.wording import gain, percent
from tools.datasets.config import DataConfig
from tools.datasets.registry import open_dataset
from tools.policy.named import DEFAULT

SETTINGS = (
    "--proposer nearby --iterations 8 --seeds 2 --search.choosing_seeds 3 --search.top_k 1 --search.backgrounds off "
    "--image-size 32 --model shufflenet_v2_x0_5 --model.stem imagenet --epochs 16 --search.check_length off "
    "--training.learning_rate 4e-3 --training.batch_size 32 --execution.workers 1 --execution.threads 1"
)
IMAGES = 300
"""Training images of each study, about."""


@dataclass(frozen=True)
class Place:
    """A data set of the command line."""

    name: str
    folder: Path
    modality: str

    @classmethod
    def parse(cls, text: str) -> "Place":
        """`text` is NAME=FOLDER[:MODALITY].

        Raises:
            argparse.ArgumentTypeError: it is not, or there is no such folder.
        """
        name, equals, rest = text.partition("=")
        folder, _, modality = rest.partition(":")
        if not (name and equals and Path(folder).is_dir()):
            raise argparse.ArgumentTypeError(
                f"{text!r}: expected NAME=FOLDER[:MODALITY], with an existing folder"
            )
        return cls(name, Path(folder), modality)


def run(place: Place, runs: Path, more: Sequence[str]) -> None:
    """Run the study to its end, or resume it, where it has not finished.

    Raises:
        SystemExit: it failed; with its exit code.
    """
    if (runs / "studies" / place.name / "report.md").exists():
        return
    if (runs / "studies" / place.name).exists():
        command = ["resume", place.name]
    else:
        modality = ["--modality", place.modality] if place.modality else []
        command = ["run", "--data", str(place.folder), *modality, *share(place), *SETTINGS.split(), *more]
        command += ["--study", place.name]
    code = subprocess.run([sys.executable, "-m", "agent", *command, "--runs-dir", str(runs)]).returncode
    if code:
        raise SystemExit(code)


def share(place: Place) -> list[str]:
    """The setting that takes `IMAGES` of the training images, each class by its share; all of a smaller set."""
    dataset = open_dataset(
        DataConfig.model_validate({"path": place.folder, "modality": place.modality or None})
    )
    count = sum(record.split == "train" for record in dataset.records)
    return ["--data.fraction", f"{IMAGES / count:.3f}"] if count > IMAGES else []


def result(place: Place, runs: Path) -> dict[str, Any]:
    """What the finished study recommends, and all that was tested, as JSON; scores are shares, gains differences."""
    silent = Terminal(quiet=True)
    found = evaluated(place.name, [], Target(), runs, silent)
    tracking = attached(place.name, runs, silent)
    tags, spent = tracking.study_tags(), json.loads(tracking.study_artifact("ledger.json") or "{}")
    recommended = REFERENCE if tags["recommended"] == "none" else tags["recommended"]
    scores = {name: TestScores.of(each, found.metric) for name, each in found.predictions.items()}
    baselines = [name for name in scores if name != REFERENCE and not name.startswith("iteration ")]
    rivals = [name for name in baselines if name != recommended]
    best = max(rivals, key=lambda name: _mean(scores[name]), default=None)
    return {
        "data": place.name,
        "test_images": len(found.files),
        "metric": found.metric,
        "sentence": tags["sentence"],
        "recommended": recommended,
        "policy": found.lines[recommended],
        "test": {name: _mean(each) for name, each in scores.items()},
        "best_baseline": best,
        "over": {
            name: _verdict(found, scores, recommended, name)
            for name in (REFERENCE, *rivals)
            if name != recommended
        },
        "others_over_none": {
            name: _verdict(found, scores, name, REFERENCE)
            for name in scores
            if name not in (REFERENCE, recommended)
        },
        "trainings": spent["trials"],
        "minutes": round(spent["wall_clock"] / 60, 1),
        "training_minutes": round(spent["training_seconds"] / 60, 1),
    }


def _mean(scores: TestScores) -> float:
    return float(np.mean(list(scores.values.values())))


def _verdict(found: Evaluated, scores: dict[str, TestScores], one: str, other: str) -> dict[str, Any] | None:
    groups = found.groups if len(set(found.groups)) < len(found.groups) else None
    verdict = verdict_between(scores[one], scores[other], groups)
    return None if verdict is None else _as_json(verdict)


def _as_json(verdict: Verdict) -> dict[str, Any]:
    def bounds(interval: Interval) -> list[float | None]:
        return [interval.low, interval.high]

    return {
        "gain": verdict.over_both.mean,
        "interval": bounds(verdict.over_both),
        "over_seeds": bounds(verdict.over_seeds),
        "over_images": bounds(verdict.over_images),
        "verdict": verdict.kind,
        "seeds": verdict.over_seeds.count,
    }


HEADS = (
    "data (test images)",
    "recommended",
    "its test score",
    "no augmentation",
    "best other baseline",
    "over no augmentation",
    "over that baseline",
    "trainings",
    "minutes",
)


def table(rows: Sequence[dict[str, Any]]) -> str:
    """The rows as Markdown; the best baseline is that of the highest test score: hindsight, so the hardest to beat."""
    lines = ["| " + " | ".join(HEADS) + " |", "|" + " --- |" * len(HEADS)]
    for row in rows:
        best, test = row["best_baseline"], row["test"]
        cells = (
            f"{row['data']} ({row['test_images']})",
            _title(row["recommended"])
            + (f": `{row['policy']}`" if row["recommended"].startswith("it") else ""),
            percent(test[row["recommended"]]),
            percent(test[REFERENCE]),
            "–" if best is None else f"{_title(best)} {percent(test[best])}",
            _cell(row["over"].get(REFERENCE)),
            _cell(row["over"].get(best)),
            str(row["trainings"]),
            f"{row['minutes']:.0f}",
        )
        lines.append("| " + " | ".join(cells) + " |")
    return "\n".join(lines) + "\n"


def _title(name: str) -> str:
    return {REFERENCE: "no augmentation", DEFAULT: "the default policy"}.get(name, name)


def _cell(over: dict[str, Any] | None) -> str:
    """A gain with its interval over seeds and images, and what is said of it."""
    if over is None:
        return "–"
    low, high = over["interval"]
    return f"{gain(over['gain'], (low, high))}, {over['verdict']}"


def main() -> int:
    """The command line."""
    words = sys.argv[1:]
    cut = words.index("--") if "--" in words else len(words)
    parser = argparse.ArgumentParser(
        description="what studies of a fixed small size recommend on real images"
    )
    parser.add_argument("places", nargs="+", type=Place.parse, metavar="NAME=FOLDER[:MODALITY]")
    parser.add_argument("--runs-dir", type=Path, default=Path("runs/answers"))
    options, more = parser.parse_args(words[:cut]), words[cut + 1 :]
    file = RESULTS / "answers.json"
    for place in options.places:
        run(place, options.runs_dir, more)
        row = {
            **result(place, options.runs_dir),
            "settings": " ".join([*SETTINGS.split(), *share(place), *more]),
        }
        known = json.loads(file.read_text())["studies"] if file.exists() else []
        rows = [other for other in known if other["data"] != place.name] + [row]
        file.write_text(json.dumps({"studies": rows, "metadata": metadata()}, indent=2) + "\n")
        file.with_suffix(".md").write_text(table(rows))
        print(f"{place.name}: {row['sentence']}")
    print(file.with_suffix(".md").read_text())
    return 0


if __name__ == "__main__":
    sys.exit(main())
