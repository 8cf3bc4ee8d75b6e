"""Whether pictures of a user's images may go to a language model: asked once a study, and kept with it.

The answer is for one host: a study that resumes with the model of another provider asks again. Nobody is asked where
the server is near (`agent/llm/privacy.py`), where the model does not see, or where `llm.vision` says it. Light.
"""

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from agent.llm.privacy import host_of, is_near, tells_names
from agent.llm.providers import provider_of
from agent.proposers.factory import LLM_ARMS
from agent.proposers.inspection import SHEET_SIDE
from agent.screen.terminal import Terminal
from agent.settings.config import LLMConfig, StudyConfig
from agent.steps.finish_plan import iteration_count
from tools.datasets.types import Card
from tools.files import read_understood, write_json
from tools.text import counted

NAME = "consent.json"
"""In a study's folder: host → whether pictures may go there."""
_YES, _NO = ("y", "yes"), ("", "n", "no")


def settle(config: StudyConfig, card: Card, folder: Path, terminal: Terminal) -> LLMConfig:
    """The model as this session asks it, with `llm.vision` 'on' or 'off' where that had to be settled.

    What is told of names and pictures is said on the terminal.

    Args:
        config: with the arm and the model resolved.
        card: of the data set.
        folder: of the study, where the answer is kept.
        terminal: where it is said.

    Raises:
        AugurError: what was answered before cannot be read, or the client of the model cannot be made.
    """
    llm = config.llm
    if config.search.proposer not in LLM_ARMS:
        return llm
    if not tells_names(llm, card):
        terminal.note(f"names: {_numbered(card)}{host_of(llm)} is not told their names (llm.names)")
    if llm.vision != "ask" or is_near(llm) or not _sees(llm):
        return llm
    allowed = _allowed(config, card, folder, terminal)
    return llm.model_copy(update={"vision": "on" if allowed else "off"})


def question(config: StudyConfig, card: Card) -> str:
    """What is asked: who would get how many pictures of what size, and whether the names of the classes go along."""
    llm, (each, most) = config.llm, _pictures(config)
    names = (
        "with the names of its classes"
        if tells_names(llm, card)
        else "without the names of its classes, which are numbered"
    )
    return (
        f"The language model {llm.model} at {host_of(llm)} ({provider_of(llm.model or '')}) can look at pictures. May "
        f"training images of {card.title} be sent there, as contact sheets {names}? At most "
        f"{counted(most, 'sheet')} in this study ({each} for each answer), each of up to a few dozen images and "
        f"{SHEET_SIDE} × {2 * SHEET_SIDE} pixels; never validation or test images. Each is in ledger.jsonl by its "
        "SHA-256. Without them, the model is told measurements only. Send pictures? [y/N] "
    )


def _pictures(config: StudyConfig) -> tuple[int, int]:
    """Pictures that one answer of the model may take, at most, and those of the study."""
    each = 1 + (config.llm.max_tool_calls if config.llm.mode != "structured" else 0)
    return each, each * iteration_count(config.search) * (1 + config.search.repairs)


def _allowed(config: StudyConfig, card: Card, folder: Path, terminal: Terminal) -> bool:
    host, file = host_of(config.llm), folder / NAME
    answers = _answers(file)
    if host in answers:
        told = "are sent to" if answers[host] else "are not sent to"
        terminal.note(f"pictures: {told} {host}, as you answered before in this study ({file})")
        return answers[host]
    answer = asked(question(config, card))
    if answer is None:
        terminal.note(
            f"pictures: not sent to {host}, since there is no terminal to ask you; --llm.vision on allows it"
        )
        return False
    write_json(file, {**answers, host: answer})
    return answer


def _answers(file: Path) -> dict[str, bool]:
    def parsed(content: Any) -> dict[str, bool]:
        if not all(isinstance(value, bool) for value in content.values()):
            raise ValueError
        return dict(content)

    about = "which says where pictures may be sent"
    return read_understood(file, parsed, about, "you are then asked again") or {}


def asked(text: str, read: Callable[[str], str] = input) -> bool | None:
    """The answer to a question; None where there is no terminal, or nobody answers."""
    if not sys.stdin.isatty():
        return None
    try:
        answer = read(text).strip().casefold()
        while answer not in (*_YES, *_NO):
            answer = read("Please answer y or n: ").strip().casefold()
    except EOFError:
        return None
    return answer in _YES


def _sees(llm: LLMConfig) -> bool:
    """Whether the model takes images, by the profile that its client has of it."""
    from agent.llm.connect import connect

    return bool((getattr(connect(llm), "profile", None) or {}).get("image_inputs"))


def _numbered(card: Card) -> str:
    shown = [f"class {number} = {name}" for number, name in enumerate(card.classes[:10], start=1)]
    return ", ".join(shown) + (f" and {len(card.classes) - 10} more; " if len(card.classes) > 10 else "; ")
