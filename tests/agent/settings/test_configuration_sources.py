"""Where settings come from, and which source beats which. Leaves are taken from the tree itself, not from a list."""

import argparse
import itertools
import json
from pathlib import Path
from typing import Any, get_args, get_origin

import pytest
from annotated_types import Ge, Gt, Le, Lt
from pydantic import TypeAdapter

from agent.settings.config import StudyConfig
from agent.settings.flags import SHORT_FLAGS
from agent.settings.sources import PRESETS, load_config, load_file, read_changes
from agent.settings.table import Setting, settings
from tools.errors import ConfigurationError

LEAVES = pytest.mark.parametrize("setting", settings().values(), ids=settings())

TEXTS = {
    r"^[A-Za-z0-9][A-Za-z0-9._-]{0,79}$": "a-study",
    r"^[a-z0-9_]+:\S+$": "openai:llama3",
    r"^https?://\S+$": "http://localhost:11434/v1",
    r"^\d+(-\d+)?$": "3",
    r"^[1-9][0-9]*/[1-9][0-9]*$": "2/5",
    None: "some_name",
}
"""A valid text for each pattern in the tree."""


def valid_text(setting: Setting) -> str:
    """A valid value other than the default, as it is written on a command line."""
    kinds = [kind for kind in get_args(setting.field.annotation) if kind is not type(None)]
    annotation = setting.field.annotation
    kind = kinds[0] if kinds and get_origin(annotation) is not list else annotation
    if setting.choices:
        return next(choice for choice in setting.choices if choice != setting.default)
    if kind is bool:
        return "false" if setting.default else "true"
    if kind in (int, float):
        return _number(setting, kind)
    if kind is Path:
        return "some/folder"
    if get_origin(annotation) is list:
        return "first,second"
    if get_origin(annotation) is dict:
        return "first=one,second=two"
    patterns = [m.pattern for m in setting.field.metadata if getattr(m, "pattern", None)]
    return TEXTS[patterns[0] if patterns else None]


def _number(setting: Setting, kind: type) -> str:
    limits = setting.field.metadata
    low = max((getattr(m, "ge", None) or getattr(m, "gt", None) or 0 for m in limits), default=0)
    high = min((x for m in limits if (x := getattr(m, "le", None) or getattr(m, "lt", None))), default=None)
    step = next((m.multiple_of for m in limits if getattr(m, "multiple_of", None)), 1)
    candidates = (
        [low + step, low + 2 * step, high] if kind is int else [low + 0.25 * ((high or 2) - low), high]
    )
    allowed = TypeAdapter(setting.field.rebuild_annotation())
    for candidate in candidates:
        if candidate is not None and candidate != setting.default:
            return str(allowed.validate_python(candidate))
    raise AssertionError(f"no second valid number for {setting.key}")


def expected(setting: Setting) -> Any:
    return TypeAdapter(setting.field.rebuild_annotation()).validate_python(valid_text(setting))


def value(config: StudyConfig, key: str) -> Any:
    for part in key.split("."):
        config = getattr(config, part)
    return config


def yaml_file(folder: Path, key: str, text: str) -> Path:
    *parents, leaf = key.split(".")
    lines = ["  " * depth + f"{name}:" for depth, name in enumerate(parents)]
    path = folder / "study.yaml"
    path.write_text("\n".join([*lines, "  " * len(parents) + f"{leaf}: {text}"]) + "\n", encoding="utf-8")
    return path


@LEAVES
def test_every_setting_has_a_dotted_flag(setting: Setting) -> None:
    config = load_config([f"--{setting.key}", valid_text(setting)], {})
    assert value(config, setting.key) == expected(setting) != setting.default


@LEAVES
def test_a_dash_may_stand_for_an_underscore_in_every_flag(setting: Setting) -> None:
    config = load_config([f"--{setting.key.replace('_', '-')}={valid_text(setting)}"], {})
    assert value(config, setting.key) == expected(setting)


@LEAVES
def test_every_setting_has_an_environment_variable(setting: Setting) -> None:
    config = load_config([], {setting.variable: valid_text(setting)})
    assert value(config, setting.key) == expected(setting)


@LEAVES
def test_every_setting_can_stand_in_a_file(setting: Setting, tmp_path: Path) -> None:
    path = yaml_file(tmp_path, setting.key, valid_text(setting))
    assert value(load_config(["--config", str(path)], {}), setting.key) == expected(setting)


@LEAVES
def test_every_setting_is_described(setting: Setting) -> None:
    assert setting.field.description


