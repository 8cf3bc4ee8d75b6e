"""What a table of a paper is: its models, its rows, how they are trained, and the numbers that are printed there.

Each is a file in protocols/, whose fields are those of `Protocol` (docs/paper.md explains them). Light: imports
nothing heavy.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from tools.errors import AugurError, ConfigurationError, did_you_mean

FOLDER = Path(__file__).parent / "protocols"
PROMPTS = Path(__file__).parent / "prompts"
VALIDATION, TEST = "validation", "test"
"""Places that every classifier is scored on; any other is the name of a data set."""

_FROZEN = ConfigDict(extra="forbid", frozen=True)
_KEY = r"^[a-z0-9]+(-[a-z0-9]+)*$"


class Search(BaseModel):
    """A cell that searches, as `agent run` does."""

    model_config = _FROZEN

    model: str = Field(pattern=r"^[a-z0-9_]+:\S+$")
    """The language model, 'provider:model'."""
    augmentations: str
    """Operations in a policy: the papers' N."""

    @property
    def provider(self) -> str:
        """Whose model it is."""
        return self.model.partition(":")[0]


class Arm(BaseModel):
    """What is done with the training images: one row (or column) of the table."""

    model_config = _FROZEN

    title: str
    """As printed."""
    policy: str | None = None
    """As `agent train --policy` reads it."""
    scale: float | None = Field(default=None, gt=0, le=10)
    """Synthetic images with new backgrounds for each real one."""
    search: Search | None = None
    settings: dict[str, Any] = Field(default_factory=dict)
    """Of its cells, in the place of the protocol's: sections of settings."""
    gate: str | None = None
    """An arm whose first classifier of the same model judges the synthetic images (`aga.gates.classifier`)."""
    unavailable: str | None = None
    """Why Augur cannot run it: its cells stay blank, with this sentence below the table."""
    extra: bool = False
    """Not in the paper: run only where --cells names it."""

    @model_validator(mode="after")
    def _does_something(self) -> "Arm":
        ways = (self.search is not None) + (self.unavailable is not None)
        if ways > 1 or (ways and (self.policy or self.scale)):
            raise ValueError(
                "an arm has a policy, a scale or both, or a search, or the reason why it is unavailable"
            )
        if not ways and self.policy is None and self.scale is None:
            raise ValueError("an arm needs a policy, a scale, a search, or the reason why it is unavailable")
        return self


class Model(BaseModel):
    """A classifier: one column (or row) of the table."""

    model_config = _FROZEN

    title: str
    settings: dict[str, Any]
    """Sections of settings, as in a YAML file of settings."""


class Protocol(BaseModel):
    """A table of a paper, and all that decides what Augur trains for it."""

    model_config = _FROZEN

    title: str
    paper: str
    """Authors, title, version, where it is."""
    where: str
    """Which table or figure."""
    data: str
    """The data set, by its name in Augur."""
    layout: Literal["arms_down", "models_down"]
    """'arms_down': a row for each arm, a column for each model; 'models_down': the other way round, with the columns
    of all arms under each of the places of `on`."""
    on: dict[str, str] = Field(min_length=1)
    """What classifiers are scored on ('validation', 'test' or a data set of the same classes) → its heading."""
    number: Literal["fraction", "percent"]
    """How the paper prints a score: 0.8743 or 87.4%."""
    decimals: int = Field(ge=0, le=4)
    gain: tuple[str, str] | None = None
    """(arm, arm): the paper prints the first's gain over the second, in points, after the columns of each place."""
    settings: dict[str, Any]
    """Of every cell: sections of settings, weaker than anything on the command line."""
    prompts: str | None = None
    """File in prompts/ with the background prompts of the arms that have a scale."""
    models: dict[str, Model] = Field(min_length=1)
    arms: dict[str, Arm] = Field(min_length=1)
    printed: dict[str, dict[str, dict[str, float]]] = Field(default_factory=dict)
    """Place → model → arm → the score that the paper prints, as a fraction."""
    printed_gain: dict[str, dict[str, float]] = Field(default_factory=dict)
    """Place → model → the gain that the paper prints, in points."""
    stated: list[str]
    """What the paper says of the protocol, and where."""
    assumptions: list[str]
    """What it does not say, and what is taken instead."""
    differences: list[str] = Field(default_factory=list)
    """Where Augur does otherwise on purpose."""

    @model_validator(mode="after")
    def _names_are_known(self) -> "Protocol":
        import re

        for key in (*self.models, *self.arms):
            if not re.fullmatch(_KEY, key):
                raise ValueError(f"{key!r}: names of models and arms are lower-case words joined by '-'")
        for place, by_model in self.printed.items():
            arms = {arm for by_arm in by_model.values() for arm in by_arm}
            if unknown := {place} - set(self.on) | set(by_model) - set(self.models) | arms - set(self.arms):
                raise ValueError(f"printed: nothing is called {', '.join(sorted(unknown))}")
        for place, by_model in self.printed_gain.items():
            if unknown := {place} - set(self.on) | set(by_model) - set(self.models):
                raise ValueError(f"printed_gain: nothing is called {', '.join(sorted(unknown))}")
        for arm in self.arms.values():
            if arm.gate is not None and (self.arms.get(arm.gate) is None or arm.scale is None):
                raise ValueError(f"gate: {arm.gate} is no arm, or the arm that it judges makes no images")
        if unknown := set(self.gain or ()) - set(self.arms):
            raise ValueError(f"gain: nothing is called {', '.join(sorted(unknown))}")
        if self.prompts is None and any(arm.scale for arm in self.arms.values()):
            raise ValueError("an arm has a scale, but there are no prompts")
        return self

    def score(self, value: float) -> str:
        """A score as the paper prints it."""
        if self.number == "percent":
            return f"{100 * value:.{self.decimals}f}%"
        return f"{value:.{self.decimals}f}"

    @property
    def others(self) -> list[str]:
        """The further data sets that classifiers are scored on."""
        return [place for place in self.on if place not in (VALIDATION, TEST)]


def protocol_names() -> list[str]:
    """What `agent paper NAME` knows."""
    return sorted(file.stem for file in FOLDER.glob("*.yaml"))


def read_protocol(name: str) -> Protocol:
    """The protocol of that name.

    Raises:
        ConfigurationError: there is none.
        AugurError: its file is damaged.
    """
    names = protocol_names()
    if name not in names:
        hint = did_you_mean(name, names) or f"known are {', '.join(names)}"
        raise ConfigurationError(f"there is no protocol {name!r}: {hint} (agent paper --list)")
    return parse_protocol(FOLDER / f"{name}.yaml")


def parse_protocol(file: Path) -> Protocol:
    """The protocol in a file.

    Raises:
        AugurError: it is none; says which field is wrong.
    """
    try:
        return Protocol.model_validate(yaml.safe_load(file.read_text(encoding="utf-8")))
    except ValidationError as error:
        faults = "; ".join(f"{'.'.join(map(str, each['loc']))}: {each['msg']}" for each in error.errors())
        raise AugurError(f"{file} is no protocol: {faults}") from error
    except (yaml.YAMLError, OSError, UnicodeDecodeError) as error:
        raise AugurError(f"{file} cannot be read: {error}") from error


def merged(strong: Mapping[str, Any], weak: Mapping[str, Any]) -> dict[str, Any]:
    """Both trees of settings in one; a leaf of `strong` overrides that of `weak`."""
    joined = {**weak, **strong}
    for key in strong.keys() & weak.keys():
        if isinstance(strong[key], Mapping) and isinstance(weak[key], Mapping):
            joined[key] = merged(strong[key], weak[key])
    return joined
