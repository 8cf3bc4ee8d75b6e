"""What this machine has: CPU cores, accelerators, memory. Imports torch only where it asks torch.

Settings name a device by 'auto', 'cpu', 'cuda' or 'mps'; what they mean on this machine is decided here and nowhere
else, and so is what counts as running out of memory.
"""

import errno
import gc
import traceback
from collections.abc import Callable, Sequence
from typing import TypeVar

from tools.errors import AugurError, ConfigurationError

Item = TypeVar("Item")
Result = TypeVar("Result")

_ALLOCATION_MESSAGES = ("can't allocate memory", "out of memory", "not enough memory")
"""How torch's allocators other than CUDA's say it, in a plain RuntimeError."""

_SHARED_MEMORY_MESSAGES = (
    "out of shared memory",
    "unable to open shared memory object",
    "unable to allocate shared memory",
    "unable to resize shared memory",
    "unable to write to file </torch_",
    "unable to mmap",
    "killed by signal: Bus error",
)
"""How torch says it. A loader process that writes beyond what is there is killed by a bus error."""

SHARED_MEMORY_REMEDY = (
    "shared memory (/dev/shm) is too small for training.loader_workers: give the container more (docker run "
    "--shm-size=8g, or --ipc=host), or set training.loader_workers=0"
)


def usable_cores() -> int:
    """CPU cores that this process may use, by affinity and by its container's quota; at least 1."""
    from joblib import cpu_count

    return max(1, cpu_count())


def torch_devices(wanted: str, setting: str) -> list[str]:
    """The devices that `wanted` means on this machine: every CUDA device ('cuda:0', …), ['mps'], or ['cpu'].

    Args:
        wanted: 'auto', 'cpu', 'cuda' or 'mps'; 'auto' takes CUDA before MPS before the CPU.
        setting: name of the setting that holds `wanted`, for the error.

    Raises:
        ConfigurationError: the device is missing.
    """
    if wanted == "cpu":
        return ["cpu"]
    import torch

    if wanted in ("auto", "cuda") and torch.cuda.is_available():
        return [f"cuda:{number}" for number in range(torch.cuda.device_count())]
    if wanted in ("auto", "mps") and torch.backends.mps.is_available():
        return ["mps"]
    if wanted == "cuda":
        built = torch.version.cuda
        why = (
            f"this torch ({torch.__version__}) is built without CUDA: install a CUDA build of it"
            if built is None
            else f"torch is built for CUDA {built} but finds no device: check nvidia-smi and CUDA_VISIBLE_DEVICES"
        )
        raise ConfigurationError(f"no CUDA device ({setting}: cuda). {why}, or use {setting}=auto")
    if wanted == "mps":
        raise ConfigurationError(
            f"no MPS device ({setting}: mps): it needs a Mac with Apple silicon; use {setting}=auto"
        )
    return ["cpu"]


def is_out_of_memory(error: BaseException) -> bool:
    """Whether `error` says that the memory of a device, or of the machine, ran out."""
    import torch

    if isinstance(error, torch.OutOfMemoryError | MemoryError):
        return True
    return isinstance(error, RuntimeError) and any(message in str(error) for message in _ALLOCATION_MESSAGES)


def is_shared_memory_fault(error: BaseException) -> bool:
    """Whether `error` says that shared memory (/dev/shm), through which processes hand over batches, is too small."""
    text = str(error)
    if any(message in text for message in _SHARED_MEMORY_MESSAGES):
        return True
    full = isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.ENOMEM) and not error.filename
    frames = traceback.extract_tb(error.__traceback__)
    return full and bool(frames) and "multiprocessing" in frames[-1].filename  # its locks lie there, too


def free_memory() -> None:
    """Release what a failed attempt held on any device, so that the next one does not fail because of it."""
    import torch

    gc.collect()
    if torch.cuda.is_available():
        torch.cuda.empty_cache()
    elif torch.backends.mps.is_available():
        torch.mps.empty_cache()


class Batches:
    """Runs a function over batches, halves them when memory runs out, and remembers the size that fitted."""

    def __init__(
        self,
        size: int,
        too_large: str,
        recover: Callable[[], None] = lambda: None,
        on_shrink: Callable[[int, int], None] = lambda before, after: None,
    ):
        """Begin with batches of `size` items.

        Args:
            size: items in a batch, at least 1.
            too_large: the error's text where not even one item fits.
            recover: called after memory ran out, before the next attempt.
            on_shrink: called with the size that did not fit and the size that did, once one does.
        """
        self.size = size
        self._too_large = too_large
        self._recover = recover
        self._on_shrink = on_shrink

    def run(
        self, items: Sequence[Item], function: Callable[[Sequence[Item]], Sequence[Result]]
    ) -> list[Result]:
        """The results of `function`, one for each item, in order.

        Raises:
            AugurError: not even one item fits into memory.
        """
        results: list[Result] = []
        failed_size = 0
        while len(results) < len(items):
            batch = items[len(results) : len(results) + self.size]
            try:
                made = function(batch)
            except Exception as error:
                if not is_out_of_memory(error):
                    raise
                if len(batch) == 1:
                    raise AugurError(self._too_large) from error
            else:
                results.extend(made)
                if failed_size:
                    self._on_shrink(failed_size, self.size)
                    failed_size = 0
                continue
            # Outside the handler: there the error's traceback still holds the batch's tensors.
            failed_size = failed_size or len(batch)
            self.size = len(batch) // 2
            self._recover()
            free_memory()
        return results
