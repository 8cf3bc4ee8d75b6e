"""Which workers a Ray cluster has room for."""

from tools.errors import ConfigurationError
from tools.execution.config import ExecutionConfig
from tools.execution.devices import WorkerPlan, plan_for
from tools.execution.on_ray.cluster import Cluster, Node

IMAGES_SHARE = 0.1
"""Of a GPU, that workers of trials leave to what makes images for them: `images.py`. Both are there while a study runs,
but they do not work at the same time."""


def plan_on_nodes(config: ExecutionConfig, cluster: Cluster) -> list[WorkerPlan]:
    """One worker for each GPU of the cluster, or, where it has none, as many on each node's CPUs as one machine has.

    Every worker has one accelerator, which it knows as cuda:0.

    Raises:
        ConfigurationError: the cluster has no such devices.
    """
    gpus = [node for node in cluster.nodes if node.gpus]
    if config.device == "mps" or (config.device == "cuda" and not gpus):
        has = f"{sum(node.cpus for node in cluster.nodes)} CPUs and {sum(node.gpus for node in gpus)} GPUs"
        raise ConfigurationError(
            f"execution.device {config.device}: the nodes of the Ray cluster have {has}; use auto or cpu"
        )
    if gpus and config.device != "cpu":
        plans = [plan for node in gpus for plan in _of_node(config, node, ["cuda:0"] * node.gpus)]
    else:
        plans = [plan for node in cluster.nodes if node.cpus for plan in _of_node(config, node, [])]
    if not plans:
        raise ConfigurationError(
            "the nodes of the Ray cluster offer no CPUs and no GPUs: start a node with some (ray start --num-cpus)"
        )
    # results are reused where threads are equal: the same number on every node
    threads = min(plan.threads for plan in plans)
    count = config.workers or len(plans)
    return [WorkerPlan(plans[number % len(plans)].device, threads) for number in range(count)]


def _of_node(config: ExecutionConfig, node: Node, accelerators: list[str]) -> list[WorkerPlan]:
    alone = config.model_copy(update={"workers": None})
    return plan_for(alone, accelerators, max(1, node.cpus))


def share_of_gpu(plans: list[WorkerPlan], cluster: Cluster) -> float:
    """GPUs that each worker takes of Ray's books: nearly one, or less where more workers than GPUs are asked for."""
    if not plans[0].device.startswith("cuda"):
        return 0.0
    total = sum(node.gpus for node in cluster.nodes)
    return round((1 - IMAGES_SHARE) * min(1.0, total / len(plans)), 4)
