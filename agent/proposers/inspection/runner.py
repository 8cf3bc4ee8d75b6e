"""Runs the tools that a model calls, and keeps what they answered: text, and a picture for a model that sees.

What is wrong with a call is told to the model, never raised: unknown names, wrong arguments, a budget that is spent.
"""

import time
from collections.abc import Callable
from dataclasses import replace
from functools import cached_property
from typing import TYPE_CHECKING, Any

from pydantic import BaseModel, ConfigDict, ValidationError

from agent.memory.history import History
from agent.memory.look_ups import LookUp, NotNow
from agent.proposers.answers import problems_of
from agent.proposers.inspection import ToolResult, encoded
from agent.proposers.results import feedback_values
from agent.proposers.schema import BACKGROUNDS, DESCRIBE, ERRORS, PREVIEW, PROBE, RESULTS
from agent.proposers.told import discreet
from prompts import render
from tools.aga.captions.prompt_sets import vet_prompts
from tools.aga.config import PromptSet
from tools.policy.canonical import one_line
from tools.policy.policy import Operation, Policy
from tools.text import one_line as in_one_line

if TYPE_CHECKING:
    from tools.datasets.cache.read import SplitView

LONGEST_ANSWER = 3_000
"""Characters of an answer that are kept for later prompts."""
_KEPT = (DESCRIBE, PREVIEW, BACKGROUNDS, ERRORS, PROBE)
"""Tools whose answers are kept. Results are told anew in every prompt."""

_CLOSED = ConfigDict(extra="forbid")


class _Classes(BaseModel):
    model_config = _CLOSED

    classes: list[str] = []


class _Preview(BaseModel):
    model_config = _CLOSED

    operations: list[Operation]


class _Backgrounds(BaseModel):
    model_config = _CLOSED

    backgrounds: PromptSet


class _Problem(Exception):
    """What is wrong with a call, in words for the model."""


