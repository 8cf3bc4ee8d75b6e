"""`agent train`: given policies are trained and compared like the candidates of a study, and nothing is searched.

Each combination of data set, model and image size has a folder in `runs/studies/` and a run in MLflow, as a study has,
named by what it trains, so that the same command finds it and continues it.
"""

import hashlib
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from agent.graph_run import end_marked
from agent.memory.candidate import REFERENCE, Candidate, Phase, check_changes
from agent.memory.length_file import NAME as LENGTH
from agent.memory.proposal import parse_proposal
from agent.memory.study_file import recorded
from agent.memory.tracking.store import experiment_of, find_store
from agent.screen.terminal import Terminal
from agent.settings.config import StudyConfig
from agent.settings.sources import dump_config, is_changeable, load_file
from agent.study import address_of
from agent.study_folder import CONFIG, as_augur_error, began, folder_of, locked, names, release, write_config
from agent.training.given import STUDY, Given, candidates_of, safety_warnings
from agent.training.sources import found_by, length_from
from agent.training.table import Row, document, rows_of, show_rows, write_tables
from tools.disk import disk_errors_explained
from tools.errors import AugurError, ConfigurationError
from tools.files import read_json, write_json, write_whole
from tools.policy.own import try_own

if TYPE_CHECKING:
    from agent.context import Context
    from tools.datasets.types import Dataset

FILE = "training.json"
"""In the folder of what `agent train` trains: the candidates. A study has none."""
_WHY = "given policies (agent train)"


@dataclass(frozen=True)
class Job:
    """One data set, model and image size."""

    config: StudyConfig
    given: Given
    again: bool = False
    """Whether trials whose weights are gone are trained again."""


def train_given(jobs: Sequence[Job], terminal: Terminal) -> int:
    """Train what was given for every job, and compare; the exit code: 1 where something finished no trial.

    Raises:
        AugurError: a job cannot start, or stopped; the same command continues it.
    """
    rows: list[Row] = []
    for job in jobs:
        rows += train_job(job, terminal)
    return _end(rows, terminal)


def is_training(folder: Path) -> bool:
    """Whether the folder of a study belongs to `agent train`."""
    return (folder / FILE).exists()


def resume_training(
    name: str, runs_dir: Path, terminal: Terminal, load: Callable[[Path], StudyConfig] = load_file
) -> int:
    """Continue what `agent train` began under that name; the exit code.

    Args:
        name: as `agent list` shows it.
        runs_dir: where its folder is.
        terminal: what shows it.
        load: reads its config.yaml, with what changes from now on.

    Raises:
        AugurError: as in `train_given`.
    """
    folder = folder_of(name, runs_dir)
    candidates = [_candidate(each) for each in _recorded(folder)["candidates"]]
    address = address_of(folder, runs_dir, terminal)
    config = load(folder / CONFIG)
    tracking = config.tracking.model_copy(update={"uri": address.bare})
    config = config.model_copy(update={"study": name, "runs_dir": runs_dir, "tracking": tracking})
    return _end(_open_and_train(name, folder, config, candidates, address, terminal, False), terminal)


def _end(rows: Sequence[Row], terminal: Terminal) -> int:
    terminal.document = document(rows)
    show_rows(rows, terminal)
    return 1 if any(row.mean is None for row in rows) else 0


def train_job(job: Job, terminal: Terminal) -> list[Row]:
    """Train what was given for one job, or continue it; its rows, without showing them.

    Raises:
        AugurError: as in `train_given`.
    """
    from agent.starting.arithmetic import settle_arithmetic
    from agent.starting.model_start import settle_model
    from agent.starting.prechecks import check_before_start
    from tools.training.recipes import resolve_recipe

    config = job.config
    dataset = check_before_start(config)
    config = settle_model(config, dataset, terminal)
    studies = [
        text.removeprefix(STUDY).partition(":")[0] for text in job.given.policies if text.startswith(STUDY)
    ]
    found = None
    if config.training.epochs == "auto":
        found = length_from(studies, config)
        terminal.note(_how_long(found))
    if found is None and config.training.epochs == "auto":
        training = config.training.model_copy(update={"epochs": None})
        config = config.model_copy(update={"training": training})
    epochs = json.loads(found[1])["epochs"] if found else resolve_recipe(config.training).epochs
    candidates = candidates_of(
        job.given, dataset.card, lambda study, name: found_by(study, name, config.runs_dir, terminal, epochs)
    )
    check_changes(candidates, epochs, "--policy")
    for candidate in candidates:
        try_own(candidate.proposal.as_policy(), config.data.image_size or dataset.card.image_size)
    digest = _digest(config, candidates, found)
    name = config.study or _name(config, digest)
    folder = config.runs_dir / "studies" / name
    _check_free(folder, digest)
    config = settle_arithmetic(config, dataset, terminal, folder)
    with disk_errors_explained(folder):
        folder.mkdir(parents=True, exist_ok=True)
    address = find_store(config.tracking, config.runs_dir)
    if (folder / CONFIG).exists():
        address = address_of(folder, config.runs_dir, terminal)
    config = config.model_copy(
        update={"study": name, "tracking": config.tracking.model_copy(update={"uri": address.bare})}
    )
    if not is_training(folder):
        if found is not None:
            write_whole(folder / LENGTH, found[1])
        write_json(folder / FILE, {"digest": digest, "candidates": [_as_json(each) for each in candidates]})
    return _open_and_train(name, folder, config, candidates, address, terminal, job.again, dataset)


