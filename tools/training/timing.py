"""How fast a trial would train, by a few of its batches: nothing is kept of them."""

import time
from collections.abc import Iterator, Sequence
from itertools import islice

import torch

from tools.errors import ConfigurationError
from tools.training.config import TrialSpec
from tools.training.hardware import on_device, precision_for
from tools.training.networks.models import architecture
from tools.training.recipes import optimizer_for
from tools.training.step import update
from tools.training.types import Timing

_WARM_UP = 2
"""Batches before the clock starts: the first ones are slow. One, where it takes longer than is timed."""
_FEWEST = 4
"""Batches that are timed at least, unless they take too long."""
_SECONDS = 1.0
"""That are timed, unless the fewest batches take longer."""
_TOO_LONG = 4.0
"""Seconds after which fewer batches do."""


def time_training(spec: TrialSpec, device: str) -> Timing:
    """Train a few batches of a trial and predict a few validation images; no file is written.

    Args:
        spec: of the trial; there must be no checkpoint in its directory.
        device: 'cpu', 'mps' or 'cuda:N'.

    Raises:
        Exception: whatever training raises.
    """
    from tools.training.loop import rehearsal

    started = time.perf_counter()
    with torch.random.fork_rng(devices=[]):
        training, predicting = rehearsal(spec, device, 2 * spec.recipe.batch_size)
        start = time.perf_counter() - started
        rates = _rate(training, device), _rate(predicting, device)
        return Timing(*rates, start, _weight_bytes(spec))


def time_updates(sizes: Sequence[int], spec: TrialSpec, device: str) -> dict[int, float]:
    """Seconds an image that an update takes, for images of each of these sizes (in pixels) that the model can take."""
    with torch.random.fork_rng(devices=[]):
        return {size: seconds for size in sizes if (seconds := _update_seconds(spec, device, size))}


def _weight_bytes(spec: TrialSpec) -> int:
    with torch.device("cpu" if spec.model.name.startswith("regnet") else "meta"):
        model = architecture(spec.model, spec.classes, spec.image_size)
    return sum(each.numel() * each.element_size() for each in model.state_dict().values())


def _update_seconds(spec: TrialSpec, device: str, size: int) -> float | None:
    """Seconds an image of an update on images of `size` px; None where the model cannot take them."""
    try:
        model = architecture(spec.model, spec.classes, size)
    except ConfigurationError:
        return None
    recipe, precision = spec.recipe, precision_for(device, spec.recipe.amp)
    model = on_device(model, device, recipe.channels_last).train()
    optimizer, scaler = optimizer_for(model, recipe), torch.GradScaler(enabled=precision.scaled)
    images = torch.rand(recipe.batch_size, 3, size, size, device=device)
    labels = torch.zeros(recipe.batch_size, dtype=torch.int64, device=device)

    def batches() -> Iterator[int]:
        while True:
            update(model, optimizer, scaler, images, labels, recipe, precision.autocast(device))
            yield len(labels)

    return 1 / _rate(batches(), device)


def _rate(batches: Iterator[int], device: str) -> float:
    """Images in a second, of an iterator over the sizes of batches that have been worked through."""
    begun = time.perf_counter()
    for _ in islice(batches, _WARM_UP):
        _wait_for(device)
        if time.perf_counter() - begun > _SECONDS:
            break
    images, started, seconds = 0, time.perf_counter(), 0.0
    for count, size in enumerate(batches, start=1):
        images += size
        if count < _FEWEST and time.perf_counter() - started < _TOO_LONG:
            continue
        _wait_for(device)
        seconds = time.perf_counter() - started
        if seconds >= _SECONDS:
            break
    return images / max(seconds, 1e-6)


def _wait_for(device: str) -> None:
    if device.startswith("cuda"):
        torch.cuda.synchronize(device)
