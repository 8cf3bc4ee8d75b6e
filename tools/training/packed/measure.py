"""How fast this machine could train: its device on constant data, and one core at augmenting. No data set is needed."""

import time
from dataclasses import dataclass

import numpy as np
import torch

from tools.machine import free_memory
from tools.policy.built_policy import build
from tools.policy.canonical import parse_one_line
from tools.training.config import ModelConfig, TrainingConfig
from tools.training.packed.slot import STEPS, Shape, Slot, Step, shape_for
from tools.training.recipes import resolve_recipe

USUAL = "rotate(p=0.5, degrees=10) > brightness(p=0.5, strength=0.2) > horizontal_flip(p=0.5)"
"""A policy of three operations, as a study tries them."""


@dataclass(frozen=True)
class DevicePace:
    """Of slots that train on one part again and again: the limit that the device sets."""

    images_per_second: float
    """Of all slots together."""
    seconds_to_build: float
    mib_each: float
    """Memory of a slot on the device."""


def usual_shape(model: str = "resnet18", image_size: int = 64) -> Shape:
    """What trials with the default recipe need."""
    return shape_for(ModelConfig(name=model), 2, image_size, resolve_recipe(TrainingConfig()))


def device_pace(shape: Shape, device: str, pack: int, seconds: float) -> DevicePace:
    """Measure a CUDA device.

    Args:
        shape: of the trials.
        device: 'cuda:N'.
        pack: trials side by side.
        seconds: to measure, after the slots are built.

    Raises:
        CannotCapture: the model cannot be captured.
        torch.OutOfMemoryError: so many do not fit.
    """
    batch, side = shape.recipe.batch_size, shape.image_size
    torch.cuda.set_device(device)
    torch.backends.cudnn.benchmark = False  # as in a pack
    before, started = torch.cuda.memory_reserved(device), time.perf_counter()
    images = torch.randint(0, 256, (STEPS * batch, 3, side, side), dtype=torch.uint8).pin_memory()
    labels = torch.randint(0, shape.classes, (STEPS * batch,))
    steps = [Step(batch, 1e-4, 0)] * STEPS
    slots = [Slot(shape, device) for _ in range(pack)]
    for slot in slots:
        slot.prepare([batch], "none")
    losses = [slot.zeros(STEPS) for slot in slots]
    torch.cuda.synchronize(device)
    built = time.perf_counter() - started
    done, started = 0, time.perf_counter()
    while time.perf_counter() - started < seconds:
        for slot, found in zip(slots, losses, strict=True):
            if not slot.is_full:
                slot.train(images, labels, steps, "none", lambda step: None, found)
                done += len(images)
    torch.cuda.synchronize(device)
    passed = time.perf_counter() - started
    memory = torch.cuda.memory_reserved(device) - before
    slots.clear()
    free_memory()
    return DevicePace(done / passed, built, memory / pack / 2**20)


def augmenting_pace(image_size: int = 64, policy: str = USUAL, seconds: float = 0.5) -> float:
    """Images per second that one core augments with `policy` (a line of text), in this process."""
    augment = build(parse_one_line(policy), image_size, 2).augment
    image = np.random.default_rng(0).integers(0, 256, (image_size, image_size, 3), dtype=np.uint8)
    augment(image)
    done, started = 0, time.perf_counter()
    with torch.random.fork_rng(devices=[]):
        while (passed := time.perf_counter() - started) < seconds:
            augment(image)
            done += 1
    return done / passed
