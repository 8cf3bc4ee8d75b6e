"""`agent completion`: a script that lets bash or zsh complete commands, flags and names of studies and races."""

import io
import re
from collections.abc import Sequence
from contextlib import redirect_stdout, suppress
from importlib import import_module

from agent.screen.exits import perform
from agent.screen.terminal import Terminal
from agent.settings.arguments import FlagParser

_OF_STUDIES = (
    "delete",
    "evaluate",
    "explain",
    "export",
    "fit",
    "follow",
    "report",
    "resume",
    "show",
    "watch",
)
"""Commands whose first word is the name of a study."""
_OF_RACES = ("delete", "export")
"""Those of them that take the name of a race as well."""
_PARTS = {"datasets": ("check", "get", "init", "show")}
"""Commands whose first word is one of these."""
_FLAG = re.compile(r"(?<![\w-])--[a-z][\w.-]*")
_SCRIPT = """\
# Completion of agent and augur. In bash: eval "$(agent completion)", in ~/.bashrc to have it always; in zsh the same,
# in ~/.zshrc.
[ -n "$ZSH_VERSION" ] && autoload -U +X bashcompinit && bashcompinit
_augur_names() {{
  local kind
  [ "$COMP_CWORD" -eq 2 ] && for kind in "$@"; do ls "${{AGENT_RUNS_DIR:-runs}}/$kind" 2>/dev/null; done
}}
_augur() {{
  local current="${{COMP_WORDS[COMP_CWORD]}}" words=""
  if [ "$COMP_CWORD" -eq 1 ]; then
    words="{commands}"
  elif [ "${{current#-}}" != "$current" ]; then
    case "${{COMP_WORDS[1]}}" in
{cases}
    esac
  else
    case "${{COMP_WORDS[1]}}" in
      {races}) words="$(_augur_names studies compares)" ;;
      {studies}) words="$(_augur_names studies)" ;;
{parts}
    esac
  fi
  COMPREPLY=($(compgen -W "$words" -- "$current"))
}}
complete -o default -F _augur agent augur
"""


def main(words: Sequence[str]) -> int:
    """Print the script; the exit code."""
    parser = FlagParser(
        "completion",
        description="Print a script with which bash or zsh completes commands, flags and names of studies and races.",
        epilog='eval "$(agent completion)"   (in ~/.bashrc or ~/.zshrc to have it always)',
    )
    parser.add_common_flags()
    options = parser.parse_all(words)

    def write(terminal: Terminal) -> int:
        terminal.verbatim(script())
        return 0

    return perform(write, options, pages=True)


def script() -> str:
    """The script, made from the help of every command."""
    from agent.cli import COMMANDS

    cases = [
        f'      {name}) words="{" ".join(flags_of(name))}" ;;' for name in COMMANDS if name != "completion"
    ]
    parts = [
        f'      {name}) [ "$COMP_CWORD" -eq 2 ] && words="{" ".join(each)}" ;;'
        for name, each in _PARTS.items()
    ]
    return _SCRIPT.format(
        commands=" ".join(COMMANDS),
        cases="\n".join(cases),
        races="|".join(_OF_RACES),
        studies="|".join(each for each in _OF_STUDIES if each not in _OF_RACES),
        parts="\n".join(parts),
    ).rstrip()


def flags_of(command: str) -> list[str]:
    """Every flag that the help of a command or one of its parts shows, once."""
    module, found = import_module(f"agent.commands.{command}"), io.StringIO()
    asked = [["--help"], ["--help-all"], *([part, "--help"] for part in _PARTS.get(command, ()))]
    for words in asked:
        with suppress(SystemExit, Exception), redirect_stdout(found):
            module.main(words)
    return list(dict.fromkeys(_FLAG.findall(found.getvalue())))
