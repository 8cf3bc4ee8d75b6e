"""Where settings come from, and which source beats which. Leaves are taken from the tree itself, not from a list."""

import itertools
import json
from pathlib import Path
from typing import Annotated, Any, get_args, get_origin

import pytest
from annotated_types import Ge, Gt, Le, Lt
from pydantic import TypeAdapter

from agent.settings.config import StudyConfig
from agent.settings.flags import SHORT_FLAGS
from agent.settings.sources import PRESETS, load_file, read_changes
from agent.settings.table import Setting, settings
from tests.agent.settings.settings_of import settings_of
from tools.errors import ConfigurationError

TEXTS = {
    r"^[A-Za-z0-9][A-Za-z0-9._-]{0,79}$": "a-study",
    r"^[a-z0-9_]+:\S+$": "openai:llama3",
    r"^https?://\S+$": "http://localhost:11434/v1",
    r"^\d+(-\d+)?$": "3",
    r"^[1-9][0-9]*/[1-9][0-9]*$": "2/5",
    r"^\S+$": "0:4095",
    r"^[^\s/](.{0,198}\S)?$": "my experiment",
    r"^(auto|imagenet|data|[\d.,]+/[\d.,]+)$": "imagenet",
    r"^((ray://)?[^\s/@?#]+:\d+|auto)$": "ray://head:10001",
    None: "some_name",
}
"""A valid text for each pattern in the tree."""


def valid_text(setting: Setting) -> str:
    """A valid value other than the default, as it is written on a command line."""
    kinds = [kind for kind in get_args(setting.field.annotation) if kind is not type(None)]
    annotation = setting.field.annotation
    kind = kinds[0] if kinds and get_origin(annotation) is not list else annotation
    kind = get_args(kind)[0] if get_origin(kind) is Annotated else kind
    if setting.key == "aga.background.kind":
        return "diffusion"  # which aga.generator alia, the other value of that setting, edits with
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
    if setting.key == "data.layout":
        return "group/class"
    if setting.key == "tracking.checkpoints":
        return "postgresql://team:5432/studies"
    if setting.key == "aga.edit.prompt":
        return "a drawing of {caption}"
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
    tree: dict[str, Any] = {}
    put(tree, key, text)
    path = folder / "study.yaml"
    path.write_text(in_yaml(tree), encoding="utf-8")
    return path


def put(tree: dict[str, Any], key: str, text: str) -> None:
    *parents, leaf = key.split(".")
    for name in parents:
        tree = tree.setdefault(name, {})
    tree[leaf] = text


def in_yaml(tree: dict[str, Any], indent: str = "") -> str:
    """`tree` with its texts as they are, not quoted."""
    return "".join(
        f"{indent}{name}:\n{in_yaml(part, indent + '  ')}"
        if isinstance(part, dict)
        else f"{indent}{name}: {part}\n"
        for name, part in tree.items()
    )


ALTERNATIVES = {"data.per_class", "data.splits", "data.layout", "data.always"}
"""They exclude data.fraction, data.fold, data.labels and data.range."""
ALONE = {"data.folds"}
"""Excludes data.fraction, data.fold and data.per_class."""
TOGETHER = pytest.mark.parametrize(
    "group",
    [
        [setting for key, setting in settings().items() if key not in ALTERNATIVES | ALONE],
        [settings()[key] for key in ALTERNATIVES],
        [settings()[key] for key in ALONE],
    ],
    ids=["all", "alternatives", "alone"],
)
"""Settings that may be given together: all of them in one go, instead of one after the other."""


def check_each(group: list[Setting], config: StudyConfig) -> None:
    for setting in group:
        assert value(config, setting.key) == expected(setting) != setting.default, setting.key


@TOGETHER
def test_every_setting_has_a_dotted_flag(group: list[Setting]) -> None:
    check_each(group, settings_of([word for each in group for word in (f"--{each.key}", valid_text(each))]))


@TOGETHER
def test_a_dash_may_stand_for_an_underscore_in_every_flag(group: list[Setting]) -> None:
    check_each(group, settings_of([f"--{each.key.replace('_', '-')}={valid_text(each)}" for each in group]))


@TOGETHER
def test_every_setting_has_an_environment_variable(group: list[Setting]) -> None:
    check_each(group, settings_of(environ={each.variable: valid_text(each) for each in group}))


@TOGETHER
def test_every_setting_can_stand_in_a_file(group: list[Setting], tmp_path: Path) -> None:
    tree: dict[str, Any] = {}
    for each in group:
        put(tree, each.key, valid_text(each))
    path = tmp_path / "study.yaml"
    path.write_text(in_yaml(tree), encoding="utf-8")
    check_each(group, settings_of(["--config", str(path)]))


