"""`agent paper`: the tables of the papers, run cell by cell, beside the printed numbers."""

import argparse
import os
import shlex
from collections.abc import Sequence

from agent.screen.exits import perform
from agent.screen.terminal import Terminal
from agent.settings.arguments import FlagParser
from agent.settings.secrets import mask
from agent.settings.sources import load_with_presets
from tools.errors import ConfigurationError

_SHOWN = ("llm", "aga", "execution", "tracking")
_FIXED = {
    "data.dataset": "the protocol names its data set; say where it is with --data PATH",
    "model.name": "the protocol names its models; run some of them with --cells MODEL/*",
    "search.proposer": "the protocol says how each row searches",
    "search.augmentations": "the protocol says how many operations each row has",
    "search.baselines": "the protocol says what is trained",
    "study": "each cell has an entry of its own",
    "llm.model": "--llm PROVIDER:MODEL takes the place of that provider's model in the protocol",
    "budget.wall_clock": "a cell is finished or it is not; run some with --cells, and interrupt when you like",
    "budget.training_seconds": "a cell is finished or it is not; run some with --cells",
    "budget.trials": "a cell is finished or it is not; run some with --cells",
}
"""Settings that a protocol decides → what to do instead."""


def main(words: Sequence[str]) -> int:
    """`agent paper …`; the exit code."""
    name = words[0] if words and not words[0].startswith("-") else None
    rest = list(words[1:] if name is not None else words)
    config_of, options = load_with_presets(
        rest, os.environ, command="paper", add_flags=_add_flags, shown=_is_shown
    )
    if decided := [f"--{key}: {why}" for key, why in _FIXED.items() if key in vars(options)]:
        raise ConfigurationError("\n".join(decided))
    if options.list:
        from agent.paper.planning import show_list

        return perform(lambda terminal: show_list(terminal, options.as_document), options)
    from agent.paper.protocol import protocol_names, read_protocol

    if name is None:
        raise ConfigurationError(
            f"name a protocol: agent paper NAME, one of {', '.join(protocol_names())} (agent paper --list)"
        )
    protocol = read_protocol(name)

    def run(terminal: Terminal) -> int:
        from agent.paper.cells import folder_of, table_of

        config = config_of({})
        replicas = None
        if options.scale == "small":
            from agent.paper.replicas import make_replica

            if config.data.path is not None:
                raise ConfigurationError(
                    "--data and --scale small: a smoke run makes its own images; give one"
                )
            replicas = folder_of(config.runs_dir, name, "small") / "data"
            for each in (protocol.data, *protocol.others):
                make_replica(each, replicas)
        data = replicas / protocol.data if replicas is not None else None
        table = table_of(name, protocol, options.scale, options.cells, config_of, options.llm, data)
        if options.plan:
            from agent.paper.planning import show_plan

            return show_plan(table, terminal, replicas)
        from agent.paper.running import run_table

        return run_table(table, terminal, replicas)

    return perform(run, options, again=mask(shlex.join(["agent", "paper", *words])))


def _add_flags(parser: FlagParser) -> None:
    add = parser.add_argument
    parser.add_json()
    add("--list", action="store_true", help="list the protocols, and end")
    add(
        "--cells",
        type=_names,
        action="extend",
        default=[],
        metavar="PATTERN,…",
        help="run these cells alone: MODEL/ARM, with * for any, or a model or an arm alone; rows that are not in the "
        "paper are run only where they are named",
    )
    add(
        "--scale",
        choices=("full", "small"),
        default="full",
        metavar="{full,small}",
        help="'small': a smoke run on made images, one epoch and one seed, which shows that everything runs and whose "
        "numbers mean nothing (default: %(default)s)",
    )
    add(
        "--plan",
        "--dry-run",
        action="store_true",
        help="only say how many trainings the cells take, and about how long",
    )
    add(
        "--llm",
        action="append",
        type=_model,
        default=[],
        metavar="MODEL",
        help="'provider:model' in the place of that provider's model in the protocol; once for each provider",
    )


def _names(text: str) -> list[str]:
    return [part.strip() for part in text.split(",") if part.strip()]


def _model(text: str) -> str:
    provider, colon, model = text.partition(":")
    if not (provider and colon and model):
        raise argparse.ArgumentTypeError(
            f"{text!r} is no model: write provider:model, such as openai:gpt-5-mini"
        )
    return text


def _is_shown(key: str) -> bool:
    if key in _FIXED:
        return False
    return key.partition(".")[0] in _SHOWN or key in (
        "data.path",
        "search.seeds",
        "runs_dir",
        "data.decode_workers",
    )
