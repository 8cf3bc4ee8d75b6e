"""A race from start to end: every search chooses, then all winners are trained under fresh seeds and tested.

The test set stays sealed until every arm has chosen. When the command is given again, each step is found by what it
left: cells by their files, trials by their keys, MLflow runs by their tags.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from agent.comparing.arms import NONE, WAYS
from agent.comparing.cells import Found, check_model, run_cell
from agent.comparing.entrants import Entrants, entrants_of
from agent.comparing.marks import PLAN
from agent.comparing.plan import Race, finals_config, iterations_of, search_config
from agent.graph_run import end_marked
from agent.memory.candidate import Candidate, check_changes
from agent.memory.length_file import NAME as LENGTH
from agent.memory.study_file import recorded
from agent.memory.tracking.store import Address, experiment_of, find_store
from agent.screen.terminal import Terminal
from agent.study import address_of
from agent.study_folder import CONFIG, as_augur_error, began, locked, write_config
from agent.training.given import Given, candidates_of
from agent.training.sources import found_by
from tools.disk import disk_errors_explained
from tools.errors import ConfigurationError
from tools.files import read_json, write_json
from tools.training.recipes import resolve_recipe

if TYPE_CHECKING:
    from agent.context import Context
    from agent.steps.finish.testing import Fresh
    from evaluators.report.comparison import TestScores
    from tools.datasets.types import Dataset

_WHY = "arms of a race (agent compare)"


def run_race(race: Race, terminal: Terminal, command: str) -> int:
    """Run the race, or continue it; the exit code: 1 where an arm finished no trial under the fresh seeds.

    Args:
        race: what is compared.
        terminal: what shows it.
        command: continues it where it is interrupted.

    Raises:
        AugurError: it cannot start, or stopped; the same command continues it.
    """
    from agent.starting.model_start import settle_model
    from agent.starting.prechecks import check_before_start, check_models_answer, check_schedules

    dataset = check_before_start(finals_config(race))
    race = replace(race, config=settle_model(race.config, dataset, terminal))
    given = given_candidates(race, dataset, terminal)
    images = images_of_trial(race, dataset)
    cells = [(cell, search_config(race, cell, images)) for cell in race.cells]
    for cell, search in cells:
        if cell.repeat == 0:
            check_before_start(search)
            check_schedules(search, dataset.card)
            check_model(cell, search)
    begun = (race.folder / PLAN).exists()
    address = _begin(race, terminal, command)
    race = _with_arithmetic(race, dataset, terminal, begun)
    config = finals_config(race)
    tracking_settings = config.tracking.model_copy(update={"uri": address.bare})
    with locked(race.folder, race.name):
        write_config(race.folder, config.model_copy(update={"tracking": tracking_settings}))
        if config.training.epochs == "auto" and not (race.folder / LENGTH).exists():
            with _opened(race, dataset, address, terminal, "off") as context:
                from agent.steps.length.finding import find_length

                find_length(context)
        found: list[Found] = []
        for number, (cell, search) in enumerate(cells, start=1):
            changed = {"tracking": tracking_settings, "training": race.config.training}
            search = search.model_copy(update=changed)
            if cell.arm.asks_model and not (race.folder / "cells" / f"{cell.slug}.json").exists():
                check_models_answer(search, dataset.card, terminal.warn)
            terminal.note(f"search {number} of {len(cells)}: {cell.arm.name}, repeat {cell.repeat + 1}")
            found.append(run_cell(race, cell, search, dataset, address, terminal, command))
        return _finish(race, given, found, dataset, address, terminal)


def _with_arithmetic(race: Race, dataset: "Dataset", terminal: Terminal, begun: bool) -> Race:
    """The race with what it computes in on CPU, all arms alike; what a race that has begun computes in stays."""
    from agent.starting.arithmetic import settle_arithmetic

    config = race.config.model_copy(
        update={"study": race.name}
    )  # a name goes by the settings as they were given
    if (
        not begun or (race.folder / CONFIG).exists()
    ):  # of an earlier version: plain float32, which is not written down
        config = settle_arithmetic(config, dataset, terminal, race.folder)
    return replace(race, config=config)


def given_candidates(race: Race, dataset: "Dataset", terminal: Terminal) -> dict[str, Candidate]:
    """Arm → its candidate, of the arms that do not search, and of backgrounds that are given.

    Raises:
        ConfigurationError: one of them is no policy, or is that of another arm.
    """

    training = race.config.training
    epochs = None if training.epochs == "auto" else resolve_recipe(training).epochs

    def from_study(study: str, wanted: str) -> Candidate:
        return found_by(study, wanted, race.config.runs_dir, terminal, epochs)

    named: dict[str, Candidate] = {}
    for text in race.policies:
        try:
            [candidate] = candidates_of(Given([text], reference=text == NONE), dataset.card, from_study)
        except ConfigurationError as error:
            ways = f". Or a way of searching: {', '.join(WAYS)}" if text.isidentifier() else ""
            raise ConfigurationError(f"--arms: {str(error).removeprefix('--policy ')}{ways}") from None
        check_changes([candidate], epochs, "--arms")
        named[text] = candidate
    if race.prompts is not None:
        both = Given([NONE, "default"], race.prompts, race.scales, reference=False)
        named |= {
            each.name: each
            for each in candidates_of(both, dataset.card, from_study)
            if each.proposal.backgrounds
        }
    same: dict[tuple[str, int | None], str] = {}
    for name, candidate in named.items():
        other = same.setdefault((candidate.proposal.identity, candidate.epochs), name)
        if other != name:
            raise ConfigurationError(f"--arms: {name} is the same policy as {other}; leave one of them out")
    return named


def images_of_trial(race: Race, dataset: "Dataset") -> int | None:
    """Training images that a trial shows, about: for a budget in images, how many iterations it has room for."""
    if race.samples is None:
        return None
    recipe = resolve_recipe(race.config.training, race.config.search.metric)
    return max(1, recipe.epochs * sum(record.split == "train" for record in dataset.records))


def _begin(race: Race, terminal: Terminal, command: str) -> Address:
    """Make the race's folder, or see that it is that of this race; where it is stored.

    Raises:
        ConfigurationError: the name is taken.
    """
    folder, plan = race.folder, race.folder / PLAN
    known = read_json(plan)
    if isinstance(known, dict) and known.get("digest") != race.digest:
        raise ConfigurationError(
            f"--study {race.name}: {folder} was begun with other settings or arms. Choose another name; trials that "
            "both have in common are reused."
        )
    if (race.config.runs_dir / "studies" / race.name).exists():
        raise ConfigurationError(
            f"--study {race.name}: there is already a study of that name. Choose another one."
        )
    with disk_errors_explained(folder):
        folder.mkdir(parents=True, exist_ok=True)
        if known is None:
            arms = [arm.name for arm in race.arms]
            write_json(plan, {"digest": race.digest, "command": command, "arms": arms, **_budget_of(race)})
    if (folder / CONFIG).exists():
        return address_of(folder, race.config.runs_dir, terminal)
    return find_store(race.config.tracking, race.config.runs_dir)


def _budget_of(race: Race) -> dict[str, Any]:
    return {
        "trials": race.trials if race.samples is None else None,
        "samples": race.samples,
        "repeats": race.repeats,
        "winner": race.winner,
        "iterations": {
            cell.arm.name: iterations_of(race, cell.arm) for cell in race.cells if race.samples is None
        },
        "fresh_seeds": race.config.search.fresh_seeds,
    }


@contextmanager
def _opened(
    race: Race, dataset: "Dataset", address: Address, terminal: Terminal, backgrounds: Any
) -> "Iterator[Context]":
    """Everything that the race itself works with: its run in MLflow, workers, data."""
    from agent.memory.writing import open_store
    from agent.starting.startup import open_context

    config, folder, name = finals_config(race), race.folder, race.name
    tracking = open_store(address, config.tracking, terminal.warn, own=name)
    try:
        tracking.check()
        tracking.check_artifacts(experiment_of(config.tracking, dataset.card.name, config.model.title))
        if (known := recorded(folder)) is not None:
            tracking.attach(name, known)
        elif tracking.find_study(name) and not began(folder):
            raise ConfigurationError(
                f"--study {name}: the MLflow store {address.shown} already holds a study of that name. Choose another "
                "name."
            )
        config = config.model_copy(
            update={"tracking": config.tracking.model_copy(update={"uri": address.bare})}
        )
        write_config(folder, config)
        opened = open_context(config, _WHY, folder, terminal, tracking, dataset, backgrounds)
        with opened as context, end_marked(tracking):
            yield context
    except OSError as error:
        if (fault := as_augur_error(error, config.runs_dir)) is None:
            raise
        raise fault from error


def _finish(
    race: Race,
    given: dict[str, Candidate],
    found: Sequence[Found],
    dataset: "Dataset",
    address: Address,
    terminal: Terminal,
) -> int:
    """Train what every arm chose under the fresh seeds, open the test set, and publish."""
    from agent.comparing.outcome import result_of
    from agent.comparing.writing import publish
    from agent.steps.finish.comparing import caution_of
    from agent.steps.finish.contenders import contenders_of, nothing_learnt_by
    from agent.steps.finish.testing import announce_opening, open_test

    entrants = entrants_of(given, found)
    backgrounds = "always" if any(each.proposal.backgrounds for each in entrants.candidates) else "off"
    with _opened(race, dataset, address, terminal, backgrounds) as context:
        fresh = _train_finals(context, entrants)
        for line in fresh.notes:
            terminal.warn(line)
        scores: dict[str, TestScores] = {}
        notes = list(fresh.notes)
        if fresh.tested:
            terminal.note("Every arm has chosen; the sealed test set is opened now.")
            if earlier := announce_opening(context, context.data):
                notes.append(earlier[0].upper() + earlier[1:])
            scores = open_test(context, fresh)
        result = result_of(race, context, entrants, fresh.validation, scores, notes)
        learnt_by = contenders_of(context, fresh.tested, phases=lambda _: ("final",))
        groups = context.data.open_test().groups if scores else []
        if said := caution_of(nothing_learnt_by(context, learnt_by), scores, groups):
            result = replace(result, sentence=f"{said} {result.sentence}")
        publish(race, context, result)
        return 0 if len(fresh.tested) == len(entrants.candidates) else 1


def _train_finals(context: "Context", entrants: Entrants) -> "Fresh":
    from agent.steps.finish.judging import judge_all, log_spending
    from agent.steps.finish.testing import Fresh, missing_trials
    from agent.steps.search.proposing import log_contact_sheet, make_images
    from agent.steps.trials import train_candidates
    from agent.training.given import safety_warnings

    made: list[Candidate] = []
    unmade: list[str] = []
    for candidate in entrants.candidates:
        warnings = safety_warnings(candidate, context.data.card)
        run = context.tracking.open_candidate(candidate, "final", warnings)
        if candidate.proposal.policy and candidate.number:
            log_contact_sheet(context, candidate, run)
        if reason := make_images(context, candidate, run)["unrealised"]:
            unmade.append(f"{candidate.name} has no synthetic images: {reason}")
        else:
            made.append(candidate)
    seeds = context.config.search.fresh_seeds
    title = "fresh seeds for the test"
    cut = train_candidates(context, made, seeds, "final", title, testable=True)
    validation = judge_all(context, entrants.candidates, "final")
    log_spending(context)
    return Fresh(entrants.candidates, validation, [*unmade, *missing_trials(context, made, cut)])
