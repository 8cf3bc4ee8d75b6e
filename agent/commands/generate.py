"""`agent generate`: synthetic training images without a study, what there is of them, and making room.

Light until something has to be made: a request that was answered before is answered without loading any model.
"""

import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import yaml
from pydantic import ValidationError

from agent.screen.terminal import Terminal
from agent.settings.config import LLMConfig, StudyConfig
from agent.steps.synthesis import Synthesis, describe
from prompts.modality_sets import modality_set, modality_set_for
from tools.aga.captions.forbidden_words import allowed
from tools.aga.captions.prompt_sets import MOST_ENTRIES, vet_prompts
from tools.aga.config import PromptSet
from tools.aga.store.sets import GeneratedSet, list_sets, prune
from tools.datasets.cache.build import build_cache
from tools.datasets.registry import open_dataset
from tools.datasets.types import Card
from tools.errors import AugurError, ConfigurationError

_GIB = 2**30


@dataclass(frozen=True)
class Wishes:
    """What the images are to be, besides the settings. Values as typed; None where left out."""

    scale: float
    subject: str
    prompts: Path | None
    """A YAML file with the fields of a prompt set."""
    domain: str | None
    """Name of a modality set of `prompts/aga/`."""
    flip: float
    rotation: float
    smallest: float
    largest: float
    out: Path | None


def generate(config: StudyConfig, wishes: Wishes, terminal: Terminal) -> int:
    """Make the images, or find them; the exit code.

    Raises:
        ConfigurationError: the prompts are refused, with the reasons.
        AugurError: no image can be made.
    """
    if wishes.out is not None and wishes.out.exists() and any(wishes.out.iterdir()):
        raise ConfigurationError(
            f"--out {wishes.out} is not empty: name a folder that is, or that does not exist yet"
        )
    dataset = open_dataset(config.data)
    size = config.data.image_size or dataset.card.image_size
    prompts = _prompts(wishes, dataset.card)
    if reasons := vet_prompts(prompts, dataset.card.classes):
        raise ConfigurationError(
            "The background prompts are refused:\n" + "\n".join(f"- {each}" for each in reasons)
        )

    def on_progress(stage: str, done: int, total: int) -> None:
        terminal.progress(stage, done, total)

    data = build_cache(
        dataset,
        config.data,
        size,
        config.runs_dir / "cache",
        lambda done, total: on_progress("decoding", done, total),
    )
    synthesis = Synthesis(config, dataset, data, on_progress, _make_ask)
    made = synthesis.set_of(prompts)
    terminal.note(describe(made))
    sheet = made.folder.parent / f"{made.key}.png"
    if not sheet.exists():
        synthesis.sheet(prompts, sheet)
    pages = [
        ("images", str(made.folder / "images")),
        ("provenance", str(made.provenance)),
        ("look", str(sheet)),
    ]
    if wishes.out is not None:
        _export(made, wishes.out)
        pages.append(("copied to", str(wishes.out)))
    terminal.table(("what", "where"), pages)
    return 0


def status(runs_dir: Path, terminal: Terminal) -> int:
    """Print every set of the store; the exit code."""
    found = list_sets(runs_dir / "aga")
    if not found:
        terminal.note(
            f"There are no synthetic images in {(runs_dir / 'aga').resolve()}: make some with agent generate"
        )
        return 0
    rows = [
        (
            each.key[:12],
            str(each.images),
            "finished" if each.finished else "being made" if each.being_written else "interrupted",
            f"{each.bytes / _GIB:.3f}",
            "; ".join(
                f"{gate}: {counts.get('refused', 0)}" for gate, counts in each.about.get("gates", {}).items()
            ),
        )
        for each in found
    ]
    terminal.table(("set", "images", "state", "GiB", "refused by gate"), rows)
    return 0


def make_room(runs_dir: Path, keep: list[str], terminal: Terminal) -> int:
    """Remove all sets but those whose keys begin with one of `keep`; the exit code.

    Raises:
        ConfigurationError: a key of `keep` fits no set, or several.
    """
    root = runs_dir / "aga"
    keys = [each.key for each in list_sets(root)]
    kept = []
    for start in keep:
        fitting = [key for key in keys if key.startswith(start)]
        if len(fitting) != 1:
            raise ConfigurationError(f"--keep {start} fits {len(fitting)} sets: see agent generate --status")
        kept += fitting
    freed = prune(root, kept)
    terminal.note(
        f"{freed / _GIB:.3f} GiB freed; what trials were trained on can be made again from the same settings."
    )
    return 0


def _prompts(wishes: Wishes, card: Card) -> PromptSet:
    if wishes.prompts is not None:
        return _read_prompts(wishes)
    try:
        domain = modality_set(wishes.domain) if wishes.domain else modality_set_for(card.modality)
    except ValueError as error:
        raise ConfigurationError(f"--domain: {error}") from error
    avoid = [*card.classes, wishes.subject]
    return PromptSet(
        subject=wishes.subject,
        scale=wishes.scale,
        instructions=allowed(domain.instructions, avoid)[:MOST_ENTRIES],
        settings=allowed(domain.settings, avoid)[:MOST_ENTRIES],
        times=allowed(domain.times, avoid)[:MOST_ENTRIES],
        avoid=[],
        flip_probability=wishes.flip,
        max_rotation=wishes.rotation,
        min_scale=wishes.smallest,
        max_scale=wishes.largest,
    )


def _read_prompts(wishes: Wishes) -> PromptSet:
    """The file's fields; those that it leaves out come from the flags.

    Raises:
        ConfigurationError: the file is missing, no YAML, or has an unknown field or a bad value.
    """
    file = wishes.prompts
    assert file is not None
    flags = {
        "subject": wishes.subject,
        "scale": wishes.scale,
        "avoid": [],
        "flip_probability": wishes.flip,
        "max_rotation": wishes.rotation,
        "min_scale": wishes.smallest,
        "max_scale": wishes.largest,
    }
    try:
        content = yaml.safe_load(file.read_text(encoding="utf-8")) or {}
        return PromptSet.model_validate({**flags, **content})
    except OSError as error:
        raise ConfigurationError(f"--prompts {file}: {error.strerror}") from error
    except (yaml.YAMLError, TypeError) as error:
        raise ConfigurationError(f"--prompts {file} is no YAML mapping: {error}") from error
    except ValidationError as error:
        faults = "; ".join(f"{'.'.join(map(str, each['loc']))}: {each['msg']}" for each in error.errors())
        raise ConfigurationError(
            f"--prompts {file}: {faults}. Fields: {', '.join(PromptSet.model_fields)}"
        ) from error


def _make_ask(config: LLMConfig) -> Callable[[str, str], str]:
    from agent.llm import make_ask

    return make_ask(config, lambda call: None)


def _export(made: GeneratedSet, out: Path) -> None:
    """Copies the images as class folders, and their provenance, to `out`.

    Raises:
        AugurError: it cannot be written.
    """
    try:
        shutil.copytree(made.folder / "images", out, dirs_exist_ok=True)
        shutil.copy2(made.provenance, out / "provenance.parquet")
    except OSError as error:
        raise AugurError(f"--out {out} cannot be written ({error.strerror or error})") from error
