"""The arms of a race, as `--arms` names them: policies, and ways of searching. Light: imports nothing heavy."""

import re
from collections.abc import Sequence
from dataclasses import dataclass

from agent.proposers.factory import ARMS, LLM_ARMS
from agent.settings.config import Arm
from tools.errors import ConfigurationError
from tools.policy.config import split_policies
from tools.policy.named import DEFAULT

NONE = "none"
GRID = "rand_augment_grid"
GRID_POLICIES = tuple(
    f"rand_augment(num_ops={operations}, magnitude={magnitude})"
    for operations, magnitude in (
        (2, 9),
        (1, 14),
        (3, 5),
        (2, 14),
        (1, 9),
        (3, 9),
        (2, 5),
        (1, 5),
        (3, 14),
        (2, 20),
        (1, 20),
        (3, 20),
    )
)
"""What `rand_augment_grid` tries, one after another: a small budget still covers the grid evenly."""
_SEARCHES = tuple(name for name in ARMS if name != "fixed")
WAYS = (*_SEARCHES, GRID)
"""The arms that search."""
_OF_MODEL = "@"


@dataclass(frozen=True)
class RaceArm:
    """One arm of a race."""

    name: str
    proposer: Arm | None = None
    """How it searches; None for a policy."""
    model: str | None = None
    """The language model that it asks, where that is not the one of the race's settings."""

    @property
    def searches(self) -> bool:
        """Whether it finds its policy by training."""
        return self.proposer is not None

    @property
    def asks_model(self) -> bool:
        """Whether it asks a language model."""
        return self.proposer in LLM_ARMS

    @property
    def slug(self) -> str:
        """For names of files and studies."""
        return re.sub(r"[^A-Za-z0-9]+", "-", self.name).strip("-").lower()[:24]


def parse_arms(texts: Sequence[str]) -> tuple[RaceArm, ...]:
    """The arms that `--arms` names, no augmentation and the default policy first: everything is compared with them.

    Raises:
        ConfigurationError: one of them is named twice, or is no arm and no policy can be meant.
    """
    names = [NONE, DEFAULT]
    for name in (part for text in texts for part in split_policies(text)):
        if name in (NONE, DEFAULT):
            continue
        if name in names:
            raise ConfigurationError(
                f"--arms: {name} is there twice. To repeat a search under other seeds: --repeats"
            )
        names.append(name)
    if len(names) == 2:
        raise ConfigurationError(
            f"--arms: nothing to compare besides none and default. Name policies (such as rand_augment) or ways of "
            f"searching: {', '.join(WAYS)}"
        )
    arms = tuple(_arm(name) for name in names)
    slugs: dict[str, str] = {}
    for arm in arms:
        if arm.searches and slugs.setdefault(arm.slug, arm.name) != arm.name:
            raise ConfigurationError(f"--arms: the names of {slugs[arm.slug]} and {arm.name} are too alike")
    return arms


def _arm(name: str) -> RaceArm:
    if name == GRID:
        return RaceArm(name, "fixed")
    how, at, model = name.partition(_OF_MODEL)
    if how in LLM_ARMS and at:
        if not re.fullmatch(r"[a-z0-9_]+:\S+", model):
            raise ConfigurationError(
                f"--arms: {name}: {model!r} is no model; write provider:model, such as {how}@openai:gpt-5-mini"
            )
        return RaceArm(name, how, model)  # type: ignore[arg-type]
    if name in _SEARCHES:
        return RaceArm(name, name)  # type: ignore[arg-type]
    if name in ("fixed", "auto"):
        raise ConfigurationError(
            f"--arms: {name} is no arm of a race: name the policies, or one of {', '.join(WAYS)}"
        )
    return RaceArm(name)
