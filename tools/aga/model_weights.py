"""Loads the weights of a trained model into it, all of them and in silence. Imports torch only where it is used."""

import importlib
import warnings
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tools.errors import ConfigurationError, first_line

if TYPE_CHECKING:
    from torch import nn


def read_checkpoint(file: Path, setting: str) -> Any:
    """The content of a .pth file, on the CPU; code in it is never run.

    Raises:
        ConfigurationError: it is truncated, is not a PyTorch checkpoint, or holds more than tensors and plain values.
    """
    import pickle

    import torch

    try:
        return torch.load(file, map_location="cpu", weights_only=True)
    except (pickle.UnpicklingError, RuntimeError, EOFError, ValueError, KeyError, OSError) as error:
        raise ConfigurationError(
            f"{file} ({setting}) cannot be read as a PyTorch checkpoint ({first_line(error)}): "
            "download it again and compare its size"
        ) from error


def put_weights(
    model: "nn.Module", state: Mapping[str, Any], what: str, *, allow_extra: bool = False
) -> None:
    """Load `state` into `model`, all of it.

    Args:
        model: is changed in place.
        state: name → tensor.
        what: the file and its setting, for the error.
        allow_extra: accept weights in the file that the model does not have.

    Raises:
        ConfigurationError: it does not fit.
    """
    expected = model.state_dict()
    problems: list[str] = []
    missing = [name for name in expected if name not in state]
    if missing:
        problems.append(f"{len(missing)} of {len(expected)} weights are missing (such as {missing[0]})")
    shapes = {name: tuple(getattr(state[name], "shape", ())) for name in expected if name in state}
    wrong = [name for name, shape in shapes.items() if shape != tuple(expected[name].shape)]
    if wrong:
        name = wrong[0]
        problems.append(
            f"{len(wrong)} have another shape ({name}: {shapes[name]}, not {tuple(expected[name].shape)})"
        )
    unknown = [name for name in state if name not in expected]
    if unknown and not allow_extra:
        problems.append(f"{len(unknown)} are unknown (such as {unknown[0]})")
    if problems:
        raise ConfigurationError(f"{what} does not fit the model: {'; '.join(problems)}")
    model.load_state_dict(state, strict=False)


@contextmanager
def quiet_libraries(*names: str) -> Iterator[None]:
    """Keeps progress bars, log lines and warnings of model libraries off the terminal; what they raise is raised.

    Args:
        names: of libraries whose own logging is silenced: 'transformers', 'diffusers'.
    """
    with ExitStack() as stack:
        stack.enter_context(warnings.catch_warnings())
        warnings.simplefilter("ignore")
        for name in names:
            logging = importlib.import_module(f"{name}.utils.logging")
            stack.callback(logging.set_verbosity, logging.get_verbosity())
            logging.set_verbosity_error()
            if logging.is_progress_bar_enabled():
                stack.callback(logging.enable_progress_bar)
                logging.disable_progress_bar()
        yield