@pytest.mark.parametrize(("key", "flag"), SHORT_FLAGS.items())
def test_short_flags_set_their_key(key: str, flag: str) -> None:
    setting = settings()[key]
    assert value(load_config([flag, valid_text(setting)], {}), key) == expected(setting)


def test_the_short_flags_are_those_people_know() -> None:
    assert set(SHORT_FLAGS.values()) == {
        *(
            "--dataset",
            "--data",
            "--model",
            "--image-size",
            "--fold",
            "--epochs",
            "--proposer",
            "--llm",
            "--llm-base-url",
        ),
        *("--augmentations", "--iterations", "--seeds", "--seed", "--study", "--runs-dir"),
        *("--detector", "--segmenter", "--background"),
    }


SOURCES = ["default", "file", "variable", "flag"]
"""From the weakest to the strongest."""


@pytest.mark.parametrize(("weak", "strong"), itertools.combinations(SOURCES, 2))
def test_the_stronger_source_wins(weak: str, strong: str, tmp_path: Path) -> None:
    number = {"default": StudyConfig().search.iterations, "file": 11, "variable": 12, "flag": 13}
    given = {weak, strong}
    arguments, environ = [], {}
    if "file" in given:
        arguments += ["--config", str(yaml_file(tmp_path, "search.iterations", "11"))]
    if "variable" in given:
        environ["AGENT_SEARCH__ITERATIONS"] = "12"
    if "flag" in given:
        arguments += ["--search.iterations", "13"]
    assert load_config(arguments, environ).search.iterations == number[strong]


def test_sources_are_merged_key_by_key(tmp_path: Path) -> None:
    path = tmp_path / "study.yaml"
    path.write_text("search:\n  iterations: 11\n  seeds: 5\n  top_k: 3\n", encoding="utf-8")
    environ = {"AGENT_SEARCH__SEEDS": "6", "AGENT_SEARCH__TOP_K": "4", "AGENT_CONFIG": str(path)}
    search = load_config(["--search.top_k", "7"], environ).search
    assert (search.iterations, search.seeds, search.top_k) == (11, 6, 7)


def test_the_flag_names_a_file_before_the_variable_does(tmp_path: Path) -> None:
    path = yaml_file(tmp_path, "search.seeds", "9")
    environ = {"AGENT_CONFIG": str(tmp_path / "missing.yaml")}
    assert load_config(["--config", str(path)], environ).search.seeds == 9


def test_the_last_of_two_equal_flags_wins_however_it_is_spelled() -> None:
    assert load_config(["--epochs", "3", "--training.epochs", "4"], {}).training.epochs == 4
    assert load_config(["--training.epochs", "4", "--epochs", "3"], {}).training.epochs == 3


@pytest.mark.parametrize("word", ["none", "null", "~", ""])
def test_a_file_can_leave_a_setting_unset(word: str, tmp_path: Path) -> None:
    path = yaml_file(tmp_path, "training.epochs", word)
    assert load_config(["--config", str(path)], {}).training.epochs is None


def test_none_unsets_what_a_weaker_source_set(tmp_path: Path) -> None:
    path = yaml_file(tmp_path, "budget.trials", "5")
    assert load_config(["--config", str(path), "--budget.trials", "none"], {}).budget.trials is None
    environ = {"AGENT_BUDGET__TRIALS": "none"}
    assert load_config(["--config", str(path)], environ).budget.trials is None


def test_an_empty_variable_is_as_good_as_none() -> None:
    environ = {"AGENT_SEARCH__SEEDS": "", "AGENT_NO_SUCH_THING": ""}
    assert load_config([], environ) == load_config([], {})


def test_the_environment_of_others_is_not_read() -> None:
    assert load_config([], {"SEARCH__SEEDS": "9", "agent_search__seeds": "9"}) == load_config([], {})


@pytest.mark.parametrize("form", ["a,b", "a, b", '["a", "b"]'])
def test_a_list_is_written_with_commas_or_as_json(form: str) -> None:
    assert load_config(["--search.baselines", form], {}).search.baselines == ["a", "b"]
    assert load_config([], {"AGENT_SEARCH__BASELINES": form}).search.baselines == ["a", "b"]


def test_a_list_can_be_empty_in_every_source(tmp_path: Path) -> None:
    assert load_config(["--search.baselines", "[]"], {}).search.baselines == []
    assert load_config([], {"AGENT_SEARCH__BASELINES": "[]"}).search.baselines == []
    path = yaml_file(tmp_path, "search.baselines", "[]")
    assert load_config(["--config", str(path)], {}).search.baselines == []


