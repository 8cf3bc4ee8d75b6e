"""The loop for LangGraph's own server: `langgraph dev` reads `langgraph.json`, which names `graph` below.

A node opens the study as `agent resume` does, works, writes the study's own checkpoint, and closes it again. A study
that is run there is therefore an ordinary one: it can be looked at between two nodes, `agent resume` continues it, and
a server that is killed loses nothing. Opening takes a second or two for each node, which `agent run` pays once.
"""

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from langgraph.config import get_config
from langgraph.runtime import Runtime
from typing_extensions import TypedDict

from agent.api import as_config, main_hidden
from agent.graph import Node, build_graph
from agent.graph_run import thread_of
from agent.screen.terminal import Terminal
from agent.state import State
from agent.study import resume_study, run_study
from agent.study_folder import CONFIG
from tools.errors import ConfigurationError

if TYPE_CHECKING:
    from agent.context import Context

_LAST = "finalise"


class Chosen(TypedDict, total=False):
    """What a person chooses in Studio, as the context of a run; all of it may be left out."""

    study: str
    """Name of the study; made from the thread if unset."""
    settings: dict[str, Any]
    """Of `agent run`: sections, or dotted keys such as search.iterations. Read when the study begins."""
    runs_dir: str
    """Folder of runs; `runs` if unset."""


def _stepwise(node: Node) -> Callable[[State, Runtime[Chosen]], dict[str, Any]]:
    """A node that opens and closes the study itself."""
    name = node.__name__

    def step(state: State, runtime: Runtime[Chosen]) -> dict[str, Any]:
        chosen = runtime.context or {}
        study = (
            chosen.get("study")
            or f"studio-{str(get_config().get('configurable', {}).get('thread_id', ''))[:8]}"
        )
        changed: dict[str, Any] = {}

        def act(graph: Any, study: str, context: "Context") -> None:
            thread = thread_of(study, context.config)
            if not graph.get_state(thread).values:
                graph.update_state(thread, {"stop": ""}, as_node="__start__")
            try:
                changed.update(node(state, Runtime(context=context)))
            except BaseException:
                context.tracking.abandon_study("FAILED")
                raise
            graph.update_state(thread, changed, as_node=name)
            if name == _LAST:
                context.tracking.end_study("FINISHED")
            else:
                context.tracking.abandon_study("KILLED")  # as one that is interrupted and can be resumed

        with main_hidden():
            _open(study, chosen, act)
        return changed

    step.__name__ = name
    return step


def _open(study: str, chosen: Chosen, act: Callable[[Any, str, "Context"], None]) -> None:
    runs_dir, terminal = Path(chosen.get("runs_dir") or "runs"), Terminal()
    if (runs_dir / "studies" / study / CONFIG).is_file():
        resume_study(study, runs_dir, terminal, act=act)
        return
    settings = chosen.get("settings")
    if settings is None:
        raise ConfigurationError(
            f"there is no study {study!r} in {runs_dir.resolve()}, and no settings to begin one with: give them in the "
            'context, such as {"settings": {"data.dataset": "demo"}}'
        )
    run_study(as_config({**settings, "study": study, "runs_dir": str(runs_dir)}), terminal, act)


graph = build_graph(None, around=_stepwise, context=Chosen)
