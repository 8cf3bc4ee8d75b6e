"""`agent fit`: what a study recommends, trained on its training and validation images together, to be taken away.

The test images stay closed: what to expect is what the study's own test said. The trainings are trials of the runs
folder like any other (killed ones resume, finished ones are found again), but not of the study: nothing that it says
changes.
"""

import shlex
import shutil
import tempfile
from collections.abc import Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from agent.memory.candidate import REFERENCE, Candidate
from agent.reports.files import stored_report
from agent.screen.exits import runs_dir_flag
from agent.screen.terminal import Terminal
from agent.studies.evaluation import has_finished, opened
from agent.study_folder import folder_of, locked
from agent.training.policies import is_training
from agent.training.sources import attached, found_by
from evaluators.report.report import Report
from tools.disk import disk_errors_explained
from tools.errors import AugurError, ConfigurationError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from agent.context import Context
    from tools.training.config import TrialSpec
    from tools.training.evaluation import Classifier


@dataclass(frozen=True)
class Wanted:
    """What is asked for besides the study."""

    out: Path | None = None
    """The folder; None: runs/models/STUDY."""
    seeds: int = 1
    onnx: bool = True
    mlflow: bool = False


def fit_study(study: str, wanted: Wanted, runs_dir: Path, terminal: Terminal) -> int:
    """Train what a study recommends, and write the folder of the model; the exit code.

    Raises:
        AugurError: there is no such study, it has not finished, its synthetic images are gone, or a training failed.
    """
    folder = folder_of(study, runs_dir)
    if is_training(folder):
        raise ConfigurationError(
            f"{study} is of agent train, which recommends nothing: name a study (agent list). To use one of its "
            "policies, agent run with it among search.baselines tests it against others"
        )
    tracking = attached(study, runs_dir, terminal)
    if not has_finished(tracking):
        raise ConfigurationError(
            f"Study {study} has not finished, so that it recommends nothing yet. Finish it first: agent resume {study}"
            f"{runs_dir_flag(runs_dir)}"
        )
    out = wanted.out or runs_dir / "models" / study
    if out.exists() and (not out.is_dir() or any(out.iterdir())):
        raise ConfigurationError(
            f"{out} is not an empty folder: name another one with --out, or remove it (its training is kept, and "
            "writing it again takes seconds)"
        )
    recommended = tracking.study_tags().get(
        "recommended", REFERENCE
    )  # the earliest versions did not write it down
    if not recommended:
        raise ConfigurationError(
            f"No training of study {study} finished, so that it recommends nothing: begin another one with more time"
        )
    candidate = found_by(study, recommended, runs_dir, terminal)
    report = stored_report(folder, tracking)
    with locked(folder, study), opened(study, folder, runs_dir, terminal, "agent fit") as context:
        from agent.taking.writing import write_folder

        _tell(context, candidate, report)
        specs = fit_specs(context, candidate, wanted.seeds)
        classifiers = _trained(context, specs)
        with disk_errors_explained(out), _appearing(out) as unfinished:
            write_folder(unfinished, context, candidate, specs, classifiers, report, wanted.onnx)
        if wanted.mlflow:
            from agent.memory.served_model import log_model

            log_model(context.tracking, out, context.data.card.classes)
            terminal.note(f"MLflow model: {_serving(context)}")
    terminal.table(("what", "where"), [("model", str(out)), ("its card", str(out / "README.md"))])
    terminal.note(f"To use it: agent predict {out} IMAGES… --csv")
    return 0


def _serving(context: "Context") -> str:
    """The command that serves the model."""
    from agent.memory.served_model import ADDRESS

    address = context.tracking.address
    uri = address.uri if address.kind == "own" else address.bare
    where = f"MLFLOW_TRACKING_URI={shlex.quote(uri)} " if uri else ""
    return (
        f"{where}mlflow models serve --env-manager local -m {ADDRESS.format(run=context.tracking.study_run)}"
    )


