"""Studies from Python: `run_study(data="images", llm="openai:gpt-5-mini")`, in a script as well as in a notebook.

The settings are those of the command line, under the same names. What ends a study raises `AugurError`; an interrupted
one resumes.
"""

import json
import os
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from functools import cached_property
from html import escape
from pathlib import Path
from typing import TYPE_CHECKING, Any

from agent.screen.plan import Plan
from agent.screen.terminal import Terminal
from agent.settings.config import StudyConfig
from agent.settings.flags import SHORT_FLAGS
from agent.settings.sources import load_config, load_file, read_changes
from agent.settings.table import NONE, settings

if TYPE_CHECKING:
    import pandas


def run_study(config: Mapping[str, Any] | None = None, *, quiet: bool = False, **more: Any) -> "Study":
    """Run a new study to its report.

    Args:
        config: settings, by their keys (`"search.iterations"`) or as nested sections, as in a YAML file.
        quiet: show only warnings and the result.
        more: settings by the names of the short flags (`data`, `llm`, `image_size`, …), or by their keys with
            two underscores for the dot (`training__batch_size`). They override `config`.

    Returns:
        What was found.

    Raises:
        AugurError: a setting is wrong, or the study stopped; says what to do.
        KeyboardInterrupt: as usual; `Study(name).resume()` continues.
    """
    from agent.study import run_study as run

    chosen, terminal = as_config({**(config or {}), **more}), _terminal(quiet)
    with _session(terminal):
        run(chosen, terminal)
    assert terminal.study is not None
    return Study(terminal.study, chosen.runs_dir)


def plan_study(config: Mapping[str, Any] | None = None, *, quiet: bool = False, **more: Any) -> Plan:
    """What a study with these settings would take; as `agent run --dry-run`. Arguments as for `run_study`.

    Raises:
        AugurError: the study could not start; says what to do.
    """
    from agent.dry_run import plan_study as plan

    chosen, terminal = as_config({**(config or {}), **more}), _terminal(quiet)
    with _session(terminal):
        return plan(chosen, terminal)


class Study:
    """A study that was run: what it found, and where its files are."""

    def __init__(self, name: str, runs_dir: str | Path = "runs") -> None:
        """Open the study `name` of a folder of runs; nothing is read before it is asked for."""
        self.name, self.runs_dir = name, Path(runs_dir)

    @property
    def folder(self) -> Path:
        """Its own folder."""
        return self.runs_dir / "studies" / self.name

    @cached_property
    def document(self) -> dict[str, Any]:
        """All of it, as `agent show --json` prints it (docs/scripts.md); read once.

        Raises:
            AugurError: there is no such study, or something of it is gone.
        """
        from agent.studies.listing import attached, document_of

        return document_of(*attached(self.name, self.runs_dir, Terminal(quiet=True)))

    @property
    def state(self) -> str:
        """finished, running, interrupted or stopped."""
        return self.document["state"]

    @property
    def recommended(self) -> str | None:
        """The candidate to use, such as 'iteration 3', 'default' or 'no augmentation'; None before the end."""
        return self.document["recommended"]

    @property
    def sentence(self) -> str | None:
        """What to use, and by how much that is better, in words; None before the end."""
        return self.document["sentence"]

    @property
    def policy_py(self) -> Path | None:
        """The recommended augmentation as a torchvision transform, for one's own training code."""
        return self._file("policy_py")

    @property
    def page(self) -> Path | None:
        """The report as a page."""
        return self._file("page")

    @property
    def pictures(self) -> dict[str, Path]:
        """'search' (every candidate with its spread) and 'recommended' (what it does to training images)."""
        found = {name: self._file(f"{name}_picture") for name in ("search", "recommended")}
        return {name: path for name, path in found.items() if path is not None}

    @property
    def table(self) -> "pandas.DataFrame | list[dict[str, Any]]":
        """Every candidate on validation, with its gains; a pandas table where pandas is installed, else rows."""
        return _table(self.document["candidates"])

    @property
    def test_table(self) -> "pandas.DataFrame | list[dict[str, Any]]":
        """The final comparison on the test set: scores and gains, each with the ends of its 95% interval."""
        return _table([_tested(row) for row in self.document["test"]])

    def resume(self, *, quiet: bool = False, **changes: Any) -> "Study":
        """Continue it where it was interrupted.

        Args:
            quiet: as in `run_study`.
            changes: settings that change from now on, named as in `run_study`; those that results depend on cannot.

        Raises:
            AugurError: as in `run_study`.
        """
        from agent.study import resume_study

        flags, _ = read_changes(_words(changes), lambda parser: None)

        def load(path: Path) -> StudyConfig:
            return load_file(path, os.environ, flags)

        terminal = _terminal(quiet)
        with _session(terminal):
            resume_study(self.name, self.runs_dir, terminal, load)
        return Study(self.name, self.runs_dir)

    def __repr__(self) -> str:
        return f"Study({self.name!r}, {str(self.runs_dir)!r}): {self.sentence or self.state}"

    def _repr_html_(self) -> str:
        """For a notebook: the result and the pictures."""
        import base64

        shown = [f"<p><b>{escape(self.name)}</b>: {escape(self.sentence or self.state)}</p>"]
        for name, path in self.pictures.items():
            data = base64.b64encode(path.read_bytes()).decode()
            shown.append(
                f'<p><img alt="{name}" style="max-width:100%" src="data:image/png;base64,{data}"></p>'
            )
        return "\n".join(shown)

    def _file(self, name: str) -> Path | None:
        found = self.document["files"].get(name)
        return None if found is None else Path(found)


