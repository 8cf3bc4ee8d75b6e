"""What is submitted, checked and made whole: the settings of a study as it will be run."""

import json
import tempfile
from collections.abc import Mapping
from datetime import datetime
from pathlib import Path
from typing import Any

import yaml

from agent.service.types import Submission
from agent.settings.config import StudyConfig
from agent.settings.paths import make_absolute
from agent.settings.sources import load_config, load_with_presets, variables_of
from agent.settings.table import settings
from agent.study_folder import name_stem
from tools.errors import ConfigurationError

_PLACE = "the submitted settings"
_OF_THE_SERVICE = ("AGENT_RUNS_DIR", "AGENT_STUDY")
"""Variables that are no defaults of a submission: every study has the service's folder of runs and its own name."""


def settings_of(submission: Submission, runs_dir: Path, environ: Mapping[str, str]) -> StudyConfig:
    """The settings of a submitted study; its name is in `study`, or None.

    Variables such as AGENT_EXECUTION__WORKERS of the service are defaults here, which what is submitted overrides.

    Raises:
        ConfigurationError: an unknown key or a bad value; names it, its line and what is allowed.
    """
    if (submission.yaml is None) == (submission.settings is None):
        raise ConfigurationError(
            "a submission has either `yaml`, the text of a file of settings, or `settings`, the same as JSON"
        )
    try:
        config = _loaded(submission, environ)
    except RecursionError:
        raise ConfigurationError(
            f"{_PLACE} have too many sections within sections: a setting has two or three names, as search.iterations"
        ) from None
    _check_places(config, runs_dir)
    name = submission.name or config.study
    if submission.name and config.study and submission.name != config.study:
        raise ConfigurationError(
            f"name = {submission.name!r}, but study = {config.study!r} ({_PLACE}): give one name"
        )
    return config.model_copy(update={"study": name, "runs_dir": runs_dir})


def _loaded(submission: Submission, environ: Mapping[str, str]) -> StudyConfig:
    text = submission.yaml
    if text is not None:
        _refuse_aliases(text)
    else:
        text = json.dumps(_nested(submission.settings or {}), indent=1, ensure_ascii=False)
    defaults = {name: value for name, value in environ.items() if name not in _OF_THE_SERVICE}
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "settings.yaml"
        file.write_text(text, encoding="utf-8", errors="replace")
        try:
            config_of, _ = load_with_presets(["--config", str(file)], {})
            return config_of(variables_of(defaults))
        except ConfigurationError as error:
            raise ConfigurationError(str(error).replace(str(file), _PLACE)) from None


def _refuse_aliases(text: str) -> None:
    """A few lines of aliases of aliases stand for more than any memory holds."""
    try:
        for event in yaml.parse(text, yaml.SafeLoader):
            if isinstance(event, yaml.AliasEvent):
                raise ConfigurationError(
                    f"*{event.anchor} ({_PLACE}, line {event.start_mark.line + 1}): aliases are not taken here; write "
                    "out what it stands for"
                )
    except yaml.YAMLError:  # which is told, with its place, when it is read
        return


def check_defaults(environ: Mapping[str, str]) -> None:
    """See that the variables of the service's environment are settings.

    Raises:
        ConfigurationError: one is not; names it.
    """
    load_config([], {name: value for name, value in environ.items() if name != "AGENT_CONFIG"})


def as_stored(config: StudyConfig) -> str:
    """All settings but the name and the runs folder, in one order: the same study is the same text."""
    tree = config.model_dump(mode="json", exclude={"study", "runs_dir"})
    make_absolute(tree)
    return json.dumps(tree, sort_keys=True)


def new_name(config: StudyConfig, taken: set[str]) -> str:
    """A name for a study that was given none."""
    first = f"{name_stem(config)}-{datetime.now():%f}"
    name, number = first, 1
    while name in taken:
        number += 1
        name = f"{first}-{number}"
    return name


def _check_places(config: StudyConfig, runs_dir: Path) -> None:
    if config.runs_dir not in (Path("runs"), runs_dir):
        raise ConfigurationError(
            f"runs_dir = {str(config.runs_dir)!r} ({_PLACE}): the service keeps all its studies in its own folder of "
            "runs; leave runs_dir out"
        )
    path = config.data.path
    if path is not None and not path.exists():
        raise ConfigurationError(
            f"data.path = {str(path)!r} ({_PLACE}): there is nothing there on the machine of the service; copy the "
            "images to it, and give their path there"
        )


def _nested(given: Mapping[str, Any]) -> dict[str, Any]:
    """Sections from dotted keys."""
    tree: dict[str, Any] = {}
    _add(tree, given, "")
    return tree


def _add(tree: dict[str, Any], given: Mapping[str, Any], above: str) -> None:
    for key, value in given.items():
        *sections, name = key.split(".")
        branch = tree
        for section in sections:
            branch = _section(branch, section, above + key)
        if isinstance(value, Mapping) and above + key not in settings():
            _add(_section(branch, name, above + key), value, f"{above}{key}.")
        elif name in branch:
            raise ConfigurationError(f"{above}{key} is set twice ({_PLACE})")
        else:
            branch[name] = value


def _section(tree: dict[str, Any], name: str, key: str) -> dict[str, Any]:
    inner = tree.setdefault(name, {})
    if not isinstance(inner, dict):
        raise ConfigurationError(f"{key} ({_PLACE}): {name} is a value and a section at once")
    return inner
