"""Which worker processes there are: each with its device and its share of the CPU."""

from dataclasses import dataclass

from tools.execution.config import ExecutionConfig
from tools.machine import torch_devices, usable_cores

MOST_THREADS = 4
"""Of a trial on CPU, unless set: small networks gain little from more threads; more trials at once use cores better."""


@dataclass(frozen=True)
class WorkerPlan:
    """One worker process, which runs one trial at a time."""

    device: str
    """'cpu', 'mps' or 'cuda:N'."""
    threads: int
    """CPU threads of torch in this worker."""


def plan_workers(config: ExecutionConfig) -> list[WorkerPlan]:
    """The workers for this machine.

    One for each CUDA device, one for MPS; on CPU as many as leave up to 4 threads for each. If more workers than
    accelerators are asked for, they share them in turn.

    Raises:
        ConfigurationError: the device that is asked for is missing.
    """
    devices = torch_devices(config.device, "execution.device")
    accelerators = [device for device in devices if device != "cpu"]
    return plan_for(config, accelerators, usable_cores())


def plan_for(config: ExecutionConfig, accelerators: list[str], cores: int) -> list[WorkerPlan]:
    """As `plan_workers`, on a machine with these `accelerators` ('cuda:0', …; none: CPU) and CPU `cores`."""
    if accelerators or config.workers is not None:
        workers = config.workers or len(accelerators)
        threads = config.threads or max(1, cores // workers)
    else:
        threads = config.threads or max(1, min(MOST_THREADS, cores // 2))
        workers = max(1, cores // threads)
    devices = accelerators or ["cpu"]
    return [WorkerPlan(devices[number % len(devices)], threads) for number in range(workers)]
