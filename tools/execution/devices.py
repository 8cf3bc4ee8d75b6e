"""Which worker processes there are: each with its device and its share of the CPU."""

from dataclasses import dataclass

from tools.errors import ConfigurationError
from tools.execution.config import ExecutionConfig

MOST_THREADS = 4
"""Of a trial on CPU where none are asked for: small networks hardly gain from more, further trials do."""


@dataclass(frozen=True)
class WorkerPlan:
    """One worker process, which runs one trial at a time."""

    device: str
    """'cpu', 'mps' or 'cuda:N'."""
    threads: int
    """CPU threads of torch in this worker."""


def plan_workers(config: ExecutionConfig) -> list[WorkerPlan]:
    """The workers for this machine.

    One for each CUDA device, one for MPS; on CPU as many as leave up to 4 threads for each. More workers than
    accelerators, where asked for, share them in turn.

    Raises:
        ConfigurationError: the device asked for is not there.
    """
    return plan_for(config, _accelerators(config.device), usable_cores())


def plan_for(config: ExecutionConfig, accelerators: list[str], cores: int) -> list[WorkerPlan]:
    """As `plan_workers`, on a machine with these `accelerators` ('cuda:0', …; none: CPU) and CPU `cores`."""
    if accelerators:
        workers = config.workers or len(accelerators)
        threads = config.threads or max(1, cores // workers)
    elif config.workers is not None:
        workers = config.workers
        threads = config.threads or max(1, cores // workers)
    else:
        threads = config.threads or max(1, min(MOST_THREADS, cores // 2))
        workers = max(1, cores // threads)
    devices = accelerators or ["cpu"]
    return [WorkerPlan(devices[number % len(devices)], threads) for number in range(workers)]


def usable_cores() -> int:
    """CPU cores that this process may use, by affinity and by its container's quota."""
    from joblib import cpu_count

    return max(1, cpu_count())


def _accelerators(device: str) -> list[str]:
    if device == "cpu":
        return []
    import torch

    if device in ("auto", "cuda") and torch.cuda.is_available():
        return [f"cuda:{number}" for number in range(torch.cuda.device_count())]
    if device == "cuda":
        built = torch.version.cuda
        why = (
            f"this torch ({torch.__version__}) is built without CUDA: install a CUDA build of it"
            if built is None
            else f"torch is built for CUDA {built} but finds no device: check nvidia-smi and CUDA_VISIBLE_DEVICES"
        )
        raise ConfigurationError(
            f"no CUDA device (execution.device: cuda). {why}, or use execution.device=auto"
        )
    if torch.backends.mps.is_available():
        return ["mps"]
    if device == "mps":
        raise ConfigurationError(
            "no MPS device (execution.device: mps): it needs a Mac with Apple silicon; use execution.device=auto"
        )
    return []
