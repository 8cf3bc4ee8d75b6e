"""The cells of a paper's table: what each trains, with which settings, and under which name it is found again."""

import hashlib
import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any, Literal

from agent.paper.protocol import PROMPTS, Arm, Protocol, merged
from agent.settings.config import StudyConfig
from agent.settings.sources import is_changeable, load_with_presets
from agent.settings.table import settings
from tools.errors import ConfigurationError

Scale = Literal["full", "small"]
ConfigOf = Callable[[Mapping[str, Any]], StudyConfig]
SMOKE: dict[str, Any] = {
    "data": {"image_size": 32, "fold": None, "on_leak": "drop"},
    "model": {"weights": None, "stem": "imagenet"},
    "training": {"epochs": 1, "batch_size": 16, "learning_rate": 0.001},
    "search": {"seeds": 1, "iterations": 1, "choosing_seeds": 1, "final_seeds": 2},
    "aga": {
        "generator": "aga",
        "gates": {"clip": None, "confidence": "fixed"},
        "detector": {"kind": "none"},
        "segmenter": {"kind": "otsu"},
        "caption": {"kind": "template"},
        "background": {"kind": "scenes"},
    },
}
"""What a smoke run changes: it shows that a protocol runs, and its numbers mean nothing."""


@dataclass(frozen=True)
class Cell:
    """One model trained in one way; a place in the table for each set that it is scored on."""

    model: str
    arm: str
    config: StudyConfig
    changed: tuple[str, ...]
    """Settings of it that are not those of the protocol, as 'key = value (the protocol: value)'."""
    digest: str
    """Of everything that decides its numbers."""

    @property
    def name(self) -> str:
        """As --cells names it."""
        return f"{self.model}/{self.arm}"

    @property
    def slug(self) -> str:
        """For names of files."""
        return f"{self.model}.{self.arm}-{self.digest[:8]}"


@dataclass(frozen=True)
class Table:
    """A protocol as it is to be run."""

    name: str
    protocol: Protocol
    scale: Scale
    cells: tuple[Cell, ...]
    """Every one that can be run, in the order in which they are."""
    wanted: tuple[Cell, ...]
    """Those to be run now."""

    @property
    def config(self) -> StudyConfig:
        """That of any cell, for what all have in common."""
        return self.cells[0].config

    @property
    def folder(self) -> Path:
        """What it leaves: cells, table.md, table.json."""
        return folder_of(self.config.runs_dir, self.name, self.scale)

    def arm(self, cell: Cell) -> Arm:
        """What the cell does with the images."""
        return self.protocol.arms[cell.arm]

    def study_of(self, cell: Cell) -> str:
        """Its entry in runs/studies."""
        return f"{'smoke' if self.scale == 'small' else 'paper'}-{self.name}.{cell.slug}"

    def prompts_of(self, cell: Cell) -> Path | None:
        """Its background prompts."""
        if self.arm(cell).scale is None:
            return None
        assert self.protocol.prompts is not None
        return PROMPTS / f"{self.protocol.prompts}.yaml"


def folder_of(runs_dir: Path, name: str, scale: Scale) -> Path:
    """Where a table lies."""
    return runs_dir / "papers" / (f"{name}-smoke" if scale == "small" else name)


def table_of(
    name: str,
    protocol: Protocol,
    scale: Scale,
    patterns: Sequence[str],
    config_of: ConfigOf,
    models: Sequence[str] = (),
    data: Path | None = None,
) -> Table:
    """All cells of a table, and which of them are to be run.

    Args:
        name: of the protocol.
        protocol: its content.
        scale: 'small' for a smoke run.
        patterns: of names of cells, such as 'resnet18/*' or 'none'; none: all that are the paper's.
        config_of: makes the settings of a cell from those of the protocol, which are weaker than what a person gave.
        models: language models, each for the arms of its provider.
        data: where the data set is, unless the flags say so.

    Raises:
        ConfigurationError: a setting is wrong, or a pattern fits no cell.
    """
    by_provider = {model.partition(":")[0]: model for model in models}
    cells = tuple(_cells(protocol, scale, config_of, by_provider, data))
    wanted = tuple(cell for cell in cells if _is_wanted(cell, protocol.arms[cell.arm], patterns))
    for pattern in patterns:
        if not any(_fits(cell, pattern) for cell in cells):
            known = f"models: {', '.join(protocol.models)}; arms: {', '.join(_runnable(protocol))}"
            raise ConfigurationError(
                f"--cells {pattern}: fits no cell of {name}. Cells are MODEL/ARM, with * for any ({known})"
            )
    return Table(name, protocol, scale, cells, wanted)


