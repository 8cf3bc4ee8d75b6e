"""One search of a race: a study of its own that ends when it has chosen, before the test set is opened.

What it chose, and how it got there, is written to a file of the race's folder. A search that was killed continues from
its last checkpoint, like any study; one whose file is there is done.
"""

import json
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from agent.comparing.marks import MARK
from agent.comparing.plan import Cell, Race
from agent.memory.candidate import REFERENCE, Candidate
from agent.memory.length_file import NAME as LENGTH
from agent.memory.proposal import parse_proposal
from agent.memory.study_file import recorded
from agent.memory.tracking.store import Address
from agent.proposers.factory import LLM_ARMS, resolve_arm, resolved
from agent.screen.terminal import Terminal
from agent.settings.config import StudyConfig
from agent.study_folder import as_augur_error, began, checkpointer, locked, write_config
from tools.errors import AugurError, ConfigurationError
from tools.files import read_json, write_json, write_whole
from tools.policy.named import DEFAULT

if TYPE_CHECKING:
    from agent.context import Context
    from agent.steps.finish.choosing import Choice
    from tools.datasets.types import Dataset


@dataclass(frozen=True)
class Tried:
    """One candidate of a search, in the order of training. Scores are of the study's metric on validation."""

    name: str
    line: str
    mean: float | None
    seeds: int
    trials: int
    """Trainings of the search so far, this candidate's included; those of no augmentation are not counted."""
    samples: int
    """Training images so far, likewise."""
    over_default: float | None
    over_none: float | None
    expected: float | None
    """Gain over no augmentation that its arm expected (-1..1); None where arms do not forecast."""


@dataclass(frozen=True)
class Found:
    """What one search came to."""

    arm: str
    repeat: int
    study: str
    winner: Candidate
    recommended: str
    """What Augur would recommend after this search, by its cautious rule, in one line."""
    validation: dict[str, dict[int, float]]
    """'winner', 'default' and 'none' → seed → validation score by which the search chose."""
    tried: tuple[Tried, ...]
    stopped: str
    """Why the search ended."""
    failed: int
    """Trials that failed."""
    seconds: float
    llm_calls: int
    tokens: int
    dollars: float


def run_cell(
    race: Race,
    cell: Cell,
    config: StudyConfig,
    dataset: "Dataset",
    address: Address,
    terminal: Terminal,
    command: str,
) -> Found:
    """Search, up to the choice; what was found, now or in an earlier session.

    Raises:
        AugurError: the search cannot start, or stopped; the same command continues it.
    """
    file = race.folder / "cells" / f"{cell.slug}.json"
    if (found := read_found(file)) is not None:
        return found
    config, why = _resolved(config)
    name = race.study_of(cell)
    folder = config.runs_dir / "studies" / name
    folder.mkdir(parents=True, exist_ok=True)
    _check_free(folder, race)
    write_json(folder / MARK, {"race": race.name, "command": command})
    length = race.folder / LENGTH
    if length.exists() and not (folder / LENGTH).exists():
        write_whole(folder / LENGTH, length.read_bytes())
    with locked(folder, name):
        try:
            _search(race, cell, config, why, folder, dataset, address, terminal, file)
        except OSError as error:
            if (fault := as_augur_error(error, config.runs_dir)) is None:
                raise
            raise fault from error
    found = read_found(file)
    assert found is not None, file
    return found


def check_model(cell: Cell, config: StudyConfig) -> None:
    """See that a language model is named where the search needs one, before any other search is run.

    Raises:
        ConfigurationError: none is, or it lacks its key or its package.
    """
    try:
        _resolved(config)
    except ConfigurationError as error:
        raise ConfigurationError(
            f"--arms {cell.arm.name}: {error}. Or leave this arm out, or name its model: {cell.arm.name}@provider:model"
        ) from None


def _resolved(config: StudyConfig) -> tuple[StudyConfig, str]:
    from agent.llm import check_llm

    arm, why = resolve_arm(config.search, config.llm)
    if arm not in LLM_ARMS:
        return config, why
    llm = resolved(config.llm)
    check_llm(llm)
    return config.model_copy(update={"llm": llm}), why


def _check_free(folder: Path, race: Race) -> None:
    marked = read_json(folder / MARK)
    if began(folder) and (not isinstance(marked, dict) or marked.get("race") != race.name):
        raise ConfigurationError(
            f"The race {race.name} needs the name {folder.name} for one of its searches, but there is another study of "
            "that name. Give the race another name: --study NAME"
        )


def _search(
    race: Race,
    cell: Cell,
    config: StudyConfig,
    why: str,
    folder: Path,
    dataset: "Dataset",
    address: Address,
    terminal: Terminal,
    file: Path,
) -> None:
    from agent.graph import build_graph
    from agent.graph_run import continue_graph
    from agent.memory.writing import open_store
    from agent.starting.startup import open_context

    tracking = open_store(address, config.tracking, terminal.warn, own=folder.name)
    tracking.check()
    known = recorded(folder)
    if known is not None or began(folder) or tracking.find_study(folder.name):
        tracking.attach(folder.name, known)
    write_config(folder, config)

    def finalise(state: Any, runtime: Any) -> dict[str, Any]:
        return {"chosen": _choose(race, cell, runtime.context, state["stop"], file)}

    with checkpointer(folder, config.runs_dir, folder.name, config.tracking, terminal.warn) as saver:
        graph = build_graph(saver, judge=_judging(race), finalise=finalise)
        with open_context(config, why, folder, terminal, tracking, dataset, unsaid=("finish",)) as context:
            if not continue_graph(
                graph, folder.name, context
            ):  # it had ended, but the file of the cell is gone
                _choose(race, cell, context, "", file)


