"""The loop, on one screen.

prepare → propose → vet → realise → train → judge ─┐
             ↑        │ refused                    │
             ├────────┘                            │
             └── another iteration ────────────────┤
                                     finalise ←────┘
"""

from collections.abc import Callable
from typing import Any, Literal

from langgraph.graph import END, START, StateGraph

from agent import nodes
from agent.context import Context
from agent.state import State
from agent.steps.tracing import traced

Node = Callable[..., dict[str, Any]]
"""(state, runtime) → what changes of the state."""


def after_propose(state: State) -> Literal["vet", "finalise"]:
    """A budget may run out in the middle of proposing."""
    return "finalise" if state["stop"] else "vet"


def after_vet(state: State) -> Literal["realise", "propose"]:
    """A refused proposal goes back to its arm."""
    return "realise" if state["accepted"] else "propose"


def after_judge(state: State) -> Literal["propose", "finalise"]:
    """Another iteration, until something stops the search."""
    return "finalise" if state["stop"] else "propose"


def build_graph(
    checkpointer: Any,
    judge: Node | None = None,
    finalise: Node | None = None,
    *,
    around: Callable[[Node], Any] = lambda node: node,
    context: type = Context,
) -> Any:
    """The compiled loop.

    Args:
        checkpointer: keeps its state, so that a killed study resumes where it stopped.
        judge: in the place of the usual node, as `agent compare` ends a search.
        finalise: likewise.
        around: what is done around each node, as `agent.studio` opens the study for each.
        context: what whoever runs the graph gives to its nodes.
    """
    graph = StateGraph(State, context_schema=context)
    graph.add_node("prepare", around(nodes.prepare))
    graph.add_node("propose", around(traced(nodes.propose)))
    graph.add_node("vet", around(traced(nodes.vet)))
    graph.add_node("realise", around(traced(nodes.realise, closes=True)))
    graph.add_node("train", around(nodes.train))
    graph.add_node("judge", around(judge or nodes.judge))
    graph.add_node("finalise", around(finalise or nodes.finalise))

    graph.add_edge(START, "prepare")
    graph.add_conditional_edges("prepare", after_judge)
    graph.add_conditional_edges("propose", after_propose)
    graph.add_conditional_edges("vet", after_vet)
    graph.add_edge("realise", "train")
    graph.add_edge("train", "judge")
    graph.add_conditional_edges("judge", after_judge)
    graph.add_edge("finalise", END)
    return graph.compile(checkpointer=checkpointer)
