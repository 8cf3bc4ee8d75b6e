"""`agent generate`: synthetic training images without a study; also lists and removes them.

Light until images must be made: a request that was answered before loads no model.
"""

import os
import shutil
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml
from pydantic import ValidationError

from agent.screen.exits import perform
from agent.screen.terminal import Terminal
from agent.settings.arguments import FlagParser
from agent.settings.config import LLMConfig, StudyConfig
from agent.settings.sources import load_config
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
class GenerateOptions:
    """What the images are to be, besides the settings. Values as typed; None where omitted."""

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


def main(words: Sequence[str]) -> int:
    """`agent generate …`; the exit code."""
    config, options = load_config(
        words, os.environ, command="generate", add_flags=_add_flags, shown=_is_of_generation
    )

    def run(terminal: Terminal) -> int:
        if options.status:
            return list_all(config.runs_dir, terminal)
        if options.prune:
            return prune_sets(config.runs_dir, options.keep, terminal)
        wanted = {name: getattr(options, name) for name in GenerateOptions.__dataclass_fields__}
        return generate(config, GenerateOptions(**wanted), terminal)

    return perform(run, options)


def _add_flags(parser: FlagParser) -> None:
    add = parser.add_argument
    add("--scale", type=float, default=1.0, metavar="K", help="synthetic images per real one (default: 1)")
    add(
        "--subject",
        default="object",
        metavar="NAME",
        help="what the images show, for the detector, such as bird (default: object)",
    )
    add(
        "--domain",
        metavar="NAME",
        help="set of background prompts to use, from prompts/aga/; the data set's modality if unset",
    )
    add("--prompts", type=Path, metavar="FILE", help="YAML file with a prompt set of your own")
    add(
        "--flip",
        type=float,
        default=0.5,
        metavar="P",
        help="probability of mirroring the subject (default: 0.5)",
    )
    add(
        "--rotation",
        type=float,
        default=15.0,
        metavar="DEGREES",
        help="largest rotation of the subject, in either direction (default: 15)",
    )
    add(
        "--smallest", type=float, default=0.8, metavar="X", help="smallest zoom of the subject (default: 0.8)"
    )
    add("--largest", type=float, default=1.2, metavar="X", help="largest zoom of the subject (default: 1.2)")
    add("--out", type=Path, metavar="PATH", help="copy the images to this folder, in one subfolder per class")
    add("--status", action="store_true", help="list the sets of images made so far, and make nothing")
    add("--prune", action="store_true", help="remove all sets of images except those of --keep")
    add(
        "--keep", action="append", default=[], metavar="SET", help="a set that --prune keeps; can be repeated"
    )


def _is_of_generation(key: str) -> bool:
    return key.startswith(("aga.", "data.", "llm.")) or key in ("search.seed", "runs_dir")


def generate(config: StudyConfig, options: GenerateOptions, terminal: Terminal) -> int:
    """Make the images, or find them; the exit code.

    Raises:
        ConfigurationError: the prompts are refused, with the reasons.
        AugurError: no image can be made.
    """
    from agent.prechecks import check_captioner

    check_captioner(config)
    if options.out is not None and options.out.exists() and any(options.out.iterdir()):
        raise ConfigurationError(
            f"--out {options.out} is not empty: name an empty folder, or one that does not exist yet"
        )
    dataset = open_dataset(config.data)
    size = config.data.image_size or dataset.card.image_size
    prompts = _prompts(options, dataset.card)
    from agent.steps.synthesis import Synthesis, describe  # heavy, so only after the checks

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
        ("contact sheet", str(sheet)),
    ]
    if options.out is not None:
        _export(made, options.out)
        pages.append(("copied to", str(options.out)))
    terminal.table(("what", "where"), pages)
    return 0


def list_all(runs_dir: Path, terminal: Terminal) -> int:
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


def prune_sets(runs_dir: Path, keep: Sequence[str], terminal: Terminal) -> int:
    """Remove all sets except those whose keys begin with one of `keep`; the exit code.

    Raises:
        ConfigurationError: a key of `keep` matches no set, or several.
    """
    root = runs_dir / "aga"
    keys = [each.key for each in list_sets(root)]
    kept = []
    for start in keep:
        matching = [key for key in keys if key.startswith(start)]
        if len(matching) != 1:
            raise ConfigurationError(
                f"--keep {start} matches {len(matching)} sets: see agent generate --status"
            )
        kept += matching
    freed = prune(root, kept)
    terminal.note(f"{freed / _GIB:.3f} GiB freed; the same settings make the same images again.")
    return 0


def _prompts(options: GenerateOptions, card: Card) -> PromptSet:
    if options.prompts is not None:
        return _read_prompts(options.prompts, options)
    try:
        domain = modality_set(options.domain) if options.domain else modality_set_for(card.modality)
    except ValueError as error:
        raise ConfigurationError(f"--domain: {error}") from error
    avoid = [*card.classes, options.subject]
    words = {
        name: allowed(getattr(domain, name), avoid)[:MOST_ENTRIES]
        for name in ("instructions", "settings", "times")
    }
    return PromptSet.model_validate({**_fields(options), **words})


def _fields(options: GenerateOptions) -> dict[str, Any]:
    """The fields of a prompt set that have a flag."""
    return {
        "subject": options.subject,
        "scale": options.scale,
        "avoid": [],
        "flip_probability": options.flip,
        "max_rotation": options.rotation,
        "min_scale": options.smallest,
        "max_scale": options.largest,
    }


def _read_prompts(file: Path, options: GenerateOptions) -> PromptSet:
    """The fields in `file`; those that it omits come from the flags.

    Raises:
        ConfigurationError: the file is missing, not YAML, or has an unknown field or a bad value.
    """
    try:
        content = yaml.safe_load(file.read_text(encoding="utf-8")) or {}
        return PromptSet.model_validate({**_fields(options), **content})
    except OSError as error:
        raise ConfigurationError(f"--prompts {file}: {error.strerror}") from error
    except (yaml.YAMLError, TypeError) as error:
        raise ConfigurationError(f"--prompts {file} is not a YAML mapping: {error}") from error
    except ValidationError as error:
        faults = "; ".join(f"{'.'.join(map(str, each['loc']))}: {each['msg']}" for each in error.errors())
        raise ConfigurationError(
            f"--prompts {file}: {faults}. Fields: {', '.join(PromptSet.model_fields)}"
        ) from error


def _make_ask(config: LLMConfig) -> Callable[[str, str], str]:
    from agent.llm import make_ask

    return make_ask(config, lambda call: None)


def _export(made: GeneratedSet, out: Path) -> None:
    """Copy the images to `out`, in one subfolder per class, with their provenance.

    Raises:
        AugurError: it cannot be written.
    """
    try:
        shutil.copytree(made.folder / "images", out, dirs_exist_ok=True)
        shutil.copy2(made.provenance, out / "provenance.parquet")
    except OSError as error:
        raise AugurError(f"--out {out} cannot be written ({error.strerror or error})") from error
