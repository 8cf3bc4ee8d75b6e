"""Generation on a small data set, and a process that generates it in children, which it may have killed.

    python drive_generation.py FOLDER SCALE WORKERS [RUN,RUN,… …]

FOLDER has `photos` (from `write_photos`); the store is FOLDER/aga. The runs of one argument happen at once, those of
the next after them. A run is 'whole', or a part of a file's path and which write of such a file it dies in
('masks/=4'). Prints what each run ended with: its exit code, or minus the signal. Without runs it generates itself.
"""

import hashlib
import os
import signal
import subprocess
import sys
import tempfile
import traceback
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from PIL import Image

from tests.repository import ROOT
from tools import files
from tools.aga.captions.template import TemplateCaptioner
from tools.aga.config import AgaConfig, PromptSet
from tools.aga.detectors.simple import CentreDetector
from tools.aga.making.chain import Tools
from tools.aga.making.request import Request
from tools.aga.making.source_images import TrainingSources, training_sources
from tools.aga.pipeline import generate
from tools.aga.segmenters.otsu import OtsuSegmenter
from tools.aga.store.sets import GeneratedSet
from tools.aga.types import Box, SourceImage
from tools.datasets.cache.build import build_cache
from tools.datasets.cache.read import CachedDataset
from tools.datasets.config import DataConfig
from tools.datasets.registry import open_dataset
from tools.datasets.types import Dataset

SIZE = 32
PROMPTS = PromptSet(
    subject="disc",
    scale=1.5,
    instructions=["a photo of", "a painting of"],
    settings=["a meadow", "a street", "a shore", "a forest"],
    times=["at dawn", "in winter", "at night"],
    avoid=["moon"],
    flip_probability=0.5,
    max_rotation=20,
    min_scale=0.8,
    max_scale=1.2,
)


def write_photos(root: Path, counts: dict[str, int], width: int = 48, height: int = 40) -> Path:
    """PNGs SPLIT/CLASS/N.png of a bright disc (class 'light') or a square (any other class) on dark noise."""
    seed = 0
    for folder, count in counts.items():
        (root / folder).mkdir(parents=True, exist_ok=True)
        for number in range(count):
            seed += 1
            rng = np.random.default_rng(seed)
            picture = rng.integers(0, 60, (height, width, 3), dtype=np.uint8)
            colour = rng.integers(170, 256, 3).tolist()
            x, y = width // 2 + int(rng.integers(-3, 4)), height // 2 + int(rng.integers(-3, 4))
            if folder.endswith("light"):
                cv2.circle(picture, (x, y), 9, colour, -1)
            else:
                cv2.rectangle(picture, (x - 8, y - 8), (x + 8, y + 8), colour, -1)
            Image.fromarray(picture).save(root / folder / f"{number:03d}.png")
    return root


def splits(train: int, other: int = 2) -> dict[str, int]:
    """Images of each folder of a two-class data set."""
    folders = {"train": train, "val": other, "test": other}
    return {f"{split}/{name}": count for split, count in folders.items() for name in ("dark", "light")}


@dataclass
class Waves:
    """Plane waves whose direction, length and colours follow from caption and seed."""

    made: list[tuple[str, int]] = field(default_factory=list)
    blank: frozenset[str] = frozenset()
    """Captions with these words fail: the picture is black, as diffusers' safety checker makes it."""

    @property
    def identity(self) -> str:
        return f"waves/1 {sorted(self.blank)}"

    def make(self, captions: Sequence[str], seeds: Sequence[int], size: int) -> list[np.ndarray]:
        self.made += zip(captions, seeds, strict=True)
        return [self._picture(caption, seed, size) for caption, seed in zip(captions, seeds, strict=True)]

    def _picture(self, caption: str, seed: int, size: int) -> np.ndarray:
        if any(word in caption for word in self.blank):
            return np.zeros((size, size, 3), np.uint8)
        rng = np.random.default_rng(int(hashlib.sha256(f"{caption} {seed}".encode()).hexdigest()[:8], 16))
        x, y = np.meshgrid(np.arange(size), np.arange(size))
        channels = [np.sin(x * a + y * b + c) for a, b, c in rng.uniform(-0.5, 0.5, (3, 3))]
        return np.round(127.5 + 120 * np.stack(channels, axis=-1)).astype(np.uint8)


@dataclass
class BrightDetector:
    """Finds what is brighter than 150: the box around it, scored by the brightest level."""

    asked: list[tuple[str, str]] = field(default_factory=list)

    @property
    def identity(self) -> str:
        return "bright/1"

    def detect(self, images: Sequence[SourceImage], subject: str) -> list[list[Box]]:
        self.asked += [(image.file, subject) for image in images]
        return [self._boxes(image.pixels.min(axis=-1)) for image in images]

    def _boxes(self, levels: np.ndarray) -> list[Box]:
        bright = levels > 150
        if not bright.any():
            return []
        rows, columns = np.flatnonzero(bright.any(axis=1)), np.flatnonzero(bright.any(axis=0))
        edges = (columns[0], rows[0], columns[-1] + 1, rows[-1] + 1)
        return [Box(*map(float, edges), score=float(levels.max()) / 255)]


