"""`agent compare --plan`: what a race could show, and what it takes, before anything is trained."""

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

from agent.comparing.cells import check_model
from agent.comparing.outcome import budget_in_words
from agent.comparing.plan import Race, cost_of, finals_config, iterations_of, search_config
from agent.comparing.race import given_candidates, images_of_trial
from agent.memory.ledger import Ledger
from agent.screen.terminal import Terminal
from agent.settings.config import StudyConfig
from agent.settings.sources import load_file
from agent.study_folder import CONFIG, LEDGER
from tools.errors import AugurError, ConfigurationError
from tools.text import counted

if TYPE_CHECKING:
    from evaluators.race.power import Noise
    from tools.datasets.types import Dataset

_GAINS = (0.01, 0.02, 0.03, 0.05)


def show_plan(race: Race, terminal: Terminal) -> int:
    """Print power and cost; the exit code. Nothing is trained, and no test image is read: they are counted.

    Raises:
        AugurError: a setting, the data or an arm is wrong.
    """
    from agent.starting.prechecks import check_before_start
    from evaluators.race.power import guesses, power, smallest_gain
    from evaluators.wording import in_groups

    dataset = check_before_start(finals_config(race))
    given = given_candidates(race, dataset, terminal)
    for cell in race.cells if race.samples is None else ():
        if cell.repeat == 0:
            try:
                check_model(cell, search_config(race, cell))
            except ConfigurationError as error:
                terminal.warn(str(error))
    groups = [record.group or record.file for record in dataset.records if record.split == "test"]
    images, cases = len(groups), len(set(groups))
    seeds = race.config.search.final_seeds
    arms = sum(name != "none" for name in given) - 1 + sum(arm.searches for arm in race.arms)
    known = _noise(race, grouped=cases != images)
    terminal.note(
        f"{counted(arms, 'arm')} against the default policy, {seeds} fresh seeds, {images} test images"
        + in_groups(images, cases)
        + ": the chance that a true gain is called better, and the smallest gain that is found with 80% power, "
        "with Holm's correction over all arms"
    )
    rows, powers = [], []
    for noise in [known] if known else guesses(groups):
        visible = smallest_gain(noise, seeds, cases, max(1, arms))
        more = smallest_gain(noise, 2 * seeds, cases, max(1, arms))
        found = {gain: power(gain, noise, seeds, cases, max(1, arms)) for gain in _GAINS}
        rows.append(
            [noise.words, *(f"{share:.0%}" for share in found.values()), _points(visible), _points(more)]
        )
        powers.append(
            {
                "noise": noise.words,
                "measured": known is not None,
                "power": {str(gain): share for gain, share in found.items()},
                "smallest_gain": visible,
                "smallest_gain_with_twice_the_seeds": more,
            }
        )
    heads = [f"+{100 * gain:g} points" for gain in _GAINS]
    terminal.table(["noise", *heads, "80% from", f"with {2 * seeds} seeds"], rows)
    if known is None:
        terminal.note(
            "The noise is guessed: nothing like this was raced here yet"
            + (", or only by a version that did not measure it by group" if cases != images else "")
            + ". A race without searches (--arms rand_augment) "
            "measures it, and its trials are used again."
        )
    terminal.document = {
        "race": race.name,
        "arms": arms,
        "fresh_seeds": seeds,
        "test_images": images,
        "test_groups": cases,
        "visible": powers,
        **_show_cost(race, dataset, terminal),
    }
    return 0


def _points(gain: float | None) -> str:
    return "more than 50" if gain is None else f"{100 * gain:.1f} points"


def _noise(race: Race, grouped: bool) -> "Noise | None":
    """As the latest race on the same data, model and recipe measured it, by group where test images have groups."""
    from evaluators.race.power import Noise

    files = sorted(race.config.runs_dir.glob("compares/*/race.json"), key=lambda file: file.stat().st_mtime)
    for file in reversed(files):
        try:
            if not _alike(load_file(file.parent / CONFIG), race.config):
                continue
            content: Any = json.loads(file.read_text(encoding="utf-8"))
            if content["noise"] and (noise := Noise(**content["noise"])).of_groups == grouped:
                return noise
        except (AugurError, OSError, ValueError, KeyError, TypeError):
            continue  # a file of another version says nothing; the plan shows guesses instead
    return None


def _alike(one: StudyConfig, other: StudyConfig) -> bool:
    def of(config: StudyConfig) -> tuple[Any, ...]:
        data = config.data
        path = data.path.resolve() if data.path else None
        return data.dataset, path, data.image_size, config.model, config.training.epochs, config.search.metric

    return of(one) == of(other)


def _show_cost(race: Race, dataset: "Dataset", terminal: Terminal) -> dict[str, Any]:
    """Print what the race takes; the same for `--json`."""
    from tools.execution.make import workers_of

    images = images_of_trial(race, dataset)
    cost = cost_of(race, images)
    for arm in race.arms:
        if arm.searches:
            count = iterations_of(race, arm, images)
            terminal.note(
                f"{arm.name}: the default policy and {counted(count, 'proposal')}, {budget_in_words(race)}"
            )
    text = f"at most {cost.trials} trainings: {cost.searches} to search, {cost.finals} under fresh seeds"
    seconds, where = _seconds_of_trial(race)
    workers = len(workers_of(race.config.execution))
    document = {
        "trainings": cost.trials,
        "trainings_to_search": cost.searches,
        "seconds": None if seconds is None else cost.trials * seconds / workers,
        "workers": workers,
    }
    if seconds is None:
        terminal.result(
            f"Cost: {text}. How long one takes is not known here: nothing with this data and model was trained yet."
        )
        return document
    minutes = cost.trials * seconds / workers / 60
    time = counted(max(1, round(minutes)), "minute") if minutes < 120 else f"{minutes / 60:.1f} hours"
    terminal.result(
        f"Cost: {text}, about {time} with {counted(workers, 'worker')} ({seconds:.1f} s each, as in {where})."
    )
    return document


def _seconds_of_trial(race: Race) -> tuple[float | None, str]:
    """(seconds that a training takes, where that was measured), by the latest study with the same data and model."""
    folders = [*race.config.runs_dir.glob("studies/*"), *race.config.runs_dir.glob("compares/*")]
    known = [folder for folder in folders if (folder / LEDGER).exists() and (folder / CONFIG).exists()]
    for folder in sorted(known, key=_age):
        try:
            if not _alike(load_file(folder / CONFIG), race.config):
                continue
            spent = Ledger(folder / LEDGER, begins=False).spent()
        except (AugurError, OSError):
            continue
        if spent.trials:
            return spent.training_seconds / spent.trials, folder.name
    return None, ""


def _age(folder: Path) -> float:
    return -(folder / LEDGER).stat().st_mtime
