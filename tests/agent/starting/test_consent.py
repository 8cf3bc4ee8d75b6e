"""The question whether pictures may be sent: asked on a real terminal, once a study and host."""

import io
import os
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from rich.console import Console

from agent.screen.terminal import Terminal
from agent.settings.config import StudyConfig
from agent.starting.consent import NAME, question, settle
from tests.loopback.clients import fake_keys, llm
from tools.datasets.types import Card
from tools.errors import AugurError
from tools.files import read_json

OPENAI, GEMINI = "openai:gpt-5-mini", "google_genai:gemini-2.5-flash"
OWN = Card("moles", "Moles", "dermoscopy", "", ("a", "b"), private=("classes",))


class Screen:
    """A terminal whose output can be read."""

    def __init__(self) -> None:
        self.out = io.StringIO()
        self.terminal = Terminal(output=Console(file=self.out, width=400))


@pytest.fixture(autouse=True)
def _keys(monkeypatch: pytest.MonkeyPatch) -> None:
    fake_keys(monkeypatch)


@pytest.fixture
def typed(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[str], int]]:
    """Types on a pseudo-terminal that is the standard input; what is typed must be read to the end."""
    master, slave = os.openpty()
    with os.fdopen(slave, "r") as stdin:
        monkeypatch.setattr(sys, "stdin", stdin)
        yield lambda text: os.write(master, text.encode())
    os.close(master)


def config(model: str = OPENAI, **settings: str) -> StudyConfig:
    study = StudyConfig(llm=llm(model=model, **settings))
    return study.model_copy(update={"search": study.search.model_copy(update={"proposer": "llm"})})


@pytest.mark.parametrize(("model", "host"), [(OPENAI, "api.openai.com"), (GEMINI, "googleapis.com")])
def test_the_answer_is_asked_once_and_kept_with_the_study(
    model: str, host: str, typed: Callable[[str], int], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    typed("perhaps\ny\n")
    assert settle(config(model), OWN, tmp_path, Screen().terminal).vision == "on"
    asked = capsys.readouterr().out
    assert f"{model} at " in asked
    assert host in asked
    assert "At most 336 sheets" in asked
    assert "without the names of its classes" in asked
    again = Screen()
    assert settle(config(model), OWN, tmp_path, again.terminal).vision == "on"
    assert "as you answered before" in again.out.getvalue()
    assert not capsys.readouterr().out


def test_no_is_an_answer_and_another_provider_is_asked_for_anew(
    typed: Callable[[str], int], tmp_path: Path
) -> None:
    typed("n\ny\n")
    assert settle(config(), OWN, tmp_path, Screen().terminal).vision == "off"
    assert settle(config(GEMINI), OWN, tmp_path, Screen().terminal).vision == "on"
    assert settle(config(), OWN, tmp_path, Screen().terminal).vision == "off"
    assert list((read_json(tmp_path / NAME) or {}).values()) == [False, True]


def test_without_a_terminal_none_are_sent_and_nothing_is_kept(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(sys, "stdin", io.StringIO("y\n"))
    screen = Screen()
    assert settle(config(), OWN, tmp_path, screen.terminal).vision == "off"
    assert "--llm.vision on allows it" in screen.out.getvalue()
    assert not (tmp_path / NAME).exists()


@pytest.mark.parametrize(
    "settings",
    [
        {"vision": "on"},
        {"vision": "off"},
        {"base_url": "http://127.0.0.1:1/v1"},
        {"model": "openai:gpt-3.5-turbo"},  # it sees nothing
    ],
)
def test_nobody_is_asked_where_it_is_settled(settings: dict[str, str], tmp_path: Path) -> None:
    given = config(**settings)
    assert settle(given, OWN, tmp_path, Screen().terminal) == given.llm


def test_what_is_told_of_names_is_said(tmp_path: Path) -> None:
    screen = Screen()
    settle(config(vision="off"), OWN, tmp_path, screen.terminal)
    assert "class 1 = a, class 2 = b; api.openai.com is not told their names" in screen.out.getvalue()
    assert "with the names of its classes" in question(config(names="on"), OWN)


def test_a_damaged_answer_is_no_answer(tmp_path: Path) -> None:
    (tmp_path / NAME).write_text('{"api.openai.com": "maybe"}')
    with pytest.raises(AugurError, match=r"consent\.json.* is damaged.*you are then asked again"):
        settle(config(), OWN, tmp_path, Screen().terminal)
