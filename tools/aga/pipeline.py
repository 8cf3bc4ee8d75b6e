"""From training images to a set of synthetic ones: subjects, backgrounds, composites, gates, in this order.

Every step works in shards and records each one when it is done, so that memory does not grow with the number of
images, and an interrupted set goes on where it was and comes out the same to the last byte. A finished set never
changes:

    sets/KEY/
      images/CLASS/…       the synthetic images
      pixels.npy           uint8 (M, S, S, 3): as composed, at training size; what training reads
      labels.npy           int64 (M,)
      sources.npy          int64 (M,), the training row of each
      provenance.parquet   and sources.parquet, backgrounds.parquet: see `provenance.py`
      pieces.json          the masks and backgrounds it was made from
      set.json             written last: what has one is finished
"""

import shutil
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol, cast

from tools.aga.config import AgaConfig, PromptSet
from tools.aga.making.sources import TrainingSources
from tools.aga.recipe import (
    background_size,
    classifier_identity,
    decisive,
    image_count,
    pool_size,
    request_key,
    set_key,
    subjects_of,
)
from tools.aga.store.pieces import (
    ABOUT,
    WORK,
    check_room,
    disk_usage,
    full_disk_named,
    known_file,
    mark_used,
    set_folder,
    writing_set,
)
from tools.aga.types import BackgroundMaker, Captioner, Detector, Segmenter
from tools.datasets.cache.decode import Fit
from tools.errors import ConfigurationError
from tools.files import read_json, write_json

if TYPE_CHECKING:
    import numpy as np

    from tools.aga.gates.gates import Verdict

Progress = Callable[[str, int, int], None]
"""Called with (stage, done, in all); the stages are 'masks', 'captions', 'backgrounds' and 'composites'."""


class Judge(Protocol):
    """Looks at finished composites (`tools.aga.gates.classifier_gate.ClassifierGate`)."""

    def judge(self, images: "np.ndarray", labels: "Sequence[int] | np.ndarray") -> "list[Verdict]":
        """One verdict for each image, uint8 (N, S, S, 3), that is to be trained as its label."""
        ...


@dataclass(frozen=True)
class Tools:
    """What does each step."""

    detector: Detector
    segmenter: Segmenter
    captioner: Captioner
    maker: BackgroundMaker
    classifier: Judge | None = None

    def identities(self, config: AgaConfig) -> dict[str, str]:
        """What the content of a set depends on, by step; a classifier is known by the weights in its trial's folder."""
        named = {
            "detector": self.detector.identity,
            "segmenter": self.segmenter.identity,
            "captioner": self.captioner.identity,
            "maker": self.maker.identity,
        }
        return named if self.classifier is None else {**named, "classifier": classifier_identity(config)}


@dataclass(frozen=True)
class GeneratedSet:
    """A finished set."""

    key: str
    folder: Path
    """What a trial is given, with `key` (`tools.training.synthetic.Synthetic`)."""
    images: int
    """Accepted ones: those in `pixels.npy`."""
    gates: dict[str, dict[str, int]]
    """For each gate how many it 'passed' and 'refused': sources, backgrounds or composites, whichever it looks at."""
    skipped: dict[str, int]
    """Sources that were left out before any gate: 'no subject'."""
    provenance: Path


def generate(
    sources: TrainingSources,
    prompts: PromptSet,
    tools: Tools | Callable[[], Tools],
    config: AgaConfig,
    root: Path,
    image_size: int,
    fit: Fit,
    seed: int,
    subjects: Mapping[int, str] | None,
    classes: Sequence[str],
    fingerprint: str,
    on_progress: Progress,
) -> GeneratedSet:
    """Make a set of synthetic images, or open what an earlier call made of the same.

    Safe to be killed at any point, and to be called by several processes at once (one makes a set, the others wait).

    Args:
        sources: from `training_sources`.
        prompts: what the backgrounds show, and how the subject is moved.
        tools: or what makes them, called only where they are needed: a request that was answered before, under the
            same settings, files and code, is answered without.
        config: settings of AGA.
        root: folder of the store (runs_dir/aga).
        image_size: side of the training images in pixels; the sources'.
        fit: how the cache made them square.
        seed: of everything that is drawn.
        subjects: label → superclass, as the data set has it, '' for a class whose images show no subject;
            `config.subjects` comes before it, `prompts.subject` after it.
        classes: names of the labels.
        fingerprint: of the data.
        on_progress: see `Progress`.

    Raises:
        ConfigurationError: a setting makes no image.
        DataError: a source is gone or broken.
        DiskFullError: there is no room for it.
        AugurError: no source has a usable subject, or no background passed the gates.
    """
    if sources.image_size != image_size:
        raise ConfigurationError(
            f"the training images are {sources.image_size} px, and the synthetic ones are to be {image_size} px: "
            "they must agree (data.image_size)"
        )
    root = root.absolute()
    names = subjects_of(len(classes), classes, config, subjects, prompts)
    content: dict[str, Any] = {
        "fingerprint": fingerprint,
        "prompts": prompts.model_dump(mode="json"),
        "image_size": image_size,
        "fit": fit,
        "seed": seed,
        "subjects": names,
        "classes": list(classes),
        "max_side": sources.max_side,
    }
    request = None
    if not isinstance(tools, Tools):
        request = request_key(config, **content)
        known = read_json(known_file(root, request)) if request else None
        finished = known and _finished(root, known["set"])
        if finished:
            return finished
        tools = tools()
    key = set_key(tools.identities(config), settings=decisive(config), **content)
    made = _finished(root, key)
    if made is None:
        expected = image_count(prompts.scale, len(sources))
        needed = _bytes_needed(config, len(sources), expected, image_size)
        check_room(root, max(0, needed - disk_usage(set_folder(root, key))), config.max_disk_gib)
        with writing_set(root, key) as folder, full_disk_named(root, needed):
            made = _finished(root, key)
            if made is None:
                # Pillow, OpenCV and pyarrow are loaded only where there is something to make.
                from tools.aga.making.set_maker import Making

                making = Making(
                    sources,
                    prompts,
                    tools,
                    config,
                    root,
                    folder,
                    image_size,
                    fit,
                    seed,
                    names,
                    classes,
                    needed,
                )
                making.run(key, content, on_progress)
                made = cast(GeneratedSet, _finished(root, key))
    if request:
        with full_disk_named(root, 0):
            _remember(root, request, key)
    return made


def _remember(root: Path, request: str, key: str) -> None:
    file = known_file(root, request)
    file.parent.mkdir(parents=True, exist_ok=True)
    write_json(file, {"set": key}, file.parent)


def _finished(root: Path, key: str) -> GeneratedSet | None:
    folder = set_folder(root, key)
    about = read_json(folder / ABOUT)
    if about is None:
        return None
    mark_used(folder)
    if (folder / WORK).exists():
        # A process was killed after the set was finished and before it had cleared up.
        shutil.rmtree(folder / WORK, ignore_errors=True)
    return GeneratedSet(
        key, folder, about["images"], about["gates"], about["skipped"], folder / "provenance.parquet"
    )


def _bytes_needed(config: AgaConfig, sources: int, images: int, image_size: int) -> int:
    """At most: uncompressed where it is not known how well it compresses."""
    side = background_size(config, image_size)
    file = side * side * (3 if config.compose.format == "png" else 1)
    pool = pool_size(config.pool, sources, images)
    masks = sources * config.compose.max_side**2 // 16
    return images * (image_size * image_size * 3 + file) + pool * side * side * 3 + masks
