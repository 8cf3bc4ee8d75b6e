"""The executors of a study on a Ray cluster: those of one machine, with workers on its nodes."""

from functools import partial
from typing import Literal

from tools.execution.config import ExecutionConfig
from tools.execution.devices import WorkerPlan
from tools.execution.local import LocalExecutor
from tools.execution.on_ray.cluster import Cluster, connect, import_ray
from tools.execution.on_ray.host import environment_of_node
from tools.execution.on_ray.plans import plan_on_nodes, share_of_gpu
from tools.execution.on_ray.worker import Placement, RayPack, RayWorker
from tools.execution.packed import PackedExecutor
from tools.execution.packed_worker import PackPlan


def ray_plans(config: ExecutionConfig) -> list[WorkerPlan]:
    """The workers for the cluster that `config` means, which is found or started.

    Raises:
        AugurError: there is none, or it has no such devices.
    """
    return plan_on_nodes(config, connect(config))


def ray_executor(config: ExecutionConfig, plans: list[WorkerPlan]) -> LocalExecutor:
    """One trial at a time in each worker."""
    worker = partial(RayWorker, placement=_placement(config, plans))
    return LocalExecutor(plans, config.trial_timeout, worker)


def ray_packs(config: ExecutionConfig, plans: list[WorkerPlan], packs: list[PackPlan]) -> PackedExecutor:
    """A pack in each worker."""
    placement = _placement(config, plans)
    return PackedExecutor(
        packs, partial(RayPack, placement=placement), partial(RayWorker, placement=placement)
    )


def _placement(config: ExecutionConfig, plans: list[WorkerPlan]) -> Placement:
    sends: dict[Literal["auto", "sent"], bool | None] = {"auto": None, "sent": True}
    return Placement(float(plans[0].threads), share_of_gpu(plans, connect(config)), sends[config.ray_files])


def ray_machines(config: ExecutionConfig, plans: list[WorkerPlan]) -> list[dict[str, str]]:
    """The environment of each worker, as `tools.training.hardware.environment` has it, asked of the nodes.

    Raises:
        AugurError: the cluster is gone.
    """
    cluster, ray = connect(config), import_ray()
    devices = list(dict.fromkeys(plan.device for plan in plans))
    if cluster.is_own and devices == ["cpu"]:
        found = {"cpu": environment_of_node("cpu")}
    else:
        gpus = share_of_gpu(plans, cluster)
        ask = ray.remote(environment_of_node).options(num_cpus=0, num_gpus=gpus, max_retries=2)
        found = dict(zip(devices, ray.get([ask.remote(device) for device in devices]), strict=True))
    return [{**found[plan.device], "threads": str(plan.threads)} for plan in plans]


def in_words(config: ExecutionConfig) -> str:
    """The cluster, for the person at the terminal."""
    cluster: Cluster = connect(config)
    return cluster.in_words()
