"""The messages of one iteration, rebuilt from the history: what the model reads before it answers."""

from collections.abc import Iterator
from typing import TYPE_CHECKING, Literal

from agent.memory.history import History
from agent.proposers.results import feedback_values
from prompts import render
from tools.policy.catalogue import CATALOGUE, default_operation, describe_catalogue
from tools.policy.policy import Policy
from tools.policy.safety import SafetyFinding, lint

if TYPE_CHECKING:
    from langchain_core.messages import BaseMessage

Mode = Literal["tools", "structured", "text"]

_LONGEST_ANSWER = 4000
"""Characters of a rejected answer that the model is shown again."""


def initial_messages(history: History, mode: Mode, tool_calls: int, feedback: bool) -> "list[BaseMessage]":
    """The system message, the task with the results so far, and the rejections of this iteration.

    Args:
        history: all that is known.
        mode: how the model answers.
        tool_calls: how many it may make first (mode 'tools').
        feedback: whether results are shown; without them, earlier policies are listed only so that they are avoided.
    """
    from langchain_core.messages import HumanMessage, SystemMessage

    number = {
        "minimum": history.minimum_operations,
        "maximum": history.maximum_operations,
        "backgrounds": history.backgrounds,
    }
    system = render("system", mode=mode, tool_calls=tool_calls, feedback=feedback, **number)
    results = render("feedback", **feedback_values(history)) if feedback else _independent(history)
    return [
        SystemMessage(system),
        HumanMessage(f"{_task(history)}\n\n{results}"),
        *_rejections(history),
    ]


def _task(history: History) -> str:
    findings = _safety_findings(history)
    counts = history.class_counts
    total = sum(counts.values())
    smallest, largest = min(counts.values(), default=0), max(counts.values(), default=0)
    imbalance = f"{largest / smallest:.1f}" if smallest and largest >= 1.5 * smallest else ""
    return render(
        "first",
        card=history.card,
        classes=[(name, count, f"{count / max(total, 1):.1%}") for name, count in counts.items()],
        imbalance=imbalance,
        image_size=history.image_size,
        model=history.model,
        recipe=history.recipe,
        metric=history.card.metric.replace("_", " "),
        minimum=history.minimum_operations,
        maximum=history.maximum_operations,
        backgrounds=history.backgrounds,
        catalogue=describe_catalogue(),
        refused=[finding for finding in findings if finding.severity == "reject"],
        risky=[finding for finding in findings if finding.severity == "warn"],
    )


def _safety_findings(history: History) -> list[SafetyFinding]:
    """What the label-safety lint says about each operation of the catalogue, at its defaults, for these images."""
    return [
        finding
        for name in CATALOGUE
        for finding in lint(Policy(operations=[default_operation(name)]), history.card)
    ]


def _independent(history: History) -> str:
    return render(
        "independent",
        iteration=history.iteration,
        iterations=history.iterations,
        tried=[record.proposal.in_one_line() for record in history.past],
    )


def _rejections(history: History) -> "Iterator[BaseMessage]":
    from langchain_core.messages import AIMessage, HumanMessage

    for rejection in history.rejections:
        answer = rejection.answer.strip() or "(an empty answer)"
        cut = "…" if len(answer) > _LONGEST_ANSWER else ""
        yield AIMessage(answer[:_LONGEST_ANSWER] + cut)
        yield HumanMessage(render("rejection", reasons=rejection.reasons))
