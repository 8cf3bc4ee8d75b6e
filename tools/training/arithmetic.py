"""How fast a CPU updates a model in each arithmetic that it could: memory layout, and bfloat16 where it has units."""

import copy
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

import torch

from tools.training.config import ModelConfig, Recipe, TrainingConfig
from tools.training.hardware import has_bf16_units, on_device, precision_for
from tools.training.networks.models import architecture
from tools.training.recipes import optimizer_for
from tools.training.step import update

_STEP = 0.6
"""Seconds that an update may take: where the batch of the recipe takes longer, fewer images are timed."""
_SECONDS = 1.0
"""That are timed, unless the fewest rounds take longer."""
_ROUNDS = 2
"""In which every arithmetic updates once, at least."""
_LAYOUT_GAIN, _BF16_GAIN = 1.1, 1.2
"""How many times as fast an arithmetic must be to be taken: bfloat16, which rounds to 8 bits, has to be worth it.
Chosen, not measured."""


@dataclass(frozen=True)
class Arithmetic:
    """What a CPU may compute a trial in; float32, contiguous, where nothing is said."""

    channels_last: bool = False
    bf16: bool = False

    def __str__(self) -> str:
        """For people."""
        kind = "bfloat16" if self.bf16 else "float32"
        return f"{kind} with channels last" if self.channels_last else f"plain {kind}"


def choices(config: TrainingConfig) -> list[Arithmetic]:
    """What the settings leave open on this processor, the plainest first; one where they leave nothing open."""
    if config.amp == "bf16":
        return [Arithmetic(bf16=True), Arithmetic(channels_last=True, bf16=True)]
    found = [Arithmetic(), Arithmetic(channels_last=True)]
    if config.amp == "auto" and has_bf16_units():
        found.append(Arithmetic(channels_last=True, bf16=True))
    return found


def choose(seconds: dict[Arithmetic, float]) -> Arithmetic:
    """The fastest by a clear margin, by the seconds of an update in each; the first is what the others must beat."""
    taken, *others = seconds
    for other in others:
        margin = _BF16_GAIN if other.bf16 and not taken.bf16 else _LAYOUT_GAIN
        if seconds[taken] >= margin * seconds[other]:
            taken = other
    return taken


def time_arithmetics(
    among: Sequence[Arithmetic],
    model: ModelConfig,
    classes: int,
    image_size: int,
    recipe: Recipe,
    threads: int,
) -> dict[Arithmetic, float]:
    """Seconds of an update of `model` in each arithmetic, in turn, the fastest of a few: other programs only slow down.

    Takes about a second after a first update of each; a few where the model is large. The random state of torch stays.

    Args:
        among: at least one.
        model: its weights are not read.
        classes: at least 2.
        image_size: in pixels.
        recipe: batch and optimiser.
        threads: of torch, as in a worker.

    Raises:
        Exception: whatever building or training the model raises.
    """
    with torch.random.fork_rng(devices=[]), _threads(threads):
        made = architecture(model, classes, image_size).train()
        count = _images(made, recipe, image_size, classes)
        steps = [_step(made, each, count, image_size, classes, recipe) for each in among]
        best = [float("inf") for _ in among]
        started, rounds = time.perf_counter(), 0
        while rounds < _ROUNDS or time.perf_counter() - started < _SECONDS:
            for number, step in enumerate(steps):
                best[number] = min(best[number], _timed(step))
            rounds += 1
    return dict(zip(among, best, strict=True))


def _images(model: torch.nn.Module, recipe: Recipe, image_size: int, classes: int) -> int:
    """How many images are timed: the batch of the recipe, or as many as an update in `_STEP` seconds takes."""
    step = _step(model, Arithmetic(), 2, image_size, classes, recipe)
    return max(2, min(recipe.batch_size, int(2 * _STEP / _timed(step))))


def _step(
    model: torch.nn.Module,
    arithmetic: Arithmetic,
    count: int,
    image_size: int,
    classes: int,
    recipe: Recipe,
) -> Callable[[], object]:
    """One update of a copy of `model` on `count` images; it was made once already, since the first one is slow."""
    own = on_device(copy.deepcopy(model), "cpu", arithmetic.channels_last)
    precision = precision_for("cpu", "bf16" if arithmetic.bf16 else "off")
    optimizer, scaler = optimizer_for(own, recipe), torch.GradScaler(enabled=False)
    images, labels = torch.rand(count, 3, image_size, image_size), torch.arange(count) % classes

    def step() -> object:
        return update(own, optimizer, scaler, images, labels, recipe, precision.autocast("cpu"))

    step()
    return step


def _timed(step: Callable[[], object]) -> float:
    started = time.perf_counter()
    step()
    return time.perf_counter() - started


@contextmanager
def _threads(count: int) -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(count)
    try:
        yield
    finally:
        torch.set_num_threads(before)
