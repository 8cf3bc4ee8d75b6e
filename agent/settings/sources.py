"""Where settings come from: defaults < preset of the data set < YAML file < environment < command line.

The sources are those of pydantic-settings. This module adds that every error names the key, where its value came
from, and what is allowed. Light: imports no torch, no MLflow, no LangChain.
"""

import argparse
import os
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import yaml
from pydantic import ValidationError
from pydantic_settings import BaseSettings, EnvSettingsSource, PydanticBaseSettingsSource, SettingsConfigDict
from pydantic_settings.sources.utils import parse_env_vars

from agent.settings.arguments import FlagParser
from agent.settings.config import StudyConfig
from agent.settings.file import FileSource
from agent.settings.flags import FlagSource
from agent.settings.secrets import MASK, is_secret_name, mask
from agent.settings.table import DELIMITER, NONE, PREFIX, sections, settings
from tools.errors import ConfigurationError, did_you_mean

RESERVED_VARIABLES = {
    "AGENT_CONFIG": "the YAML file, where --config is not given",
    "AGENT_DEBUG": "the same as --debug, unless it is empty",
    "AGENT_SERVER": "address of the service that agent submit and agent follow speak to",
    "AGENT_SERVICE_TOKEN": "the token of that service",
}
"""Variables with our prefix that are not settings."""

PRESETS = Path(__file__).parent / "presets"
"""NAME.yaml: settings that suit the data set NAME better than the defaults; every other source overrides them."""


class _Tree(BaseSettings, StudyConfig):
    """The tree as pydantic-settings needs it; this module returns a plain StudyConfig."""

    model_config = SettingsConfigDict(
        extra="forbid", frozen=True, enable_decoding=False, hide_input_in_errors=True, protected_namespaces=()
    )


class _EnvironmentSource(EnvSettingsSource):
    """The variables of a given environment, rather than of this process."""

    def __init__(self, tree: type[BaseSettings], environ: Mapping[str, str]) -> None:
        self._environ = {name: value for name, value in environ.items() if name.startswith(PREFIX)}
        super().__init__(
            tree,
            env_prefix=PREFIX,
            env_nested_delimiter=DELIMITER,
            env_parse_none_str=NONE,
            env_ignore_empty=True,
        )

    def _load_env_vars(self) -> Mapping[str, str | None]:
        return parse_env_vars(self._environ, False, self.env_ignore_empty, self.env_parse_none_str)

    def check_names(self) -> None:
        """Refuse unknown variables.

        Raises:
            ConfigurationError: a variable with our prefix that is not a setting.
        """
        known = {setting.variable for setting in settings().values()} | RESERVED_VARIABLES.keys()
        faults = []
        for name, value in sorted(self._environ.items()):
            key = name.removeprefix(PREFIX).lower().replace(DELIMITER, ".")
            if name in known or not value:
                continue
            if key in sections():
                faults.append(
                    f"{name} is a group of settings: set them one by one, such as {name}{DELIMITER}"
                    f"{next(k for k in settings() if k.startswith(key + '.')).rpartition('.')[2].upper()}"
                )
                continue
            hint = did_you_mean(name, known) or "unset it, or see `agent run --help`"
            faults.append(f"unknown environment variable {name}: {hint}")
        if faults:
            raise ConfigurationError("\n".join(faults))


def load_config(
    arguments: Sequence[str],
    environ: Mapping[str, str],
    *,
    command: str = "run",
    add_flags: Callable[[FlagParser], object] = lambda parser: None,
    shown: Callable[[str], bool] = lambda key: True,
) -> tuple[StudyConfig, argparse.Namespace]:
    """The settings of a study from all sources, and the flags that are no settings (`quiet`, `debug`, …).

    Args:
        arguments: the words after `agent COMMAND`.
        environ: the environment; only names with the prefix AGENT_ are read.
        command: for messages and help.
        add_flags: adds the command's own flags to the parser.
        shown: whether help shows the setting of a key.

    Raises:
        ConfigurationError: an unknown key or a bad value; names it, its origin, and what is allowed.
        SystemExit: after --help, with status 0.
    """
    config_of, options = load_with_presets(
        arguments, environ, command=command, add_flags=add_flags, shown=shown
    )
    return config_of({}), options