def _open_and_train(
    name: str,
    folder: Path,
    config: StudyConfig,
    candidates: Sequence[Candidate],
    address: Any,
    terminal: Terminal,
    again: bool,
    dataset: "Dataset | None" = None,
) -> list[Row]:
    from agent.memory.writing import open_store
    from agent.starting.prechecks import check_before_start
    from agent.starting.startup import open_context

    dataset = dataset or check_before_start(config)
    with locked(folder, name):
        try:
            tracking = open_store(address, config.tracking, terminal.warn, own=name)
            tracking.check()
            tracking.check_artifacts(experiment_of(config.tracking, dataset.card.name, config.model.title))
            if (known := recorded(folder)) is not None:
                tracking.attach(name, known)
            elif tracking.find_study(name) and not began(folder) and not _is_ours(tracking):
                raise ConfigurationError(
                    f"--study {name}: the MLflow store {address.shown} already holds a study of that name. Choose "
                    "another name."
                )
            write_config(folder, config)
            backgrounds = "always" if any(each.proposal.backgrounds for each in candidates) else "off"
            opened = open_context(config, _WHY, folder, terminal, tracking, dataset, backgrounds)
            with opened as context, end_marked(tracking):
                return _train(context, candidates, again)
        except OSError as error:
            if (fault := as_augur_error(error, config.runs_dir)) is None:
                raise
            raise fault from error
        except AugurError:
            if not began(folder):  # the name stays free
                for file in (FILE, LENGTH):
                    (folder / file).unlink(missing_ok=True)
                release(folder)
                terminal.study = None
            raise


def _is_ours(tracking: Any) -> bool:
    return tracking.study_tags().get("arm") == "given"


def _train(context: "Context", candidates: Sequence[Candidate], again: bool) -> list[Row]:
    """Train and judge all of them, and write the tables."""
    from agent.steps.finish.contenders import warn_of_nothing_learnt
    from agent.steps.finish.judging import judge, log_spending
    from agent.steps.search.proposing import log_contact_sheet, make_images
    from agent.steps.trials import train_candidates, trial_spec

    made, unmade = [], {}
    for candidate in candidates:
        warnings = safety_warnings(candidate, context.data.card)
        for warning in warnings:
            context.terminal.warn(f"{candidate.name}: label safety: {warning}")
        run = context.tracking.open_candidate(candidate, phase_of(candidate), warnings)
        if candidate.proposal.policy and candidate.number:
            log_contact_sheet(context, candidate, run)
        if reason := make_images(context, candidate, run)["unrealised"]:
            unmade[candidate.name] = reason
        else:
            made.append(candidate)
    seeds, cut = context.seeds(context.config.search.seeds), None
    groups: dict[Phase, list[Candidate]] = {}
    for candidate in made:
        groups.setdefault(phase_of(candidate), []).append(candidate)
    for phase, some in groups.items():
        title = "no augmentation and the default" if phase == "reference" else "given policies"
        cut = cut or train_candidates(context, some, seeds, phase, title, testable=again)
    for candidate in candidates:
        judge(context, candidate, phase_of(candidate))
        for seed in seeds if candidate in made else ():
            context.store.keep_weights(trial_spec(context, candidate, seed).key)
    records = {record.name: record for record in context.tracking.records()}
    ordered = [records[candidate.name] for candidate in candidates]
    rows = rows_of(context, ordered, unmade, cut)
    best = max((row.mean for row in rows if row.name != REFERENCE and row.mean is not None), default=None)
    found = {"trainings": float(sum(len(row.scores) for row in rows))}
    if best is not None:
        found[f"incumbent_validation_{context.config.search.metric}"] = best
    context.tracking.log_study(found)
    log_spending(context)
    if cut:
        context.terminal.warn(
            f"Not everything was trained: {cut}. With a higher limit, the same command continues."
        )
    warn_of_nothing_learnt(context, made)
    for file in write_tables(context, rows):
        context.tracking.log_file(context.tracking.study_run, file)
        context.terminal.note(f"table: {file}")
    return rows


