"""What `agent simulate TABLE --arms …` prints: a table for people, JSON for programs."""

from argparse import Namespace
from dataclasses import asdict
from typing import Any

from agent.screen.terminal import Terminal
from agent.simulating.arms import TableArm
from agent.simulating.trained import Trained
from evaluators.cheap import LEAST_AGREEMENT
from evaluators.race.table_result import ArmOnTable, Band, Duel, TableRace
from tools.training.metrics import metric_title

_DIGITS = 4


def document(
    race: TableRace, trained: Trained, options: Namespace, arms: tuple[TableArm, ...]
) -> dict[str, object]:
    """Everything that was found, for `--json`; gains in points of test accuracy."""
    short = trained.short
    return {
        "table": str(options.table),
        "title": trained.about.title,
        "modality": trained.modality,
        "default_entry": trained.full.names[trained.full.default],
        "entries": len(trained.full.names),
        "epochs": trained.full.epochs,
        "short_epochs": None if short is None else short.epochs,
        "trials": options.trials,
        "seeds": options.seeds,
        "candidates": options.candidates if any(arm.saving != "none" for arm in arms) else 1,
        "repeats": options.repeats,
        "random_seed": options.random_seed,
        "best_entry": race.best_entry,
        "best_gain_over_default": _rounded(race.best_gain),
        "none_gain_over_default": _rounded(race.none_gain),
        "short_ranks_like_full": None
        if race.short is None
        else {**_rounded(asdict(race.short)), "trusted": _trusted(race)},
        "arms": {name: _rounded(asdict(arm)) for name, arm in race.arms.items()},
        "duels": [_rounded(asdict(duel)) for duel in race.duels],
    }


def show(race: TableRace, trained: Trained, options: Namespace, terminal: Terminal) -> None:
    """The same for people."""
    title = f"{trained.about.title}: " if trained.about.title else ""
    terminal.note(
        f"{title}{options.repeats} searches of each arm on {len(trained.full.names)} entries, {trained.full.epochs} "
        f"epochs, {options.trials} full trainings each, {options.seeds} of {len(trained.full.seeds)} seeds. The best "
        f"by validation is chosen; gains are points of test {metric_title('accuracy')} over the default "
        f"({trained.full.names[trained.full.default]}), over all seeds, with the middle 90% of the searches."
    )
    halves = max(options.seeds, options.trials // 3)
    terminal.table(
        [
            "arm",
            f"after {halves} trainings",
            f"after {options.trials}",
            "not the default",
            "proposals",
            "distance",
        ],
        [
            [
                name,
                f"{signed(_at(arm, halves))}",
                _band(arm.gain_over_default),
                f"{100 * arm.left:.0f}%",
                f"{arm.tried:.0f}",
                f"{arm.distance:.2f}",
            ]
            for name, arm in race.arms.items()
        ],
    )
    for duel in race.duels:
        terminal.note(_duel(duel))
    if trained.short is not None:
        terminal.note(_about_short(race, trained))
    terminal.result(
        f"No augmentation: {signed(race.none_gain)} points. The best of the {len(trained.full.names)} entries on the "
        f"test, {race.best_entry}: {signed(race.best_gain)}, some of it by luck."
    )


def _at(arm: ArmOnTable, place: int) -> float:
    """The mean gain after that many full trainings."""
    known = [value for at, value in zip(arm.by_cost.at, arm.by_cost.mean, strict=True) if at <= place]
    return known[-1] if known else arm.by_cost.mean[0]


def _band(band: Band) -> str:
    return f"{signed(band.mean)} ({signed(band.q05)} to {signed(band.q95)})"


def _duel(duel: Duel) -> str:
    error = "" if duel.error is None else f" ± {1.96 * duel.error:.2f}"
    return (
        f"{duel.arm} minus {duel.other}: {signed(duel.difference)}{error} points; better in {100 * duel.better:.0f}%, "
        f"worse in {100 * duel.worse:.0f}% of the repeats"
    )


def _about_short(race: TableRace, trained: Trained) -> str:
    assert trained.short is not None
    assert race.short is not None
    found = race.short
    if found.tau is None or found.low is None or found.high is None:
        return (
            f"Too few entries to say how well {trained.short.epochs} epochs rank like {trained.full.epochs}."
        )
    verdict = (
        "a study would trust such a ranking"
        if _trusted(race)
        else f"a study would not trust such a ranking (its lower end must be above {LEAST_AGREEMENT:g})"
    )
    return (
        f"{trained.short.epochs} epochs rank the entries like {trained.full.epochs} with Kendall's τ "
        f"{signed(found.tau)} ({signed(found.low)} to {signed(found.high)}): {verdict}; +short uses it in any case."
    )


def _trusted(race: TableRace) -> bool:
    return race.short is not None and race.short.low is not None and race.short.low > LEAST_AGREEMENT


def signed(value: float, digits: int = 2) -> str:
    """With a sign, and no negative zero."""
    return f"{round(value, digits) + 0.0:+.{digits}f}".replace("-", "−")


def _rounded(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _rounded(each) for key, each in value.items()}
    if isinstance(value, list | tuple):
        return [_rounded(each) for each in value]
    return round(value, _DIGITS) + 0.0 if isinstance(value, float) else value