def _judging(race: Race) -> Callable[[Any, Any], dict[str, Any]]:
    """The node `judge`, which ends the search as well where its training images are used up."""

    def judge(state: Any, runtime: Any) -> dict[str, Any]:
        from agent import nodes

        result = nodes.judge(state, runtime)
        if race.samples is None or result["stop"]:
            return result
        tried = _tried(runtime.context)
        first, last = tried[0], tried[-1]
        each = first.samples / max(1, first.trials) * runtime.context.config.search.seeds
        if last.samples + each > race.samples:
            return {**result, "stop": f"the {race.samples:,} training images of the race are used up"}
        return result

    return judge


def _choose(race: Race, cell: Cell, context: "Context", stopped: str, file: Path) -> str:
    """Choose on validation, and write down what was found; the name of the winner. The test set stays sealed."""
    from agent.steps.finish.choosing import choose
    from agent.steps.search.cheap import drop_trunks
    from agent.steps.trials import prune_weights

    choice = choose(context)
    winner = _winner(choice, race)
    spent = context.ledger.spent()
    validation = {
        "winner": dict(choice.validation.get(winner.name, {})),
        "default": dict(choice.validation.get(DEFAULT, {})),
        "none": dict(choice.validation.get(REFERENCE, {})),
    }
    records = context.tracking.records()
    content = {
        "arm": cell.arm.name,
        "repeat": cell.repeat,
        "study": context.study,
        "winner": {
            "name": winner.name,
            "number": winner.number,
            "arm": winner.arm,
            "proposal": winner.proposal.model_dump(mode="json"),
            "epochs": winner.epochs,
        },
        "recommended": f"{choice.recommended.name}: {choice.recommended.proposal.in_one_line()}",
        "validation": validation,
        "tried": [asdict(each) for each in _tried(context)],
        "stopped": stopped,
        "failed": sum(trial.status == "failed" for record in records for trial in record.trials),
        "seconds": spent.training_seconds,
        "llm_calls": spent.llm_calls,
        "tokens": spent.tokens,
        "dollars": spent.dollars,
    }
    file.parent.mkdir(parents=True, exist_ok=True)
    write_json(file, content)
    context.tracking.log_study(
        {},
        tags={"race": race.name, "recommended": choice.recommended.name, "chosen": winner.name},
        note=f"A search of the race **{race.name}** (agent compare), which has chosen {winner.name}. The test set is "
        "opened by the race, when all its arms have chosen.",
    )
    context.terminal.note(f"{cell.arm.name} has chosen {winner.name}: {winner.proposal.in_one_line()}")
    prune_weights(context)
    drop_trunks(context)
    return winner.name


def _winner(choice: "Choice", race: Race) -> Candidate:
    """Of the default policy and the proposals, the best by the least noisy measure; or what is recommended."""
    if race.winner == "recommended":
        return choice.recommended
    own = (choice.named(name) for name in choice.order)
    eligible = [each for each in own if each.number > 0 or each.name == DEFAULT]
    return next(iter(eligible), choice.named(DEFAULT))


def _tried(context: "Context") -> list[Tried]:
    """The default policy and every proposal, in the order of training, with what they took."""
    from agent.reports.progress import FORECASTING
    from agent.steps.trials import results_of

    seeds = context.config.search.search_seeds
    records = [each for each in context.tracking.records() if each.name != REFERENCE]
    found, trials, samples = [], 0, 0
    for record in sorted(records, key=lambda each: each.number):
        took = results_of(context, [Candidate.of(record)], seeds) if record.trials else []
        trials, samples = trials + len(took), samples + sum(images for images, _ in took)
        forecast = record.number > 0 and record.arm in FORECASTING
        found.append(
            Tried(
                name=record.name,
                line=record.proposal.in_one_line(),
                mean=record.mean,
                seeds=len(record.scores),
                trials=trials,
                samples=samples,
                over_default=0.0 if record.name == DEFAULT else record.gain_over_default,
                over_none=record.gain,
                expected=record.proposal.expected_gain / 100 if forecast else None,
            )
        )
    return found


def read_found(file: Path) -> Found | None:
    """What a search of a race came to; None where it is not done.

    Raises:
        AugurError: the file is damaged.
    """
    content = read_json(file)
    if content is None and not file.exists():
        return None
    try:
        known: dict[str, Any] = dict(content or {})
        winner = known.pop("winner")
        proposal = parse_proposal(json.dumps(winner.pop("proposal")))
        return Found(
            **{
                **known,
                "winner": Candidate(**winner, proposal=proposal),
                "validation": {
                    who: {int(seed): score for seed, score in scores.items()}
                    for who, scores in known["validation"].items()
                },
                "tried": tuple(Tried(**each) for each in known["tried"]),
            }
        )
    except (TypeError, KeyError, ValueError, AttributeError) as error:
        raise AugurError(
            f"{file}, which says what a search of the race found, is damaged ({error}). Delete it and give the command "
            "again: the search chooses again from what it trained."
        ) from error
