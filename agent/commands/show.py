"""`agent show`: one study, with its iterations and its result."""

from collections.abc import Sequence

from agent.commands.stores import add_tracking_uri
from agent.screen.exits import perform
from agent.screen.terminal import Terminal
from agent.settings.arguments import FlagParser


def main(words: Sequence[str]) -> int:
    """Print what a study tried, found and spent; the exit code."""
    parser = FlagParser("show", description="Show what a study tried, found and spent.")
    parser.add_argument("study", metavar="STUDY", help="name of the study, as `agent list` shows it")
    parser.add_runs_dir()
    add_tracking_uri(parser)
    parser.add_json()
    parser.add_common_flags()
    options = parser.parse_all(words)

    def show(terminal: Terminal) -> int:
        from agent.studies.listing import show_study

        return show_study(options.study, options.runs_dir, terminal, options.tracking_uri)

    return perform(show, options, pages=True)