@pytest.mark.parametrize(
    "key", ["study", "search.iterations", "data.path", "aga.subjects", "aga.gates.redetect"]
)
def test_one_setting_alone_leaves_the_others_as_they_are(key: str) -> None:
    config = settings_of([f"--{key}", valid_text(settings()[key]), "--dataset", "aptos"])
    changed = {each for each in settings() if value(config, each) != value(StudyConfig(), each)}
    assert changed == {key, "data.dataset"}


def test_every_setting_is_described() -> None:
    assert [key for key, setting in settings().items() if not setting.field.description] == []


def test_short_flags_set_their_key() -> None:
    config = settings_of(
        [w for key, flag in SHORT_FLAGS.items() for w in (flag, valid_text(settings()[key]))]
    )
    for key in SHORT_FLAGS:
        assert value(config, key) == expected(settings()[key]) != settings()[key].default


def test_the_short_flags_are_those_people_know() -> None:
    assert set(SHORT_FLAGS.values()) == {
        *(
            "--dataset",
            "--data",
            "--modality",
            "--model",
            "--image-size",
            "--fold",
            "--epochs",
            "--proposer",
            "--llm",
            "--llm-base-url",
        ),
        *("--augmentations", "--iterations", "--seeds", "--seed", "--warm-start", "--study", "--runs-dir"),
        *("--detector", "--segmenter", "--background"),
    }


SOURCES = ["default", "file", "variable", "flag"]
"""From the weakest to the strongest."""


def test_a_folder_is_no_file_of_settings(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="that is a folder; name the file in it"):
        settings_of(["--config", str(tmp_path)])


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
    assert settings_of(arguments, environ).search.iterations == number[strong]


def test_sources_are_merged_key_by_key(tmp_path: Path) -> None:
    path = tmp_path / "study.yaml"
    path.write_text("search:\n  iterations: 11\n  seeds: 5\n  top_k: 3\n", encoding="utf-8")
    environ = {"AGENT_SEARCH__SEEDS": "6", "AGENT_SEARCH__TOP_K": "4", "AGENT_CONFIG": str(path)}
    search = settings_of(["--search.top_k", "7"], environ).search
    assert (search.iterations, search.seeds, search.top_k) == (11, 6, 7)


def test_the_flag_names_a_file_before_the_variable_does(tmp_path: Path) -> None:
    path = yaml_file(tmp_path, "search.seeds", "9")
    environ = {"AGENT_CONFIG": str(tmp_path / "missing.yaml")}
    assert settings_of(["--config", str(path)], environ).search.seeds == 9


def test_a_folder_of_images_has_its_length_found_unless_a_number_is_given(tmp_path: Path) -> None:
    own = ["--data", str(tmp_path)]
    assert settings_of(own).training.epochs == "auto"
    assert settings_of([*own, "--epochs", "7"]).training.epochs == 7
    assert settings_of([*own, "--epochs", "none"]).training.epochs is None
    assert settings_of([*own, "--training.recipe", "aga"]).training.epochs is None
    assert settings_of(["--dataset", "aptos"]).training.epochs is None
    assert settings_of(["--dataset", "aptos", "--epochs", "auto"]).training.epochs == "auto"


def test_a_recipe_with_steps_has_no_length_to_be_found() -> None:
    with pytest.raises(ConfigurationError, match="recipe 'aga' lowers its rate every 30 epochs"):
        settings_of(["--epochs", "auto", "--training.recipe", "aga"])


def test_the_last_of_two_equal_flags_wins_however_it_is_spelled() -> None:
    assert settings_of(["--epochs", "3", "--training.epochs", "4"]).training.epochs == 4
    assert settings_of(["--training.epochs", "4", "--epochs", "3"]).training.epochs == 3


@pytest.mark.parametrize("word", ["none", "null", "~", ""])
def test_a_file_can_leave_a_setting_unset(word: str, tmp_path: Path) -> None:
    path = yaml_file(tmp_path, "training.epochs", word)
    assert settings_of(["--config", str(path)]).training.epochs is None


def test_none_unsets_what_a_weaker_source_set(tmp_path: Path) -> None:
    path = yaml_file(tmp_path, "budget.trials", "5")
    assert settings_of(["--config", str(path), "--budget.trials", "none"]).budget.trials is None
    environ = {"AGENT_BUDGET__TRIALS": "none"}
    assert settings_of(["--config", str(path)], environ).budget.trials is None


def test_an_empty_variable_is_as_good_as_none() -> None:
    environ = {"AGENT_SEARCH__SEEDS": "", "AGENT_NO_SUCH_THING": ""}
    assert settings_of([], environ) == settings_of()


def test_the_environment_of_others_is_not_read() -> None:
    assert settings_of([], {"SEARCH__SEEDS": "9", "agent_search__seeds": "9"}) == settings_of()


