"""The words of `agent datasets` and `agent cache`; what they do is in `datasets.py`,
`dataset_check.py` and `cache.py`."""

import argparse
import os
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from agent.settings.arguments import FlagParser, HelpFormatter, common_options, parse_words, unknown_word
from tools.errors import ConfigurationError

if TYPE_CHECKING:
    from agent.screen.terminal import Terminal

_JSON = "print JSON for programs, and nothing else, on standard output"
_PARTS = """\
parts:
  agent datasets                    list all data sets
  agent datasets show NAME          all that is known of one
  agent datasets get NAME           fetch it, or say how to
  agent datasets check NAME         look at every image for what spoils results
  agent datasets check --data PATH  the same for images of your own
"""


def datasets(words: Sequence[str]) -> int:
    """`agent datasets [show|get|check] …`; the exit code.

    Raises:
        ConfigurationError: an unknown part or flag.
    """
    parts = {"list": _list, "show": _show, "get": _get, "check": _check}
    if not words or words[0].startswith("-"):
        return _list(words)
    if words[0] not in parts:
        raise unknown_word("part of `agent datasets`", words[0], list(parts))
    return parts[words[0]](words[1:])


def _list(words: Sequence[str]) -> int:
    from agent.screen.exits import perform

    parser = FlagParser(
        prog="agent datasets",
        usage="agent datasets [show|get|check NAME] [options]",
        description="List the data sets that have a name, and whether each is here (looked for in data/NAME).",
        epilog=_PARTS,
        formatter_class=HelpFormatter,
        allow_abbrev=False,
        parents=[common_options()],
    )
    parser.add_argument("--json", action="store_true", help=_JSON)
    options = parser.parse_all(words)

    def list_all(terminal: "Terminal") -> int:
        from agent.commands.dataset_listing import list_all

        return list_all(terminal, as_json=options.json)

    return perform(list_all, options, pages=True)


def _show(words: Sequence[str]) -> int:
    from agent.screen.exits import perform

    options = _one("show", "Show all that is known of a data set, and what of it is here.", words)

    def show(terminal: "Terminal") -> int:
        from agent.commands.dataset_listing import show

        return show(options.name, options.data, terminal)

    return perform(show, options, pages=True)


def _get(words: Sequence[str]) -> int:
    from agent.screen.exits import perform

    purpose = "Fetch a data set where a library can, else print the commands that do. What is here is never touched."
    options = _one("get", purpose, words)

    def get(terminal: "Terminal") -> int:
        from agent.commands.dataset_listing import get

        return get(options.name, options.data, terminal)

    return perform(get, options, pages=True)


def _one(part: str, purpose: str, words: Sequence[str]) -> argparse.Namespace:
    parser = FlagParser(
        prog=f"agent datasets {part}",
        description=purpose,
        formatter_class=HelpFormatter,
        allow_abbrev=False,
        parents=[common_options()],
    )
    parser.add_argument("name", metavar="NAME", nargs="?", help="its name, as `agent datasets` shows it")
    parser.add_argument("--data", type=Path, metavar="PATH", help="where it is (default: data/NAME)")
    options = parser.parse_all(words)
    if options.name is None:
        if options.data is None or part == "get":
            raise ConfigurationError(
                f"agent datasets {part} needs the NAME of a data set: see agent datasets"
            )
        options.name = "folder"
    return options


def _check(words: Sequence[str]) -> int:
    from agent.screen.exits import perform
    from agent.settings.sources import load_with_options

    extra = FlagParser(add_help=False)
    extra.add_argument(
        "name", metavar="NAME", nargs="?", help="of the data set, as `agent datasets` shows it"
    )
    extra.add_argument(
        "--sheet", type=Path, metavar="FILE", help="PNG of training images (default: RUNS_DIR/data-NAME.png)"
    )
    extra.add_argument("--json", action="store_true", help=_JSON)

    def load(words: Sequence[str]):
        return load_with_options(
            words, os.environ, command="datasets check", extra=extra, shown=_is_of_checking
        )

    config, options = load(words)
    if options.name is not None:
        if any(word.partition("=")[0] in ("--dataset", "--data.dataset") for word in words):
            raise ConfigurationError(f"{options.name!r} and --dataset both name the data set: give one")
        config, options = load(["--dataset", options.name, *words])
    if options.sheet is not None and options.sheet.suffix.lower() != ".png":
        raise ConfigurationError(f"--sheet {options.sheet}: expected the name of a .png file")

    def check(terminal: "Terminal") -> int:
        from agent.commands.dataset_check import check

        return check(config, options.sheet, terminal, as_json=options.json)

    return perform(check, options, pages=True, quiet=options.json)


def _is_of_checking(key: str) -> bool:
    return key.startswith("data.") or key == "runs_dir"


def cache(words: Sequence[str]) -> int:
    """`agent cache …`; the exit code.

    Raises:
        ConfigurationError: an unknown flag, or flags that do not go together.
    """
    from agent.screen.exits import perform

    extra = FlagParser(add_help=False)
    extra.add_argument(
        "--prune",
        nargs="+",
        action="extend",
        default=[],
        metavar="NAME",
        help="remove the images of these data sets, or these folders",
    )
    extra.add_argument(
        "--older-than", type=_days, metavar="DAYS", help="remove what was not used for so many days"
    )
    extra.add_argument("--left-over", action="store_true", help="remove what no study uses any more")
    extra.add_argument("--all", action="store_true", help="remove everything")
    extra.add_argument("--dry-run", action="store_true", help="only show what would be removed")
    extra.add_argument(
        "--verify", action="store_true", help="check every decoded image; 1 where some are damaged"
    )
    purpose = (
        "List the folders of decoded images, which studies share; remove some of them. All of it can be made again "
        "from the images. What is being built, or read by a running study, is never removed."
    )
    options = parse_words("cache", purpose, words, extra=extra)
    removes = bool(options.prune) or options.older_than is not None or options.left_over or options.all
    if options.all and (options.prune or options.older_than is not None or options.left_over):
        raise ConfigurationError("--all removes everything: leave --prune, --older-than and --left-over away")
    if options.dry_run and not removes:
        raise ConfigurationError(
            "--dry-run needs to know of what: add --prune NAME, --older-than DAYS, --left-over or --all"
        )
    if options.verify and removes:
        raise ConfigurationError("--verify only looks: give it without flags that remove something")

    def run(terminal: "Terminal") -> int:
        from agent.commands import cache as decoded

        if options.verify:
            return decoded.verify_all(options.runs_dir, terminal)
        if removes:
            wishes = decoded.Wishes(options.prune, options.older_than, options.left_over, options.dry_run)
            return decoded.make_room(options.runs_dir, wishes, terminal)
        return decoded.list_all(options.runs_dir, terminal)

    return perform(run, options, pages=True)


def _days(text: str) -> float:
    try:
        days = float(text)
    except ValueError:
        days = -1.0
    if not days >= 0:
        raise argparse.ArgumentTypeError(f"{text!r} is no number of days: give 0 or more, such as 30")
    return days
