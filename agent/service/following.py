"""What `agent follow` shows: the lines that a study prints, and what becomes of it."""

import json
from typing import Any

from agent.screen.terminal import Terminal
from agent.service.client import Client
from tools.errors import AugurError

_SAID = {
    "queued": "waits in the queue",
    "running": "runs",
    "pausing": "is being paused",
    "paused": "is paused; it waits until it is resumed",
    "cancelling": "is being cancelled",
}


def follow(client: Client, study: str, terminal: Terminal, *, quiet: bool = False) -> int:
    """Show what a study does until it has ended; the exit code: 0 finished, 1 failed or cancelled.

    Raises:
        AugurError: the study failed, there is none of that name, or the service is away for too long.
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
    terminal.result(f"{study} has finished. Its report: {client.address}{summary['links']['report']}")
    terminal.document = {**summary, "result": client.result(study)}
    return 0
