"""How an actor ended that nobody killed, in words without addresses."""

from tools.errors import first_line
from tools.execution.ending import Ending


def is_loss(error: BaseException) -> bool:
    """Whether `error` says that an actor, or its node, is gone."""
    from ray.exceptions import RayActorError

    return isinstance(error, RayActorError)


def loss_of(error: BaseException, node: str) -> Ending:
    """An actor that ended by itself, in words without addresses.

    A disk of this machine that refuses what a node sends back is no death.
    """
    from ray.exceptions import OutOfMemoryError

    if isinstance(error, OSError) and not isinstance(error, ConnectionError):
        return Ending("disk", str(error))
    where = f"the Ray node {node}" if node else "a Ray node"
    text = str(error)
    if isinstance(error, OutOfMemoryError) or "memory pressure" in text:
        return Ending(
            "died", f"its worker on {where} was killed because memory ran out: try fewer execution.workers"
        )
    if "node has died" in text or "node died" in text or "node was terminated" in text:
        return Ending("died", f"{where}, on which its worker ran, was lost")
    if is_loss(error):
        return Ending("died", f"its worker on {where} was lost")
    reason = f"{type(error).__name__}: {first_line(error)}"
    return Ending("died", f"its worker on {where} cannot be reached ({reason})")