class ToolRunner:
    """The tools of one conversation. Pixels are of training images alone."""

    def __init__(self, history: History, vision: bool, feedback: bool) -> None:
        """`vision`: whether to make pictures; `feedback`: whether results may be read."""
        self._history, self._vision, self._feedback = history, vision, feedback

    @property
    def names(self) -> list[str]:
        """The tools that there are in this study, at this moment."""
        instruments, found = self._history.instruments, [DESCRIBE, PREVIEW]
        if instruments is not None and self._history.backgrounds != "off":
            found.append(BACKGROUNDS)
        if self._feedback and instruments is not None and instruments.can_show_errors():
            found.append(ERRORS)
        if self._feedback and instruments is not None and instruments.can_probe():
            found.append(PROBE)
        return [*found, *([RESULTS] if self._feedback else [])]

    def run(self, name: str, arguments: dict[str, Any]) -> ToolResult:
        """The result of the tool `name`."""
        began = time.time_ns()
        result = self._run(name, arguments)
        if self._history.on_tool is not None:
            self._history.on_tool(name, arguments, result.text, began)
        return result

    def _run(self, name: str, arguments: dict[str, Any]) -> ToolResult:
        tools: dict[str, Callable[[dict[str, Any]], tuple[str, ToolResult]]] = {
            DESCRIBE: self._describe,
            PREVIEW: self._preview,
            BACKGROUNDS: self._preview_backgrounds,
            ERRORS: self._show_errors,
            PROBE: self._probe,
            RESULTS: self._results,
        }
        if name not in self.names:
            return ToolResult(f"There is no tool {name!r}: call {', '.join(self.names)}.")
        try:
            asked, result = tools[name](arguments)
        except ValidationError as error:
            return ToolResult(self._discreet(f"This call cannot be run: {'; '.join(problems_of(error))}"))
        except (_Problem, NotNow) as error:
            return ToolResult(self._discreet(str(error)))
        result = replace(result, text=self._discreet(result.text), kept=self._discreet(result.kept))
        if name in _KEPT and self._history.instruments is not None:
            self._history.instruments.keep(LookUp(name, asked, _shortened(result.kept or result.text)))
        return result

    def _discreet(self, text: str) -> str:
        return discreet(text, self._history.aliases)

    def measurements(self) -> str:
        """The training images in numbers."""
        from agent.proposers.inspection.training_images import describe

        return describe(self._history, self._view)

    def first_pictures(self) -> list[tuple[str, str]]:
        """(PNG in base64, what it shows) of what comes with the task; nothing for a model that cannot see."""
        from agent.proposers.inspection.training_images import example_sheet

        return [example_sheet(self._history, self._view)] if self._vision else []

    @cached_property
    def _view(self) -> "SplitView":
        if self._history.instruments is not None:
            return self._history.instruments.shown_images()
        from tools.datasets.cache.read import open_cache

        return open_cache(self._history.cache).split("train")

    def _describe(self, arguments: dict[str, Any]) -> tuple[str, ToolResult]:
        from agent.proposers.inspection.training_images import describe, example_sheet

        classes = self._classes(arguments)
        picture = example_sheet(self._history, self._view, classes)[0] if self._vision else None
        return ", ".join(classes), ToolResult(describe(self._history, self._view, classes), picture)

    def _preview(self, arguments: dict[str, Any]) -> tuple[str, ToolResult]:
        from agent.proposers.inspection.policies import preview

        policy = Policy(operations=_Preview.model_validate(arguments).operations)
        return in_one_line(one_line(policy), 300), preview(self._history, self._view, policy, self._vision)

    def _probe(self, arguments: dict[str, Any]) -> tuple[str, ToolResult]:
        from agent.proposers.inspection.probe import probe

        policy = Policy(operations=_Preview.model_validate(arguments).operations)
        instruments = self._history.instruments
        assert instruments is not None
        return in_one_line(one_line(policy), 300), probe(self._history, instruments, policy)

    def _preview_backgrounds(self, arguments: dict[str, Any]) -> tuple[str, ToolResult]:
        from agent.proposers.inspection.backgrounds import show

        if "backgrounds" in arguments and isinstance(arguments["backgrounds"], list):
            raise _Problem("`backgrounds` of this tool is one set of prompts, not a list.")
        prompts = _Backgrounds.model_validate(arguments).backgrounds
        # by their real names, which no caption may have either
        if problems := vet_prompts(prompts, tuple(self._history.aliases) or self._history.card.classes):
            raise _Problem(
                "\n".join(["These prompts would be refused:", *(f"- {each}" for each in problems)])
            )
        instruments = self._history.instruments
        assert instruments is not None
        asked = " | ".join((prompts.subject, *prompts.instructions, *prompts.settings, *prompts.times))
        preview = instruments.preview_backgrounds(prompts)
        return in_one_line(asked, 300), show(preview, self._vision, self._history.aliases)

    def _show_errors(self, arguments: dict[str, Any]) -> tuple[str, ToolResult]:
        if self._history.card.several_labels:
            from agent.proposers.inspection.label_errors import show
        else:
            from agent.proposers.inspection.errors import show

        classes = self._classes(arguments)
        instruments = self._history.instruments
        assert instruments is not None
        return ", ".join(classes), show(self._history, instruments.held_out(), classes, self._vision)

    def _results(self, arguments: dict[str, Any]) -> tuple[str, ToolResult]:
        return "", ToolResult(render("results", **feedback_values(self._history)), self._last_sheet())

    def _classes(self, arguments: dict[str, Any]) -> list[str]:
        wanted, known = (
            list(dict.fromkeys(_Classes.model_validate(arguments).classes)),
            self._history.card.classes,
        )
        if unknown := [name for name in wanted if name not in known]:
            listed = ", ".join(known[:30]) + (f" and {len(known) - 30} more" if len(known) > 30 else "")
            raise _Problem(
                f"There is no class {', '.join(map(repr, unknown[:5]))}: the classes are {listed}. "
                "An empty list means all of them."
            )
        return wanted

    def _last_sheet(self) -> str | None:
        """Contact sheet of the latest synthetic images, for a model with vision."""
        sheets = [record.sheet for record in self._history.past if record.sheet is not None]
        if not sheets or not self._vision:
            return None
        from PIL import Image

        with Image.open(sheets[-1]) as sheet:
            return encoded(sheet.convert("RGB"), tall=True)


def _shortened(text: str) -> str:
    return text if len(text) <= LONGEST_ANSWER else f"{text[: LONGEST_ANSWER - 1].rstrip()}…"
