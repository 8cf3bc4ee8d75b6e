"""`agent list`: the studies in a folder of runs."""

from collections.abc import Sequence

from agent.commands.stores import add_tracking_uri
from agent.screen.exits import perform
from agent.screen.terminal import Terminal
from agent.settings.arguments import FlagParser


def main(words: Sequence[str]) -> int:
    """Print every study; the exit code."""
    parser = FlagParser("list", description="List the studies in a folder of runs.")
    parser.add_runs_dir()
    add_tracking_uri(parser)
    parser.add_json()
    parser.add_common_flags()
    options = parser.parse_all(words)

    def list_all(terminal: Terminal) -> int:
        from agent.studies.listing import list_studies

        return list_studies(options.runs_dir, terminal, options.tracking_uri)

    return perform(list_all, options, pages=True)