@pytest.mark.parametrize("form", ["a,b", "a, b", '["a", "b"]'])
def test_a_list_is_written_with_commas_or_as_json(form: str) -> None:
    assert settings_of(["--search.baselines", form]).search.baselines == ["a", "b"]
    assert settings_of([], {"AGENT_SEARCH__BASELINES": form}).search.baselines == ["a", "b"]


def test_a_list_can_be_empty_in_every_source(tmp_path: Path) -> None:
    assert settings_of(["--search.baselines", "[]"]).search.baselines == []
    assert settings_of([], {"AGENT_SEARCH__BASELINES": "[]"}).search.baselines == []
    path = yaml_file(tmp_path, "search.baselines", "[]")
    assert settings_of(["--config", str(path)]).search.baselines == []


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
    assert value(settings_of(["--config", str(path)]), key) == meant


def test_an_empty_file_or_section_changes_nothing(tmp_path: Path) -> None:
    path = tmp_path / "study.yaml"
    path.write_text("# nothing yet\n", encoding="utf-8")
    assert settings_of(["--config", str(path)]) == settings_of()
    path.write_text("training:\n", encoding="utf-8")
    assert settings_of(["--config", str(path)]) == settings_of()


def test_a_path_without_a_data_set_is_a_folder() -> None:
    assert settings_of(["--data", "images"]).data.dataset == "folder"
    assert settings_of().data.dataset == "demo"
    assert settings_of(["--data", "images"], {"AGENT_DATA__DATASET": "aptos"}).data.dataset == "aptos"


def test_the_result_is_a_plain_tree() -> None:
    config = settings_of(["--seeds", "4"])
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
    plain = settings_of(["--dataset", preset.stem])
    assert settings_of(["--dataset", "folder", "--data", "x"]).training != plain.training
    file = tmp_path / "settings.yaml"
    file.write_text("training:\n  epochs: 77\n")
    assert settings_of(["--dataset", preset.stem, "--config", str(file)]).training.epochs == 77
    assert settings_of(["--dataset", preset.stem], {"AGENT_TRAINING__EPOCHS": "78"}).training.epochs == 78
    assert settings_of(["--dataset", preset.stem, "--epochs", "79"]).training.epochs == 79


def test_a_broken_preset_is_named(monkeypatch, tmp_path):
    (tmp_path / "demo.yaml").write_text("training: {epochs: -1}\n")
    monkeypatch.setattr("agent.settings.sources.PRESETS", tmp_path)
    with pytest.raises(ConfigurationError, match=r"training.epochs = '-1' \(preset .*demo.yaml\)"):
        settings_of()


def resumed(tmp_path: Path, *flags: str) -> StudyConfig:
    file = tmp_path / "config.yaml"
    file.write_text("study: s\nsearch:\n  iterations: 4\nllm:\n  model: openai:small\n")
    changes, options = read_changes(["s", *flags], lambda parser: parser.add_argument("name"))
    assert options.name == "s"
    return load_file(file, {}, changes)


def test_a_study_resumes_with_a_stronger_model_and_a_larger_budget(tmp_path):
    config = resumed(tmp_path, "--llm", "openai:large", "--budget.dollars", "5", "--iterations", "6")
    assert config.llm.model == "openai:large"
    assert config.budget.dollars == 5
    assert config.search.iterations == 6
    assert resumed(tmp_path).llm.model == "openai:small"


def test_what_results_depend_on_cannot_change_within_a_study(tmp_path):
    for flag in ("--epochs", "--data.split_seed", "--seeds", "--search.top_k", "--model.name", "--study"):
        with pytest.raises(ConfigurationError, match=f"^{flag}: cannot change"):
            resumed(tmp_path, flag, "7")


def test_a_study_resumes_where_its_data_and_its_store_are_now(tmp_path):
    config = resumed(
        tmp_path, "--data", "elsewhere", "--tracking.uri", "http://host:5000", "--tracking.retries", "2"
    )
    assert config.data.path == Path("elsewhere")
    assert (config.tracking.uri, config.tracking.retries) == ("http://host:5000", 2)


def test_a_bad_change_is_named_with_its_flag(tmp_path):
    with pytest.raises(ConfigurationError, match=r"flag --budget.trials"):
        resumed(tmp_path, "--budget.trials", "0")


def test_a_study_of_an_earlier_version_goes_on_as_it_began(tmp_path):
    """Its file has no value for settings that came later."""
    earlier = resumed(tmp_path)
    assert (earlier.aga.compose.colours, earlier.search.second_lengths) == ("source", "off")
    now = settings_of()
    assert (now.aga.compose.colours, now.search.second_lengths) == ("estimated", "auto")
