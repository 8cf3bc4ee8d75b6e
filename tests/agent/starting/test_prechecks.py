"""What is refused before anything is decoded: a limit in dollars on a model whose price nobody knows."""

from pathlib import Path
from typing import Any

import pytest

from agent.settings.config import StudyConfig
from agent.starting.prechecks import check_before_start
from tools.errors import ConfigurationError

CAPTIONS = {"caption": {"kind": "llm"}, "background": {"kind": "textures"}, "llm": "openai:nobody-knows"}


def checked(runs: Path, **settings: Any) -> None:
    config = {"data": {"dataset": "demo"}, "runs_dir": runs, "budget": {"dollars": 1}, **settings}
    check_before_start(StudyConfig.model_validate(config))


def test_a_limit_in_dollars_needs_the_price_of_the_model_that_writes_captions_too(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "sk-test")
    search = {"proposer": "tpe", "backgrounds": "optional"}
    with pytest.raises(ConfigurationError, match=r"price of openai:nobody-knows is unknown.*--aga\.llm"):
        checked(tmp_path, search=search, aga=CAPTIONS)
    own = {"model": "openai:mine", "base_url": "http://127.0.0.1:9/v1"}
    of_the_study = {**CAPTIONS, "llm": None}
    with pytest.raises(ConfigurationError, match=r"openai:mine behind llm\.base_url.*Set llm\.input_price"):
        checked(tmp_path, search=search, aga=of_the_study, llm=own)
    checked(tmp_path, search=search, aga=of_the_study, llm={**own, "input_price": 1, "output_price": 1})
    checked(tmp_path, search={**search, "backgrounds": "off"}, aga=CAPTIONS)
    checked(tmp_path, search=search, aga={**CAPTIONS, "llm": "openai:gpt-5-mini"})
