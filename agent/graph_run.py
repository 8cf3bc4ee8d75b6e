"""The loop of one study, run from its last checkpoint to its end."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from agent.settings.config import StudyConfig

if TYPE_CHECKING:
    from agent.context import Context
    from agent.memory import Tracking

Act = Callable[[Any, str, "Context"], None]
"""(graph, study, context) → nothing: what a session does once everything is open."""


def run_graph(graph: Any, study: str, context: "Context") -> None:
    """Run the graph to its end; where it has reached that already, say so."""
    if continue_graph(graph, study, context):
        return
    context.terminal.note(
        "This study is finished; there is nothing to resume. (A new study reuses every trial that it shares.)"
        if context.tracking.has_tested
        else "This study ended before anything was tested, and its budget is spent. With a larger one it goes on."
    )
    if not (context.folder / "report.md").exists():
        context.terminal.warn(
            f"{context.folder / 'report.md'} is gone; a copy is among the artifacts of the study's run (agent ui)."
        )
    context.tracking.end_study("FINISHED")


def continue_graph(graph: Any, study: str, context: "Context") -> bool:
    """Run the graph from its last checkpoint to its end; False where it had reached that before."""
    thread = thread_of(study, context.config)
    snapshot = graph.get_state(thread)
    if snapshot.values and not unfinished(snapshot):
        return False
    if len(snapshot.values.get("rejections", [])) > context.config.search.repairs:
        # It stopped because every answer was refused: when resumed, it asks again.
        graph.update_state(thread, {"rejections": [], "stop": ""}, as_node="judge")
    with end_marked(context.tracking):
        graph.invoke(None if snapshot.values else {"stop": ""}, thread, context=context, durability="sync")
    return True


def reopen(graph: Any, thread: Any, iterations: int) -> None:
    """Let a study that ended before anything could be tested go on where it stopped, as more of a budget allows.

    Args:
        graph: whose checkpoint says that the study has ended.
        thread: the study's.
        iterations: how many the search has.
    """
    from langgraph.graph import START

    values = graph.get_state(thread).values
    begun = values["iteration"]
    if begun == 1:  # the baselines, or what the first proposal needs, may be missing
        graph.update_state(thread, {"stop": ""}, as_node=START)
    else:
        graph.update_state(thread, {"stop": "" if begun <= iterations else values["stop"]}, as_node="judge")


def unfinished(snapshot: Any) -> tuple[str, ...]:
    """The nodes that the loop has not left behind, as LangGraph's snapshot has them; none at its end.

    They are those that come next. But a process may be killed when what a node returned is written down and the step is
    not: then nothing is `next`, and the node, which is not run again, still has to be left.
    """
    return tuple(task.name for task in snapshot.tasks)


def thread_of(study: str, config: StudyConfig) -> Any:
    """What LangGraph calls the study's own thread in its checkpoint."""
    return {"configurable": {"thread_id": study}, "recursion_limit": _steps(config)}


@contextmanager
def end_marked(tracking: "Tracking") -> Iterator[None]:
    """Mark the study in MLflow as finished when the block ends, or as interrupted or failed where it raises."""
    try:
        yield
    except KeyboardInterrupt:
        tracking.abandon_study("KILLED")
        raise
    except BaseException:
        tracking.abandon_study("FAILED")
        raise
    tracking.end_study("FINISHED")


def _steps(config: StudyConfig) -> int:
    """An upper bound on the steps of the graph: each iteration is four nodes, and two more for each repair."""
    iterations = 10_000 if config.search.iterations == "auto" else config.search.iterations
    return 20 + iterations * (6 + 2 * config.search.repairs) * 2
