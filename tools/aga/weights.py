"""What it takes to run a trained model: its files, its device, its memory. Imports torch only where it is used."""

import gc
import hashlib
import re
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from tools.errors import AugurError, ConfigurationError

if TYPE_CHECKING:
    from torch import nn

Item = TypeVar("Item")
Result = TypeVar("Result")

_BLOCK = 1 << 18
_BLOCKS = 32
_HUB_PART = r"[A-Za-z0-9][\w.-]*"
_ALLOCATION_MESSAGES = ("can't allocate memory", "out of memory", "not enough memory")
"""How torch's allocators other than CUDA's say it, in a plain RuntimeError."""


def torch_device(wanted: str, setting: str) -> str:
    """The device that `wanted` ('auto', 'cpu', 'cuda', 'mps') means on this machine.

    Args:
        wanted: value of the setting.
        setting: its name, for the error.

    Raises:
        ConfigurationError: it is not there.
    """
    import torch

    if wanted == "cpu":
        return "cpu"
    if wanted in ("auto", "cuda") and torch.cuda.is_available():
        return "cuda"
    if wanted == "cuda":
        built = torch.version.cuda
        why = (
            f"this torch ({torch.__version__}) is built without CUDA: install a CUDA build of it"
            if built is None
            else f"torch is built for CUDA {built} but finds no device: check nvidia-smi and CUDA_VISIBLE_DEVICES"
        )
        raise ConfigurationError(f"no CUDA device ({setting}: cuda). {why}, or use {setting}=auto")
    if torch.backends.mps.is_available():
        return "mps"
    if wanted == "mps":
        raise ConfigurationError(
            f"no MPS device ({setting}: mps): it needs a Mac with Apple silicon; use {setting}=auto"
        )
    return "cpu"