@pytest.mark.parametrize(
    ("key", "word", "meant"),
    [
        ("training.amp", "off", "off"),
        ("study", "2026-05-01", "2026-05-01"),
        ("search.augmentations", "2", "2"),
        ("training.learning_rate", "1e-3", 0.001),
    ],
)
def test_words_in_a_file_mean_what_is_written(key: str, word: str, meant: Any, tmp_path: Path) -> None:
    path = yaml_file(tmp_path, key, word)
    assert value(load_config(["--config", str(path)], {}), key) == meant


def test_an_empty_file_or_section_changes_nothing(tmp_path: Path) -> None:
    path = tmp_path / "study.yaml"
    path.write_text("# nothing yet\n", encoding="utf-8")
    assert load_config(["--config", str(path)], {}) == load_config([], {})
    path.write_text("training:\n", encoding="utf-8")
    assert load_config(["--config", str(path)], {}) == load_config([], {})


def test_a_path_without_a_data_set_is_a_folder() -> None:
    assert load_config(["--data", "images"], {}).data.dataset == "folder"
    assert load_config([], {}).data.dataset == "demo"
    assert load_config(["--data", "images"], {"AGENT_DATA__DATASET": "aptos"}).data.dataset == "aptos"


def test_the_result_is_a_plain_tree() -> None:
    config = load_config(["--seeds", "4"], {})
    assert type(config) is StudyConfig
    assert StudyConfig.model_validate(json.loads(config.model_dump_json())) == config


def test_bounds_are_told_in_words() -> None:
    table = settings()
    assert table["search.seeds"].bounds == "1 to 100"
    assert table["training.label_smoothing"].bounds == "at least 0 and below 1"
    assert table["budget.dollars"].bounds == "above 0"
    assert {type(m) for s in table.values() for m in s.field.metadata} & {Ge, Gt, Le, Lt}


@pytest.mark.parametrize("preset", sorted(PRESETS.glob("*.yaml")), ids=lambda path: path.stem)
def test_every_preset_is_valid_and_beneath_all_other_sources(preset, tmp_path):
    plain = load_config(["--dataset", preset.stem], {})
    assert load_config(["--dataset", "folder", "--data", "x"], {}).training != plain.training
    file = tmp_path / "settings.yaml"
    file.write_text("training:\n  epochs: 77\n")
    assert load_config(["--dataset", preset.stem, "--config", str(file)], {}).training.epochs == 77
    assert load_config(["--dataset", preset.stem], {"AGENT_TRAINING__EPOCHS": "78"}).training.epochs == 78
    assert load_config(["--dataset", preset.stem, "--epochs", "79"], {}).training.epochs == 79


def test_a_broken_preset_is_named(monkeypatch, tmp_path):
    (tmp_path / "demo.yaml").write_text("training: {epochs: -1}\n")
    monkeypatch.setattr("agent.settings.sources.PRESETS", tmp_path)
    with pytest.raises(ConfigurationError, match=r"training.epochs = '-1' \(preset .*demo.yaml\)"):
        load_config([], {})


def resumed(tmp_path: Path, *flags: str) -> StudyConfig:
    file = tmp_path / "config.yaml"
    file.write_text("study: s\nsearch:\n  iterations: 4\nllm:\n  model: openai:small\n")
    changes, options = read_changes(["s", *flags], _study_argument())
    assert options.name == "s"
    return load_file(file, {}, changes)


def _study_argument() -> argparse.ArgumentParser:
    extra = argparse.ArgumentParser(add_help=False)
    extra.add_argument("name")
    return extra


def test_a_study_goes_on_with_a_stronger_model_and_a_larger_budget(tmp_path):
    config = resumed(tmp_path, "--llm", "openai:large", "--budget.dollars", "5", "--iterations", "6")
    assert config.llm.model == "openai:large"
    assert config.budget.dollars == 5
    assert config.search.iterations == 6
    assert resumed(tmp_path).llm.model == "openai:small"


@pytest.mark.parametrize(
    "flag", ["--epochs", "--data", "--seeds", "--search.top_k", "--model.name", "--study"]
)
def test_what_results_depend_on_cannot_change_within_a_study(tmp_path, flag):
    with pytest.raises(ConfigurationError, match=f"{flag}: cannot change within a study"):
        resumed(tmp_path, flag, "7")


def test_a_bad_change_is_named_with_its_flag(tmp_path):
    with pytest.raises(ConfigurationError, match=r"flag --budget.trials"):
        resumed(tmp_path, "--budget.trials", "0")
