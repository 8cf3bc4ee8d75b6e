"""`agent datasets`: its parts and their flags; what they do is in listing.py, check.py and init.py."""

import argparse
import os
from collections.abc import Sequence

from agent.commands.datasets.reading import add_reading_flags, reading_config
from agent.screen.exits import perform
from agent.screen.terminal import Terminal
from agent.settings.arguments import FlagParser, given_path, unknown_word
from agent.settings.config import StudyConfig
from agent.settings.sources import load_config
from tools.errors import ConfigurationError

_JSON = "print only JSON on standard output, for programs"
_NAME = "name of the data set, as `agent datasets` shows it"
_PARTS = """\
parts:
  agent datasets                    list all data sets
  agent datasets show NAME          show all that is known of one
  agent datasets get NAME           download it, or say how to
  agent datasets check NAME         inspect every image for faults
  agent datasets check --data PATH  do so for a folder of your own
  agent datasets init PATH          describe a folder of your own (dataset.yaml)
"""


def main(words: Sequence[str]) -> int:
    """`agent datasets [show|get|check|init] …`; the exit code."""
    parts = {"list": _list, "show": _show, "get": _get, "check": _check, "init": _init}
    if not words or words[0].startswith("-"):
        return _list(words)
    if words[0] not in parts:
        raise unknown_word("part of `agent datasets`", words[0], list(parts))
    return parts[words[0]](words[1:])


def _list(words: Sequence[str]) -> int:
    parser = FlagParser(
        "datasets",
        usage="agent datasets [show|get|check NAME | init PATH] [options]",
        description="List the data sets that have a name, and whether each is on this machine (in data/NAME).",
        epilog=_PARTS,
    )
    parser.add_argument("--json", action="store_true", help=_JSON)
    parser.add_common_flags()
    options = parser.parse_all(words)

    def list_all(terminal: Terminal) -> int:
        from agent.commands.datasets.listing import list_all

        return list_all(terminal, as_json=options.json)

    return perform(list_all, options, pages=True)


def _show(words: Sequence[str]) -> int:
    options = _parse_name(
        "show", "Show all that is known of a data set, and what of it is on this machine.", words
    )

    def show(terminal: Terminal) -> int:
        from agent.commands.datasets.listing import show

        return show(options.name, reading_config(options, options.name, options.data), terminal)

    return perform(show, options, pages=True)


def _get(words: Sequence[str]) -> int:
    purpose = (
        "Download a data set, or print the commands that do. Files that are already there are never changed."
    )
    options = _parse_name("get", purpose, words)

    def get(terminal: Terminal) -> int:
        from agent.commands.datasets.listing import get

        return get(options.name, options.data, terminal)

    return perform(get, options, pages=True)


def _parse_name(part: str, purpose: str, words: Sequence[str]) -> argparse.Namespace:
    parser = FlagParser(f"datasets {part}", description=purpose)
    parser.add_argument("name", metavar="NAME", nargs="?", help=_NAME)
    parser.add_argument(
        "--data", type=given_path, metavar="PATH", help="folder of the data set (default: data/NAME)"
    )
    if part == "show":
        add_reading_flags(parser)
    parser.add_common_flags()
    options = parser.parse_all(words)
    if options.name is None:
        if options.data is None or part == "get":
            raise ConfigurationError(
                f"agent datasets {part} needs the NAME of a data set: `agent datasets` lists them"
            )
        options.name = "folder"
    return options


def _check(words: Sequence[str]) -> int:
    config, options = _load(words)
    if options.name is not None:
        if any(word.partition("=")[0] in ("--dataset", "--data.dataset") for word in words):
            raise ConfigurationError(f"{options.name!r} and --dataset both name the data set: give only one")
        config, options = _load(["--dataset", options.name, *words])
    if options.sheet is not None and options.sheet.suffix.lower() != ".png":
        raise ConfigurationError(f"--sheet {options.sheet}: expected the name of a .png file")

    def check(terminal: Terminal) -> int:
        from agent.commands.datasets.check import check

        return check(config, options.sheet, terminal, as_json=options.json)

    return perform(check, options, pages=True, quiet=options.json)


def _init(words: Sequence[str]) -> int:
    from agent.commands.datasets.init import add_flags, init

    parser = FlagParser(
        "datasets init",
        usage="agent datasets init PATH [options]",
        description="Describe a folder of images in a dataset.yaml beside them: what kind of images they are (which "
        "decides what augmentations are safe for the labels), what they show, what the classes are. On a terminal, and "
        "without flags, it asks.",
    )
    add_flags(parser)
    parser.add_common_flags()
    options = parser.parse_all(words)
    return perform(lambda terminal: init(options, terminal), options, pages=True)


def _load(words: Sequence[str]) -> tuple[StudyConfig, argparse.Namespace]:
    return load_config(
        words,
        os.environ,
        command="datasets check",
        add_flags=_add_check_flags,
        shown=lambda key: key.startswith("data.") or key == "runs_dir",
    )


def _add_check_flags(parser: FlagParser) -> None:
    parser.add_argument("name", metavar="NAME", nargs="?", help=_NAME)
    parser.add_argument(
        "--sheet",
        type=given_path,
        metavar="FILE",
        help="contact sheet of training images, a PNG (default: RUNS_DIR/data-NAME.png)",
    )
    parser.add_argument("--json", action="store_true", help=_JSON)
