"""How every command reads its words: an argument parser that raises what is wrong. Light: argparse alone."""

import argparse
import os
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import NoReturn

from tools.errors import ConfigurationError

_WIDEST = 118
"""Columns of help on a wide screen; longer lines are hard to read."""


class FlagParser(argparse.ArgumentParser):
    """Raises instead of ending the process, and names the nearest valid flag for an unknown one."""

    def error(self, message: str) -> NoReturn:
        """Raise `message` with the command that shows the valid flags.

        Raises:
            ConfigurationError: always.
        """
        raise ConfigurationError(f"{message}; see `{self.prog} --help`")

    def parse_all(self, arguments: Sequence[str]) -> argparse.Namespace:
        """Parse; nothing may be left over. Values of unknown flags are not repeated: one may be a key.

        Raises:
            ConfigurationError: an unknown flag, a stray word, a flag without its value.
        """
        namespace, unknown = self.parse_known_args(list(arguments))
        flags = [word.partition("=")[0] for word in unknown if word.startswith("-")]
        if flags:
            raise ConfigurationError("\n".join(self._unknown_flag(flag) for flag in flags))
        if unknown:
            self.error(f"unexpected argument {unknown[0]!r}: settings are given as flags (--name value)")
        return namespace

    def _unknown_flag(self, flag: str) -> str:
        from agent.settings.table import nearest, nearest_key, sections, settings

        key = flag.lstrip("-").replace("-", "_")
        shown = (action for action in self._actions if action.help is not argparse.SUPPRESS)
        own = [option for action in shown for option in action.option_strings]
        members = [f"--{name}" for name in settings() if name.startswith(f"{key}.") and f"--{name}" in own]
        if key in sections() and members:
            return f"unknown flag {flag}: it is a group of flags ({', '.join(members)})"
        if key.endswith(("key", "token", "secret")):
            hint = "keys are read from the environment only (OPENAI_API_KEY, GOOGLE_API_KEY, …)"
            return f"unknown flag {flag}: {hint}"
        full = nearest_key(key)
        likely = nearest(flag, own) or (f"--{full}" if f"--{full}" in own else None)
        hint = f"the nearest valid flag is {likely}" if likely else f"see `{self.prog} --help`"
        return f"unknown flag {flag}: {hint}"


class HelpFormatter(argparse.HelpFormatter):
    """Flags in one column, their help in another, within the terminal's width. Texts of several lines stay so."""

    def __init__(self, prog: str) -> None:
        width = min(shutil.get_terminal_size((100, 24)).columns - 2, _WIDEST)
        super().__init__(prog, max_help_position=min(34, width // 2), width=width)

    def _fill_text(self, text: str, width: int, indent: str) -> str:
        if "\n" not in text:
            return super()._fill_text(text, width, indent)
        return "".join(indent + line for line in text.splitlines(keepends=True))


def common_options() -> FlagParser:
    """The options that every command has, as a parent parser."""
    parser = FlagParser(add_help=False, allow_abbrev=False)
    parser.add_argument("--quiet", action="store_true", help="print warnings and the result only")
    parser.add_argument(
        "--debug", action="store_true", help="print a traceback with every error (AGENT_DEBUG=1)"
    )
    return parser


def parse_words(
    name: str,
    purpose: str,
    words: Sequence[str],
    *,
    study: bool = False,
    extra: argparse.ArgumentParser | None = None,
) -> argparse.Namespace:
    """The words of a command that has no settings but the folder of the runs.

    Raises:
        ConfigurationError: an unknown flag, a stray word, a flag without its value.
        SystemExit: after --help, with status 0.
    """
    parser = FlagParser(
        prog=f"agent {name}",
        description=purpose,
        formatter_class=HelpFormatter,
        allow_abbrev=False,
        parents=[*([extra] if extra else []), common_options()],
    )
    if study:
        parser.add_argument("study", metavar="STUDY", help="its name, as `agent list` shows it")
    parser.add_argument(
        "--runs-dir",
        "--runs_dir",
        type=Path,
        default=Path(os.environ.get("AGENT_RUNS_DIR") or "runs"),
        metavar="PATH",
        help="folder of the runs (AGENT_RUNS_DIR; default: %(default)s)",
    )
    return parser.parse_all(words)


def unknown_word(kind: str, word: str, known: Sequence[str]) -> ConfigurationError:
    """The error for a word that is none of the `known` ones; names the nearest."""
    import difflib

    near = difflib.get_close_matches(word, known, n=1)
    hint = f"did you mean {near[0]}?" if near else f"there are: {', '.join(known)}"
    return ConfigurationError(f"unknown {kind} {word!r}: {hint}")
