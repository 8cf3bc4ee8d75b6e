"""`agent datasets init`: writes the dataset.yaml of a folder of images, from flags or from a few questions."""

import argparse
import shlex
import sys
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, get_args

from agent.commands.datasets.reading import add_reading_flags, reading_config
from agent.screen.terminal import Terminal
from agent.settings.arguments import FlagParser, given_path
from tools.datasets.types import Modality
from tools.errors import ConfigurationError, DataError, did_you_mean

METRICS = ("validation_accuracy", "validation_macro_f1")
FIELDS = (
    "name",
    "title",
    "modality",
    "description",
    "classes",
    "superclasses",
    "ordinal",
    "metric",
    "image_size",
    "licence",
    "citation",
    "warnings",
)
"""Fields of dataset.yaml that can be given, in the order in which they are written."""

_UNBALANCED = 1.5
"""From this ratio of the largest class to the smallest on, macro F1 is suggested."""


def add_flags(parser: FlagParser) -> None:
    """The folder, a flag for each field, and those that say how the folder is read."""
    parser.add_argument("path", metavar="PATH", type=given_path, help="folder of the images")
    parser.add_argument("--name", help="short name, for the MLflow experiment (letters, digits, . _ -)")
    parser.add_argument("--title", help="title, for people")
    parser.add_argument(
        "--modality",
        metavar="KIND",
        help=f"kind of images: {', '.join(_kinds())}; decides what is safe for the labels",
    )
    parser.add_argument(
        "--description", help="what the images show, what decides the label, what must stay as it is"
    )
    parser.add_argument("--classes", metavar="NAME,…", type=_names, help="the classes in order")
    parser.add_argument(
        "--superclasses",
        metavar="NAME,…",
        type=_names,
        help="what a detector finds in the images of each class",
    )
    parser.add_argument(
        "--ordinal", action="store_true", default=None, help="the order of the classes matters"
    )
    parser.add_argument(
        "--metric",
        help=f"the usual measure for such images (studies decide by --search.metric): {' or '.join(METRICS)}",
    )
    parser.add_argument("--image-size", metavar="N", type=int, help="default side in pixels")
    parser.add_argument("--licence", help="licence of the images")
    parser.add_argument("--citation", help="how the images are cited")
    parser.add_argument(
        "--warning",
        metavar="TEXT",
        action="append",
        dest="warnings",
        help="caveat of every number; may be repeated",
    )
    add_reading_flags(parser)
    parser.add_argument("--force", action="store_true", help="replace a dataset.yaml that is there")


def init(options: argparse.Namespace, terminal: Terminal) -> int:
    """Write the dataset.yaml of a folder; the exit code.

    Without a flag for any field, and on a terminal, it asks.

    Raises:
        ConfigurationError: a field has a bad value, there is a dataset.yaml already, or nothing is said.
        DataError: the folder is missing.
        AugurError: the file cannot be written.
    """
    from tools.datasets.folder.card_file import find_card_file, write_card_file

    if not options.path.is_dir():
        raise DataError(
            f"{options.path} is {'a file' if options.path.exists() else 'missing'}: give a folder of images"
        )
    there = find_card_file(options.path)
    if there is not None and not options.force:
        raise ConfigurationError(
            f"{there} is there already: edit it, or replace it with --force (nothing was changed)"
        )
    found, why = _classes(options)
    if why:
        terminal.warn(f"the classes cannot be found yet: {why}")
    given = {name: value for name in FIELDS if (value := getattr(options, name)) is not None}
    suggested = _suggestion(options.path, list(found))
    if not given:
        if not sys.stdin.isatty():
            raise ConfigurationError(
                "agent datasets init asks questions on a terminal; elsewhere, say what is to be written, such as "
                f"--modality {suggested or 'KIND'} --title TEXT --description TEXT (see `agent datasets init --help`)"
            )
        try:
            given = _ask(options.path, found, suggested)
        except EOFError as error:
            raise ConfigurationError(
                "the questions were not answered to the end: nothing was written"
            ) from error
    _check(given, found)
    file = write_card_file(there or options.path / "dataset.yaml", given)
    if "modality" not in given:
        hint = f"; the names suggest {suggested}" if suggested else ""
        terminal.warn(
            f"the kind of images stays unknown (--modality{hint}): only augmentations that are safe for nearly every "
            "kind will be allowed"
        )
    terminal.verbatim(file.read_text(encoding="utf-8").rstrip())
    terminal.result(
        f"{file} is written. Check the images: agent datasets check --data {shlex.quote(str(options.path))}"
    )
    return 0


