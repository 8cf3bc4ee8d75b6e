"""Settings described from the training images by a model that sees, through the real client."""

import json
from dataclasses import replace
from pathlib import Path

import pytest

from agent.llm import make_ask
from agent.screen.terminal import Terminal
from agent.steps.describing import agree_to_pictures, describe
from tests.loopback.clients import FAKE_KEY, llm, llm_config
from tests.loopback.replies import Answer
from tests.loopback.server import LoopbackServer
from tests.tools.training.trials import tiny_data
from tools.errors import AugurError, ConfigurationError

AVOID = ["red", "green", "blue", "bird"]


@pytest.fixture(autouse=True)
def key(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", FAKE_KEY)


def described(server: LoopbackServer, folder: Path) -> list[str]:
    data, config = tiny_data(folder), llm_config("openai", server)
    ask = make_ask(config, lambda call: None, "description")
    return describe(ask, config, data.card, data.split("train"), AVOID, seed=0)


def test_the_model_sees_sheets_of_training_images_and_its_usable_texts_are_taken(tmp_path: Path) -> None:
    texts = ["a wet stone path.", "a bird table in the rain", "tall grass", "tall grass"]
    with LoopbackServer([Answer(f"Here: {json.dumps(texts)}")]) as server:
        assert described(server, tmp_path) == ["a wet stone path", "tall grass"]
        (request,) = server.requests
    body = json.dumps(request.body)
    assert body.count("data:image/png;base64,") == 2
    assert "32 training images" in body or "training images of" in body


def test_a_title_that_is_the_name_of_a_folder_is_told_no_stranger(tmp_path: Path) -> None:
    data = tiny_data(tmp_path)
    card = replace(data.card, title="patients of Dr Doe", private=("title", "classes"))
    with LoopbackServer([Answer('["a meadow"]')] * 2) as server:
        for names in ("off", "on"):
            config = llm_config("openai", server, names=names)
            ask = make_ask(config, lambda call: None, "description")
            describe(ask, config, card, data.split("train"), AVOID, seed=0)
        private, named = (json.dumps(each.body) for each in server.requests)
    assert "patients" not in private
    assert "training images. Describe where" in private
    assert "training images of patients of Dr Doe. Describe where" in named


def test_an_answer_that_cannot_be_used_is_asked_for_again_with_the_reason(tmp_path: Path) -> None:
    answers = [Answer("I see birds."), Answer(json.dumps(["a red barn"])), Answer(json.dumps(["a barn"]))]
    with LoopbackServer(answers) as server:
        assert described(server, tmp_path) == ["a barn"]
        asked = [json.dumps(each.body) for each in server.requests]
    assert "could not be used" not in asked[0]
    assert "no JSON list of texts" in asked[1]
    assert "each text has a word to avoid" in asked[2]


def test_a_model_that_describes_nothing_of_use_stops_the_work(tmp_path: Path) -> None:
    with LoopbackServer([Answer("no")] * 3) as server, pytest.raises(AugurError, match="--prompts"):
        described(server, tmp_path)


def test_pictures_go_to_a_strangers_server_only_with_consent(tmp_path: Path) -> None:
    card, terminal = tiny_data(tmp_path).card, Terminal()
    far = llm(model="openai:gpt-5-mini", base_url="https://example.com/v1")
    asked: list[str] = []

    def answering(answer: bool | None):
        def ask(question: str) -> bool | None:
            asked.append(question)
            return answer

        return ask

    for answer in (False, None):
        with pytest.raises(ConfigurationError, match=r"--llm\.vision on"):
            agree_to_pictures(far, card, terminal, answering(answer))
    agree_to_pictures(far, card, terminal, answering(True))
    assert len(asked) == 3
    assert "example.com" in asked[0]
    with pytest.raises(ConfigurationError):
        agree_to_pictures(far.model_copy(update={"vision": "off"}), card, terminal, answering(True))
    agree_to_pictures(far.model_copy(update={"vision": "on"}), card, terminal, answering(False))
    agree_to_pictures(
        llm(model="openai:x", base_url="http://127.0.0.1:9/v1"), card, terminal, answering(False)
    )
    assert len(asked) == 3
