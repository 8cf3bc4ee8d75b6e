"""What is logged with a study holds no secret, and a study resumes all the same."""

import json
from pathlib import Path

import pytest
import yaml

from agent.settings.secrets import mask
from agent.settings.sources import dump_config, load_file
from tests.agent.settings.settings_of import settings_of
from tools.errors import ConfigurationError

ADDRESS = "https://me:sesame@models.example.org/v1"


def test_the_dump_is_json_and_reads_back() -> None:
    config = settings_of(["--data", "images", "--search.baselines", "a,b", "--budget.dollars", "1.5"])
    assert settings_of().model_validate(json.loads(json.dumps(dump_config(config)))) == config


@pytest.mark.parametrize(
    ("text", "secret"),
    [
        ("http://me:sesame@host/v1", "sesame"),
        ("http://sesame@host/v1", "sesame"),
        ("http://host/v1?key=sesame&x=1", "sesame"),
        ("http://host/v1?x=1&api_key=sesame", "sesame"),
        ("Authorization: Bearer sesame-0123456789", "sesame"),
        ("the key sk-proj-0123456789abcdef is wrong", "0123456789abcdef"),
        ("AIzaSyA0123456789012345678901234567890", "0123456789"),
        ("gsk_0123456789abcdef", "0123456789abcdef"),
    ],
)
def test_what_looks_like_a_secret_is_masked(text: str, secret: str) -> None:
    assert secret not in mask(text)


def test_the_value_of_a_key_in_the_environment_is_masked(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "quite-an-ordinary-word")
    assert "ordinary" not in mask("http://host/quite-an-ordinary-word")


@pytest.mark.parametrize("text", ["http://localhost:11434/v1", "openai:gpt-5-mini", "runs/a@b", "tokens: 12"])
def test_ordinary_texts_are_left_alone(text: str) -> None:
    assert mask(text) == text


def test_passwords_in_addresses_are_masked_in_the_dump() -> None:
    config = settings_of(["--llm", "openai:m", "--llm-base-url", ADDRESS])
    dumped = json.dumps(dump_config(config))
    assert "sesame" not in dumped
    assert "models.example.org/v1" in dumped


def write(path: Path, *arguments: str) -> Path:
    path.write_text(yaml.safe_dump(dump_config(settings_of(arguments))), encoding="utf-8")
    return path


def test_a_dumped_configuration_is_read_back_whole(tmp_path: Path) -> None:
    arguments = ["--data", "images", "--llm", "openai:m", "--seeds", "4", "--search.baselines", "[]"]
    arguments += ["--study", "2026-05-01", "--augmentations", "2", "--training.amp", "off"]
    path = write(tmp_path / "config.yaml", *arguments)
    assert load_file(path, {}) == settings_of(arguments)


def test_a_masked_setting_is_taken_from_its_variable(tmp_path: Path) -> None:
    path = write(tmp_path / "config.yaml", "--llm", "openai:m", "--llm-base-url", ADDRESS)
    assert load_file(path, {"AGENT_LLM__BASE_URL": ADDRESS}).llm.base_url == ADDRESS


def test_a_masked_setting_without_its_variable_says_which_to_set(tmp_path: Path) -> None:
    path = write(tmp_path / "config.yaml", "--llm", "openai:m", "--llm-base-url", ADDRESS)
    with pytest.raises(ConfigurationError, match=r"^llm\.base_url .*AGENT_LLM__BASE_URL"):
        load_file(path, {})


def test_other_variables_do_not_change_what_a_study_began_with(tmp_path: Path) -> None:
    path = write(tmp_path / "config.yaml", "--seeds", "4")
    assert load_file(path, {"AGENT_SEARCH__SEEDS": "9"}).search.seeds == 4


def test_a_stored_configuration_that_was_edited_badly_names_its_line(tmp_path: Path) -> None:
    path = tmp_path / "config.yaml"
    path.write_text("search:\n  seeds: 0\n", encoding="utf-8")
    with pytest.raises(ConfigurationError, match=r"search\.seeds = '0' \(.*config\.yaml, line 2\)"):
        load_file(path, {})
