"""What `agent generate` settles before it makes images: the prompts, their size, where they go, what is downloaded."""

import re
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import yaml
from pydantic import ValidationError

from agent.screen.terminal import Terminal
from agent.settings.config import StudyConfig
from prompts.modality_sets import modality_set, modality_set_for
from tools.aga.captions.forbidden_words import allowed
from tools.aga.captions.prompt_sets import MOST_ENTRIES
from tools.aga.chain_steps import chain_steps
from tools.aga.config import PromptSet
from tools.aga.downloads import is_offline, missing_weights
from tools.datasets.types import Card, Dataset
from tools.errors import ConfigurationError

LARGEST_SIDE = 2048
"""Longest side in pixels of images that are made at the size of their source, unless more is asked for."""

_SHOWN = 5
"""Names that are shown."""


def prompts_for(
    card: Card, fields: dict[str, Any], file: Path | None, domain: str | None
) -> tuple[str, PromptSet]:
    """The prompts, and what they are called.

    Args:
        card: of the data set: its classes are kept out, and its modality chooses where nothing is given.
        fields: of the prompt set, from the flags; a file's win.
        file: a YAML file with fields of a prompt set.
        domain: the name of one of `prompts/aga/`.

    Raises:
        ConfigurationError: the file is missing, not YAML, or has an unknown field or a bad value; no such domain.
    """
    if file is not None:
        return file.stem, _read_prompts(file, fields)
    try:
        found = modality_set(domain) if domain else modality_set_for(card.modality)
    except ValueError as error:
        raise ConfigurationError(f"--domain: {error}") from error
    avoid = [*card.classes, fields["subject"]]
    words = {
        name: allowed(getattr(found, name), avoid)[:MOST_ENTRIES]
        for name in ("instructions", "settings", "times")
    }
    if empty := [name for name, left in words.items() if not left]:
        raise ConfigurationError(
            f"all {' and all '.join(empty)} of our prompts {found.name} name a class or the subject "
            f"({', '.join(avoid[:_SHOWN])}), which no background may show: choose others with --domain, or write your "
            "own with --prompts FILE"
        )
    return domain or card.modality, PromptSet.model_validate({**fields, **words})


def _read_prompts(file: Path, fields: dict[str, Any]) -> PromptSet:
    try:
        content = yaml.safe_load(file.read_text(encoding="utf-8"))
        if content is None:
            raise ConfigurationError(
                f"--prompts {file} is empty: give it lists of instructions, settings and times, as prompts.yaml beside "
                "images that were made has them"
            )
        return PromptSet.model_validate({**fields, **content})
    except OSError as error:
        raise ConfigurationError(f"--prompts {file}: {error.strerror}") from error
    except (yaml.YAMLError, TypeError, UnicodeDecodeError) as error:
        raise ConfigurationError(f"--prompts {file} is not a YAML mapping: {error}") from error
    except ValidationError as error:
        faults = "; ".join(f"{'.'.join(map(str, each['loc']))}: {each['msg']}" for each in error.errors())
        raise ConfigurationError(
            f"--prompts {file}: {faults}. Fields: {', '.join(PromptSet.model_fields)}"
        ) from error


def at_source_size(
    config: StudyConfig, dataset: Dataset, files: Sequence[str], terminal: Terminal
) -> StudyConfig:
    """The settings with images in the proportions and the size of their sources, unless they say otherwise.

    Args:
        config: as given.
        dataset: where the sources are read.
        files: of the training images.
        terminal: is told where sources are larger than what is made.
    """
    compose = config.aga.compose
    if compose.size == "training" and "size" in compose.model_fields_set:
        return config
    changed: dict[str, Any] = {"size": "source"}
    if "max_side" not in compose.model_fields_set:
        largest = max((_longer_side(dataset, file) for file in files), default=compose.max_side)
        changed["max_side"] = min(max(largest, 32), LARGEST_SIDE)
        if largest > LARGEST_SIDE:
            terminal.note(
                f"Some sources have {largest} px along their longer side: images are made at {LARGEST_SIDE} px at most "
                "(--aga.compose.max_side allows more)."
            )
    aga = config.aga.model_copy(update={"compose": compose.model_copy(update=changed)})
    return config.model_copy(update={"aga": aga})


def _longer_side(dataset: Dataset, file: str) -> int:
    from tools.datasets.cache.decode import UnreadableImage, read_header

    try:
        header = read_header(dataset.source.read(file))
    except (OSError, UnreadableImage):
        return 0  # making its image says what is wrong
    return max(header.width, header.height)


def tell_chain(config: StudyConfig, terminal: Terminal) -> None:
    """Show what does each step, whether it is a network, given or a rule, and how it can be improved."""
    steps = chain_steps(config.aga, config.caption_llm.model)
    for each in steps:
        better = f"; better: {each.upgrade}" if each.upgrade else ""
        terminal.note(f"{each.step}: {each.kind}, {each.by} ({each.nature}){better}")


def agree_to_downloads(config: StudyConfig, yes: bool, terminal: Terminal) -> None:
    """Say which weights would be fetched from the hub, and ask.

    Args:
        config: the settings.
        yes: whether it was agreed to already (--yes).
        terminal: is told.

    Raises:
        ConfigurationError: it was not agreed to, nobody can be asked, or downloads are forbidden.
    """
    missing = missing_weights(config.aga)
    if not missing:
        return
    what = " and ".join(each.told for each in missing)
    without = "--background scenes and --background folder PATH need no weights"
    if is_offline():
        raise ConfigurationError(
            f"not on this machine, and HF_HUB_OFFLINE forbids to fetch it: {what}. Unset it, or give a local folder; "
            f"{without}"
        )
    if yes:
        terminal.note(f"Fetched from the Hugging Face hub: {what}.")
        return
    if not sys.stdin.isatty():
        raise ConfigurationError(
            f"would be fetched from the Hugging Face hub first: {what}. Add --yes to agree; {without}"
        )
    answer = input(f"This is fetched from the Hugging Face hub first: {what}. Go on? [y/N] ")
    if answer.strip().casefold() not in ("y", "yes"):
        raise ConfigurationError(f"nothing was fetched or made; {without}")


def folder_named_after(config: StudyConfig, dataset: Dataset, prompts_name: str) -> Path:
    """Where images go that nobody chose a folder for: runs_dir/generated/DATA-PROMPTS."""
    path = config.data.path
    data = path.expanduser().absolute().name if path is not None and path.name else dataset.card.name
    name = re.sub(r"[^\w.+-]+", "-", f"{data}-{prompts_name}").strip("-.") or "images"
    return config.runs_dir / "generated" / name
