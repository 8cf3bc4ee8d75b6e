"""`agent simulate`: tries rules of choosing, and ways of searching, on a table of trained policies."""

import json
from argparse import Namespace
from collections.abc import Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING, get_args

from agent.screen.exits import perform
from agent.screen.terminal import Terminal
from agent.settings.arguments import FlagParser, given_path
from agent.simulating.arms import NAMES, PARTS, parse_table_arms
from tools.disk import disk_errors_explained
from tools.errors import ConfigurationError, did_you_mean

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
    """Print how good the choices, or the arms, are; the exit code."""
    parser = FlagParser(
        "simulate",
        usage="agent simulate TABLE [options]",
        description="Try rules of choosing a policy on a table of trained policies: draw some of them, choose by their "
        "validation results, and look at the test results of what was chosen. With --arms, ways of searching are tried "
        "on it in place of trainings. docs/tables.md has the format.",
    )
    _add_flags(parser)
    options = parser.parse_all(words)
    if options.table is None:
        parser.error("agent simulate needs a TABLE: the path of a NAME.jsonl")
    if options.random_seed < 0:
        parser.error(f"--random-seed {options.random_seed}: expected 0 or more")
    if options.arms is None and (
        given := [flag for flag, key in _OF_ARMS if getattr(options, key) is not None]
    ):
        parser.error(f"{', '.join(given)}: only arms have that; name some with --arms")
    if options.arms is not None:
        _check_parts(options)
    for key, value in (_CHOICES if options.arms is None else _ARMS).items():
        if getattr(options, key) is None:
            setattr(options, key, value)
    run = _simulate if options.arms is None else _race
    return perform(lambda terminal: run(options, terminal), options, pages=True, quiet=options.json)


def _check_parts(options: Namespace) -> None:
    """Whether every flag changes something.

    Raises:
        ConfigurationError: a flag is for arms that are not there.
    """
    savings = {arm.saving for arm in parse_table_arms(options.arms)}
    if options.candidates is not None and savings == {"none"}:
        raise ConfigurationError(
            f"--candidates {options.candidates}: only arms with +short or +race make several proposals in an "
            "iteration; add one, or leave it out"
        )
    if options.short_epochs is not None and "short" not in savings:
        raise ConfigurationError(
            f"--short-epochs {options.short_epochs}: only arms with +short train for it; add one, or leave it out"
        )


_CHOICES = {"candidates": 12, "repeats": 2000}
_ARMS = {"candidates": 4, "repeats": 300, "trials": 30}
"""Flag → its default, without and with --arms."""
_OF_ARMS = (
    ("--trials", "trials"),
    ("--short-epochs", "short_epochs"),
    ("--modality", "modality"),
    ("--plot", "plot"),
)


def _add_flags(parser: FlagParser) -> None:
    add = parser.add_argument
    add(
        "table",
        type=given_path,
        metavar="TABLE",
        nargs="?",
        help="NAME.jsonl (or NAME.jsonl.gz), beside NAME.policies.json",
    )
    add(
        "--arms",
        metavar="NAME,…",
        help=f"ways of searching to try: {NAMES}; "
        + "; ".join(f"+{name}: {meaning}" for name, meaning in PARTS.items()),
    )
    add(
        "--candidates",
        type=int,
        metavar="N",
        help="policies drawn for a study (default: 12); with --arms, proposals in an iteration of +short and +race "
        "(default: 4)",
    )
    add(
        "--seeds",
        type=int,
        default=3,
        metavar="N",
        help="seeds that each is validated under (default: %(default)s)",
    )
    add("--epochs", type=int, metavar="N", help="length of the trainings (default: the longest in the table)")
    add(
        "--repeats",
        type=int,
        metavar="N",
        help="studies drawn (default: 2000), or searches of each arm (default: 300)",
    )
    add(
        "--default",
        metavar="NAME",
        help="entry of the table that must be beaten (default: flip+affine-mild, or default)",
    )
    add("--random-seed", type=int, default=0, metavar="N", help="of the draws (default: %(default)s)")
    add(
        "--trials",
        type=int,
        metavar="N",
        help="with --arms: full trainings that a search may take, those of the default policy included (default: 30)",
    )
    add(
        "--short-epochs",
        type=int,
        metavar="N",
        help="with --arms: the short length of +short (default: the shortest in the table)",
    )
    add(
        "--modality",
        metavar="KIND",
        help="with --arms: kind of images, which decides what the arms may draw (default: what NAME.about.json says)",
    )
    add("--plot", type=given_path, metavar="FILE", help="with --arms: draw the curves (.png, .svg or .pdf)")
    add("--json", action="store_true", help="print only JSON on standard output, for programs")
    parser.add_common_flags()


def _race(options: Namespace, terminal: Terminal) -> int:
    from agent.simulating.repeats import race_on_table
    from agent.simulating.search import Rules
    from agent.simulating.shown import document, show
    from agent.simulating.trained import read_trained

    arms = parse_table_arms(options.arms)
    _check_race(options)
    needs_short = any(arm.saving == "short" for arm in arms)
    trained = read_trained(
        options.table, options.default, options.epochs, options.short_epochs, needs_short, options.modality
    )
    if trained.modality == "unknown":
        terminal.warn(
            f"{options.table}: nobody says what its images show, so the arms draw only what is safe for any; give "
            "--modality KIND"
        )
    race = race_on_table(
        trained,
        arms,
        Rules(options.trials, options.candidates),
        options.seeds,
        options.repeats,
        options.random_seed,
        lambda done: terminal.progress("searches", done, options.repeats * len(arms)),
    )
    if options.plot is not None:
        from evaluators.race.table_figure import write_table_figure

        with disk_errors_explained(options.plot):
            write_table_figure(race, options.plot, trained.about.title)
    if options.json:
        terminal.verbatim(json.dumps(document(race, trained, options, arms), indent=2))
    else:
        show(race, trained, options, terminal)
    return 0


def _check_race(options: Namespace) -> None:
    """Before anything is read.

    Raises:
        ConfigurationError: a figure or a kind of images is none.
    """
    from evaluators.race.table_figure import SUFFIXES
    from tools.datasets.types import Modality

    if options.plot is not None and options.plot.suffix not in SUFFIXES:
        raise ConfigurationError(f"--plot {options.plot}: expected a name that ends in {', '.join(SUFFIXES)}")
    if options.modality is not None and options.modality not in (kinds := get_args(Modality)):
        hint = did_you_mean(options.modality, kinds) or f"expected one of {', '.join(kinds)}"
        raise ConfigurationError(f"--modality {options.modality}: {hint}")
    if options.trials < 1:
        raise ConfigurationError(f"--trials {options.trials}: expected 1 or more")


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
