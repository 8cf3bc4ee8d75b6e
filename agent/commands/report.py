"""`agent report`: the report of a study as one page."""

from collections.abc import Sequence

from agent.commands.stores import add_tracking_uri
from agent.screen.exits import perform
from agent.screen.terminal import Terminal
from agent.settings.arguments import FlagParser


def main(words: Sequence[str]) -> int:
    """Write the report of a study; the exit code."""
    parser = FlagParser(
        "report", description="Write report.html of a study, finished or not: one page that needs no network."
    )
    parser.add_argument("study", metavar="STUDY", help="name of the study, as `agent list` shows it")
    parser.add_argument("--open", action="store_true", help="open the page in a browser")
    parser.add_runs_dir()
    add_tracking_uri(parser)
    parser.add_common_flags()
    options = parser.parse_all(words)

    def report(terminal: Terminal) -> int:
        from agent.studies.reporting import report_study

        return report_study(options.study, options.runs_dir, terminal, options.tracking_uri, options.open)

    return perform(report, options)
