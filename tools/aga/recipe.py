"""What a set of synthetic images is made of: which source, which background, which random numbers, under which key.

Everything here follows from the recipe alone (seed, counts, settings), never from what has been done so far, by how
many processes or in which order: that is why an interrupted set comes out the same.

Sources come in a random order, and each gets its copies. For every block of as many sources as there are backgrounds,
the backgrounds come in another random order, and copy c of the source at place s gets the one at place s + offset(c).
No order knows the labels, so the background cannot predict them; every background is used about equally often; and no
source meets a background twice while it has no more copies than there are backgrounds.
"""

import hashlib
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from tools.aga.config import AgaConfig, PromptSet
from tools.aga.store.pieces import key_of
from tools.errors import ConfigurationError
from tools.training.trial_store import WEIGHTS

FORMAT = 1
"""Raised whenever the same recipe comes to mean other images."""
_ORDER, _BACKGROUNDS, _OFFSETS = 1, 2, 3
"""Streams of random numbers. A placement's has three numbers and so is none of them."""
_CANDIDATES = 3
"""Backgrounds that are tried at most for each one that is wanted."""
_CODE = Path(__file__).parent


@dataclass(frozen=True)
class Copy:
    """One synthetic image to be made."""

    number: int
    """From 0, in the order of the set."""
    place: int
    """Of its source among the usable ones, from 0."""
    copy: int
    """Counted from 0 for each source."""
    background: int
    """Its place in the pool, from 0."""


