"""What a trial does with its device: the arithmetic, the memory layout, and what is recorded about it."""

import platform
from contextlib import AbstractContextManager, suppress
from dataclasses import dataclass
from pathlib import Path

import torch
import torchvision
from torch import nn

from tools.errors import ConfigurationError


@dataclass(frozen=True)
class Precision:
    """Arithmetic of the forward pass; weights and losses are float32 always."""

    name: str
    """'fp32', 'bf16' or 'fp16'."""
    dtype: torch.dtype | None
    """Of autocast; None is no autocast."""
    scaled: bool
    """Whether the loss is scaled against float16's underflow."""

    def autocast(self, device: str) -> AbstractContextManager:
        """The context of a forward pass on `device`."""
        return torch.autocast(torch.device(device).type, dtype=self.dtype, enabled=self.dtype is not None)


FP32 = Precision("fp32", None, scaled=False)
BF16 = Precision("bf16", torch.bfloat16, scaled=False)
FP16 = Precision("fp16", torch.float16, scaled=True)


def precision_for(device: str, amp: str, bf16_supported: bool | None = None) -> Precision:
    """The arithmetic that `amp` means on `device`.

    'auto' is bfloat16 on CUDA devices that compute in it, float16 with loss scaling on older ones, and float32
    elsewhere: where bfloat16 is faster on a CPU, a study that begins says so in place of 'auto' (`arithmetic.py`).

    Args:
        device: 'cpu', 'mps', 'cuda' or 'cuda:N'.
        amp: 'auto', 'off', 'bf16' or 'fp16'.
        bf16_supported: by the CUDA device; asked of torch where None.

    Raises:
        ConfigurationError: the device does not support it.
    """
    kind = torch.device(device).type
    if amp == "off":
        return FP32
    if kind == "cuda":
        if bf16_supported is None:
            bf16_supported = torch.cuda.is_bf16_supported(including_emulation=False)
        if amp == "bf16" and not bf16_supported:
            raise ConfigurationError(
                f"{device} does not compute in bfloat16 (training.amp: bf16): use fp16, auto or off"
            )
        return FP16 if amp == "fp16" or not bf16_supported else BF16
    if amp == "auto":
        return FP32
    if kind == "cpu" and amp == "bf16":
        return BF16
    raise ConfigurationError(f"there is no {amp} training on {device} (training.amp): use auto or off")


def has_bf16_units() -> bool:
    """Whether this processor multiplies in bfloat16; torch emulates it on others, which is slower than float32."""
    if not hasattr(torch.cpu, "get_capabilities"):  # torch before 2.9
        return bool(getattr(torch.cpu, "_is_avx512_bf16_supported", bool)())
    return any(here for name, here in torch.cpu.get_capabilities().items() if name.endswith("bf16"))


def cpu_name() -> str:
    """What the processor calls itself, or at least its architecture."""
    with suppress(OSError):
        for line in Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor() or platform.machine()


def on_device(model: nn.Module, device: str, channels_last: bool = False) -> nn.Module:
    """`model` moved to `device`, its weights in the memory layout channels last on CUDA, or where that is asked for."""
    if channels_last or torch.device(device).type == "cuda":
        return model.to(device, memory_format=torch.channels_last)  # pyright: ignore[reportCallIssue]
    return model.to(device)


def environment(device: str) -> dict[str, str]:
    """Versions, device and threads of a trial that runs in this process on `device`.

    On CPU, results are equal to the bit where these and the trial's key are equal.
    """
    name = torch.cuda.get_device_name(device) if torch.device(device).type == "cuda" else device
    return {
        "torch": torch.__version__,
        "torchvision": torchvision.__version__,
        "device": name,
        "threads": str(torch.get_num_threads()),
    }
