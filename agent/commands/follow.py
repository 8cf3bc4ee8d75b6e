"""`agent follow`: what a study in a service's queue does, as it does it."""

import argparse
import json
import os
import shlex
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from agent.screen.exits import perform, runs_dir_flag
from agent.screen.terminal import Terminal
from agent.service.client import Client, add_service_flags
from agent.settings.arguments import FlagParser
from tools.errors import AugurError

_SAID = {
    "queued": "waits in the queue",
    "running": "runs",
    "pausing": "is being paused",
    "paused": "is paused; it waits until it is resumed",
    "cancelling": "is being cancelled",
}


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
        client = Client.of(options.server, options.token_file, options.runs_dir, os.environ)
        return follow(client, options.study, terminal, quiet=options.quiet)

    again = f"agent follow {options.study}{service_flags(options, options.runs_dir)}"
    return perform(show, options, pages=True, again=again)


def service_flags(options: argparse.Namespace, runs_dir: Path) -> str:
    """What follows `agent follow STUDY`, so that it finds the same service."""
    given = (("--server", options.server), ("--token-file", options.token_file))
    return runs_dir_flag(runs_dir) + "".join(
        f" {flag} {shlex.quote(str(value))}" for flag, value in given if value
    )


def follow(client: Client, study: str, terminal: Terminal, *, quiet: bool = False) -> int:
    """Show what a study does until it has ended; the exit code: 0 finished, 1 failed or cancelled.

    Raises:
        AugurError: the study failed or was deleted, there is none of that name, or the service is away for too long.
    """
    terminal.study = study
    told, summary = "", {}
    for event in client.events(study):
        if event.kind == "line":
            if not quiet:
                terminal.verbatim(event.data)
            continue
        summary = json.loads(event.data)
        if (news := _news(summary)) and news != told:
            terminal.note(f"{study} {news}")
            told = news
    return _ended(client, study, summary, terminal)


def _news(summary: dict[str, Any]) -> str:
    state, place = summary["state"], summary["position"]
    if state == "queued" and summary["message"]:
        return f"waits to be tried again: {summary['message']}"
    return _SAID.get(state, "") + (f" as number {place}" if state == "queued" and place else "")


def _ended(client: Client, study: str, summary: dict[str, Any], terminal: Terminal) -> int:
    terminal.document = summary
    if summary["state"] == "failed":
        raise AugurError(f"{study} failed: {summary['message']}")
    if summary["state"] == "cancelled":
        terminal.result(f"{study} was cancelled.")
        return 1
    if (report := summary["links"].get("report")) is None:
        raise AugurError(f"{study} has finished, but its files are gone: it was deleted (agent delete).")
    terminal.result(f"{study} has finished. Its report: {client.address}{report}")
    terminal.document = {**summary, "result": client.result(study)}
    return 0
