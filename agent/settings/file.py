"""A YAML file as a source of settings: remembers the line of every key, and reads words as they are written.

YAML 1.1 reads `amp: off` as false, `study: 2026-05-01` as a date and `1:30` as 90. Here every plain word stays text,
as it does in a variable or a flag, and pydantic converts it to the type of its field; only `none`, `null`, `~` and an
empty value mean unset.
"""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import yaml
from pydantic_settings import BaseSettings, YamlConfigSettingsSource

from agent.settings.table import nearest_key, sections, settings
from tools.errors import ConfigurationError


class _Loader(yaml.SafeLoader):
    yaml_implicit_resolvers: dict = {}  # noqa: RUF012  (PyYAML's own class attribute)


_Loader.add_implicit_resolver(
    "tag:yaml.org,2002:null", re.compile(r"^(?:~|null|Null|NULL|none|None|)$"), ["~", "n", "N", ""]
)


class FileSource(YamlConfigSettingsSource):
    """The settings of one file; `lines` maps each key to its line."""

    def __init__(self, tree: type[BaseSettings], path: Path) -> None:
        self.path = path
        self.lines: dict[str, int] = {}
        if path.is_dir():
            raise ConfigurationError(f"--config {path}: that is a folder; name the file in it")
        if not path.is_file():
            raise ConfigurationError(
                f"--config {path}: no such file (looked in {path.absolute().parent}); check the path"
            )
        super().__init__(tree, yaml_file=path)

    def where(self, key: str) -> str:
        """The file and line of `key`."""
        return f"{self.path}, line {self.lines[key]}"

    def _read_file(self, file_path: Any) -> dict[str, Any]:
        """Called by the library.

        Raises:
            ConfigurationError: not YAML, not UTF-8, an unknown or repeated key, a value in place of a section.
        """
        try:
            root = yaml.compose(file_path.read_text(encoding="utf-8"), Loader=_Loader)
        except yaml.MarkedYAMLError as error:
            mark = error.problem_mark or error.context_mark
            line = f", line {mark.line + 1}, column {mark.column + 1}" if mark else ""
            raise ConfigurationError(f"{self.path}{line}: invalid YAML: {error.problem}") from None
        except (yaml.YAMLError, UnicodeDecodeError, OSError) as error:
            raise ConfigurationError(f"{self.path}: cannot be read as UTF-8 YAML: {error}") from None
        if root is None:
            return {}
        if not isinstance(root, yaml.MappingNode):
            raise ConfigurationError(f"{self.path}: must consist of `key: value` lines, such as `search:`")
        faults: list[str] = []
        tree = dict(self._section(root, "", faults))
        if faults:
            raise ConfigurationError("\n".join(faults))
        return tree

    def _section(self, node: yaml.MappingNode, prefix: str, faults: list[str]) -> Iterator[tuple[str, Any]]:
        for name, value in node.value:
            key = f"{prefix}{name.value}"
            line = name.start_mark.line + 1
            if key in self.lines:
                faults.append(f"{key} is set twice ({self.path}, lines {self.lines[key]} and {line})")
            self.lines[key] = line
            if key in settings():
                yield name.value, self._value(value)
            elif key not in sections():
                faults.append(_unknown_key(key, self.where(key)))
            elif isinstance(value, yaml.MappingNode):
                yield name.value, dict(self._section(value, f"{key}.", faults))
            elif value.tag != "tag:yaml.org,2002:null":
                faults.append(f"{key} ({self.where(key)}): is a section: put its keys below it, indented")

    def _value(self, node: yaml.Node) -> Any:
        loader = _Loader("")
        try:
            return loader.construct_object(node, deep=True)
        except yaml.MarkedYAMLError as error:
            line = node.start_mark.line + 1
            raise ConfigurationError(f"{self.path}, line {line}: {error.problem}") from None
        finally:
            loader.dispose()


def _unknown_key(key: str, where: str) -> str:
    """The error text for an unknown `key`, found at `where`."""
    likely = nearest_key(key)
    hint = f"did you mean {likely!r}?" if likely else "`agent run --help` lists the valid keys"
    return f"unknown key {key} ({where}): {hint}"