def as_config(given: Mapping[str, Any]) -> StudyConfig:
    """Settings by their keys, as nested sections or by the names of short flags, checked and made whole.

    Raises:
        ConfigurationError: one is unknown or wrong; says which.
    """
    return load_config(_words(given), os.environ)[0]


def _words(given: Mapping[str, Any]) -> list[str]:
    """Settings as the words of a command line, which knows what they may be and where each came from."""
    return [f"{_flag(name)}={_text(value)}" for name, value in _leaves(given, "")]


def _leaves(given: Mapping[str, Any], above: str) -> Iterator[tuple[str, Any]]:
    for name, value in given.items():
        key = above + name.replace("__", ".")
        if isinstance(value, Mapping) and key not in settings():
            yield from _leaves(value, f"{key}.")
        else:
            yield key, value


def _flag(name: str) -> str:
    short = f"--{name.replace('_', '-')}"
    return short if short in SHORT_FLAGS.values() else f"--{name}"


def _text(value: Any) -> str:
    match value:
        case None:
            return NONE
        case bool():
            return str(value).lower()
        case Mapping():
            return _json(dict(value))
        case list() | tuple():
            return _json(value)
    return str(value)


def _json(value: Any) -> str:
    """Several values in one word, of which no comma or other character of theirs makes more."""
    return json.dumps(value, ensure_ascii=False, default=str)


def _tested(row: Mapping[str, Any]) -> dict[str, Any]:
    """A row of the final comparison in plain columns; a gain's interval is over seeds and images at once."""
    found = {name: row[name] for name in ("name", "policy", "role", "recommended")}
    intervals = {
        "test": row["test"],
        "gain_over_none": (row["gain_over_none"] or {}).get("over_both"),
        "gain_over_default": (row["gain_over_default"] or {}).get("over_both"),
    }
    for name, interval in intervals.items():
        known = interval or {}
        found |= {name: known.get("mean"), f"{name}_low": known.get("low"), f"{name}_high": known.get("high")}
    return found


def _table(rows: list[dict[str, Any]]) -> Any:
    try:
        import pandas
    except ImportError:
        return rows
    return pandas.DataFrame(rows)


def _terminal(quiet: bool) -> Terminal:
    from agent.screen.notebook import NotebookTerminal, in_notebook

    return NotebookTerminal(quiet) if in_notebook() else Terminal(quiet)


@contextmanager
def _session(terminal: Terminal) -> Iterator[None]:
    """A study runs in this block, in a process that is not ours."""
    from agent.screen.exits import termination_raises
    from agent.screen.log_lines import log_shown

    with main_hidden(), termination_raises(), log_shown(terminal):
        try:
            yield
        finally:
            terminal.close()


@contextmanager
def main_hidden() -> Iterator[None]:
    """Hide the main module in this block: nothing that runs in worker processes is from there.

    They would import it again, which runs a script that lacks the usual guard once more.
    """
    main = sys.modules["__main__"]
    kept = {name: vars(main)[name] for name in ("__file__", "__spec__") if name in vars(main)}
    for name in kept:
        setattr(main, name, None)
    try:
        yield
    finally:
        for name, value in kept.items():
            setattr(main, name, value)
