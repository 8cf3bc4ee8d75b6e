"""The table of settings: every leaf of the configuration tree with its flag, its variable and what it allows.

The command line, the environment, the error texts and the tests all read it. It is made from the pydantic tree, so a
new field needs no second entry anywhere.
"""

import types
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Annotated, Any, Literal, Union, get_args, get_origin

from annotated_types import Ge, Gt, Le, Lt
from pydantic import BaseModel
from pydantic.fields import FieldInfo

from agent.settings.config import StudyConfig
from tools.durations import parse_seconds
from tools.errors import closest

PREFIX = "AGENT_"
DELIMITER = "__"

NONE = "none"
"""How an unset value is written in a file, a variable and a flag."""

_LONGEST_METAVAR = 60
"""Of more and longer words, help lists what is allowed in its text only."""
_KINDS: dict[Any, str] = {int: "a whole number", float: "a number", bool: "true or false", Path: "a path"}
_METAVARS: dict[Any, str] = {int: "N", float: "X", bool: "BOOL", Path: "PATH", str: "TEXT"}


@dataclass(frozen=True)
class Setting:
    """One leaf of the tree, such as `search.iterations`."""

    key: str
    field: FieldInfo

    @property
    def variable(self) -> str:
        """Its environment variable, such as AGENT_SEARCH__ITERATIONS."""
        return PREFIX + self.key.replace(".", DELIMITER).upper()

    @property
    def default(self) -> Any:
        """The value if no source gives one."""
        return self.field.get_default(call_default_factory=True)

    @property
    def metavar(self) -> str:
        """How help names its value."""
        choices = self.choices
        if choices:
            listed = "{" + ",".join(choices) + "}"
            return listed if len(listed) <= _LONGEST_METAVAR else "NAME"
        kind = self._kinds()[0]
        if self.is_time:
            return "TIME"
        if get_origin(kind) is dict:
            return "NAME=VALUE,…"
        return "NAME,…" if get_origin(kind) is list else _METAVARS[kind]

    @property
    def is_time(self) -> bool:
        """Whether it is a length of time, which may be written as 2h."""
        return any(getattr(each, "func", None) is parse_seconds for each in self._limits())

    @property
    def choices(self) -> tuple[str, ...]:
        """Its permitted words; empty unless it is a choice."""
        kind = self._kinds()[0]
        return tuple(map(str, get_args(kind))) if get_origin(kind) is Literal else ()

    @property
    def bounds(self) -> str:
        """Its range in words; empty if it has none."""
        low = high = ""
        for limit in self._limits():
            match limit:
                case Ge():
                    low = f"at least {_number(limit.ge)}"
                case Gt():
                    low = f"above {_number(limit.gt)}"
                case Le():
                    high = f"at most {_number(limit.le)}"
                case Lt():
                    high = f"below {_number(limit.lt)}"
        if low.startswith("at least ") and high.startswith("at most "):
            return f"{low.removeprefix('at least ')} to {high.removeprefix('at most ')}"
        return " and ".join(filter(None, (low, high)))

    @property
    def allowed(self) -> str:
        """What it accepts, in words."""
        kind = self._kinds()[0]
        if self.choices:
            words = "one of " + ", ".join(self.choices)
        elif get_origin(kind) is list:
            words = "names separated by commas, or [] for none"
        elif get_origin(kind) is dict:
            words = "pairs NAME=VALUE separated by commas"
        elif kind is str:
            extra = self.field.json_schema_extra
            form = extra.get("form") if isinstance(extra, dict) else None
            words = str(form or self.field.description or "text")
        elif self.is_time:
            words = f"a time such as 2h, 1h30m, 90m or 45s, or a number of seconds, {self.bounds}"
        else:
            words = ", ".join(filter(None, (_KINDS[kind], self.bounds)))
            others = [
                word for each in self._kinds()[1:] if get_origin(each) is Literal for word in get_args(each)
            ]
            words = "; or ".join((words, *others))
        return f"{words}; or {NONE}" if type(None) in self._kinds() else words

    def _kinds(self) -> tuple[Any, ...]:
        return tuple(get_args(kind)[0] if get_origin(kind) is Annotated else kind for kind in self._whole())

    def _limits(self) -> list[Any]:
        """What annotations say of its value."""
        kind = self._whole()[0]
        inner = get_args(kind)[1:] if get_origin(kind) is Annotated else ()
        nested = [each for one in inner for each in (one.metadata if isinstance(one, FieldInfo) else [one])]
        return [*self.field.metadata, *nested]

    def _whole(self) -> tuple[Any, ...]:
        annotation = self.field.annotation
        union = get_origin(annotation) in (Union, types.UnionType)
        kinds = get_args(annotation) if union else (annotation,)
        return tuple(sorted(kinds, key=lambda kind: kind is type(None)))


def _number(value: Any) -> str:
    return f"{value:,}" if isinstance(value, int) else f"{value:g}"


def _is_section(annotation: Any) -> bool:
    return isinstance(annotation, type) and issubclass(annotation, BaseModel)


def _leaves(model: type[BaseModel], prefix: str) -> Iterable[Setting]:
    for name, field in model.model_fields.items():
        if _is_section(field.annotation):
            yield from _leaves(field.annotation, f"{prefix}{name}.")  # type: ignore[arg-type]
        else:
            yield Setting(prefix + name, field)


@cache
def settings() -> dict[str, Setting]:
    """Key → setting, in the order of the tree."""
    return {setting.key: setting for setting in _leaves(StudyConfig, "")}


@cache
def sections() -> tuple[str, ...]:
    """Keys that hold further keys, such as `search`."""
    return tuple(dict.fromkeys(key.rpartition(".")[0] for key in settings() if "." in key))


def nearest_key(key: str) -> str | None:
    """The valid key most like `key`; a key without its section (`epochs`) finds its full name."""
    leaf = key.rpartition(".")[2]
    by_leaf: dict[str, list[str]] = {}
    for valid in settings():
        by_leaf.setdefault(valid.rpartition(".")[2], []).append(valid)
    same_leaf = by_leaf.get(leaf, [])
    if len(same_leaf) == 1:
        return same_leaf[0]
    likely = closest(key, same_leaf or [*settings(), *sections()])
    if not likely and "." not in key:
        likely = [by_leaf[name][-1] for name in closest(key, by_leaf)]
    return likely[0] if likely else None
