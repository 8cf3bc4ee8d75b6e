"""Run the cells of a paper's table, one after another, by what `agent train`, `run` and `evaluate` are made of.

A cell that is finished is read back. One that was interrupted continues from what its entry in runs/studies has: the
same command finds it by its name, which follows from all that decides its numbers.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from agent.paper.cells import Cell, Table
from agent.paper.protocol import TEST, VALIDATION
from agent.paper.results import Result, read_result, write_result
from agent.screen.terminal import Terminal
from agent.settings.config import StudyConfig
from agent.starting.arithmetic import in_float32
from tools.disk import disk_errors_explained
from tools.errors import AugurError, ConfigurationError, DataError
from tools.text import counted

if TYPE_CHECKING:
    from tools.datasets.presence import Presence


def run_table(table: Table, terminal: Terminal, replicas: Path | None = None) -> int:
    """Run what is wanted and not finished, and show the table; the exit code: 1 where a wanted cell has no result.

    Args:
        table: the cells.
        terminal: what shows it.
        replicas: folder of made data sets, for a smoke run; None: those of the papers, in data/NAME.

    Raises:
        AugurError: data are missing, or a cell cannot start, or stopped; the same command continues.
    """
    from agent.paper.writing import publish

    terminal.warn = _once(terminal.warn)  # each cell opens the same data, and would warn of them again
    left = [cell for cell in table.wanted if read_result(table, cell) is None]
    if left:
        check_data(table, replicas)
    refused = _refused(table, left)
    for reason in dict.fromkeys(refused.values()):
        count = list(refused.values()).count(reason)
        terminal.warn(f"{counted(count, 'cell is', 'cells are')} left blank: {reason}")
    with disk_errors_explained(table.folder):
        table.folder.mkdir(parents=True, exist_ok=True)
    unfinished = dict(refused)
    todo = [cell for cell in left if cell.name not in refused]
    if len(table.wanted) > len(left):
        terminal.note(f"{counted(len(table.wanted) - len(left), 'cell')} finished before, read back")
    for number, cell in enumerate(todo, start=1):
        terminal.note(f"cell {number} of {len(todo)}: {cell.name}, {table.arm(cell).title}")
        result = _run(table, cell, terminal, replicas)
        terminal.close()
        if all(result.scores.get(place) for place in _places(table, cell)):
            write_result(table, cell, result)
        else:
            unfinished[cell.name] = "; ".join(result.failures) or "it has no score"
            terminal.warn(f"{cell.name} has no result: {unfinished[cell.name]}")
        publish(table, unfinished, terminal, show=False)
    terminal.study = None
    publish(table, unfinished, terminal)
    return 1 if unfinished else 0


class _Warn(Protocol):
    def __call__(self, text: str) -> None: ...


def _once(warn: _Warn) -> _Warn:
    told: set[str] = set()

    def warn_once(text: str) -> None:
        if text not in told:
            told.add(text)
            warn(text)

    return warn_once


def _places(table: Table, cell: Cell) -> list[str]:
    """What the cell is scored on: a search, whose test set is its own affair, on validation alone."""
    return [VALIDATION] if table.arm(cell).search is not None else list(table.protocol.on)


def check_data(table: Table, replicas: Path | None) -> None:
    """See that the data sets of the table are there; decodes nothing.

    Raises:
        DataError: one is not, or is damaged; says of each what is expected, and how to get it.
    """
    if missing := missing_data(table, replicas):
        raise DataError("\n\n".join(_remedy(each) for each in missing))


def missing_data(table: Table, replicas: Path | None) -> "list[Presence]":
    """The data sets of the table that are not there, or damaged."""
    from tools.datasets.presence import find_dataset

    config = table.config.data
    found = [find_dataset(table.protocol.data, config.path, config)]
    for other in table.protocol.others:
        found.append(find_dataset(other, None if replicas is None else replicas / other))
    return [each for each in found if each.dataset is None]


def _remedy(missing: "Presence") -> str:
    from tools.datasets.registry import ENTRIES

    fetch = ENTRIES[missing.name].fetch
    return missing.reason + (f"\nOr download it: agent datasets get {missing.name}" if fetch else "")


def _refused(table: Table, cells: list[Cell]) -> dict[str, str]:
    """Cells whose language model cannot be asked → why; found before anything is trained."""
    from agent.llm import check_llm

    refused = {}
    for cell in cells:
        if table.arm(cell).search is None:
            continue
        try:
            check_llm(cell.config.llm)
        except ConfigurationError as error:
            refused[cell.name] = str(error)
    return refused


def _run(table: Table, cell: Cell, terminal: Terminal, replicas: Path | None) -> Result:
    config = in_float32(cell.config.model_copy(update={"study": table.study_of(cell)}))
    if table.arm(cell).search is not None:
        return _search(config, terminal)
    return _train(table, cell, config, terminal, replicas)


def _train(
    table: Table, cell: Cell, config: StudyConfig, terminal: Terminal, replicas: Path | None
) -> Result:
    """Train one policy, with or without new backgrounds, and score it everywhere."""
    from agent.training.given import Given
    from agent.training.policies import Job, train_job

    arm, study = table.arm(cell), str(config.study)
    fixed = {"iterations": 0, "baselines": [], "proposer": "fixed"}
    if arm.scale is None:  # then no captions are written, and their model need not be there
        fixed["backgrounds"] = "off"
    search = config.search.model_copy(update=fixed)
    data = config.data.model_copy(update={"shifts": []})
    config = config.model_copy(update={"search": search, "data": data})
    if arm.gate is not None:
        config = _judged(table, cell, arm.gate, config, terminal)
    given = Given(
        [arm.policy] if arm.policy is not None else [],
        table.prompts_of(cell),
        [arm.scale] if arm.scale is not None else [],
        reference=False,
    )
    row = train_job(Job(config, given), terminal)[-1]  # with both, the policy alone comes first
    scores: dict[str, Mapping[int, float]] = {VALIDATION: row.scores}
    if row.scores:
        for place in table.protocol.on:
            if place != VALIDATION:
                scores[place] = _scored(study, row.name, place, config, terminal, replicas)
    trainings, seconds = _spent(config.runs_dir / "studies" / study)
    return Result(study, row.line, scores, None, row.failures, trainings, seconds)


def _judged(table: Table, cell: Cell, gate: str, config: StudyConfig, terminal: Terminal) -> StudyConfig:
    """The settings with the classifier that judges the images: the first of another cell of the same model.

    Raises:
        ConfigurationError: that cell is not finished.
    """
    from agent.studies.evaluation import finished_trials, opened

    judge = next(each for each in table.cells if (each.model, each.arm) == (cell.model, gate))
    if (found := read_result(table, judge)) is None:
        raise ConfigurationError(
            f"{cell.name} makes images that a classifier of {judge.name} judges, which is not finished: run it first "
            f"(--cells {judge.name},{cell.name})"
        )
    folder = config.runs_dir / "studies" / found.study
    with opened(found.study, folder, config.runs_dir, terminal, "agent paper") as context:
        key = finished_trials(context, True, [])[0].spec.key
    gates = config.aga.gates.model_copy(update={"classifier": config.runs_dir / "trials" / key})
    return config.model_copy(update={"aga": config.aga.model_copy(update={"gates": gates})})


def _scored(
    study: str, name: str, place: str, config: StudyConfig, terminal: Terminal, replicas: Path | None
) -> dict[int, float]:
    """The scores of a trained candidate on its own test set, or on another data set."""
    from agent.studies.evaluation import Target, evaluated

    target = Target()
    if place != TEST:
        target = Target(None if replicas is None else replicas / place, place)
    found = evaluated(study, [], target, config.runs_dir, terminal)
    values = {seed: each.scores.of(found.metric) for seed, each in found.predictions[name].items()}
    return {seed: value for seed, value in values.items() if value is not None}


def _search(config: StudyConfig, terminal: Terminal) -> Result:
    """Run a study to its end, or resume it; the best proposal on validation, which is what the papers print."""
    from agent.studies.listing import attached, document_of
    from agent.study import resume_study, run_study
    from agent.study_folder import names

    study = str(config.study)
    if study in names(config.runs_dir):
        resume_study(study, config.runs_dir, terminal, load=lambda path: config)
    else:
        run_study(config, terminal)
    document = document_of(*attached(study, config.runs_dir, Terminal(quiet=True)))
    proposals = [
        each for each in document["candidates"] if each["iteration"] and each["validation"] is not None
    ]
    trainings, seconds = _spent(config.runs_dir / "studies" / study)
    if not proposals:
        reasons = [reason for each in document["candidates"] for reason in each["failures"]]
        return Result(study, "", {}, None, tuple(reasons or ["no proposal was trained"]), trainings, seconds)
    best = max(proposals, key=lambda each: each["validation"])
    scores = {VALIDATION: {int(seed): score for seed, score in best["seeds"].items()}}
    return Result(
        study,
        best["policy"],
        scores,
        best["iteration"],
        tuple(best["failures"]),
        trainings,
        seconds,
        document["test"],
    )


def _spent(folder: Path) -> tuple[int, float]:
    """(trainings, seconds of training) of an entry."""
    from agent.memory.ledger import Ledger
    from agent.study_folder import LEDGER

    file = folder / LEDGER
    if not file.exists():
        return 0, 0.0
    try:
        spent = Ledger(file, begins=False).spent()
    except AugurError:
        return 0, 0.0
    return spent.trials, spent.training_seconds
