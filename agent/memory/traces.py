"""One trace in MLflow for each iteration: the nodes of the graph, and in them the calls of the LLM and of its tools.

Until an iteration is decided on, its events lie in a file of the study's folder: a process that is killed loses none,
and the next session continues the same trace. The sessions of MLflow's page are studies.
"""

import json
import time
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from agent.memory.finding import Finder
from tools.files import mend_last_line

if TYPE_CHECKING:
    from agent.llm import CallRecord

FILE = "trace.jsonl"
_NODE, _LLM, _TOOL = "CHAIN", "CHAT_MODEL", "TOOL"
"""Types of spans, as MLflow calls them."""


class IterationTrace:
    """The events of the current iteration."""

    def __init__(self, tracking: Finder, folder: Path) -> None:
        """`folder` is the study's own; `tracking` is attached to it."""
        self._tracking, self._file = tracking, folder / FILE
        mend_last_line(self._file)
        self._node_began: int | None = None

    def call(self, call: "CallRecord") -> None:
        """A call of the LLM has ended."""
        end = time.time_ns()
        attributes = {
            "model": call.model,
            "dollars": "unknown" if call.dollars is None else f"{call.dollars:.6f}",
            "mlflow.chat.tokenUsage": {
                "input_tokens": call.input_tokens,
                "output_tokens": call.output_tokens,
                "total_tokens": call.input_tokens + call.output_tokens,
            },
        }
        began = end - int(call.seconds * 1e9)
        self._append(_LLM, call.kind, began, end, call.request, call.answer, call.error, attributes)

    def tool(self, name: str, arguments: Any, answer: str, began: int) -> None:
        """A tool has answered the LLM; `began` in nanoseconds since the epoch."""
        self._append(_TOOL, name, began, time.time_ns(), arguments, answer)

    def node(self, name: str, began: int, outputs: Any, error: str | None = None) -> None:
        """A node of the graph has ended; `error` says why it is none that the study continues from, or was refused."""
        self._append(_NODE, name, began, time.time_ns(), None, outputs, error)

    def close(self, name: str, proposed: Any = None) -> str | None:
        """Write the events as a trace called `name`, and forget them; its id, or None where there are none.

        Args:
            name: what the page lists it as.
            proposed: what it came to, which the page shows beside; None: what the last node found.

        Raises:
            StoreError: the store does not answer; the events are kept.
        """
        events = self._events()
        if not events:
            return None
        written = self._tracking.calls.retried(lambda: self._write(name, events, proposed))
        self._file.unlink(missing_ok=True)
        return written

    def _write(self, name: str, events: Sequence[dict[str, Any]], proposed: Any) -> str:
        from mlflow import start_span_no_context

        tracking, nodes = self._tracking, [event for event in events if event["type"] == _NODE]
        last = nodes[-1] if nodes else events[-1]
        root = start_span_no_context(
            name=name,
            span_type="AGENT",
            inputs=name,
            tags={"study": tracking.study},
            metadata={"mlflow.trace.session": tracking.study, "mlflow.sourceRun": tracking.study_run},
            experiment_id=tracking.experiment_id,
            start_time_ns=min(event["began"] for event in events),
        )
        for event in [
            *nodes,
            *(each for each in events if not _inside(each, nodes) and each["type"] != _NODE),
        ]:
            span = self._span(root, event)
            for inner in events:
                if event["type"] == _NODE and inner["type"] != _NODE and _inside(inner, [event]):
                    _end(self._span(span, inner), inner)
            _end(span, event)
        root.set_outputs(last["outputs"] if proposed is None else proposed)
        root.end(
            status="ERROR" if last["error"] else "OK", end_time_ns=max(event["ended"] for event in events)
        )
        return root.trace_id

    @staticmethod
    def _span(parent: Any, event: dict[str, Any]) -> Any:
        from mlflow import start_span_no_context

        return start_span_no_context(
            name=event["name"],
            span_type=event["type"],
            parent_span=parent,
            inputs=event["inputs"],
            attributes=event["attributes"],
            start_time_ns=event["began"],
        )

    def _append(
        self,
        kind: str,
        name: str,
        began: int,
        ended: int,
        inputs: Any,
        outputs: Any,
        error: str | None = None,
        attributes: dict[str, Any] | None = None,
    ) -> None:
        event = {
            "type": kind,
            "name": name,
            "began": began,
            "ended": max(began, ended),
            "inputs": inputs,
            "outputs": outputs,
            "error": error,
            "attributes": attributes or {},
        }
        with self._file.open("a", encoding="utf-8") as file:
            file.write(json.dumps(event, default=str) + "\n")

    def _events(self) -> list[dict[str, Any]]:
        """Those in the file; a line that a kill has cut is left out."""
        if not self._file.exists():
            return []
        found = []
        for line in self._file.read_text(encoding="utf-8", errors="replace").splitlines():
            try:
                found.append(json.loads(line))
            except ValueError:
                continue
        return found


def _inside(event: dict[str, Any], nodes: Sequence[dict[str, Any]]) -> bool:
    return any(node["began"] <= event["began"] and event["ended"] <= node["ended"] for node in nodes)


def _end(span: Any, event: dict[str, Any]) -> None:
    outputs = event["outputs"] if event["error"] is None else {"error": event["error"]}
    if outputs is not None:
        span.set_outputs(outputs)
    span.end(status="ERROR" if event["error"] else "OK", end_time_ns=event["ended"])
