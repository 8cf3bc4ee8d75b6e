"""What a race is: its arms, its budget, what identifies it, and what it takes."""

import hashlib
import json
import re
from collections.abc import Sequence
from dataclasses import dataclass
from math import ceil
from pathlib import Path
from typing import Any, Literal

from agent.comparing.arms import GRID, GRID_POLICIES, RaceArm
from agent.settings.config import BudgetConfig, StudyConfig
from agent.settings.sources import is_changeable
from agent.settings.table import settings
from agent.steps.finish_plan import trials_of_iteration
from tools.errors import ConfigurationError
from tools.policy.named import DEFAULT

Winner = Literal["best", "recommended"]
TRIALS = 30
"""Trainings that each searching arm has, unless told otherwise; those of the default policy are the first."""
SEED_STEP = 100
"""Between the first seeds of two repeats."""


@dataclass(frozen=True)
class Cell:
    """One search of a race."""

    arm: RaceArm
    repeat: int
    """From 0."""

    @property
    def slug(self) -> str:
        """For names of files and studies."""
        return f"{self.arm.slug}-{self.repeat + 1}"


@dataclass(frozen=True)
class Race:
    """Arms on one data set, model and image size."""

    config: StudyConfig
    """Of the race; its searches are made from it by `search_config`."""
    arms: tuple[RaceArm, ...]
    trials: int = TRIALS
    samples: int | None = None
    """Training images that each search may show, in the place of `trials`."""
    repeats: int = 1
    winner: Winner = "best"
    """What a search is judged by: the best that it measured, or what Augur would recommend."""
    prompts: Path | None = None
    """A file of background prompts: no augmentation and the default policy are trained with these backgrounds too."""
    scales: Sequence[float] = ()

    @property
    def cells(self) -> list[Cell]:
        """Every search, one repeat after another, so that all arms are measured early."""
        return [Cell(arm, repeat) for repeat in range(self.repeats) for arm in self.arms if arm.searches]

    @property
    def policies(self) -> list[str]:
        """The arms that do not search, as `agent train --policy` reads them."""
        return [arm.name for arm in self.arms if not arm.searches]

    @property
    def digest(self) -> str:
        """Of everything that decides the result, so that the same command is recognised.

        Settings count where they differ from their defaults: a later version may have more of them.
        """
        usual = StudyConfig()
        arms = [(arm.name, arm.model) for arm in self.arms]
        tree: dict[str, Any] = {
            "arms": arms,
            "budget": self.trials if self.samples is None else f"{self.samples} images",
            "repeats": self.repeats,
            "winner": self.winner,
            "prompts": None if self.prompts is None else self.prompts.read_text(encoding="utf-8"),
            "scales": list(self.scales),
            "settings": {
                key: str(value)
                for key in settings()
                if self._decides(key) and (value := _value(self.config, key)) != _value(usual, key)
            },
        }
        return hashlib.sha256(json.dumps(tree, sort_keys=True).encode()).hexdigest()

    def _decides(self, key: str) -> bool:
        if key in ("data.path", "search.iterations"):
            return key == "data.path"
        if key in ("llm.model", "llm.base_url", "llm.mode", "llm.temperature"):
            return any(arm.asks_model for arm in self.arms)
        return not (is_changeable(key) or key.startswith(("study", "tracking.")))

    @property
    def name(self) -> str:
        """Of its folder and its run in MLflow."""
        if self.config.study is not None:
            return self.config.study
        data = self.config.data
        source = data.path.resolve().name if data.path else data.dataset or "demo"
        size = f"{data.image_size}px" if data.image_size else ""
        stem = "-".join(filter(None, ("compare", source, self.config.model.title, size)))
        return re.sub(r"[^A-Za-z0-9._-]+", "-", stem)[:38].rstrip("-.") + f"-{self.digest[:8]}"

    @property
    def folder(self) -> Path:
        """What it leaves: plan, cells, report."""
        return self.config.runs_dir / "compares" / self.name

    def study_of(self, cell: Cell) -> str:
        """The study that a search is."""
        return f"{self.name[:50]}.{cell.slug}"


