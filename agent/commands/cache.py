"""`agent cache`: the folders of decoded images: listed, checked, removed."""

import argparse
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from rich.text import Text

from agent.screen.exits import perform
from agent.screen.tables import open_table
from agent.screen.terminal import Terminal
from agent.settings.arguments import FlagParser
from tools.datasets.cache.upkeep import (
    INDEX,
    CacheFolder,
    Removed,
    index_bytes,
    list_folders,
    remove,
    select,
    verify,
)
from tools.errors import ConfigurationError
from tools.text import counted

_MIB = 2**20
_PURPOSE = (
    "List the folders of decoded images that studies share, or remove some of them. Everything can be made again "
    "from the original images. A folder that is being built, or that a running study reads, is never removed."
)


@dataclass(frozen=True)
class PruneOptions:
    """Which folders to remove: those that fit all of these."""

    names: Sequence[str]
    older_than: float | None
    """Days since the last use."""
    left_over: bool
    dry_run: bool


def main(words: Sequence[str]) -> int:
    """`agent cache …`; the exit code."""
    options = _parse(words)
    prune = PruneOptions(options.prune, options.older_than, options.left_over, options.dry_run)

    def run(terminal: Terminal) -> int:
        if options.verify:
            return verify_all(options.runs_dir, terminal)
        if _removes(options):
            return prune_cache(options.runs_dir, prune, terminal)
        return list_all(options.runs_dir, terminal)

    return perform(run, options, pages=True)


def _parse(words: Sequence[str]) -> argparse.Namespace:
    parser = FlagParser("cache", description=_PURPOSE)
    parser.add_argument(
        "--prune",
        nargs="+",
        action="extend",
        default=[],
        metavar="NAME",
        help="remove the images of these data sets, or these folders",
    )
    parser.add_argument(
        "--older-than", type=_days, metavar="DAYS", help="remove what has not been used for this many days"
    )
    parser.add_argument("--left-over", action="store_true", help="remove what no study uses any more")
    parser.add_argument("--all", action="store_true", help="remove everything")
    parser.add_argument(
        "--dry-run", action="store_true", help="show what would be removed, and remove nothing"
    )
    parser.add_argument(
        "--verify", action="store_true", help="check every decoded image; exits with 1 if any is damaged"
    )
    parser.add_runs_dir()
    parser.add_common_flags()
    options = parser.parse_all(words)
    if options.all and (options.prune or options.older_than is not None or options.left_over):
        raise ConfigurationError("--all removes everything: omit --prune, --older-than and --left-over")
    if options.dry_run and not _removes(options):
        raise ConfigurationError(
            "--dry-run needs a selection: add --prune NAME, --older-than DAYS, --left-over or --all"
        )
    if options.verify and _removes(options):
        raise ConfigurationError("--verify only checks: use it without flags that remove something")
    return options


def _removes(options: argparse.Namespace) -> bool:
    return bool(options.prune) or options.older_than is not None or options.left_over or options.all


def _days(text: str) -> float:
    try:
        days = float(text)
    except ValueError:
        days = -1.0
    if not days >= 0:
        raise argparse.ArgumentTypeError(f"{text!r} is not a number of days: give 0 or more, such as 30")
    return days


def list_all(runs_dir: Path, terminal: Terminal) -> int:
    """Print every folder; the exit code."""
    root = runs_dir / "cache"
    shelf = list_folders(root)
    if not shelf:
        terminal.note(f"There are no decoded images in {root.resolve()}: the first study makes them.")
        return 0
    folders = [each for each in shelf if each.state != "left over"]
    table = open_table()
    for header in ("data set", "px", "images", "MiB", "views", "last used", "state"):
        table.add_column(header, justify="right" if header in ("px", "images", "MiB", "views") else "left")
    for each in folders:
        cells = (*_cells(each), str(each.views), _when(each.used), each.state)
        table.add_row(*map(Text, cells))
    if folders:
        terminal.show(table)
    if left := [each for each in shelf if each.state == "left over"]:
        terminal.table(
            ("left over", "MiB", "of"),
            [(each.folder.name, _mib(each.bytes), each.why) for each in left],
        )
        terminal.note("agent cache --left-over removes what is left over.")
    total = sum(each.bytes for each in shelf)
    terminal.note(
        f"{_mib(total)} MiB in {root}, and {_mib(index_bytes(root))} MiB of hashes ({INDEX}), so that unchanged images "
        "are not read again. A view is one division of the images: splits, a fold, or a fraction of the labels."
    )
    return 0


def prune_cache(runs_dir: Path, prune: PruneOptions, terminal: Terminal) -> int:
    """Remove the folders that fit, and say what was removed and what was kept; the exit code.

    Raises:
        ConfigurationError: a name fits nothing.
        AugurError: something cannot be removed.
    """
    unwanted = select(
        list_folders(runs_dir / "cache"), prune.names, prune.older_than, only_left_over=prune.left_over
    )
    done = remove(unwanted, runs_dir / "studies", dry_run=prune.dry_run)
    for each, why in done.kept:
        terminal.warn(f"{each.folder.name} is kept: {why}")
    if done.gone:
        rows = [(each.folder.name, _mib(each.bytes), _when(each.used)) for each in done.gone]
        terminal.table(("would be removed" if prune.dry_run else "removed", "MiB", "last used"), rows)
    terminal.result(_freed(done, prune.dry_run))
    return 0


def verify_all(runs_dir: Path, terminal: Terminal) -> int:
    """Check every finished folder; 1 if one is damaged, else 0."""
    shelf = [each for each in list_folders(runs_dir / "cache") if each.state == "finished"]
    damaged = 0
    rows = []
    for done, each in enumerate(shelf):
        terminal.progress("folders checked", done, len(shelf))
        found = verify(each)
        damaged += bool(found)
        rows.append((each.folder.name, f"{each.images:,}", f"damaged: {found}" if found else "intact"))
    terminal.close()
    if rows:
        terminal.table(("folder", "images", "state"), rows)
    if damaged:
        terminal.result(
            f"{damaged} of {counted(len(shelf), 'folder')} {'is' if damaged == 1 else 'are'} damaged. The next study "
            "that opens one decodes its damaged images "
            "again; or remove it with agent cache --prune FOLDER."
        )
        return 1
    terminal.result(
        "The one finished folder is intact."
        if len(shelf) == 1
        else f"All {len(shelf)} finished folders are intact."
    )
    return 0


def _cells(each: CacheFolder) -> tuple[str, str, str, str]:
    images = f"{each.images:,}" if each.images == each.expected else f"{each.images:,} of {each.expected:,}"
    return each.name, str(each.size), images, _mib(each.bytes)


def _freed(done: Removed, dry_run: bool) -> str:
    if not done.gone:
        return "Nothing to remove."
    freed = _mib(sum(each.bytes for each in done.gone))
    if dry_run:
        return f"{freed} MiB would be freed; nothing was removed."
    return f"{freed} MiB freed; the next study that needs the images decodes them again."


def _mib(size: int) -> str:
    return f"{size / _MIB:,.1f}"


def _when(seconds: float) -> str:
    return datetime.fromtimestamp(seconds).strftime("%Y-%m-%d %H:%M")
