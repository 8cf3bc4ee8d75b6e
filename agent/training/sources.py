"""What a study found, for `agent train --policy study:NAME`: read from its store, never written."""

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from agent.memory.candidate import REFERENCE, Candidate
from agent.memory.length_file import NAME as LENGTH
from agent.memory.length_file import read_lengths
from agent.memory.study_file import recorded
from agent.screen.exits import runs_dir_flag
from agent.screen.terminal import Terminal
from agent.settings.config import StudyConfig, TrackingConfig
from agent.settings.sources import load_file
from agent.study import address_of
from agent.study_folder import CONFIG, folder_of
from tools.errors import AugurError, ConfigurationError, did_you_mean
from tools.training.recipes import resolve_recipe

if TYPE_CHECKING:
    from agent.memory import Tracking


def found_by(
    study: str, wanted: str, runs_dir: Path, terminal: Terminal, epochs: int | None = None
) -> Candidate:
    """A candidate of a study.

    Args:
        study: its name.
        wanted: the candidate's name, such as 'iteration 3'; '' for what the study recommends.
        runs_dir: where the study's folder is.
        terminal: for warnings.
        epochs: of a training here. What was trained for another length than the rest of the study, or changes at an
            epoch, has the same share of it; None: all is as it was there.

    Raises:
        AugurError: there is no such study or candidate, or the study recommends nothing (yet).
    """
    tracking = attached(study, runs_dir, terminal)
    # What was tried at another length at the end is in the choice only.
    tags, records = tracking.study_tags(), [*tracking.records(), *tracking.records("choice")]
    name = wanted or tags.get("recommended", "") or tags.get("chosen", "")
    names = list(dict.fromkeys(record.name for record in records))
    if not name:
        finished = tracking.client.get_run(tracking.study_run).info.status == "FINISHED"
        how = "" if finished else f" Finish it (agent resume {study}{runs_dir_flag(runs_dir)}), or"
        raise ConfigurationError(
            f"--policy study:{study}: the study recommends nothing{'' if finished else ' yet'}.{how} name one of its "
            f"candidates, such as 'study:{study}:{names[-1] if names else 'iteration 1'}'."
        )
    if name == "none":
        name = REFERENCE
    for record in records:
        if record.name == name:
            there = _epochs_of(folder_of(study, runs_dir), tracking)
            return _fitted(Candidate.of(record), there, epochs or there)
    hint = did_you_mean(name, names) or f"it has {', '.join(names) or 'none'}"
    raise ConfigurationError(f"--policy study:{study}:{name}: the study has no candidate {name!r}: {hint}")


def _fitted(candidate: Candidate, there: int, here: int) -> Candidate:
    """As it was trained where a training has `there` epochs, for a study where it has `here`."""
    if candidate.name == REFERENCE:
        return replace(candidate, epochs=None)
    proposal = candidate.proposal
    if proposal.changes:
        policy = proposal.as_policy().stretched(here / there)
        proposal = proposal.model_copy(update={"policy": policy.operations, "changes": policy.changes})
    own = None if candidate.epochs is None else max(1, round(candidate.epochs * here / there))
    return replace(candidate, proposal=proposal, epochs=None if own == proposal.length * here else own)


def _epochs_of(folder: Path, tracking: "Tracking") -> int:
    """How long a study trains, as it found out or was told.

    Raises:
        AugurError: the file that says so is damaged.
    """
    training = load_file(folder / CONFIG).training
    lengths = read_lengths(folder, tracking, training.epochs == "auto")
    return resolve_recipe(training).epochs if lengths is None else lengths.epochs


def attached(study: str, runs_dir: Path, terminal: Terminal, uri: str | None = None) -> "Tracking":
    """The store of a study, attached to it, for reading.

    Raises:
        AugurError: the study, or its store, is not there.
    """
    from agent.memory.writing import open_store

    folder = folder_of(study, runs_dir)
    address = address_of(folder, runs_dir, terminal, uri)
    if not address.exists:
        raise AugurError(
            f"{address.shown}, the MLflow database that holds what study {study} found, is gone: restore it from a "
            "backup."
        )
    tracking = open_store(address, TrackingConfig(retries=0), terminal.warn, own=study, writes=False)
    tracking.check()
    tracking.attach(study, recorded(folder))
    return tracking


def length_from(studies: list[str], config: StudyConfig) -> tuple[str, bytes] | None:
    """(study, its length.json) of the first of the studies that found the length for the same data and model."""
    for study in studies:
        folder = folder_of(study, config.runs_dir)
        theirs = load_file(folder / CONFIG)
        same = (
            (theirs.model.name, theirs.data.dataset, theirs.data.image_size)
            == (config.model.name, config.data.dataset, config.data.image_size)
        ) and _absolute(theirs.data.path) == _absolute(config.data.path)
        if same and (folder / LENGTH).exists():
            return study, (folder / LENGTH).read_bytes()
    return None


def _absolute(path: Path | None) -> Path | None:
    return path and path.resolve()
