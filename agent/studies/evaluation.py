"""`agent evaluate`: finished trials on the test set of their data, or on a folder or another data set.

A study's test set stays sealed until the study has finished. Each opening is recorded and announced, as a study's own.
"""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from agent.memory.candidate import Candidate, Phase
from agent.memory.study_file import recorded
from agent.memory.tracking.store import find_store
from agent.screen.exits import runs_dir_flag
from agent.screen.terminal import Terminal, silent
from agent.settings.config import StudyConfig, TrackingConfig
from agent.settings.sources import load_file
from agent.studies.evaluation_output import Evaluated, show, write_out
from agent.study import address_of, check_data
from agent.study_folder import CONFIG, as_augur_error, folder_of, locked, names
from agent.training.policies import is_training, phase_of
from agent.training.sources import attached
from tools.datasets.registry import open_dataset
from tools.errors import AugurError, ConfigurationError, closest
from tools.files import DamagedFile

if TYPE_CHECKING:
    from agent.context import Context
    from agent.memory import Tracking
    from agent.shifts import Shift
    from tools.datasets.cache.read import CachedDataset
    from tools.training.config import TrialSpec

_SHORTEST_KEY = 6


@dataclass(frozen=True)
class Target:
    """What is evaluated on; neither: the test set of the trials' own data; both: that data set, in that folder."""

    folder: Path | None = None
    dataset: str | None = None

    @property
    def own(self) -> bool:
        """Whether it is the test set of the trials' own data."""
        return self.folder is None and self.dataset is None


@dataclass(frozen=True)
class _Trial:
    candidate: Candidate
    phase: Phase
    spec: "TrialSpec"


def evaluate_all(
    words: Sequence[str], target: Target, out: Path | None, runs_dir: Path, terminal: Terminal
) -> int:
    """Evaluate trials and studies, and compare the candidates of each study; the exit code.

    Args:
        words: names of studies (or of what `agent train` trained), and keys of trials or their beginnings.
        target: the images.
        out: a folder for predictions and scores; None: they are kept with the trials alone.
        runs_dir: where the studies and trials are.
        terminal: what shows it.

    Raises:
        AugurError: there is no such study or trial, its test set is sealed, or its weights are gone.
    """
    if out is not None and out.exists() and (not out.is_dir() or any(out.iterdir())):
        raise ConfigurationError(
            f"--out {out} is not an empty folder: name one, or one that does not exist yet"
        )
    for study, keys in trials_by_study(words, runs_dir, terminal).items():
        found = evaluated(study, keys, target, runs_dir, terminal)
        show(found, terminal)
        if out is not None:
            folder = out if len(words) == 1 else out / study
            write_out(found, folder)
            terminal.note(f"predictions and scores: {folder}")
    return 0


def trials_by_study(words: Sequence[str], runs_dir: Path, terminal: Terminal) -> dict[str, list[str]]:
    """Study → keys of its trials that are meant; none: all of them."""
    found: dict[str, list[str]] = {}
    known = names(runs_dir)
    for word in words:
        if word in known:
            found[word] = []
            continue
        keys = _keys(word, runs_dir)
        if not keys:
            near = closest(word, known, most=3)
            hint = f" Did you mean {' or '.join(near)}?" if near else ""
            raise ConfigurationError(
                f"{word!r} is neither a study in {(runs_dir / 'studies').resolve()} nor the key of a trial in "
                f"{(runs_dir / 'trials').resolve()} (at least {_SHORTEST_KEY} digits).{hint} See: agent list"
            )
        if len(keys) > 1:
            raise ConfigurationError(f"{word!r} begins the keys of {len(keys)} trials: give more digits")
        study = _study_of(keys[0], known, runs_dir, terminal)
        if found.get(study) != []:
            found.setdefault(study, []).append(keys[0])
    return found


def _keys(word: str, runs_dir: Path) -> list[str]:
    if len(word) < _SHORTEST_KEY or set(word.lower()) - set("0123456789abcdef"):
        return []
    return sorted(path.name for path in (runs_dir / "trials").glob(f"{word.lower()}*") if path.is_dir())