class Plan:
    """Which source and which background make which image."""

    def __init__(self, images: int, usable: int, pool: int, seed: int) -> None:
        """`images` of `usable` sources on `pool` backgrounds, each at least 1."""
        self.images = images
        self._pool = pool
        self._order = np.random.default_rng([seed, _ORDER]).permutation(usable)
        blocks = np.tile(np.arange(pool), (-(-usable // pool), 1))
        self._backgrounds = np.random.default_rng([seed, _BACKGROUNDS]).permuted(blocks, axis=1)
        self._offsets = np.random.default_rng([seed, _OFFSETS]).permutation(pool)
        self._usual, self._more = divmod(self.images, usable)

    def __len__(self) -> int:
        return self.images

    def __getitem__(self, number: int) -> Copy:
        """Copies of one source follow one another; the first sources in the order have one more."""
        if not 0 <= number < self.images:
            raise IndexError(number)
        boundary = self._more * (self._usual + 1)
        if number < boundary:
            place, copy = divmod(number, self._usual + 1)
        else:
            place, copy = divmod(number - boundary, self._usual)
            place += self._more
        block, within = divmod(place, self._pool)
        background = self._backgrounds[block, (within + self._offsets[copy % self._pool]) % self._pool]
        return Copy(number, int(self._order[place]), copy, int(background))


def image_count(scale: float, sources: int) -> int:
    """Synthetic images for a training split of `sources`: `scale` times as many, rounded.

    Sources without a usable subject count too: the others get more copies, so that 2 means twice the real images.

    Raises:
        ConfigurationError: `scale` is not above 0 and at most 10, or too small for a single image.
    """
    if not 0 < scale <= 10:
        raise ConfigurationError(
            f"scale is {scale}: synthetic images for each real one, above 0 and at most 10"
        )
    images = round(scale * sources)
    if images < 1:
        raise ConfigurationError(f"scale {scale} of {sources} training images is not even one: raise it")
    return images


def pool_size(pool: float, sources: int, images: int) -> int:
    """Backgrounds to be made: `pool` for each source, but no more than images that need one."""
    return min(math.ceil(pool * sources), images)


def candidate_limit(wanted: int) -> int:
    """How many backgrounds are tried at most to have `wanted`."""
    return _CANDIDATES * wanted


def background_seed(seed: int, caption: str, time: int) -> int:
    """Of the picture that is made when a caption comes up for the `time`-th time (from 0): 0..2^31 - 1.

    Follows from the caption, not from its place, so that another proposal with the same caption has the same picture.
    """
    return int(key_of(seed=seed, caption=caption, time=time)[:8], 16) >> 1


def placement_numbers(seed: int, source: int, copy: int) -> np.random.Generator:
    """The random numbers of one placement; `source` is the training row."""
    return np.random.default_rng([seed, source, copy])


def background_size(config: AgaConfig, image_size: int) -> int:
    """Side of the backgrounds in the store, in pixels: that of the images they are for."""
    return image_size if config.compose.size == "training" else config.compose.max_side


def subjects_of(
    labels: int,
    classes: Sequence[str],
    config: AgaConfig,
    given: Mapping[int, str] | None,
    prompts: PromptSet,
) -> list[str]:
    """The superclass for each label: the configuration's, else the data set's, else the proposal's.

    '' where the data set says that images of the class show no subject.
    """
    known = given or {}
    return [
        config.subjects.get(classes[label]) or known.get(label, prompts.subject) for label in range(labels)
    ]


def words_to_avoid(prompts: PromptSet, subjects: Sequence[str], classes: Sequence[str]) -> list[str]:
    """What no caption may name: the proposal's words, every subject and every class."""
    words = (*prompts.avoid, prompts.subject, *subjects, *classes)
    return list(dict.fromkeys(word for word in words if word.strip()))


def set_key(identities: Mapping[str, str], **parts: Any) -> str:
    """Names a set by everything that its content depends on; by neither batch sizes, devices nor processes."""
    return key_of(format=FORMAT, identities=dict(identities), **parts)


def decisive(config: AgaConfig) -> dict[str, Any]:
    """The settings that change images beyond what the tools' identities say."""
    return {
        "pool": config.pool,
        "background_size": config.background.size,
        "compose": config.compose.model_dump(exclude={"workers"}),
        "gates": config.gates.model_dump(mode="json", exclude={"classifier"}),
        "redetects": redetects(config),
    }


def redetects(config: AgaConfig) -> bool:
    """Whether backgrounds are searched for the subject: a box that is given would always find it."""
    return config.gates.redetect and config.detector.kind not in ("none", "dataset")


def classifier_identity(config: AgaConfig) -> str:
    """Names the classifier that judges, by its weights; a classifier without a folder is nameless.

    Raises:
        ConfigurationError: its weights cannot be read.
    """
    folder = config.gates.classifier
    if folder is None:
        return ""
    try:
        with (folder / WEIGHTS).open("rb") as opened:
            return hashlib.file_digest(opened, "sha256").hexdigest()
    except OSError as error:
        raise ConfigurationError(
            f"{folder} (aga.gates.classifier) has no weights that can be read ({error.strerror}): give the folder of "
            "a finished trial"
        ) from error


def request_key(config: AgaConfig, **parts: Any) -> str | None:
    """Names a request without asking the tools who they are: by the settings, the files they point to, and the code.

    Returns:
        None where the settings do not tell: an LLM's captions also depend on its prompt and its provider.
    """
    if config.caption.kind == "llm":
        return None
    settings = config.model_dump(mode="json", exclude={"max_disk_gib": True, "compose": {"workers"}})
    code = hashlib.sha256()
    for file in sorted(_CODE.rglob("*.py")):
        code.update(file.read_bytes())
    paths = [
        config.detector.config,
        config.detector.checkpoint,
        config.segmenter.checkpoint,
        config.background.model,
        config.background.folder,
        config.background.vae,
        config.background.lora,
        config.gates.classifier,
    ]
    files = [_states(Path(path)) for path in paths if path is not None]
    return key_of(format=FORMAT, settings=settings, code=code.hexdigest(), files=files, **parts)


def _states(path: Path) -> list[tuple[str, int, int, int]]:
    """Size and times of a file, or of all files of a folder; nothing where there is neither (a hub id)."""
    files = sorted(path.rglob("*")) if path.is_dir() else [path]
    states = [(str(file.absolute()), file.stat()) for file in files if file.is_file()]
    return [(name, state.st_size, state.st_mtime_ns, state.st_ctime_ns) for name, state in states]