def digest_of(path: Path) -> str:
    """Hex digest that tells weights apart, of a file or of all files of a folder; fast for gigabytes.

    Of a large file its size and 32 blocks of 256 KiB, the first and the last among them, are read: a .pth file ends in
    the checksums of all that it holds, and other training changes every block of a .safetensors file.
    """
    files = sorted(file for file in path.rglob("*") if file.is_file()) if path.is_dir() else [path]
    digest = hashlib.sha256()
    for file in files:
        size = file.stat().st_size
        name = file.relative_to(path).as_posix() if path.is_dir() else ""
        digest.update(f"{name}:{size}\n".encode())
        with file.open("rb") as opened:
            if size <= _BLOCK * _BLOCKS:
                digest.update(opened.read())
                continue
            for number in range(_BLOCKS):
                opened.seek((size - _BLOCK) * number // (_BLOCKS - 1))
                digest.update(opened.read(_BLOCK))
    return digest.hexdigest()


def file_of(name: str | Path | None, setting: str, remedy: str) -> Path:
    """The local file that `name` means: a path, or a file on the hub as OWNER/REPOSITORY/FILE, fetched once.

    Raises:
        ConfigurationError: nothing is given, there is no such file, or the hub cannot be reached.
    """
    if name is None or not str(name):
        raise ConfigurationError(f"{setting} is not set: {remedy}")
    path = Path(name).expanduser()
    if path.is_file():
        return path
    parts = str(name).split("/", 2)
    if path.is_dir() or len(parts) < 3 or not all(re.fullmatch(_HUB_PART, part) for part in parts[:2]):
        what = "it is a folder, not a file" if path.is_dir() else "there is no such file"
        raise ConfigurationError(f"no weights at {path} ({setting}): {what}. {remedy}")
    from huggingface_hub import hf_hub_download

    repository, file = "/".join(parts[:2]), parts[2]
    try:
        return Path(hf_hub_download(repository, file))
    except (OSError, ValueError) as error:
        raise _unreachable(str(name), setting, error, "file") from error


def folder_of(name: str, setting: str) -> Path:
    """The local folder of a `transformers` model: a folder, or a hub id, which is fetched once.

    A hub id that is in the cache is taken from there, without a look at the network: the same version each time.

    Raises:
        ConfigurationError: there is no such folder, or the hub cannot be reached.
    """
    path = Path(name).expanduser()
    if path.is_dir():
        return path
    if not re.fullmatch(rf"{_HUB_PART}(/{_HUB_PART})?", name):
        raise ConfigurationError(
            f"no model at {path} ({setting}): give a folder that exists, or a hub id (OWNER/NAME)"
        )
    from huggingface_hub import snapshot_download

    patterns = ["*.json", "*.txt", "*.safetensors"]
    try:
        cached = Path(snapshot_download(name, allow_patterns=patterns, local_files_only=True))
        if any(cached.glob("*.safetensors")):
            return cached
    except (OSError, ValueError):
        pass
    try:
        return Path(snapshot_download(name, allow_patterns=patterns))
    except (OSError, ValueError) as error:
        raise _unreachable(name, setting, error, "folder") from error


def _unreachable(name: str, setting: str, error: Exception, kind: str) -> ConfigurationError:
    return ConfigurationError(
        f"{name!r} ({setting}) is no {kind} on this machine and cannot be had from the hub "
        f"({type(error).__name__}: {first_line(error)}): check the name and the network, or give a local {kind}"
    )


def read_checkpoint(file: Path, setting: str) -> Any:
    """What a .pth file holds, on the CPU; code in it is never run.

    Raises:
        ConfigurationError: it is cut off, is no checkpoint of PyTorch, or holds more than tensors and plain values.
    """
    import pickle

    import torch

    try:
        return torch.load(file, map_location="cpu", weights_only=True)
    except (pickle.UnpicklingError, RuntimeError, EOFError, ValueError, KeyError, OSError) as error:
        raise ConfigurationError(
            f"{file} ({setting}) cannot be read as a checkpoint of PyTorch ({first_line(error)}): "
            "fetch it again and compare its size"
        ) from error


def put_weights(model: "nn.Module", state: Mapping[str, Any], what: str, *, others: bool = False) -> None:
    """Load `state` into `model`, all of it.

    Args:
        model: is changed in place.
        state: name → tensor.
        what: the file and its setting, for the error.
        others: let the file also have weights that the model has not.

    Raises:
        ConfigurationError: it does not fit.
    """
    expected = model.state_dict()
    complaints: list[str] = []
    missing = [name for name in expected if name not in state]
    if missing:
        complaints.append(f"{len(missing)} of {len(expected)} weights are missing (such as {missing[0]})")
    shapes = {name: tuple(getattr(state[name], "shape", ())) for name in expected if name in state}
    other = [name for name, shape in shapes.items() if shape != tuple(expected[name].shape)]
    if other:
        name = other[0]
        complaints.append(
            f"{len(other)} have another shape ({name}: {shapes[name]}, not {tuple(expected[name].shape)})"
        )
    unknown = [name for name in state if name not in expected]
    if unknown and not others:
        complaints.append(f"{len(unknown)} are unknown (such as {unknown[0]})")
    if complaints:
        raise ConfigurationError(f"{what} does not fit the model: {'; '.join(complaints)}")
    model.load_state_dict(state, strict=False)


class Batches:
    """Runs a function over batches, which are halved where memory runs out; remembers the size that fitted."""

    def __init__(self, size: int, what: str, remedy: str):
        """`size` items at a time; `what` runs and `remedy` are for the error."""
        self.size = size
        self._what = what
        self._remedy = remedy

    def run(
        self, items: Sequence[Item], function: Callable[[Sequence[Item]], Sequence[Result]]
    ) -> list[Result]:
        """The results of `function`, one for each item, in order.

        Raises:
            AugurError: not even one item fits into memory.
        """
        results: list[Result] = []
        while len(results) < len(items):
            batch = items[len(results) : len(results) + self.size]
            try:
                results.extend(function(batch))
                continue
            except Exception as error:
                if not out_of_memory(error):
                    raise
                if len(batch) == 1:
                    raise AugurError(
                        f"out of memory: {self._what} does not fit, even one at a time. {self._remedy}"
                    ) from error
            # Out of the handler: there the error's traceback still holds the batch's tensors.
            self.size = len(batch) // 2
            free_memory()
        return results


def out_of_memory(error: Exception) -> bool:
    """Whether `error` says that the memory of a device, or of the machine, ran out."""
    import torch

    if isinstance(error, torch.OutOfMemoryError | MemoryError):
        return True
    return isinstance(error, RuntimeError) and any(message in str(error) for message in _ALLOCATION_MESSAGES)


def free_memory() -> None:
    """Give back what a failed attempt held."""
    import torch

    gc.collect()
    if torch.cuda.is_available():
        torch.cuda.empty_cache()


def first_line(error: Exception) -> str:
    """The first line of the error's text, shortened to 200 characters."""
    lines = str(error).strip().splitlines() or [type(error).__name__]
    return lines[0][:200].rstrip(" .")