def _study_of(key: str, known: Sequence[str], runs_dir: Path, terminal: Terminal) -> str:
    """The study that a trial is evaluated in: one whose test set may be opened, where there is one.

    Raises:
        ConfigurationError: no study of this folder has the trial.
    """
    holders: dict[str, bool] = {}
    for store, tracking in _stores(known, runs_dir, terminal).items():
        for study in tracking.studies_with(key):
            if study in known and store == address_of(runs_dir / "studies" / study, runs_dir, terminal).uri:
                holders[study] = is_training(runs_dir / "studies" / study) or has_finished(
                    attached(study, runs_dir, terminal)
                )
    if not holders:
        raise ConfigurationError(
            f"trial {key[:12]}: no study in {(runs_dir / 'studies').resolve()} has it, so that its data and policy are "
            "not known. Name the study instead, or train it again with agent train."
        )
    return next((study for study, may in holders.items() if may), next(iter(holders)))


def _stores(known: Sequence[str], runs_dir: Path, terminal: Terminal) -> "dict[str, Tracking]":
    from agent.memory.writing import open_store

    addresses = [address_of(runs_dir / "studies" / name, runs_dir, terminal) for name in known]
    addresses.append(find_store(TrackingConfig(), runs_dir))
    return {
        address.uri: open_store(address, TrackingConfig(retries=0), terminal.warn, writes=False)
        for address in addresses
        if address.exists
    }


def has_finished(tracking: "Tracking") -> bool:
    """Whether a study came to its end, so that its test set was opened."""
    status = tracking.client.get_run(tracking.study_run).info.status
    return status == "FINISHED" and tracking.study_tags().get("phase") == "final"


def evaluated(
    study: str, keys: Sequence[str], target: Target, runs_dir: Path, terminal: Terminal
) -> Evaluated:
    """Trials of one study on the images of `target`.

    Args:
        study: its name, or that of what `agent train` trained.
        keys: of the trials that are meant; none: all of them that can be evaluated.
        target: the images.
        runs_dir: where the study is.
        terminal: for notes and warnings.

    Raises:
        AugurError: as in `evaluate_all`.
    """
    folder = folder_of(study, runs_dir)
    if not is_training(folder) and not has_finished(attached(study, runs_dir, terminal)):
        raise ConfigurationError(
            f"Study {study} has not finished: its test set is sealed until the choice is made, so that nothing can be "
            f"chosen by it. Finish it first: agent resume {study}{runs_dir_flag(runs_dir)}"
        )
    with locked(folder, study), opened(study, folder, runs_dir, terminal) as context:
        shift = None if target.own else _shift(context, target, terminal)
        trials = finished_trials(context, is_training(folder), keys)
        data = context.data if shift is None else shift.data
        split = "test" if shift is None else shift.predictions
        usable = _with_weights(context, trials, split, study, bool(keys))
        return _evaluate(context, usable, data, split, "" if shift is None else shift.metric)


@contextmanager
def opened(
    study: str, folder: Path, runs_dir: Path, terminal: Terminal, command: str = "agent evaluate"
) -> "Iterator[Context]":
    """The context of a study for a command that trains nothing; MLflow shows the study as before afterwards."""
    from agent.memory.writing import open_store
    from agent.starting.startup import open_context

    config = load_file(folder / CONFIG)
    if not is_training(folder):
        check_data(config, study, runs_dir)
    address = address_of(folder, runs_dir, terminal)
    tracking = open_store(address, config.tracking, terminal.warn, own=study)
    tracking.check()
    tracking.attach(study, recorded(folder))
    status: Any = tracking.client.get_run(tracking.study_run).info.status
    config = _for_evaluation(config, study, runs_dir, address.bare)
    try:
        # What is said at the start of a study was said when it began.
        with open_context(
            config, command, folder, silent(), tracking, open_dataset(config.data), "off"
        ) as context:
            context.terminal = terminal
            yield context
    except OSError as error:
        if (fault := as_augur_error(error, runs_dir)) is None:
            raise
        raise fault from error
    finally:
        tracking.end_study(status if status in ("FINISHED", "FAILED", "KILLED") else "KILLED")


def _for_evaluation(config: StudyConfig, study: str, runs_dir: Path, uri: str | None) -> StudyConfig:
    return config.model_copy(
        update={
            "study": study,
            "runs_dir": runs_dir,
            "tracking": config.tracking.model_copy(update={"uri": uri}),
            "data": config.data.model_copy(update={"shifts": []}),
        }
    )


def _shift(context: "Context", target: Target, terminal: Terminal) -> "Shift":
    """The folder or data set that is evaluated on, decoded."""
    from agent.shifts import decode_shifts, find_shift

    config, folder = context.config, target.folder
    if target.dataset is not None:
        found = find_shift(config.data, context.data.card, target.dataset, folder, "--dataset")
    else:
        assert folder is not None
        if not folder.is_dir():
            raise ConfigurationError(f"--folder {folder}: there is no such folder")
        found = find_shift(config.data, context.data.card, folder.resolve().name, folder, "--folder", True)
    return decode_shifts([found], context.data, config.runs_dir / "cache", terminal)[0]


