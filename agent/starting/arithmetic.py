"""What a study on CPU computes in: measured once, before anything is trained, and written into its settings.

A study that is resumed or repeated reads its settings, so that noise in the measurement changes nothing that has begun.
The runs folder keeps what was measured: other studies of the same model, size and batch on this machine compute alike,
and so find each other's trials. Plain float32, as always, stay published recipes, the demo, and trainings of seconds.
"""

from contextlib import nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, Any

from agent.settings.config import StudyConfig
from agent.study_folder import CONFIG
from tools.disk import disk_errors_explained
from tools.files import locked, read_json, read_yaml, write_json
from tools.training.recipes import resolve_recipe

if TYPE_CHECKING:
    from agent.screen.terminal import Terminal
    from tools.datasets.types import Dataset
    from tools.training.arithmetic import Arithmetic

FILE = "arithmetic.json"
"""In the runs folder: what was measured → seconds of an update in each arithmetic."""
LOCK = "arithmetic.lock"
"""Held while it is read and written: of two studies that begin together, one measures."""
_PINNED = ("demo",)
"""Data sets whose results the documentation prints: they are to be the same on every machine."""
_PAPERS = ("aga",)
"""Recipes that were published with float32."""
_WORTH_MEASURING = 4e6
"""Pixels that a training shows to its model, from which it is measured: below, one takes seconds. The number of
trainings does not count, so that `agent train` computes like the study whose policies it trains."""


def settle_arithmetic(
    config: StudyConfig,
    dataset: "Dataset",
    terminal: "Terminal",
    folder: Path | None = None,
    keep: bool = True,
) -> StudyConfig:
    """The settings with `training.layout` and `training.amp` decided where they are 'auto' on CPU, which is told.

    Args:
        config: of a study that begins; its model, size and weights are decided.
        dataset: of the study.
        terminal: is told what was chosen, and why.
        folder: of a study that may have begun: what it has in its config.yaml stays, also where that was 'auto'.
        keep: whether the runs folder keeps what is measured.

    Raises:
        DiskError: the runs folder cannot be read or written.
    """
    training = config.training
    if folder is not None and (folder / CONFIG).exists():
        recorded = read_yaml(folder / CONFIG).get("training", {})
        return _with(config, recorded.get("amp", training.amp), recorded.get("layout", "auto"))
    if training.layout != "auto" or training.amp == "fp16" or not _on_cpu(config):
        return config
    elsewhere = config.execution.kind != "local"  # each node may have another processor
    if (
        elsewhere
        or training.recipe in _PAPERS
        or dataset.card.name in _PINNED
        or not _is_long(config, dataset)
    ):
        return in_float32(config)
    lock = locked(config.runs_dir / LOCK) if keep else nullcontext()
    with disk_errors_explained(config.runs_dir), lock:
        chosen = _chosen(config, dataset, terminal, keep)
    amp = "bf16" if chosen.bf16 else training.amp
    return _with(config, amp, "channels_last" if chosen.channels_last else "contiguous")


def slow_here(config: StudyConfig) -> list[str]:
    """That this processor has no units for the arithmetic that a study has, which was begun on another one."""
    from tools.training.hardware import cpu_name, has_bf16_units

    elsewhere = config.execution.kind != "local"
    if config.training.amp != "bf16" or elsewhere or not _on_cpu(config) or has_bf16_units():
        return []
    return [
        f"training.amp is bf16, for which {cpu_name()} has no units: it trains as it should, but slower than in float32"
    ]


def in_float32(config: StudyConfig) -> StudyConfig:
    """The settings with nothing to be measured: plain float32 on CPU, unless they say otherwise."""
    if config.training.layout != "auto":
        return config
    return _with(config, config.training.amp, "contiguous")


def _with(config: StudyConfig, amp: Any, layout: Any) -> StudyConfig:
    training = config.training.model_copy(update={"amp": amp, "layout": layout})
    return config.model_copy(update={"training": training})


def _on_cpu(config: StudyConfig) -> bool:
    """Whether trials run on CPU; those on a cluster may."""
    from tools.execution.devices import plan_workers

    local = config.execution.kind == "local"
    return not local or all(plan.device == "cpu" for plan in plan_workers(config.execution))


def _is_long(config: StudyConfig, dataset: "Dataset") -> bool:
    images = sum(record.split == "train" for record in dataset.records)
    epochs = resolve_recipe(config.training).epochs
    return epochs * images * _size(config, dataset) ** 2 >= _WORTH_MEASURING


def _size(config: StudyConfig, dataset: "Dataset") -> int:
    return config.data.image_size or dataset.card.image_size


def _chosen(config: StudyConfig, dataset: "Dataset", terminal: "Terminal", keep: bool) -> "Arithmetic":
    """By what the runs folder has, or by measuring."""
    from tools.training.arithmetic import Arithmetic, choices, choose

    among, file, name = choices(config.training), config.runs_dir / FILE, _measured(config, dataset)
    known = read_json(file)
    known = known if isinstance(known, dict) else {}
    try:
        seconds = {each: float(known[name][str(each)]) for each in among}
        how = f"measured before, in {file}"
    except (KeyError, TypeError, ValueError):
        try:
            seconds, how = _measure(config, dataset), "measured now"
        except Exception:  # whatever a model raises; told when it is checked
            return Arithmetic(bf16=config.training.amp == "bf16")
        if keep:
            write_json(file, {**known, name: {str(each): taken for each, taken in seconds.items()}})
    chosen = choose(seconds)
    terminal.note(f"arithmetic: {_in_words(chosen, seconds)} ({how}{_other_way(config, chosen)})")
    return chosen


def _measured(config: StudyConfig, dataset: "Dataset") -> str:
    """What a measurement depends on."""
    import torch

    from tools.execution.devices import plan_workers
    from tools.training.hardware import cpu_name
    from tools.training.model_source import source_identity

    model, training = config.model, config.training
    parts = [
        f"{model.name}{f' {source[:12]}' if (source := source_identity(model.name)) else ''}, stem {model.stem}",
        f"{_size(config, dataset)} px, batch {resolve_recipe(training).batch_size}, amp {training.amp}",
        f"threads {plan_workers(config.execution)[0].threads}, {cpu_name()}, torch {torch.__version__}",
    ]
    return ", ".join(parts)


def _measure(config: StudyConfig, dataset: "Dataset") -> "dict[Arithmetic, float]":
    from tools.execution.devices import plan_workers
    from tools.training.arithmetic import choices, time_arithmetics

    return time_arithmetics(
        choices(config.training),
        config.model,
        len(dataset.card.classes),
        _size(config, dataset),
        resolve_recipe(config.training),
        plan_workers(config.execution)[0].threads,
    )


def _in_words(chosen: "Arithmetic", seconds: "dict[Arithmetic, float]") -> str:
    plain, *others = seconds
    if chosen == plain:
        rates = ", ".join(f"{each} {_times(seconds[plain] / seconds[each])}" for each in others)
        return f"{plain}; nothing else is clearly faster: {rates}"
    rest = [each for each in others if each != chosen]
    rates = "".join(f"; {each} {_times(seconds[plain] / seconds[each])}" for each in rest)
    return f"{chosen}, {_times(seconds[plain] / seconds[chosen])} as fast as {plain}{rates}"


def _times(ratio: float) -> str:
    return f"{ratio:.2f} times"


def _other_way(config: StudyConfig, chosen: "Arithmetic") -> str:
    if chosen.bf16 and config.training.amp == "auto":
        return "; --training.amp off keeps float32, --training.layout contiguous plain float32 as well"
    return "; --training.layout contiguous is plain float32" if chosen.channels_last else ""