def _value(config: StudyConfig, key: str) -> Any:
    found: Any = config
    for part in key.split("."):
        found = getattr(found, part)
    return found.resolve() if key == "data.path" and found is not None else found


def iterations_of(race: Race, arm: RaceArm, images_of_trial: int | None = None) -> int:
    """Iterations of a search: as many as its budget has room for, after the default policy.

    Args:
        race: for the budget.
        arm: whose search it is.
        images_of_trial: training images that one trial shows; for a budget in images.

    Raises:
        ConfigurationError: there is room for none.
    """
    search = race.config.search
    each = search.seeds if arm.name == GRID else trials_of_iteration(search)
    trials = race.trials
    if race.samples is not None and images_of_trial:
        trials = race.samples // images_of_trial
    count = (trials - search.seeds) // each
    if count < 1:
        what = f"--trials {race.trials}" if race.samples is None else f"--samples {race.samples}"
        raise ConfigurationError(
            f"{what}: too few for {arm.name}: the default policy takes {search.seeds} trainings (search.seeds) and one "
            f"proposal {each}; give at least {search.seeds + each} trainings"
            + (f" of {images_of_trial} images each" if race.samples is not None else "")
        )
    return min(count, len(GRID_POLICIES)) if arm.name == GRID else count


def search_config(race: Race, cell: Cell, images_of_trial: int | None = None) -> StudyConfig:
    """The settings of one search: nothing but the default policy before it, chosen by the seeds of the search alone."""
    config, arm = race.config, cell.arm
    search = config.search.model_copy(
        update={
            "proposer": arm.proposer,
            "baselines": [DEFAULT, *(GRID_POLICIES if arm.name == GRID else ())],
            "candidates": 1 if arm.name == GRID or arm.proposer == "online" else config.search.candidates,
            "seed": config.search.seed + SEED_STEP * cell.repeat,
            "iterations": iterations_of(race, arm, images_of_trial),
            "choosing_seeds": config.search.seeds,
            "second_lengths": "off",
            "check_length": "off",
        }
    )
    llm = config.llm if arm.model is None else config.llm.model_copy(update={"model": arm.model})
    limits = config.budget.model_dump(include={"llm_calls", "tokens", "dollars"})
    return config.model_copy(
        update={
            "study": race.study_of(cell),
            "search": search,
            "llm": llm,
            "budget": BudgetConfig(**limits),
        }
    )


def finals_config(race: Race) -> StudyConfig:
    """The settings of the race itself, which searches nothing."""
    search = race.config.search.model_copy(update={"iterations": 0, "baselines": [], "proposer": "fixed"})
    search = search.model_copy(update={"candidates": 1})
    return race.config.model_copy(update={"study": race.name, "search": search, "budget": BudgetConfig()})


@dataclass(frozen=True)
class Cost:
    """Trainings that a race takes, at most: what lies in the runs folder already is not trained again."""

    searches: int
    finals: int

    @property
    def trials(self) -> int:
        """All of them."""
        return self.searches + self.finals


def cost_of(race: Race, images_of_trial: int | None = None) -> Cost:
    """What it takes; winners that are the same policy, or that of another arm, take less."""
    search = race.config.search
    shared = 2 * search.seeds * race.repeats if race.cells else 0  # no augmentation and the default policy
    searches = 0
    for cell in race.cells:
        each = search.seeds if cell.arm.name == GRID else trials_of_iteration(search)
        searches += each * iterations_of(race, cell.arm, images_of_trial)
    with_backgrounds = 2 * max(1, len(race.scales)) if race.prompts else 0
    tested = len(race.policies) + with_backgrounds + len(race.cells)
    return Cost(ceil(shared + searches), tested * search.final_seeds)