def fit_specs(context: "Context", candidate: Candidate, seeds: int) -> "list[TrialSpec]":
    """The trainings: the candidate's recipe and length, on training and validation images.

    Where the study takes the best epoch, these take the last: no images are left to choose it by.

    Raises:
        AugurError: the candidate's synthetic images are gone.
    """
    from agent.memory.proposal import SCHEMA_VERSION
    from agent.steps.trials import trial_spec
    from tools.training.config import EVERYTHING
    from tools.training.trial_store import trial_key

    try:
        context.synthesis.existing(candidate.proposal)
    except AugurError as error:
        from agent.steps.finish.handing_over import backgrounds_command

        raise AugurError(
            f"{candidate.name} of {context.study} was trained with new backgrounds, and these are no longer there as "
            f"it made them ({error}). Make them again: {backgrounds_command(context, candidate)}"
        ) from error
    found = []
    for seed in context.seeds(seeds):
        spec = trial_spec(context, candidate, seed, EVERYTHING)
        recipe = spec.recipe.model_copy(update={"selection": "last", "selection_metric": "accuracy"})
        key = trial_key(
            spec.policy,
            context.data.fingerprint,
            spec.model,
            recipe,
            seed,
            SCHEMA_VERSION,
            spec.synthetic,
            spec.fold,
        )
        directory = context.store.directory(key)
        found.append(spec.model_copy(update={"key": key, "recipe": recipe, "directory": directory}))
    return found


def _tell(context: "Context", candidate: Candidate, report: Report | None) -> None:
    from agent.steps.finish.handing_over import length_of

    data, terminal = context.data, context.terminal
    line = candidate.proposal.in_one_line()
    what = f"{candidate.name} of {context.study}" + (f": {line}" if line != candidate.name else "")
    counts = {split: data.size(split) for split in ("train", "validation")}
    terminal.note(
        f"{what}, {length_of(context, candidate)}, on "
        f"{counts['train']} training and {counts['validation']} validation images; the test images stay closed"
    )
    if report is not None and report.sentence:
        terminal.note(f"what the study's test said: {report.sentence}")
    if report is not None and report.price:
        terminal.warn(report.price)


def _trained(context: "Context", specs: "Sequence[TrialSpec]") -> "list[Classifier]":
    """Trained classifiers in the order of the seeds; those that are in the store are taken from there.

    Raises:
        AugurError: a training failed.
    """
    from tools.files import DamagedFile
    from tools.training.evaluation import load_trained

    missing = []
    for spec in specs:
        try:
            known = context.store.result(spec.key)
            usable = known is not None and known.status == "finished" and context.store.has_weights(spec.key)
        except DamagedFile as damage:
            context.terminal.warn(f"{damage}: it is trained again")
            usable = False
        if not usable:
            context.store.forget(spec.key)
            missing.append(spec)
    if missing:
        _train(context, missing)
    return [load_trained(spec, "cpu") for spec in specs]


def _train(context: "Context", specs: "Sequence[TrialSpec]") -> None:
    seeds = {spec.key: f"seed {spec.seed}" for spec in specs}
    terminal = context.terminal

    def on_event(event: Any) -> None:
        if event.kind == "note":
            terminal.warn(f"{seeds[event.key]}: {event.text}")
        elif event.kind == "ended" and event.result.status == "finished":
            # Not its validation score: it was trained on these images.
            terminal.note(f"{seeds[event.key]}: trained, {event.result.seconds:.1f} s")
        else:
            terminal.trial_event(event, seeds[event.key])

    terminal.trials_begin(len(specs), "the model to take away")
    try:
        with disk_errors_explained(context.store.root):
            for result in context.executor.train(specs, on_event):
                if result.status == "failed":
                    raise AugurError(
                        f"the training failed ({seeds[result.key]}): {result.failure}: {result.reason}"
                    )
                context.store.keep_weights(result.key)
    finally:
        terminal.trials_end()


@contextmanager
def _appearing(out: Path) -> "Iterator[Path]":
    """A folder that gets its name when it is complete."""
    out.parent.mkdir(parents=True, exist_ok=True)
    unfinished = Path(tempfile.mkdtemp(prefix=f".{out.name}-", dir=out.parent))
    try:
        yield unfinished
        unfinished.chmod(0o755)
        if out.exists():
            out.rmdir()  # it is empty
        unfinished.rename(out)
    finally:
        shutil.rmtree(unfinished, ignore_errors=True)
