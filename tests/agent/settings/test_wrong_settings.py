"""What a person is told about a wrong setting: the key, where it stands, the nearest valid one, what is allowed."""

from pathlib import Path

import pytest

from tests.agent.settings.settings_of import settings_of
from tools.errors import ConfigurationError


def complaint(*arguments: str, environ: dict[str, str] | None = None) -> str:
    with pytest.raises(ConfigurationError) as caught:
        settings_of(arguments, environ)
    assert caught.value.exit_code == 2
    assert "pydantic" not in str(caught.value)
    assert "validation error" not in str(caught.value)
    return str(caught.value)


@pytest.fixture
def file(tmp_path: Path):
    def write(text: str) -> str:
        path = tmp_path / "study.yaml"
        path.write_text(text, encoding="utf-8")
        return str(path)

    return write


@pytest.mark.parametrize(
    ("flag", "nearest"),
    [
        ("--epoch", "--epochs"),
        ("--training.epoch", "--training.epochs"),
        ("--llm-url", "--llm-base-url"),
        ("--batch-size", "--training.batch_size"),
        ("--search.iteration=4", "--search.iterations"),
    ],
)
def test_an_unknown_flag_names_the_nearest(flag: str, nearest: str) -> None:
    text = complaint(flag, "4")
    assert text == f"unknown flag {flag.partition('=')[0]}: did you mean '{nearest}'?"


def test_flags_are_never_guessed_from_their_beginning() -> None:
    assert "unknown flag --iter" in complaint("--iter", "4")


def test_a_section_is_no_flag_unless_it_is_a_short_one() -> None:
    text = complaint("--training", "{}")
    assert "unknown flag --training: " in text
    assert "--training.epochs" in text


def test_a_key_on_the_command_line_is_refused_and_not_repeated() -> None:
    text = complaint("--llm.api_key", "sk-this-must-not-be-seen-0123456789")
    assert "OPENAI_API_KEY" in text
    assert "must-not-be-seen" not in text


def test_a_stray_word_is_named() -> None:
    assert "unexpected argument 'demo'" in complaint("demo")


def test_a_flag_without_its_value_is_named() -> None:
    assert "--epochs: expected one argument" in complaint("--epochs")


def test_an_unknown_variable_names_the_nearest() -> None:
    text = complaint(environ={"AGENT_SEARCH__ITERATION": "4"})
    assert text == (
        "unknown environment variable AGENT_SEARCH__ITERATION: did you mean 'AGENT_SEARCH__ITERATIONS'?"
    )


def test_a_variable_for_a_whole_section_is_refused() -> None:
    text = complaint(environ={"AGENT_SEARCH": '{"seeds": 2}'})
    assert text.startswith("AGENT_SEARCH ")
    assert "AGENT_SEARCH__PROPOSER" in text


def test_the_values_of_unknown_variables_are_not_repeated() -> None:
    assert "sesame" not in complaint(environ={"AGENT_PASSWORD": "sesame"})


def test_an_unknown_key_in_a_file_names_line_and_nearest(file) -> None:
    path = file("search:\n  seeds: 2\n  iteration: 4\n")
    text = complaint("--config", path)
    assert text == f"unknown key search.iteration ({path}, line 3): did you mean 'search.iterations'?"


def test_a_key_outside_its_section_finds_its_full_name(file) -> None:
    path = file("epochs: 4\n")
    assert "'training.epochs'?" in complaint("--config", path)


def test_an_unknown_section_in_a_file_names_the_nearest(file) -> None:
    assert "'training'?" in complaint("--config", file("trainig:\n  epochs: 4\n"))


def test_every_unknown_key_of_a_file_is_told_at_once(file) -> None:
    text = complaint("--config", file("search:\n  a_key: 2\nanother:\n  x: 1\n"))
    assert "search.a_key" in text
    assert "another" in text


def test_a_key_set_twice_in_a_file_is_refused(file) -> None:
    path = file("search:\n  seeds: 2\n  seeds: 3\n")
    assert complaint("--config", path) == f"search.seeds is set twice ({path}, lines 2 and 3)"


def test_a_syntax_error_names_file_and_line(file) -> None:
    path = file("search:\n  seeds: [1, 2\nllm:\n")
    assert f"{path}, line 3, column 4: " in complaint("--config", path)


