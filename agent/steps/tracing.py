"""What the nodes of an iteration leave in its trace (`agent.memory.traces`), where a language model proposes."""

import time
from collections.abc import Callable
from functools import wraps
from typing import Any

from langgraph.runtime import Runtime

from agent.context import Context
from agent.memory.proposal import parse_proposals
from agent.proposers.factory import LLM_ARMS
from agent.state import State

Node = Callable[[State, Runtime[Context]], dict[str, Any]]


def traced(node: Node, closes: bool = False) -> Any:
    """`node`, whose result or error becomes a part of its iteration's trace; with `closes`, it is the last part."""

    @wraps(node)
    def run(state: State, runtime: Runtime[Context]) -> dict[str, Any]:
        context = runtime.context
        if context.config.search.proposer not in LLM_ARMS:
            return node(state, runtime)
        began = time.time_ns()
        try:
            result = node(state, runtime)
        except Exception as error:
            context.trace.node(node.__name__, began, None, str(error))
            raise
        context.trace.node(node.__name__, began, _shown(result), _refused(result))
        if closes:
            context.trace.close(title(state), _proposed(state))
        return result

    return run


def title(state: State) -> str:
    """What the trace of an iteration is called."""
    return f"iteration {state['iteration']}"


def _proposed(state: State) -> str:
    """What the iteration tries and why, a paragraph for each proposal."""
    return "\n\n".join(
        f"{each.in_one_line()}: {each.hypothesis}" for each in parse_proposals(state["answer"])
    )


def _refused(result: dict[str, Any]) -> str | None:
    if result.get("accepted") is not False:
        return None
    return "refused: " + "; ".join(result["rejections"][-1]["reasons"])


def _shown(result: dict[str, Any]) -> dict[str, Any]:
    """What a node found, without what its own spans say."""
    return {name: value for name, value in result.items() if name not in ("notebook", "rejections")}
