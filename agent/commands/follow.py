"""`agent follow`: what a study in a service's queue does, as it does it."""

import os
from collections.abc import Sequence

from agent.screen.exits import perform
from agent.screen.terminal import Terminal
from agent.service.client import Client, add_service_flags
from agent.settings.arguments import FlagParser


def main(words: Sequence[str]) -> int:
    """Show a study until it has ended; the exit code."""
    parser = FlagParser(
        "follow",
        description="Show what a study of a service (agent serve) does, until it has ended. Ctrl-C ends this command "
        "only; the study goes on.",
    )
    parser.add_argument("study", metavar="STUDY", help="name of the study, as agent submit printed it")
    add_service_flags(parser)
    parser.add_runs_dir()
    parser.add_json()
    parser.add_common_flags()
    options = parser.parse_all(words)

    def show(terminal: Terminal) -> int:
        from agent.service.following import follow

        client = Client.of(options.server, options.token_file, options.runs_dir, os.environ)
        return follow(client, options.study, terminal, quiet=options.quiet)

    return perform(show, options, pages=True, again=f"agent follow {options.study}")
