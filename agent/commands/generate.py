"""`agent generate`: synthetic training images without a study; also lists and removes them.

Light until images must be made: a request that was answered before loads no model.
"""

import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from agent.images.generation import (
    agree_to_downloads,
    at_source_size,
    folder_named_after,
    prompts_for,
    tell_chain,
)
from agent.screen.exits import perform
from agent.screen.terminal import Terminal
from agent.settings.arguments import FlagParser, given_path
from agent.settings.config import LLMConfig, StudyConfig
from agent.settings.sources import load_config
from agent.steps.describing import agree_to_pictures, described
from tools.aga.captions.prompt_sets import vet_prompts
from tools.aga.making.export import export, is_copy_of
from tools.aga.store.sets import list_sets, prune
from tools.datasets.cache.build import build_cache
from tools.datasets.registry import open_dataset
from tools.errors import ConfigurationError

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
    describe: bool = False
    """Whether a model that sees describes the settings from the training images."""
    yes: bool = False
    """Whether weights may be fetched without asking."""


def main(words: Sequence[str]) -> int:
    """`agent generate …`; the exit code."""
    config, options = load_config(
        _with_folder(words), os.environ, command="generate", add_flags=_add_flags, shown=_is_of_generation
    )

    def run(terminal: Terminal) -> int:
        if options.status and options.prune:
            raise ConfigurationError("--status only lists, and --prune removes: give one of them")
        if options.keep and not options.prune:
            raise ConfigurationError(
                f"--keep {options.keep[0]} says what --prune leaves, which is not given: add it"
            )
        if options.status:
            return list_all(config.runs_dir, terminal)
        if options.prune:
            return prune_sets(config.runs_dir, options.keep, terminal)
        wanted = {name: getattr(options, name) for name in GenerateOptions.__dataclass_fields__}
        return generate(config, GenerateOptions(**wanted), terminal)

    return perform(run, options)


def _with_folder(words: Sequence[str]) -> list[str]:
    """The words with `--background folder PATH` as the two flags that it is short for."""
    spread = list(words)
    for at, word in enumerate(words[:-2]):
        if word == "--background" and words[at + 1] == "folder" and not words[at + 2].startswith("-"):
            spread[at + 2 : at + 2] = ["--aga.background.folder"]
            break
    return spread


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
    add("--prompts", type=given_path, metavar="FILE", help="YAML file with a prompt set of your own")
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
    add(
        "--out",
        type=given_path,
        metavar="PATH",
        help="folder for the images, one subfolder per class; runs/generated/DATA-PROMPTS if unset",
    )
    add(
        "--describe",
        action="store_true",
        help="let the language model (--llm, one that sees pictures) describe the settings from the training images",
    )
    add("--yes", action="store_true", help="fetch weights from the Hugging Face hub without asking")
    add("--status", action="store_true", help="list the sets of images made so far, and make nothing")
    add("--prune", action="store_true", help="remove all sets of images except those of --keep")
    add(
        "--keep", action="append", default=[], metavar="SET", help="a set that --prune keeps; can be repeated"
    )


def _is_of_generation(key: str) -> bool:
    where = ("execution.kind", "execution.ray_address", "execution.workers", "execution.device")
    return key.startswith(("aga.", "data.", "llm.")) or key in ("search.seed", "runs_dir", *where)


def generate(config: StudyConfig, options: GenerateOptions, terminal: Terminal) -> int:
    """Make the images, or find them; the exit code.

    Raises:
        ConfigurationError: the prompts are refused, with the reasons, or weights would have to be fetched.
        ModelAway: the model that is to write captions does not answer.
        AugurError: no image can be made.
    """
    from agent.starting.consent import asked
    from agent.starting.prechecks import check_captioner, check_captions_answer, check_model_answers

    check_captioner(config)
    check_captions_answer(config, terminal.warn)
    _check_out(options.out, config.data.path)
    dataset = open_dataset(config.data)
    if dataset.card.several_labels:
        raise ConfigurationError(
            f"an image of {dataset.card.name} may have several labels, which do not belong to one subject that could "
            "be put on another background: no images are made"
        )
    size = config.data.image_size or dataset.card.image_size
    name, prompts = prompts_for(dataset.card, _fields(options), options.prompts, options.domain)
    if reasons := vet_prompts(prompts, dataset.card.classes):
        raise ConfigurationError(
            f"The background prompts{f' of {options.prompts}' if options.prompts else ''} are refused:\n"
            + "\n".join(f"- {each}" for each in reasons)
        )
    if options.describe:
        check_model_answers(config.caption_llm, "--describe", terminal.warn)
        agree_to_pictures(config.caption_llm, dataset.card, terminal, asked)
    tell_chain(config, terminal)
    agree_to_downloads(config, options.yes, terminal)
    from agent.images.set_in_words import describe, describe_unread
    from agent.images.synthesis import Synthesis  # heavy, so only after the checks

    def on_progress(stage: str, done: int, total: int) -> None:
        terminal.progress(stage, done, total)

    data = build_cache(
        dataset,
        config.data,
        size,
        config.runs_dir / "cache",
        lambda done, total: on_progress("decoding", done, total),
    )
    if options.describe:
        prompts = described(prompts, config, dataset.card, data, terminal)
    sized = at_source_size(config, dataset, data.split("train").files, terminal)
    synthesis = Synthesis(sized, dataset, data, on_progress, _make_ask)
    if sized is not config:  # else they may be the images of a study, which looks at all sources
        synthesis.take_no_more_sources_than_needed(prompts)
    made = synthesis.set_of(prompts)
    terminal.note(describe(made))
    if unread := describe_unread(made):
        terminal.warn(unread)
    sheet = made.folder.parent / f"{made.key}.png"
    if not sheet.exists():
        synthesis.sheet(prompts, sheet)
    out = options.out or folder_named_after(config, dataset, name)
    if options.out is None and out.exists() and not is_copy_of(out, made.key):
        out = out.with_name(f"{out.name}-{made.key[:8]}")
    if not is_copy_of(out, made.key):
        export(made, out)
    terminal.table(
        ("what", "where"),
        [("images", str(out)), ("contact sheet", str(sheet)), ("for training", str(made.folder))],
    )
    return 0


def _check_out(out: Path | None, data: Path | None) -> None:
    """The folder for the images takes them, and is none of the data's, where they would be taken for photographs."""
    if out is None:
        return
    remedy = "name an empty folder, or one that does not exist yet"
    if out.exists() and not out.is_dir():
        raise ConfigurationError(f"--out {out} is a file: {remedy}")
    if out.exists() and any(out.iterdir()):
        raise ConfigurationError(f"--out {out} is not empty: {remedy}")
    if data is not None and out.resolve().is_relative_to(data.expanduser().resolve()):
        raise ConfigurationError(
            f"--out {out} lies within the data, {data}: its images would be taken for data the next time. Name a "
            "folder elsewhere"
        )


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


def _make_ask(config: LLMConfig) -> Callable[[str, str], str]:
    from agent.llm import make_ask

    return make_ask(config, lambda call: None)
