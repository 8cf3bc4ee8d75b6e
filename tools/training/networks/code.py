"""Models that a function of the user's makes: loaded from a file or a module, called, and checked before any trial."""

import random
import traceback
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn

from tools.errors import ConfigurationError, first_line
from tools.from_file import load, own_files
from tools.machine import is_out_of_memory
from tools.training.model_source import Named

_SETTING = "model.name"


def make_with(found: Named, classes: int) -> nn.Module:
    """What the function returns for a number of classes; its random numbers come from torch's generator.

    Those of `random` and NumPy are seeded from it, and restored.

    Raises:
        ConfigurationError: the file or module cannot be imported, has no such function, the function fails, or what it
            returns is no module of torch.
    """
    with torch.random.fork_rng(devices=[]), _seeded(0):  # what is drawn on import is the same for every trial
        torch.manual_seed(0)
        function = load(found.reference, _SETTING)
    try:
        with _seeded(torch.initial_seed() % 2**32):
            model = function(classes)
    except Exception as error:
        if is_out_of_memory(error):
            raise
        raise ConfigurationError(
            f"{found.title} (model.name) failed when called with {classes}, the number of classes: "
            f"{_told(found, error)}"
        ) from error
    if not isinstance(model, nn.Module):
        raise ConfigurationError(
            f"{found.title} (model.name) returned {type(model).__name__} instead of a torch.nn.Module"
        )
    return model


def check_made(
    found: Named, make: Callable[[int], nn.Module], classes: int, side: int, away: Sequence[str]
) -> None:
    """Refuse a function's model that no trial could train: its output, its repeatability, whether it can be moved, and
    whether its weights are all that it learns.

    Args:
        found: the function.
        make: builds the model of a seed, with the same random numbers each time.
        classes: the numbers that it must return for an image.
        side: of an image, in pixels.
        away: devices that it will be moved to, other than the CPU.

    Raises:
        ConfigurationError: says what is wrong with it.
    """
    model, again = make(0), make(0)
    own, other = model.state_dict(), again.state_dict()
    if model is again or {id(each) for each in model.parameters()} & {
        id(each) for each in again.parameters()
    }:
        raise ConfigurationError(
            f"{found.title} (model.name) returns the same module, or shares parameters, each time it is called: every "
            "trial needs a model of its own; make it inside the function"
        )
    if not any(each.requires_grad for each in model.parameters()):
        raise ConfigurationError(f"{found.title} (model.name) returns a model without parameters to train")
    if own.keys() != other.keys() or not all(torch.equal(own[key], other[key]) for key in own):
        raise ConfigurationError(
            f"{found.title} (model.name) gives other weights when it is called again with the same seed, so that no "
            "trial could be repeated: draw random numbers with torch, NumPy or random, without a generator seeded by "
            "the clock"
        )
    for training in (True, False):
        _check_output(found, model.train(training), classes, side, training)
    _check_weights(found, model, make(1), side)
    if away:
        _check_moves(found, model.eval(), side, away)


def _check_output(found: Named, model: nn.Module, classes: int, side: int, training: bool) -> None:
    mode = "training" if training else "evaluation"
    try:
        with torch.no_grad():
            made: Any = model(torch.rand(2, 3, side, side))
    except Exception as error:
        if is_out_of_memory(error):
            raise
        raise ConfigurationError(
            f"{found.title} (model.name) cannot take images of {side} px (a batch of shape (2, 3, {side}, {side}), "
            f"{mode} mode): {_told(found, error)}. Another data.image_size may help"
        ) from error
    if not isinstance(made, torch.Tensor):
        raise ConfigurationError(
            f"{found.title} (model.name) returns {type(made).__name__} in {mode} mode instead of a tensor: return the "
            "logits alone, such as .logits or the first element"
        )
    if tuple(made.shape) != (2, classes) or not made.is_floating_point():
        raise ConfigurationError(
            f"{found.title} (model.name) returns {made.dtype} of shape {tuple(made.shape)} for 2 images in {mode} "
            f"mode; expected logits of shape (2, {classes}), one for each class"
        )


def _check_weights(found: Named, used: nn.Module, other: nn.Module, side: int) -> None:
    """A model of another seed that is given the weights of `used` must be the same: so is a trained one read again."""
    try:
        other.load_state_dict(used.state_dict())
    except RuntimeError:  # its layers have other shapes
        same = False
    else:
        images = torch.rand(2, 3, side, side)
        same = torch.allclose(_said(used, images), _said(other, images), rtol=1e-3, atol=1e-5, equal_nan=True)
    if not same:
        raise ConfigurationError(
            f"{found.title} (model.name) is not the same once its weights are read into a model of another seed: it "
            "keeps random numbers, or what it learns, outside of state_dict(), and would be tested as another model. "
            "Make them parameters, or buffers that are saved (register_buffer)"
        )


def _said(model: nn.Module, images: torch.Tensor) -> torch.Tensor:
    """Logits in evaluation, under the same random numbers each time."""
    with torch.no_grad(), torch.random.fork_rng(devices=[]), _seeded(0):
        torch.manual_seed(0)
        return model.eval()(images)


def _check_moves(found: Named, model: nn.Module, side: int, away: Sequence[str]) -> None:
    """On the `meta` device, as a stand-in: a tensor that is neither parameter nor buffer stays behind."""
    try:
        with torch.no_grad():
            model.to("meta")(torch.empty(2, 3, side, side, device="meta"))
    except Exception as error:
        if "device" not in str(error) or "meta" not in str(error):
            return  # what cannot be computed without values, which says nothing of moving
        raise ConfigurationError(
            f"{found.title} (model.name) cannot be moved to {away[0]}: {_told(found, error)}. Register its tensors "
            "with register_buffer, and make new ones on the device of the images; or set execution.device to cpu"
        ) from error


@contextmanager
def _seeded(seed: int) -> Iterator[None]:
    states: tuple[Any, Any] = random.getstate(), np.random.get_state()
    random.seed(seed)
    np.random.seed(seed)
    try:
        yield
    finally:
        random.setstate(states[0])
        np.random.set_state(states[1])


def _told(found: Named, error: BaseException) -> str:
    """The error in words, with the last line of the user's own code on its way."""
    own = {str(file) for file in own_files(found.reference)}
    frames = [each for each in traceback.extract_tb(error.__traceback__) if each.filename in own]
    where = f" ({Path(frames[-1].filename).name}, line {frames[-1].lineno})" if frames else ""
    return f"{type(error).__name__}: {first_line(error)}{where}"
