"""Which executor a study's settings mean on this machine."""

from tools.execution.config import ExecutionConfig
from tools.execution.devices import WorkerPlan
from tools.execution.local import LocalExecutor
from tools.execution.packed import PackedExecutor
from tools.execution.packed_worker import PackPlan
from tools.machine import usable_cores
from tools.text import counted

_OWN_CORES = 2
"""Of each pack's process: what is left over augments."""


def make_executor(
    config: ExecutionConfig, plans: list[WorkerPlan], loader_workers: int = 0
) -> LocalExecutor | PackedExecutor:
    """Packs where they are asked for; else one trial at a time in each worker.

    Args:
        config: `pack` 'auto' makes packs on CUDA devices only, a number on any.
        plans: as `plan_workers` has them.
        loader_workers: processes that augment, for all packs together; with 0, all cores but two of each pack.
    """
    devices = list(dict.fromkeys(plan.device for plan in plans))
    on_cuda = all(device.startswith("cuda") for device in devices)
    if config.pack == "off" or (config.pack == "auto" and not on_cuda):
        return LocalExecutor(plans, config.trial_timeout)
    size = None if config.pack == "auto" else config.pack
    processes = loader_workers or usable_cores() - _OWN_CORES * len(devices)
    threads = {plan.device: plan.threads for plan in reversed(plans)}
    return PackedExecutor(
        [
            PackPlan(device, threads[device], size, max(1, processes // len(devices)), config.trial_timeout)
            for device in devices
        ]
    )


def described(executor: LocalExecutor | PackedExecutor, plans: list[WorkerPlan]) -> str:
    """Where trials run, in words; `plans` are those that `executor` was made of."""
    if isinstance(executor, LocalExecutor):
        return ", ".join(f"{plan.device} × {counted(plan.threads, 'thread')}" for plan in plans)
    return ", ".join(
        f"{pack.device}: {pack.size or 'as many as fit'} trials side by side, {pack.processes} processes augment"
        for pack in executor.plans
    )
