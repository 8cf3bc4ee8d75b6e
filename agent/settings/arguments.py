"""How every command parses its arguments: an argument parser that raises what is wrong. Light: argparse alone."""

import argparse
import os
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NoReturn

from tools.errors import ConfigurationError, did_you_mean

_WIDEST = 118
"""Columns of help on a wide screen; longer lines are hard to read."""


class HelpFormatter(argparse.HelpFormatter):
    """Flags in one column, their help in another, within the terminal's width. Line breaks in a text are kept."""

    def __init__(self, prog: str) -> None:
        width = min(shutil.get_terminal_size((100, 24)).columns - 2, _WIDEST)
        super().__init__(prog, max_help_position=min(34, width // 2), width=width)

    def _fill_text(self, text: str, width: int, indent: str) -> str:
        if "\n" not in text:
            return super()._fill_text(text, width, indent)
        return "".join(indent + line for line in text.splitlines(keepends=True))


class _WholeHelp(argparse.Action):
    """--help-all."""

    def __call__(self, parser: argparse.ArgumentParser, *_: object) -> None:
        """Print the whole help, and end."""
        assert isinstance(parser, FlagParser)
        parser.brief = frozenset()
        parser.print_help()
        parser.exit()


class FlagParser(argparse.ArgumentParser):
    """Raises instead of ending the process, and names the nearest valid flag for an unknown one."""

    def __init__(self, command: str = "", **options: Any) -> None:
        """A parser of `agent COMMAND`; `options` are argparse's own."""
        prog = f"agent {command}".strip()
        super().__init__(prog=prog, formatter_class=HelpFormatter, allow_abbrev=False, **options)

    brief: frozenset[str] = frozenset()
    """Settings (dotted) that the short help shows; empty: there is no short help."""

    def add_whole_help(self, shown: frozenset[str]) -> None:
        """Let --help show only the settings in `shown`, besides what is no setting, and add --help-all for the rest."""
        self.brief = shown
        self.add_argument(
            "--help-all",
            action=_WholeHelp,
            nargs=0,
            default=argparse.SUPPRESS,
            help="show every setting, and exit",
        )

    def format_help(self) -> str:
        """The short help, where there is one."""
        if not self.brief:
            return super().format_help()
        formatter = self._get_formatter()
        formatter.add_usage(self.usage, self._actions, self._mutually_exclusive_groups)
        formatter.add_text(self.description)
        first = self._optionals._group_actions
        own = [action for action in first if "." not in action.dest or action.dest in self.brief]
        known = {action.dest for action in own}
        others = [action for action in self._actions if action.dest in self.brief - known]
        for title, actions in (("options", own), ("often changed as well", others)):
            formatter.start_section(title)
            formatter.add_arguments(actions)
            formatter.end_section()
        formatter.add_text(self.epilog)
        return formatter.format_help()

    def error(self, message: str) -> NoReturn:
        """Raise `message` with the command that shows the valid flags.

        Raises:
            ConfigurationError: always.
        """
        raise ConfigurationError(f"{message}; see `{self.prog} --help`")

    def add_common_flags(self) -> None:
        """Add the flags that every command has."""
        self.add_argument("--quiet", action="store_true", help="print only warnings and the result")
        self.add_argument(
            "--debug", action="store_true", help="print a traceback with every error (AGENT_DEBUG=1)"
        )

    def add_json(self) -> None:
        """Add --json, for a command whose answer programs read."""
        self.add_argument(
            "--json",
            dest="as_document",
            action="store_true",
            help="print one JSON document and nothing else (docs/scripts.md)",
        )

    def add_runs_dir(self) -> None:
        """Add the folder of the runs, for a command that reads no other setting."""
        self.add_argument(
            "--runs-dir",
            type=given_path,
            default=usual_runs_dir(),
            metavar="PATH",
            help="folder of the runs (AGENT_RUNS_DIR; default: %(default)s)",
        )
        self.add_argument("--runs_dir", type=given_path, default=argparse.SUPPRESS, help=argparse.SUPPRESS)

    def parse_all(self, arguments: Sequence[str]) -> argparse.Namespace:
        """Parse every argument. The values of unknown flags are not repeated: one may be a key.

        Raises:
            ConfigurationError: an unknown flag, an unexpected argument, a flag without its value.
            SystemExit: after --help, with status 0.
        """
        namespace, unknown = self.parse_known_args(list(arguments))
        flags = [word.partition("=")[0] for word in unknown if word.startswith("-")]
        if flags:
            raise ConfigurationError("\n".join(self._unknown_flag(flag) for flag in flags))
        if unknown:
            self.error(f"unexpected argument {unknown[0]!r}: settings are given as flags (--name value)")
        return namespace

    def _unknown_flag(self, flag: str) -> str:
        from agent.settings.table import nearest_key, sections, settings

        key = flag.lstrip("-").replace("-", "_")
        shown = (action for action in self._actions if action.help is not argparse.SUPPRESS)
        own = [option for action in shown for option in action.option_strings]
        members = [f"--{name}" for name in settings() if name.startswith(f"{key}.") and f"--{name}" in own]
        if key in sections() and members:
            return f"unknown flag {flag}: it is a group of flags ({', '.join(members)})"
        if key.endswith(("key", "token", "secret")):
            hint = "keys are read only from the environment (OPENAI_API_KEY, GOOGLE_API_KEY, …)"
            return f"unknown flag {flag}: {hint}"
        full = f"--{nearest_key(key)}"
        hint = did_you_mean(flag, own) or did_you_mean(full, set(own) & {full}) or f"see `{self.prog} --help`"
        return f"unknown flag {flag}: {hint}"


def usual_runs_dir() -> Path:
    """The folder of the runs where no flag names it."""
    return Path(os.environ.get("AGENT_RUNS_DIR") or "runs")


def given_path(text: str) -> Path:
    """A path on the command line. An empty one would be the current folder: mostly a variable that was not set."""
    if not text:
        raise argparse.ArgumentTypeError("it is empty: give a path, or leave it out")
    return Path(text)


def unknown_word(kind: str, word: str, known: Sequence[str]) -> ConfigurationError:
    """The error for a word that is none of the `known` ones; names the nearest, or all."""
    hint = did_you_mean(word, known) or f"choose one of {', '.join(known)}"
    return ConfigurationError(f"unknown {kind} {word!r}: {hint}")