def finished_trials(context: "Context", given: bool, keys: Sequence[str]) -> list[_Trial]:
    """The finished trials that are meant: those under fresh seeds, of a study; all, of what `agent train` trained."""
    from agent.steps.trials import trial_spec

    phases: list[Phase | None] = [None] if given else ["final"]
    if keys and not given:
        phases = ["final", "choice", None]
    found: dict[str, _Trial] = {}
    for phase in phases:
        for record in context.tracking.records(phase):
            candidate = Candidate.of(record)
            for seed in record.scores:
                spec = trial_spec(context, candidate, seed)
                if not keys or spec.key in keys:
                    found.setdefault(spec.key, _Trial(candidate, phase or phase_of(candidate), spec))
    if missing := [key[:12] for key in keys if key not in found]:
        raise AugurError(
            f"trial {', '.join(missing)} of {context.study} did not finish, or its data have changed "
            "since: it cannot be evaluated"
        )
    if not found:
        raise AugurError(f"No trial of {context.study} that could be evaluated has finished.")
    return list(found.values())


def _with_weights(
    context: "Context", trials: Sequence[_Trial], split: str, study: str, all_of_them: bool
) -> list[_Trial]:
    """Those that can predict, or have predicted; says which cannot.

    Raises:
        AugurError: one of those that were named cannot, or none can.
    """
    gone = [trial for trial in trials if not _can_predict(context, trial.spec.key, split)]
    if not gone:
        return list(trials)
    listed = ", ".join(f"{t.candidate.name}, seed {t.spec.seed} ({t.spec.key[:12]})" for t in gone[:5])
    more = f" and {len(gone) - 5} more" if len(gone) > 5 else ""
    text = (
        f"The weights of {listed}{more} were dropped, or are damaged: studies keep only those of their test, under "
        f"fresh seeds. agent train --weights with the same settings trains them again and keeps them (--config "
        f"{context.folder / CONFIG} --policy 'study:{study}:{gone[0].candidate.name}')."
    )
    if all_of_them or len(gone) == len(trials):
        raise AugurError(text)
    context.terminal.warn(text)
    return [trial for trial in trials if trial not in gone]


def _can_predict(context: "Context", key: str, split: str) -> bool:
    try:
        return context.store.predictions(key, split) is not None or context.store.has_weights(key)
    except DamagedFile:
        return False


def _evaluate(
    context: "Context", trials: Sequence[_Trial], data: "CachedDataset", split: str, suffix: str
) -> Evaluated:
    from agent.steps.finish.testing import announce_opening
    from agent.steps.trials import evaluate

    context.terminal.note(f"The test images of {data.card.name} are opened now, which is recorded.")
    announce_opening(context, data)
    specs = [trial.spec.model_copy(update={"cache": data.folder}) for trial in trials]
    predictions = evaluate(context, specs, split)
    by_name: dict[str, dict[int, Any]] = {}
    for trial, found in zip(trials, predictions, strict=True):
        by_name.setdefault(trial.candidate.name, {})[trial.spec.seed] = found
        _log(context, trial, asdict(found.scores), suffix)
    view = data.open_test()
    lines = {trial.candidate.name: trial.candidate.proposal.in_one_line() for trial in trials}
    return Evaluated(
        study=context.study,
        on=data.card.name,
        classes=data.card.classes,
        metric=context.config.search.metric,
        predictions=by_name,
        lines=lines,
        files=view.files,
        groups=view.groups,
        several_labels=data.card.several_labels,
    )


def _log(context: "Context", trial: _Trial, scores: Mapping[str, Any], suffix: str) -> None:
    """Keep the scores with the trial's run."""
    tracking = context.tracking
    parent = tracking.open_candidate(trial.candidate, trial.phase)
    fold = str(trial.spec.fold) if trial.spec.fold else ""
    run = tracking.open_trial(parent, trial.candidate, trial.phase, trial.spec.key, trial.spec.seed, fold)
    shown = (
        "loss",
        "accuracy",
        "macro_f1",
        "balanced_accuracy",
        "auroc",
        "quadratic_kappa",
        "average_precision",
    )
    found = {f"test_{name}{suffix}": scores[name] for name in shown if scores.get(name) is not None}
    tracking.log_metrics(run, found)
    tracking.log_json(run, scores, f"test_scores{suffix}.json")
    tracking.close_run(run)
    tracking.close_run(parent)
