"""Energy by the counters of the machine: the kernel's files as they are, and NVML's functions."""

from pathlib import Path
from types import SimpleNamespace

import pytest

from tools.energy import open_meter


class NoDriver(Exception):
    pass


def missing() -> None:
    raise NoDriver


NO_NVML = SimpleNamespace(NVMLError=NoDriver, nvmlInit=missing)


def zone(root: Path, folder: str, name: str, microjoules: int, largest: int = 10_000_000) -> Path:
    where = root / folder
    where.mkdir(parents=True)
    for file, text in (("name", name), ("energy_uj", microjoules), ("max_energy_range_uj", largest)):
        (where / file).write_text(f"{text}\n")
    return where / "energy_uj"


def test_packages_and_their_memory_are_added_up_and_the_platform_is_not_counted_twice(tmp_path):
    package = zone(tmp_path, "intel-rapl:0", "package-0", 1_000_000)
    memory = zone(tmp_path, "intel-rapl:0:0", "dram", 500_000)
    core = zone(tmp_path, "intel-rapl:0:1", "core", 0)
    platform = zone(tmp_path, "intel-rapl:1", "psys", 0)
    meter = open_meter(tmp_path, NO_NVML)
    assert meter.joules() == 0
    for file, microjoules in (
        (package, 4_000_000),
        (memory, 1_000_000),
        (core, 2_000_000),
        (platform, 9_000_000),
    ):
        file.write_text(str(microjoules))
    assert meter.joules() == pytest.approx(3.5)


def test_a_counter_that_starts_from_zero_again_loses_nothing(tmp_path):
    package = zone(tmp_path, "intel-rapl:0", "package-0", 9_000_000)
    meter = open_meter(tmp_path, NO_NVML)
    package.write_text("1000000")
    assert meter.joules() == pytest.approx(2)
    package.write_text("3000000")
    assert meter.joules() == pytest.approx(4)


def test_without_a_counter_that_may_be_read_nothing_is_said(tmp_path):
    assert open_meter(tmp_path, NO_NVML).joules() is None
    (zone(tmp_path, "intel-rapl:0", "package-0", 1)).unlink()
    assert open_meter(tmp_path, NO_NVML).joules() is None


def test_a_counter_that_goes_away_makes_the_energy_unknown(tmp_path):
    package = zone(tmp_path, "intel-rapl:0", "package-0", 1)
    meter = open_meter(tmp_path, NO_NVML)
    package.unlink()
    assert meter.joules() is None
    package.write_text("5")
    assert meter.joules() is None


@pytest.mark.parametrize(("visible", "joules"), [(None, 5.0), ("1", 3.0), ("GPU-a", 2.0), ("", None)])
def test_the_gpus_that_the_process_may_use_are_added_up(tmp_path, monkeypatch, visible, joules):
    used = {0: [1_000, 3_000], 1: [0, 3_000]}
    nvml = SimpleNamespace(
        NVMLError=NoDriver,
        nvmlInit=lambda: None,
        nvmlDeviceGetCount=lambda: 2,
        nvmlDeviceGetHandleByIndex=lambda number: number,
        nvmlDeviceGetHandleByUUID={"GPU-a": 0, "GPU-b": 1}.__getitem__,
        nvmlDeviceGetTotalEnergyConsumption=lambda device: used[device].pop(0),
    )
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    if visible is not None:
        monkeypatch.setenv("CUDA_VISIBLE_DEVICES", visible)
    assert open_meter(tmp_path, nvml).joules() == joules


def test_the_installed_bindings_without_a_driver_are_no_obstacle(tmp_path):
    open_meter(tmp_path)
