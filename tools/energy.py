"""The electrical energy that this machine uses, by its own counters: Intel's RAPL for processors and memory (AMD's in
the same place), NVIDIA's NVML for GPUs.

The counters are of the whole machine: what else runs on it is in them. Nothing is estimated; a machine without counters
that may be read has no value.
"""

import os
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

RAPL = Path("/sys/class/powercap")
NOT_MEASURED = (
    "not measured: this machine has no energy counter that Augur may read (Intel RAPL, which only root may read unless "
    "its files are opened, or NVIDIA NVML)"
)

Counter = Callable[[], float]
"""Joules since it was made."""


class EnergyMeter:
    """Adds up what counters say since it was made. A counter that fails later on makes the whole unknown."""

    def __init__(self, counters: Sequence[Counter]) -> None:
        self._counters = counters

    def joules(self) -> float | None:
        """Since the meter was made; None where nothing can be measured."""
        if not self._counters:
            return None
        try:
            return sum(counter() for counter in self._counters)
        except Exception:  # of a driver that was unloaded, a file that was closed: no reason to stop a study
            self._counters = ()
            return None


def open_meter(rapl: Path = RAPL, nvml: Any = None) -> EnergyMeter:
    """A meter of every counter that may be read.

    Args:
        rapl: folder of the kernel's power capping zones.
        nvml: the module `pynvml`; None: the installed one, if any.
    """
    return EnergyMeter([*_rapl_counters(rapl), *_nvml_counters(nvml or _installed_nvml())])


def _rapl_counters(root: Path) -> list[Counter]:
    """Of every package, and of the memory of those that count it apart. The zone of the whole platform is left out: it
    has the packages in it."""
    found: list[Counter] = []
    for zone in sorted(root.glob("*-rapl:*")):
        try:
            name = (zone / "name").read_text(encoding="ascii").strip()
            if name.startswith("package") or name == "dram":
                found.append(_rapl_counter(zone))
        except (OSError, ValueError):  # most systems let root alone read it
            continue
    return found


def _rapl_counter(zone: Path) -> Counter:
    """Of one zone. It starts from zero again after some hundred kilojoules, and must be read before it has done so
    twice: within half an hour or so."""

    def read() -> int:
        return int((zone / "energy_uj").read_text(encoding="ascii"))

    largest = int((zone / "max_energy_range_uj").read_text(encoding="ascii"))
    last, total = read(), 0

    def joules() -> float:
        nonlocal last, total
        now = read()
        total += now - last if now >= last else now - last + largest
        last = now
        return total / 1e6

    return joules


def _installed_nvml() -> Any:
    try:
        import pynvml
    except ImportError:
        return None
    return pynvml


def _nvml_counters(nvml: Any) -> list[Counter]:
    """Of every GPU that this process may use (CUDA_VISIBLE_DEVICES), of Volta and later."""
    if nvml is None:
        return []
    found: list[Counter] = []
    try:
        nvml.nvmlInit()
        for device in _visible(nvml, os.environ.get("CUDA_VISIBLE_DEVICES")):
            found.append(_nvml_counter(nvml, device))
    except nvml.NVMLError:  # no driver, or a card without the counter
        return []
    return found


def _visible(nvml: Any, wanted: str | None) -> list[Any]:
    if wanted is None:
        return [nvml.nvmlDeviceGetHandleByIndex(number) for number in range(nvml.nvmlDeviceGetCount())]
    names = [name.strip() for name in wanted.split(",") if name.strip() and name.strip() != "-1"]
    return [
        nvml.nvmlDeviceGetHandleByIndex(int(name)) if name.isdigit() else nvml.nvmlDeviceGetHandleByUUID(name)
        for name in names
    ]


def _nvml_counter(nvml: Any, device: Any) -> Counter:
    first = nvml.nvmlDeviceGetTotalEnergyConsumption(device)
    return lambda: (nvml.nvmlDeviceGetTotalEnergyConsumption(device) - first) / 1e3