def load_with_presets(
    arguments: Sequence[str],
    environ: Mapping[str, str],
    *,
    command: str = "run",
    add_flags: Callable[[FlagParser], object] = lambda parser: None,
    shown: Callable[[str], bool] = lambda key: True,
) -> tuple[Callable[[Mapping[str, Any]], StudyConfig], argparse.Namespace]:
    """As `load_config`, for several studies that have these sources in common.

    Returns:
        What makes the settings of one study from its preset (sections of settings, which are weaker than every source,
        but stronger than the defaults; raises ConfigurationError as `load_config`), and the flags that are no settings.

    Raises:
        ConfigurationError: an unknown key.
        SystemExit: after --help, with status 0.
    """
    flags = FlagSource(_Tree, command, add_flags, shown)
    options = flags.read(arguments)
    variables = _EnvironmentSource(_Tree, environ)
    variables.check_names()
    path = options.config or environ.get("AGENT_CONFIG")
    file = FileSource(_Tree, Path(path)) if path else None
    sources: tuple[PydanticBaseSettingsSource, ...] = (flags, variables, *([file] if file else []))

    class Sourced(_Tree):
        @classmethod
        def settings_customise_sources(
            cls, settings_cls: type[BaseSettings], **_: PydanticBaseSettingsSource
        ) -> tuple[PydanticBaseSettingsSource, ...]:
            return sources

    return lambda preset: _resolved(lambda: Sourced(), flags, variables, file, preset), options


def is_changeable(key: str) -> bool:
    """Whether a study may resume with another value, because none of its results depends on it."""
    return key.partition(".")[0] in ("llm", "budget", "execution", "report", "runs_dir") or key in (
        "search.iterations",
        "search.repairs",
        # Where the same images are now, and how they are read: a fingerprint of their content is compared.
        "data.path",
        "data.splits",
        "data.decode_workers",
        "training.loader_workers",
        "tracking.uri",
        "tracking.timeout",
        "tracking.retries",
    )


def read_changes(
    arguments: Sequence[str], add_flags: Callable[[FlagParser], object]
) -> tuple[FlagSource, argparse.Namespace]:
    """The flags of `agent resume`: the settings to change from now on.

    Raises:
        ConfigurationError: an unknown flag, an empty path, or a setting that cannot change within a study.
        SystemExit: after --help, with status 0.
    """
    flags = FlagSource(_Tree, "resume", add_flags, shown=is_changeable)
    options = flags.read(arguments)
    _refuse_empty_paths(flags, _EnvironmentSource(_Tree, {}), None)
    if fixed := [flag for key, flag in flags.typed.items() if not is_changeable(key)]:
        raise ConfigurationError(
            f"{', '.join(fixed)}: cannot change within a study, because its results would no longer be comparable; "
            "start a new study (it reuses the trials that both have in common)"
        )
    return flags, options


def check_variables(environ: Mapping[str, str]) -> None:
    """See that every variable with our prefix is one that is read.

    Raises:
        ConfigurationError: one is not; names it.
    """
    _EnvironmentSource(_Tree, environ).check_names()


def variables_of(environ: Mapping[str, str]) -> dict[str, Any]:
    """The settings that variables give, as sections: texts, not yet checked."""
    return dict(_EnvironmentSource(_Tree, environ)())


def load_file(
    path: Path, environ: Mapping[str, str] = os.environ, changes: FlagSource | None = None
) -> StudyConfig:
    """The settings that a study began with, as `dump_config` wrote them to `path`, overridden by `changes`.

    Secrets were masked there: their values come from their variables, such as AGENT_LLM__BASE_URL.

    Raises:
        ConfigurationError: the file is missing or invalid, or the variable of a masked value is not set.
    """
    file = FileSource(_Tree, path)
    tree = _merged(changes() if changes else {}, _as_begun(file()))
    for key, setting in settings().items():
        if MASK in str(_value_at(tree, key)):
            if not environ.get(setting.variable):
                raise ConfigurationError(
                    f"{key} is a secret that is not stored in {path}: set {setting.variable} to its full value"
                )
            section, _, name = key.rpartition(".")
            (tree[section] if section else tree)[name] = environ[setting.variable]
    variables = _EnvironmentSource(_Tree, {})
    return _resolved(lambda: _Plain.model_validate(tree), changes, variables, file)


_BEFORE = {"aga.compose.colours": "source", "search.second_lengths": "off", "model.weights": None}
"""Settings that a study's file may lack, because its version did not have them → what that version did."""


def _as_begun(tree: dict[str, Any]) -> dict[str, Any]:
    """The stored settings, with those that did not exist yet as they were then: a study goes on as it began."""
    for key, value in _BEFORE.items():
        *above, name = key.split(".")
        section: Any = tree
        for each in above:
            section = section.setdefault(each, {}) if isinstance(section, dict) else None
        if isinstance(section, dict):  # else the file is damaged, which is told when it is checked
            section.setdefault(name, value)
    return tree


class _Plain(StudyConfig):
    """Validates one tree of values, without any other source."""