def phase_of(candidate: Candidate) -> Phase:
    """Where its trials are in MLflow: as in a study, no augmentation and the default policy come first."""
    return "search" if candidate.number else "reference"


def _how_long(found: tuple[str, bytes] | None) -> str:
    if found is not None:
        return f"length: as study {found[0]} found it for these images and this model"
    return (
        "length: training.epochs is auto, which only a study finds out; the usual number of epochs of the recipe is "
        "taken. Say how many (--epochs N), or give a policy of a study, which trains as long as that study "
        "(--policy study:NAME)"
    )


def _check_free(folder: Path, digest: str) -> None:
    """An entry is continued only by the command that began it.

    Raises:
        ConfigurationError: the name is taken by something else.
    """
    if is_training(folder):
        if _recorded(folder)["digest"] != digest:
            raise ConfigurationError(
                f"--study {folder.name}: {folder} was begun with other settings or policies. Choose another name; "
                "trials that both have in common are reused."
            )
    elif folder.name in names(folder.parent.parent) or began(folder):
        raise ConfigurationError(
            f"--study {folder.name}: there is already a study of that name. Choose another one."
        )


def _recorded(folder: Path) -> Mapping[str, Any]:
    content = read_json(folder / FILE)
    if not isinstance(content, dict) or not {"digest", "candidates"} <= content.keys():
        raise AugurError(
            f"{folder / FILE}, which says what is trained there, is damaged. Restore it from a backup, or give the "
            "command again with another --study; finished trials are reused."
        )
    return content


def _as_json(candidate: Candidate) -> dict[str, Any]:
    return {
        "name": candidate.name,
        "number": candidate.number,
        "arm": candidate.arm,
        "proposal": candidate.proposal.model_dump(mode="json"),
        "epochs": candidate.epochs,
    }


def _candidate(known: Mapping[str, Any]) -> Candidate:
    proposal = parse_proposal(json.dumps(known["proposal"]))
    return Candidate(known["name"], known["number"], known["arm"], proposal, known.get("epochs"))


_UNKNOWN_BEFORE = (
    ("training.layout", "auto"),
    ("training.layout", "contiguous"),
    ("model.norm_momentum", "auto"),
)
_AS_BEFORE = {("search.shortest_steps", "auto"): 256}
"""Settings that earlier versions did not have, or wrote otherwise: their commands are still recognised."""


def _digest(config: StudyConfig, candidates: Sequence[Candidate], found: tuple[str, bytes] | None) -> str:
    """Of everything that decides what is trained, so that the same command is recognised."""
    content = {
        "settings": {
            key: _AS_BEFORE.get((key, value), value) if isinstance(value, str) else value
            for key, value in _flat(dump_config(config)).items()
            if key == "data.path" or not (is_changeable(key) or key.startswith(("study", "tracking.")))
            if (key, value) not in _UNKNOWN_BEFORE
        },
        "candidates": [
            (each.name, each.proposal.identity, *([each.epochs] if each.epochs else []))
            for each in candidates
        ],
        "length": found[1].decode() if found else "",
    }
    if config.data.path is not None:
        content["settings"]["data.path"] = str(config.data.path.resolve())
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()


def _flat(tree: dict[str, Any], prefix: str = "") -> dict[str, Any]:
    flat: dict[str, Any] = {}
    for key, value in tree.items():
        name = f"{prefix}{key}"
        flat |= _flat(value, f"{name}.") if isinstance(value, dict) else {name: value}
    return flat


def _name(config: StudyConfig, digest: str) -> str:
    import re

    data = config.data.path.resolve().name if config.data.path else config.data.dataset or "demo"
    size = f"{config.data.image_size}px" if config.data.image_size else ""
    stem = "-".join(filter(None, ("train", data, config.model.title, size)))
    return re.sub(r"[^A-Za-z0-9._-]+", "-", stem)[:60].rstrip("-.") + f"-{digest[:8]}"
