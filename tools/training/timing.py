"""How fast a trial would train, by a few of its batches: nothing is kept of them."""

import time
from collections.abc import Iterator
from itertools import islice

import torch

from tools.training.config import TrialSpec
from tools.training.types import Timing

_WARM_UP = 2
"""Batches before the clock starts: the first ones are slow."""
_FEWEST = 4
"""Batches that are timed at least."""
_SECONDS = 1.0
"""That are timed, unless the fewest batches take longer."""


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
        return Timing(_rate(training, device), _rate(predicting, device), start)


def _rate(batches: Iterator[int], device: str) -> float:
    """Images in a second, of an iterator over the sizes of batches that have been worked through."""
    for _ in islice(batches, _WARM_UP):
        pass
    _wait_for(device)
    images, started, seconds = 0, time.perf_counter(), 0.0
    for count, size in enumerate(batches, start=1):
        images += size
        if count < _FEWEST:
            continue
        _wait_for(device)
        seconds = time.perf_counter() - started
        if seconds >= _SECONDS:
            break
    return images / max(seconds, 1e-6)


def _wait_for(device: str) -> None:
    if device.startswith("cuda"):
        torch.cuda.synchronize(device)