@dataclass
class World:
    """A data set on disk with its cache and its store."""

    folder: Path
    dataset: Dataset
    cached: CachedDataset
    fit: str = "stretch"

    @property
    def root(self) -> Path:
        return self.folder / "aga"

    def sources(self, max_side: int = 1024) -> TrainingSources:
        return training_sources(self.dataset, self.cached, max_side)

    def generate(
        self, prompts: PromptSet = PROMPTS, tools: Any = None, on_progress: Any = None, **options: Any
    ) -> GeneratedSet:
        """As `generate`; `options` are settings of AGA (`compose`, `gates`, …) or fields of the request."""
        given = {name: options.pop(name) for name in list(options) if name in AgaConfig.model_fields}
        given.setdefault("compose", {"workers": 1})
        config = AgaConfig.model_validate(given)
        arguments: dict[str, Any] = {
            "sources": self.sources(config.compose.max_side),
            "prompts": prompts,
            "config": config,
            "root": self.root,
            "fit": self.fit,
            "seed": 0,
            "classes": self.dataset.card.classes,
            "fingerprint": self.cached.fingerprint,
        }
        request = Request(**(arguments | options))
        return generate(request, tools or real_tools(), on_progress or (lambda stage, done, total: None))


def real_tools(maker: Any = None, detector: Any = None, classifier: Any = None) -> Tools:
    """The centre of the image, Otsu's threshold, captions by template, plane waves."""
    return Tools(
        detector or CentreDetector(), OtsuSegmenter(), TemplateCaptioner(), maker or Waves(), classifier
    )


def open_world(folder: Path, size: int = SIZE, **data: Any) -> World:
    """Open what `write_photos` wrote to FOLDER/photos."""
    config = DataConfig(path=folder / "photos", decode_workers=1, **data)
    dataset = open_dataset(config)
    return World(folder, dataset, build_cache(dataset, config, size, folder / "cache"), config.fit)


def rows(made: GeneratedSet, name: str = "provenance") -> list[dict[str, Any]]:
    """One of the set's tables."""
    return pq.read_table(made.folder / f"{name}.parquet").to_pylist()


def contents(folder: Path) -> dict[str, str]:
    """SHA-256 of every file in a folder, by its path in it."""
    return {
        file.relative_to(folder).as_posix(): hashlib.sha256(file.read_bytes()).hexdigest()
        for file in sorted(folder.rglob("*"))
        if file.is_file()
    }


def drive(folder: Path, scale: float, workers: int, *runs: str) -> list[int]:
    """Run this file; what each run ended with."""
    command = [sys.executable, __file__, str(folder), str(scale), str(workers), *runs]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    ended = subprocess.run(command, stdout=subprocess.PIPE, text=True, cwd=ROOT, env=environment, check=True)
    return [int(line) for line in ended.stdout.split()]


def _die_in(part: str, deadly: int) -> None:
    """Have this process killed when half of the `deadly`-th file with `part` in its path is written."""
    written = 0
    write = files.written_whole

    @contextmanager
    def write_or_die(file: Path, scratch: Path | None = None) -> Iterator[Path]:
        nonlocal written
        written += part in file.as_posix()
        with write(file, scratch) as temporary:
            yield temporary
            if written == deadly and part in file.as_posix():
                os.truncate(temporary, temporary.stat().st_size // 2)
                os.kill(os.getpid(), signal.SIGKILL)

    for module in list(sys.modules.values()):
        if getattr(module, "written_whole", None) is write:
            vars(module)["written_whole"] = write_or_die


def _generate(folder: Path, scale: float, workers: int) -> None:
    prompts = PROMPTS.model_copy(update={"scale": scale})
    open_world(folder).generate(prompts, compose={"workers": workers})


def _run_in_child(run: str, folder: Path, scale: float, workers: int) -> int:
    """Its process number. Forked, so that only one process has to load the libraries."""
    if child := os.fork():
        return child
    if run != "whole":
        part, _, number = run.partition("=")
        _die_in(part, int(number))
    try:
        _generate(folder, scale, workers)
    except BaseException:
        traceback.print_exc()
        os._exit(1)
    os._exit(0)


def main() -> None:
    folder, scale, workers = Path(sys.argv[1]), float(sys.argv[2]), int(sys.argv[3])
    if len(sys.argv) == 4:
        _generate(folder, scale, workers)
        return
    # Loads everything that a child would have to load; threads would not survive the fork.
    cv2.setNumThreads(1)
    pa.set_cpu_count(1)
    with tempfile.TemporaryDirectory() as place:
        write_photos(Path(place) / "photos", splits(1, 1))
        _generate(Path(place), 1, 1)
    for together in sys.argv[4:]:
        children = [_run_in_child(run, folder, scale, workers) for run in together.split(",")]
        for child in children:
            print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))


if __name__ == "__main__":
    main()
