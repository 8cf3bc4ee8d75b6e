"""Who decides: configuration, the loop, the arms that propose, and what is remembered.

From Python: `from agent import run_study, Study` (docs/scripts.md). Importing this imports nothing else.
"""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from agent.api import Study, plan_study, run_study
    from tools.errors import AugurError

__all__ = ["AugurError", "Study", "plan_study", "run_study"]


def __getattr__(name: str) -> Any:
    """Import what is asked for, when it is."""
    if name == "AugurError":
        from tools.errors import AugurError

        return AugurError
    if name in __all__:
        import agent.api

        return getattr(agent.api, name)
    raise AttributeError(f"module 'agent' has no attribute {name!r}")
