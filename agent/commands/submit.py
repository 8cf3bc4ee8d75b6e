"""`agent submit`: a study for a service's queue, with the flags and files of `agent run`."""

import os
from collections.abc import Sequence
from typing import Any

from agent.commands.follow import follow, service_flags
from agent.screen.exits import perform
from agent.screen.terminal import Terminal
from agent.service.client import Client, add_service_flags
from agent.settings.arguments import FlagParser
from agent.settings.config import StudyConfig
from agent.settings.paths import make_absolute
from agent.settings.sources import load_config


def main(words: Sequence[str]) -> int:
    """Queue a study; the exit code."""
    config, options = load_config(words, os.environ, command="submit", add_flags=_add_flags)

    def submit(terminal: Terminal) -> int:
        client = Client.of(options.server, options.token_file, config.runs_dir, os.environ)
        found = client.submit({"name": config.study, "settings": as_submitted(config)})
        name = terminal.study = found["name"]
        terminal.document = found
        place = f", number {found['position']} in the queue" if found["position"] else ""
        terminal.result(f"{name} is {found['state']}{place}.")
        if not options.follow:
            terminal.note(f"follow it: agent follow {name}{service_flags(options, config.runs_dir)}")
            return 0
        return follow(client, name, terminal, quiet=options.quiet)

    return perform(submit, options, pages=True)


def as_submitted(config: StudyConfig) -> dict[str, Any]:
    """The settings that were given, and no defaults: those of the service's machine hold. Paths are made absolute."""
    tree = config.model_dump(mode="json", exclude_unset=True, exclude={"study", "runs_dir"})
    make_absolute(tree)
    return tree


def _add_flags(parser: FlagParser) -> None:
    add_service_flags(parser)
    parser.add_argument("--follow", action="store_true", help="show what it does, until it has ended")
    parser.add_json()
