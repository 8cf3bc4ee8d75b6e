"""`agent simulate`: tries rules of choosing on a table of trained policies."""

import json
from argparse import Namespace
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

from agent.screen.exits import perform
from agent.screen.terminal import Terminal
from agent.settings.arguments import FlagParser

if TYPE_CHECKING:
    from evaluators.simulation import Simulation
    from evaluators.tables import Table

_TITLES = {
    "rule": "what a study recommends",
    "highest_accuracy": "highest validation accuracy",
    "lowest_loss": "lowest validation loss",
    "default": "always the default",
}
"""Rule → its words."""


def main(words: Sequence[str]) -> int:
    """Print how good the choices are; the exit code."""
    parser = FlagParser(
        "simulate",
        usage="agent simulate TABLE [options]",
        description="Try rules of choosing a policy on a table of trained policies: draw some of them, choose by their "
        "validation results, and look at the test results of what was chosen. docs/tables.md has the format.",
    )
    parser.add_argument(
        "table", type=Path, metavar="TABLE", nargs="?", help="NAME.jsonl, beside NAME.policies.json"
    )
    parser.add_argument(
        "--candidates",
        type=int,
        default=12,
        metavar="N",
        help="policies drawn for a study (default: %(default)s)",
    )
    parser.add_argument(
        "--seeds",
        type=int,
        default=3,
        metavar="N",
        help="seeds that each is validated under (default: %(default)s)",
    )
    parser.add_argument(
        "--epochs", type=int, metavar="N", help="length of the trainings (default: the longest in the table)"
    )
    parser.add_argument(
        "--repeats", type=int, default=2000, metavar="N", help="studies drawn (default: %(default)s)"
    )
    parser.add_argument(
        "--default",
        default="flip+affine-mild",
        metavar="NAME",
        help="entry of the table that must be beaten (default: %(default)s)",
    )
    parser.add_argument(
        "--random-seed", type=int, default=0, metavar="N", help="of the draws (default: %(default)s)"
    )
    parser.add_argument(
        "--json", action="store_true", help="print only JSON on standard output, for programs"
    )
    parser.add_common_flags()
    options = parser.parse_all(words)
    if options.table is None:
        parser.error("agent simulate needs a TABLE: the path of a NAME.jsonl")
    if options.random_seed < 0:
        parser.error(f"--random-seed {options.random_seed}: expected 0 or more")
    return perform(lambda terminal: _simulate(options, terminal), options, pages=True, quiet=options.json)


def _simulate(options: Namespace, terminal: Terminal) -> int:
    from evaluators.simulation import simulate
    from evaluators.tables import read_table

    table = read_table(options.table, options.default, options.epochs)
    if table.incomplete:
        named = ", ".join(table.incomplete[:5]) + (" …" if len(table.incomplete) > 5 else "")
        terminal.warn(
            f"left out, because they lack seeds that the default has: {len(table.incomplete)} ({named})"
        )
    if table.validation.correct is None or table.test.correct is None:
        terminal.warn(
            "the table does not say of all trainings which images were right (val_bits, test_bits): the noise of the "
            "images is not counted"
        )
    found = simulate(
        table,
        options.candidates,
        options.seeds,
        options.repeats,
        options.random_seed,
        lambda done: terminal.progress("studies drawn", done, options.repeats),
    )
    if options.json:
        terminal.verbatim(json.dumps(_as_json(found, options, table), indent=2))
    else:
        _print(found, options, table, terminal)
    return 0


def _as_json(found: "Simulation", options: Namespace, table: "Table") -> dict[str, object]:
    return {
        "table": str(options.table),
        "default_entry": table.names[table.default],
        "entries": len(table.names),
        "epochs": table.epochs,
        "candidates": options.candidates,
        "seeds": options.seeds,
        "repeats": options.repeats,
        "random_seed": options.random_seed,
        **{
            name: {key: _rounded(value) for key, value in asdict(gains).items()}
            for name, gains in found.rules.items()
        },
        "planted": _rounded(found.planted),
        "false_better": _rounded(found.false_better),
        "false_recommended": _rounded(found.false_recommended),
    }


def _print(found: "Simulation", options: Namespace, table: "Table", terminal: Terminal) -> None:
    terminal.note(
        f"{options.repeats} studies: {options.candidates} of {len(table.names) - 2} policies beside the default "
        f"({table.names[table.default]}) and no augmentation, {table.epochs} epochs, {options.seeds} of "
        f"{len(table.seeds)} seeds. Validation results choose; the gains are on the test, over all seeds, in points."
    )
    terminal.table(
        ["choice", "gain over the default", "worst 5%", "gain over none", "not the default"],
        [
            [
                _TITLES[name],
                _points(gains.gain_over_default),
                _points(gains.q05_over_default),
                _points(gains.gain_over_none),
                f"{100 * gains.left:.1f}%",
            ]
            for name, gains in found.rules.items()
        ],
    )
    terminal.result(
        f"A policy planted 3 points above the default is recommended in {100 * found.planted:.1f}% of the studies. "
        f"A candidate that is no different is recommended in {100 * found.false_recommended:.1f}%, and called better "
        f"than the default in {100 * found.false_better:.1f}% (promised: 2.5% at most)."
    )


def _points(value: float) -> str:
    return f"{_rounded(value, 2):+.2f}".replace("-", "−")


def _rounded(value: float, digits: int = 4) -> float:
    return round(value, digits) + 0.0  # + 0.0: no negative zero