def _kinds() -> tuple[str, ...]:
    return tuple(kind for kind in get_args(Modality) if kind != "unknown")


def _names(text: str) -> list[str]:
    return [name.strip() for name in text.split(",")]


def _classes(options: argparse.Namespace) -> tuple[Counter[str], str]:
    """Images by class, in the order of the classes; or why they cannot be found."""
    from tools.datasets.folder.read_folder import read_folder
    from tools.datasets.folder.tables.label_names import settle_labels

    config = reading_config(options, None, options.path)
    try:
        read = read_folder(options.path, config)
        items, _ = settle_labels(read.items, read.where, None, config)
    except DataError as error:
        return Counter(), str(error)
    return Counter(sorted(item.label for item in items)), ""


def _suggestion(path: Path, classes: Sequence[str]) -> str | None:
    from tools.datasets.modality import suggested_modality

    return suggested_modality([*path.absolute().parts[-2:], *classes])


def _ask(path: Path, found: Counter[str], suggested: str | None) -> dict[str, Any]:
    """The fields as a person at the terminal answers; empty answers are left out."""
    from rich.prompt import Confirm, Prompt
    from rich.text import Text  # names of classes may have brackets, which are markup in a plain string

    said: dict[str, Any] = {"title": Prompt.ask("Title, for people", default=path.resolve().name)}
    said["modality"] = Prompt.ask(
        "What kind of images are these? It decides which augmentations are safe for the labels",
        choices=[*_kinds(), "unknown"],
        default=suggested or "unknown",
    )
    said["description"] = Prompt.ask(
        "What do they show, what decides the label, and what must stay as it is? (the language model reads it)",
        default="",
        show_default=False,
    )
    if len(found) > 2 and Confirm.ask(
        Text(f"Is there a natural order of the classes ({', '.join(found)}), such as grades?"), default=False
    ):
        said["ordinal"] = True
        said["classes"] = _names(
            Prompt.ask("The classes in their order, separated by commas", default=",".join(found))
        )
    unbalanced = bool(found) and max(found.values()) >= _UNBALANCED * min(found.values())
    said["metric"] = Prompt.ask(
        "What is to be improved? Macro F1 counts every class alike",
        choices=list(METRICS),
        default=METRICS[1] if unbalanced else METRICS[0],
    )
    said["licence"] = Prompt.ask("Licence of the images", default="", show_default=False)
    return {name: value for name, value in said.items() if value not in ("", "unknown")}


def _check(given: Mapping[str, Any], found: Counter[str]) -> None:
    """Values that the file would not accept, in this command's words."""
    for field, allowed in (("modality", (*_kinds(), "unknown")), ("metric", METRICS)):
        value = given.get(field)
        if value is not None and value not in allowed:
            hint = did_you_mean(value, allowed) or f"choose one of {', '.join(allowed)}"
            raise ConfigurationError(f"--{field} {value}: {hint}")
    classes = given.get("classes")
    if classes is None or not found:
        return
    unknown = [name for name in classes if name not in found]
    absent = [name for name in found if name not in classes]
    if unknown or absent or len(classes) != len(set(classes)):
        raise ConfigurationError(
            f"--classes {','.join(classes)}: the images have the classes {', '.join(found)}; give each of them once"
            + (
                f" ({did_you_mean(unknown[0], absent)})"
                if unknown and did_you_mean(unknown[0], absent)
                else ""
            )
        )
