"""`agent watch`: the page of a running study, written again while it runs."""

from collections.abc import Sequence

from agent.commands.stores import add_tracking_uri
from agent.screen.exits import perform
from agent.screen.terminal import Terminal
from agent.settings.arguments import FlagParser
from tools.errors import ConfigurationError

_FEWEST, _MOST = 2, 3600


def main(words: Sequence[str]) -> int:
    """Keep the page of a running study up to date; the exit code."""
    parser = FlagParser(
        "watch",
        description="Keep report.html of a running study up to date: what leads, what trains now, the latest "
        "proposal, what was spent. A browser that shows it loads it again by itself.",
    )
    parser.add_argument(
        "study", metavar="STUDY", nargs="?", help="name of the study; the one that runs if unset"
    )
    parser.add_argument(
        "--every",
        type=int,
        default=10,
        metavar="N",
        help="seconds between two versions (default: %(default)s)",
    )
    parser.add_argument("--open", action="store_true", help="open the page in a browser")
    parser.add_runs_dir()
    add_tracking_uri(parser)
    parser.add_common_flags()
    options = parser.parse_all(words)
    if not _FEWEST <= options.every <= _MOST:
        raise ConfigurationError(f"--every {options.every}: must be {_FEWEST} to {_MOST} seconds")

    def watch(terminal: Terminal) -> int:
        from agent.studies.reporting import watch_study

        return watch_study(
            options.study, options.runs_dir, terminal, options.every, options.tracking_uri, options.open
        )

    return perform(watch, options)