def _runnable(protocol: Protocol) -> list[str]:
    """The arms, those of language models last: what they need may be missing."""
    names = [name for name, arm in protocol.arms.items() if arm.unavailable is None]
    return sorted(names, key=lambda name: protocol.arms[name].search is not None)


def _is_wanted(cell: Cell, arm: Arm, patterns: Sequence[str]) -> bool:
    """Arms that are not in the paper only by their own names."""
    if arm.extra:
        return any(_fits(cell, each) and each.rpartition("/")[2] == cell.arm for each in patterns)
    return not patterns or any(_fits(cell, pattern) for pattern in patterns)


def _fits(cell: Cell, pattern: str) -> bool:
    parts = (cell.name,) if "/" in pattern else (cell.name, cell.model, cell.arm)
    return any(fnmatchcase(part, pattern) for part in parts)


def _cells(
    protocol: Protocol, scale: Scale, config_of: ConfigOf, by_provider: dict[str, str], data: Path | None
) -> Iterator[Cell]:
    plain_of = load_with_presets([], {}, command="paper")[0]
    for arm_name in _runnable(protocol):
        arm = protocol.arms[arm_name]
        for model_name, model in protocol.models.items():
            own: dict[str, Any] = {"data": {"dataset": protocol.data, "path": data}}
            if arm.search is not None:
                language = by_provider.get(arm.search.provider, arm.search.model)
                own["search"] = {"proposer": "llm", "augmentations": arm.search.augmentations}
                own["llm"] = {"model": language}
            preset = merged(own, merged(arm.settings, merged(model.settings, protocol.settings)))
            if scale == "small":
                preset = merged(SMOKE, preset)
            config = config_of(preset)
            found = _differences(arm, config, plain_of(preset))
            changed = [f"{key} = {new} (the protocol: {old})" for key, new, old in found]
            if arm.search is not None and config.llm.model != arm.search.model:
                changed.append(f"llm.model = {config.llm.model} (the protocol: {arm.search.model})")
            yield Cell(model_name, arm_name, config, tuple(changed), _digest(protocol, arm, config))


def _differences(arm: Arm, one: StudyConfig, other: StudyConfig) -> Iterator[tuple[str, Any, Any]]:
    for key in settings():
        if _decides(key, arm) and _value(one, key) != _value(other, key):
            yield key, _value(one, key), _value(other, key)


_OF_TRAINING = ("metric", "seed", "seeds")
"""Settings of the search that matter where nothing is searched."""
_OF_MACHINE = (
    "aga.detector.checkpoint",
    "aga.detector.config",
    "aga.detector.device",
    "aga.detector.batch_size",
    "aga.segmenter.checkpoint",
    "aga.segmenter.device",
    "aga.caption.batch_size",
    "aga.background.attention_slicing",
    "aga.background.batch_size",
    "aga.background.devices",
    "aga.background.offload",
    "aga.background.variant",
    "aga.compose.workers",
    "aga.llm_base_url",
    "aga.max_disk_gib",
)
"""Where the protocol's models lie on this machine, and how they are run."""


def _decides(key: str, arm: Arm) -> bool:
    """Whether the numbers of that arm depend on the setting."""
    section, _, name = key.partition(".")
    if key in _OF_MACHINE or (section == "aga" and arm.scale is None):
        return False
    if section == "search" and arm.search is None:
        return name in _OF_TRAINING
    return key == "search.iterations" or not (is_changeable(key) or key.startswith(("study", "tracking.")))


def _value(config: StudyConfig, key: str) -> Any:
    found: Any = config
    for part in key.split("."):
        found = getattr(found, part)
    return found


def _digest(protocol: Protocol, arm: Arm, config: StudyConfig) -> str:
    """Settings count where they differ from their defaults: a later version may have more of them."""
    usual = StudyConfig()
    prompts = (PROMPTS / f"{protocol.prompts}.yaml").read_text(encoding="utf-8") if arm.scale else ""
    tree = {
        **({} if arm.gate is None else {"gate": arm.gate}),
        "policy": arm.policy,
        "scale": arm.scale,
        "prompts": prompts,
        "llm": [config.llm.model, config.llm.mode] if arm.search else None,
        "settings": {
            key: str(value)
            for key in settings()
            if _decides(key, arm) and (value := _value(config, key)) != _value(usual, key)
        },
    }
    return hashlib.sha256(json.dumps(tree, sort_keys=True).encode()).hexdigest()
