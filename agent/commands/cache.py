"""`agent cache`: the folders of decoded images, whether they are whole, and making room."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from rich.text import Text

from agent.screen.tables import open_table
from agent.screen.terminal import Terminal
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

_MIB = 2**20


@dataclass(frozen=True)
class Wishes:
    """What is to be removed: what fits all of these."""

    names: Sequence[str]
    older_than: float | None
    """Days since it was used last."""
    left_over: bool
    dry_run: bool


def list_all(runs_dir: Path, terminal: Terminal) -> int:
    """Print every folder; the exit code."""
    root = runs_dir / "cache"
    shelf = list_folders(root)
    if not shelf:
        terminal.note(f"There are no decoded images in {root.resolve()}: the first study makes some.")
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
        f"{_mib(total)} MiB in {root}, and {_mib(index_bytes(root))} MiB of hashes ({INDEX}), which save reading "
        "unchanged images again. A view is one way of dividing the images: splits, a fold, few labels."
    )
    return 0


def make_room(runs_dir: Path, wishes: Wishes, terminal: Terminal) -> int:
    """Remove what fits the wishes, and say what was removed and what was kept; the exit code.

    Raises:
        ConfigurationError: a name fits nothing.
        AugurError: something cannot be removed.
    """
    unwanted = select(
        list_folders(runs_dir / "cache"), wishes.names, wishes.older_than, only_left_over=wishes.left_over
    )
    done = remove(unwanted, runs_dir / "studies", dry_run=wishes.dry_run)
    for each, why in done.kept:
        terminal.warn(f"{each.folder.name} is kept: {why}")
    if done.gone:
        rows = [(each.folder.name, _mib(each.bytes), _when(each.used)) for each in done.gone]
        terminal.table(("would be removed" if wishes.dry_run else "removed", "MiB", "last used"), rows)
    terminal.result(_freed(done, wishes.dry_run))
    return 0


def verify_all(runs_dir: Path, terminal: Terminal) -> int:
    """Check every finished folder; 1 where one is damaged, else 0."""
    shelf = [each for each in list_folders(runs_dir / "cache") if each.state == "finished"]
    damaged = 0
    rows = []
    for done, each in enumerate(shelf):
        terminal.progress("folders checked", done, len(shelf))
        found = verify(each)
        damaged += bool(found)
        rows.append((each.folder.name, f"{each.images:,}", f"damaged: {found}" if found else "whole"))
    terminal.close()
    if rows:
        terminal.table(("folder", "images", "state"), rows)
    if damaged:
        terminal.result(
            f"{damaged} of {len(shelf)} folders are damaged. The next study that opens one makes its damaged images "
            "again; or remove it with agent cache --prune FOLDER."
        )
        return 1
    terminal.result(f"All {len(shelf)} finished folders are whole.")
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