def test_a_missing_file_is_named() -> None:
    assert "--config no/such.yaml: " in complaint("--config", "no/such.yaml")


def test_a_file_in_another_encoding_is_named(tmp_path: Path) -> None:
    path = tmp_path / "study.yaml"
    path.write_bytes("study: caf\xe9\n".encode("latin-1"))
    assert f"{path}: " in complaint("--config", str(path))


@pytest.mark.parametrize("text", ["- a\n- b\n", "just words\n"])
def test_a_file_that_is_no_mapping_is_refused(text: str, file) -> None:
    assert "`key: value`" in complaint("--config", file(text))


def test_a_section_that_is_a_value_is_refused(file) -> None:
    path = file("training: 5\n")
    assert f"training ({path}, line 1): " in complaint("--config", path)


def test_a_bad_value_names_its_flag_as_it_was_typed() -> None:
    allowed = "must be a whole number, 1 to 10,000; or auto; or none"
    assert complaint("--epochs", "0") == f"training.epochs = '0' (flag --epochs): {allowed}"
    assert complaint("--training.epochs=x") == f"training.epochs = 'x' (flag --training.epochs): {allowed}"


def test_a_bad_value_names_its_variable() -> None:
    text = complaint(environ={"AGENT_SEARCH__SEEDS": "many"})
    assert text == (
        "search.seeds = 'many' (environment variable AGENT_SEARCH__SEEDS): must be a whole number, 1 to 100"
    )


def test_a_bad_value_names_its_line(file) -> None:
    path = file("# ours\nsearch:\n  seeds: 101\n")
    assert complaint("--config", path) == (
        f"search.seeds = '101' ({path}, line 3): must be a whole number, 1 to 100"
    )


def test_a_bad_value_is_blamed_on_the_source_in_force(file) -> None:
    path = file("search:\n  seeds: 101\n")
    text = complaint("--config", path, "--seeds", "102", environ={"AGENT_SEARCH__SEEDS": "103"})
    assert text.startswith("search.seeds = '102' (flag --seeds)")


def test_a_bad_choice_lists_the_choices_and_the_nearest() -> None:
    text = complaint("--proposer", "ttpe")
    assert "must be one of auto, llm, best_of_n, hybrid, online, random, nearby, tpe, fixed" in text
    assert "did you mean 'tpe'?" in text


@pytest.mark.parametrize("key", ["search.baselines", "search.iterations", "aga.subjects"])
def test_an_unset_value_is_shown_as_it_is_written(file, key: str) -> None:
    section, _, name = key.rpartition(".")
    assert f"{key} = 'none' (flag --{key}): must be" in complaint(f"--{key}", "none")
    assert f"{key} = 'none' (" in complaint("--config", file(f"{section}:\n  {name}: none\n"))


@pytest.mark.parametrize("number", ["nan", "inf", "-1", "1e999"])
def test_numbers_that_are_none_are_refused(number: str) -> None:
    assert "or a number of seconds, above 0" in complaint(f"--budget.wall_clock={number}")


def test_a_model_without_its_provider_is_refused() -> None:
    assert "'provider:model', such as openai:gpt-5-mini" in complaint("--llm", "gpt-5-mini")


def test_a_base_url_that_is_no_address_is_refused() -> None:
    assert "llm.base_url = 'localhost:11434'" in complaint("--llm-base-url", "localhost:11434")


def test_a_range_that_is_none_is_refused_with_its_remedy() -> None:
    assert "augmentations '3-2' " in complaint("--augmentations", "3-2")


def test_a_broken_list_is_refused() -> None:
    assert "search.baselines = " in complaint("--search.baselines", '["a"')


def test_every_bad_value_is_told_at_once() -> None:
    text = complaint("--seeds", "x", "--epochs", "y")
    assert "search.seeds" in text
    assert "training.epochs" in text


def test_a_secret_in_a_bad_value_is_masked() -> None:
    text = complaint("--llm-base-url", "ftp://me:sesame@host/v1?key=abcdef")
    assert "sesame" not in text
    assert "abcdef" not in text


@pytest.mark.parametrize("value", ["=0", "=\x1b", "steps=\x1b", "steps=[", "steps"])
def test_options_of_a_scheduler_that_cannot_be_read_are_refused_in_words(value):
    with pytest.raises(ConfigurationError, match=r"aga\.background\.scheduler_options"):
        settings_of(["--aga.background.scheduler_options", value])
