"""The arms that a table can stand in for, as `agent simulate --arms` names them. Light: imports nothing heavy."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, get_args

from tools.errors import ConfigurationError, did_you_mean

Way = Literal["random", "nearby", "tpe", "hybrid"]
Saving = Literal["none", "short", "race"]
WAYS: tuple[Way, ...] = get_args(Way)
PARTS = {
    "short": "the proposals of an iteration are first trained for the short length, and the best alone in full",
    "race": "all are trained under the first seed, the better half under the second, and so on",
    "plain": "without the default policy, and without the prior of usual strengths",
}
"""What can follow a way of searching, after a plus."""
NAMES = f"{', '.join(WAYS)}, each with +{', +'.join(PARTS)}"


@dataclass(frozen=True)
class TableArm:
    """One arm."""

    name: str
    way: Way
    saving: Saving = "none"
    """What is trained of several proposals of one iteration."""
    plain: bool = False
    """Whether it knows neither the default policy nor which strengths are usual."""


def parse_table_arms(text: str) -> tuple[TableArm, ...]:
    """The arms that `--arms` names.

    Raises:
        ConfigurationError: there is none, one is named twice, or one is unknown.
    """
    names = [name.strip() for name in text.split(",") if name.strip()]
    if not names:
        raise ConfigurationError(
            f"--arms {text!r} names no arm: give some of {NAMES}, with commas between them"
        )
    if twice := sorted({name for name in names if names.count(name) > 1}):
        raise ConfigurationError(f"--arms: {', '.join(twice)} is there twice; --repeats repeats the searches")
    return tuple(_arm(name) for name in names)


def _arm(name: str) -> TableArm:
    way, *parts = name.split("+")
    if way not in WAYS:
        hint = did_you_mean(way, WAYS) or f"a table can stand in for {NAMES}"
        raise ConfigurationError(f"--arms: {name}: there is no way of searching {way!r}: {hint}")
    _check_parts(name, parts)
    saving: Saving = "short" if "short" in parts else "race" if "race" in parts else "none"
    return TableArm(name, way, saving, "plain" in parts)


def _check_parts(name: str, parts: Sequence[str]) -> None:
    for part in parts:
        if part not in PARTS:
            hint = did_you_mean(part, PARTS) or f"known are +{', +'.join(PARTS)}"
            raise ConfigurationError(f"--arms: {name}: there is no {part!r} to add: {hint}")
    if {"short", "race"} <= set(parts):
        raise ConfigurationError(f"--arms: {name}: give one of +short and +race, not both")
    if name.startswith("hybrid+") and "plain" in parts:
        raise ConfigurationError(
            f"--arms: {name}: hybrid always begins with usual policies, so that +plain would not be it; take tpe+plain"
        )
