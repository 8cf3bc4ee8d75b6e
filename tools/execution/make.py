"""Which executor a study's settings mean on this machine, or on a Ray cluster."""

import os
from collections.abc import Sequence

from tools.execution.config import ExecutionConfig
from tools.execution.devices import WorkerPlan, plan_workers
from tools.execution.local import LocalExecutor
from tools.execution.packed import PackedExecutor
from tools.execution.packed_worker import PackPlan
from tools.machine import usable_cores
from tools.text import counted

_OWN_CORES = 2
"""Of each pack's process: what is left over augments."""


def workers_of(config: ExecutionConfig) -> list[WorkerPlan]:
    """The workers that `config` means; where it says so, a Ray cluster is found, or started, for them.

    Where trials run in packs on this machine, a device has one, whatever `execution.workers` is.

    Raises:
        AugurError: the device that is asked for is missing, or the cluster.
    """
    if config.kind == "local":
        plans = plan_workers(config)
        return _first_of_devices(plans) if _packed(config, plans) else plans
    from tools.execution.on_ray.executors import ray_plans

    return ray_plans(config)


def connecting(config: ExecutionConfig) -> str:
    """What `workers_of` is about to wait for on a Ray cluster, in words; without addresses."""
    if config.ray_address or os.environ.get("RAY_ADDRESS"):
        return "Connecting to the Ray cluster."
    return "Starting Ray on this machine, which takes 5 to 15 seconds."


def make_executor(
    config: ExecutionConfig, plans: list[WorkerPlan], loader_workers: int = 0
) -> LocalExecutor | PackedExecutor:
    """Packs where they are asked for; else one trial at a time in each worker.

    Args:
        config: `pack` 'auto' makes packs on CUDA devices only, a number on any.
        plans: as `workers_of` has them.
        loader_workers: processes that augment, for all packs together; with 0, all cores but two of each pack.
    """
    if not _packed(config, plans):
        if config.kind == "local":
            return LocalExecutor(plans, config.trial_timeout)
        from tools.execution.on_ray.executors import ray_executor

        return ray_executor(config, plans)
    if config.kind == "local":
        return PackedExecutor(_packs_of_devices(config, plans, loader_workers))
    from tools.execution.on_ray.executors import ray_packs

    processes = max(1, loader_workers // len(plans) or plans[0].threads - _OWN_CORES)
    packs = [
        PackPlan(plan.device, plan.threads, _size(config), processes, config.trial_timeout) for plan in plans
    ]
    return ray_packs(config, plans, packs)


def _packed(config: ExecutionConfig, plans: Sequence[WorkerPlan]) -> bool:
    """Whether trials run in packs."""
    if config.pack == "auto":
        return all(plan.device.startswith("cuda") for plan in plans)
    return config.pack != "off"


def _packs_of_devices(
    config: ExecutionConfig, plans: Sequence[WorkerPlan], loader_workers: int
) -> list[PackPlan]:
    """One pack for each device of this machine."""
    firsts = _first_of_devices(plans)
    processes = loader_workers or usable_cores() - _OWN_CORES * len(firsts)
    each = max(1, processes // len(firsts))
    return [PackPlan(plan.device, plan.threads, _size(config), each, config.trial_timeout) for plan in firsts]


def _first_of_devices(plans: Sequence[WorkerPlan]) -> list[WorkerPlan]:
    first: dict[str, WorkerPlan] = {}
    for plan in plans:
        first.setdefault(plan.device, plan)
    return list(first.values())


def _size(config: ExecutionConfig) -> int | None:
    """Trials in a pack; None: as many as fit."""
    return config.pack if isinstance(config.pack, int) else None


def machines_of(config: ExecutionConfig, plans: Sequence[WorkerPlan]) -> list[dict[str, str]]:
    """The environment of each worker: a result from any other is not reused.

    Raises:
        AugurError: the Ray cluster is gone.
    """
    if config.kind == "ray":
        from tools.execution.on_ray.executors import ray_machines

        return ray_machines(config, list(plans))
    from tools.training.hardware import environment

    return [{**environment(plan.device), "threads": str(plan.threads)} for plan in plans]


def described(
    executor: LocalExecutor | PackedExecutor, plans: list[WorkerPlan], config: ExecutionConfig | None = None
) -> str:
    """Where trials run, in words; `plans` are those that `executor` was made of, by `config`."""
    where = ""
    if config is not None and config.kind == "ray":
        from tools.execution.on_ray.executors import in_words

        where = f"{in_words(config)}: "
    if isinstance(executor, LocalExecutor):
        return where + ", ".join(f"{plan.device} × {counted(plan.threads, 'thread')}" for plan in plans)
    return where + ", ".join(
        f"{pack.device}: {pack.size or 'as many as fit'} trials side by side, {pack.processes} processes augment"
        for pack in executor.plans
    )
