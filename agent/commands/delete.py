"""`agent delete`: a study goes, or a race with its searches, with all that no other study needs."""

import sys
from collections.abc import Sequence

from agent.screen.exits import perform
from agent.screen.terminal import Terminal
from agent.settings.arguments import FlagParser
from tools.errors import ConfigurationError


def main(words: Sequence[str]) -> int:
    """Say what goes, ask, and delete it; the exit code."""
    parser = FlagParser(
        "delete",
        description="Delete a study: its folder, its runs in MLflow, and the trials that no other study uses. A race "
        "(agent compare) goes with its searches.",
    )
    parser.add_argument("study", metavar="STUDY", help="name of the study or race, as `agent list` shows it")
    parser.add_argument("--yes", action="store_true", help="do not ask")
    parser.add_runs_dir()
    parser.add_json()
    parser.add_common_flags()
    options = parser.parse_all(words)

    def delete(terminal: Terminal) -> int:
        from agent.studies.deleting import delete_study

        return delete_study(options.study, options.runs_dir, terminal, lambda: options.yes or _agreed())

    return perform(delete, options, pages=True)


def _agreed() -> bool:
    if not sys.stdin.isatty():
        raise ConfigurationError(
            "nothing was deleted: there is no terminal to ask on; --yes deletes without asking"
        )
    from rich.prompt import Confirm

    return Confirm.ask("Delete all of this?", default=False)