def _resolved(
    build: Callable[[], StudyConfig],
    flags: FlagSource | None,
    variables: _EnvironmentSource,
    file: FileSource | None,
    preset: Mapping[str, Any] | None = None,
) -> StudyConfig:
    try:
        tree = _merged(build().model_dump(exclude_unset=True), dict(preset or {}))
    except ValidationError as error:
        faults = [_complaint(dict(fault), flags, variables, file) for fault in error.errors()]
        # A value of a union has one fault for each of its kinds, all of which read alike.
        raise ConfigurationError("\n".join(dict.fromkeys(faults))) from None
    _refuse_empty_paths(flags, variables, file)
    data = tree.setdefault("data", {})
    if data.get("dataset") is None:
        data["dataset"] = "folder" if data.get("path") else "demo"
    _find_length_of_own_data(tree)
    _start_own_data_pretrained(tree)
    of_data = PRESETS / f"{data['dataset']}.yaml"
    if not of_data.is_file():
        return StudyConfig.model_validate(tree)
    weak = yaml.safe_load(of_data.read_text(encoding="utf-8"))
    try:
        return StudyConfig.model_validate(_merged(tree, weak))
    except ValidationError as error:
        first = error.errors()[0]
        key = ".".join(map(str, first["loc"]))
        while key and key not in settings() and key not in sections():  # of a union: which of its kinds
            key = key.rpartition(".")[0]
        value = mask(str(first.get("input")))
        raise ConfigurationError(f"{key} = {value!r} (preset {of_data}): {first['msg']}") from None


def _refuse_empty_paths(
    flags: FlagSource | None, variables: _EnvironmentSource, file: FileSource | None
) -> None:
    """An empty path would be the current folder: mostly a variable of a shell that was not set."""
    for key in (key for key, setting in settings().items() if setting.metavar == "PATH"):
        where, value = _origin(key, flags, variables, file)
        if value == "":
            raise ConfigurationError(f"{key} is empty ({where}): give a path, or leave it out")


def _find_length_of_own_data(tree: dict[str, Any]) -> None:
    """For a folder of one's own the length is found, unless a number or 'none' is given, or a recipe fixes it."""
    training = tree.setdefault("training", {})
    if tree["data"]["dataset"] == "folder" and training.get("recipe", "modern") == "modern":
        training.setdefault("epochs", "auto")


def _start_own_data_pretrained(tree: dict[str, Any]) -> None:
    """For a folder of one's own, training starts from published weights, if any (`agent.starting.model_start`)."""
    if tree["data"]["dataset"] == "folder" and tree["training"].get("recipe", "modern") == "modern":
        tree.setdefault("model", {}).setdefault("weights", "auto")


def _merged(strong: dict[str, Any], weak: dict[str, Any]) -> dict[str, Any]:
    """Both trees in one; a leaf of `strong` overrides that of `weak`."""
    joined = {**weak, **strong}
    for key in strong.keys() & weak.keys():
        if isinstance(strong[key], dict) and isinstance(weak[key], dict):
            joined[key] = _merged(strong[key], weak[key])
    return joined


def _complaint(
    fault: dict[str, Any], flags: FlagSource | None, variables: _EnvironmentSource, file: FileSource | None
) -> str:
    """What is wrong with one value, in this program's words instead of pydantic's."""
    location = tuple(str(part) for part in fault["loc"])
    key = ".".join(location)
    while key and key not in settings() and key not in sections():
        key = key.rpartition(".")[0]
    if key not in settings():  # a rule about a whole section
        reason = str(fault.get("ctx", {}).get("error", fault["msg"]))
        return f"{key}: {reason}" if key else reason
    where, value = _origin(key, flags, variables, file)
    setting = settings()[key]
    reason = f"must be {setting.allowed}" if fault["type"] != "value_error" else str(fault["ctx"]["error"])
    text = NONE if value is None else str(value)
    question = did_you_mean(text, setting.choices)
    hint = f" ({question})" if question else ""
    return f"{key} = {mask(text)!r} ({where}): {reason}{hint}"


def _origin(
    key: str, flags: FlagSource | None, variables: _EnvironmentSource, file: FileSource | None
) -> tuple[str, Any]:
    """Where the effective value of `key` came from, and the value as it is written there."""
    if flags is not None and key in flags.typed:
        return f"flag {flags.typed[key]}", _value_at(flags(), key)
    variable = settings()[key].variable
    if (found := _value_at(variables(), key)) is not None:
        return f"environment variable {variable}", found
    if file is not None and key in file.lines:
        return file.where(key), _value_at(file(), key)
    return "default", settings()[key].default


def _value_at(tree: Any, key: str) -> Any:
    for part in key.split("."):
        tree = tree.get(part) if isinstance(tree, dict) else None
    return tree


def dump_config(config: StudyConfig) -> dict[str, Any]:
    """The settings as JSON values with secrets masked: what is logged with a study."""
    return _masked(config.model_dump(mode="json"))


def _masked(value: Any, name: str = "") -> Any:
    if isinstance(value, dict):
        return {key: _masked(item, key) for key, item in value.items()}
    if isinstance(value, list):
        return [_masked(item, name) for item in value]
    if isinstance(value, str):
        return MASK if value and is_secret_name(name) else mask(value)
    return value
