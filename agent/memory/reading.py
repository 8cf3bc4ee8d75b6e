"""What the store holds about a study, read back as records and results."""

import json
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from mlflow import MlflowClient
from mlflow.entities import Experiment, Run, ViewType

from agent.memory.candidate import Phase
from agent.memory.history import IterationRecord, TrialRecord, with_pooled_gains
from agent.memory.look_ups import Notebook
from agent.memory.proposal import Proposal, parse_proposal
from agent.memory.run_names import epochs_of
from agent.memory.study_file import StudyFile
from agent.memory.summary import StudySummary, metric_of, summary_of
from agent.memory.tracking.faults import StoreError, how_to_restore
from agent.memory.tracking.opening import Opened
from evaluators.report.sections import RunningTrial
from tools.training.metrics import Metric
from tools.training.types import TrialResult

_PAGE = 500
_EXPERIMENTS = 200
"""Experiments that one query asks about."""
APART: tuple[Phase, ...] = ("length", "choice", "final", "probe")
"""Phases whose candidates are no part of the search."""
NOTEBOOK = "notebook.json"
"""Artifact of an iteration's run."""
DOUBLE = "double"
"""Kind of a run that was created twice, because the answer to the first request was lost, and then deleted."""


class Reader(Opened):
    """One study in one MLflow store."""

    def __init__(self, *arguments: Any, **named: Any) -> None:
        super().__init__(*arguments, **named)
        self.experiment_id = ""
        self.study = ""
        self.study_run = ""
        self._metric: Metric | None = None
        self._shared: dict[str, str] = {}
        """Parameters of the study that all its runs carry."""
        self._results: dict[str, TrialResult] = {}
        self._proposals: dict[str, Proposal] = {}
        self._sheets: dict[str, Path | None] = {}
        self._notebooks: dict[str, Notebook] = {}
        self._downloads: tempfile.TemporaryDirectory[str] | None = None

    @property
    def metric(self) -> Metric:
        """What the study compares by, as its tags say; studies of earlier versions compared accuracies."""
        if self._metric is None:
            self._metric = metric_of(self.study_tags())
        return self._metric

    def records(self, phase: Phase | None = None) -> list[IterationRecord]:
        """Every candidate of the study with its trials, oldest first; of `phase`, or of reference and search."""
        apart = [f"tags.phase != '{other}'" for other in APART]
        wanted = " and ".join([f"tags.phase = '{phase}'"] if phase else apart)
        runs = self._runs(f"tags.study = '{self.study}' and tags.kind != 'study' and {wanted}")
        trials: dict[str, list[Run]] = {}
        for run in runs:
            if run.data.tags["kind"] == "trial":
                trials.setdefault(run.data.tags["mlflow.parentRunId"], []).append(run)
        found = [
            self._record(run, trials.get(run.info.run_id, []))
            for run in runs
            if run.data.tags["kind"] == "iteration"
        ]
        return with_pooled_gains(found, self.metric)

    def trial_results(self, candidate: str, phase: Phase) -> dict[int, TrialResult]:
        """Seed → result, over the ended trials of a candidate."""
        return self._results_where(phase, f" and tags.candidate = '{candidate}'").get(candidate, {})

    def results(self, phase: Phase) -> dict[str, dict[int, TrialResult]]:
        """Candidate → seed → result, over the ended trials of a phase, in one query."""
        return self._results_where(phase)

    def _results_where(self, phase: Phase, more: str = "") -> dict[str, dict[int, TrialResult]]:
        where = f"tags.study = '{self.study}' and tags.kind = 'trial' and tags.phase = '{phase}'{more}"
        found: dict[str, dict[int, TrialResult]] = {}
        for run in self._runs(where):
            if (result := self._result(run)) is not None:
                found.setdefault(run.data.tags["candidate"], {})[int(run.data.tags["seed"])] = result
        return found

    def notebook(self) -> Notebook:
        """What the model wrote down and looked up in the iterations so far."""
        found = self._runs(
            f"tags.study = '{self.study}' and tags.kind = 'iteration' and tags.phase = 'search'"
        )
        whole = Notebook()
        for run in found:
            if "notebook" not in run.data.tags:
                continue
            if run.info.run_id not in self._notebooks:
                self._notebooks[run.info.run_id] = self._artifact(
                    run, NOTEBOOK, lambda text: Notebook.from_json(json.loads(text))
                )
            whole = whole.then(self._notebooks[run.info.run_id])
        return whole

    def studies_with(self, key: str) -> list[str]:
        """Names of the studies of the store that have a trial whose key begins with `key`, the latest first."""
        runs = list(self._of_experiments(f"tags.kind = 'trial' and tags.trial_key LIKE '{key}%'"))
        return list(dict.fromkeys(run.data.tags["study"] for run in reversed(runs)))

    def study_artifact(self, name: str) -> str | None:
        """The text of an artifact of the study's own run; None where it has none of that name."""
        if name not in {item.path for item in self.client.list_artifacts(self.study_run)}:
            return None
        return self._download(self.study_run, name).read_text(encoding="utf-8")

    def study_tags(self) -> dict[str, str]:
        """Tags of the study's run."""
        return dict(self.client.get_run(self.study_run).data.tags)

    @property
    def has_tested(self) -> bool:
        """Whether the study has opened its test set."""
        return "test_opened" in self.study_tags()

    def study_params(self) -> dict[str, str]:
        """Parameters of the study's run."""
        return dict(self.client.get_run(self.study_run).data.params)

    def study_status(self) -> str:
        """MLflow's, of the study's run."""
        return str(self.client.get_run(self.study_run).info.status)

    def running_trials(self) -> list[RunningTrial]:
        """The trainings that are going on, as far as they are logged."""
        runs = self._runs(
            f"tags.study = '{self.study}' and tags.kind = 'trial' and attributes.status = 'RUNNING'"
        )
        return [self._running(run) for run in runs]

    def _running(self, run: Run) -> RunningTrial:
        history = self.client.get_metric_history(run.info.run_id, "validation_accuracy")
        last = max(history, key=lambda metric: metric.step, default=None)
        epochs = run.data.params.get("epochs", "")
        return RunningTrial(
            f"{run.data.tags['candidate']}, seed {run.data.tags['seed']}",
            last.step if last else 0,
            int(epochs) if epochs.isdigit() else None,
            last.value if last else None,
        )

    def find_study(self, study: str) -> bool:
        """Attach to the existing study of that name, in whichever experiment it is; whether there is one."""
        for run in self._of_experiments(f"tags.kind = 'study' and tags.study = '{study}'"):
            self.experiment_id, self.study, self.study_run = run.info.experiment_id, study, run.info.run_id
            self._metric = None
            return True
        return False

    def attach(self, study: str, recorded: StudyFile | None) -> None:
        """Attach to a study that was opened here before.

        Args:
            study: its name.
            recorded: where it is, as its folder says; None in a folder of an earlier version.

        Raises:
            StoreError: the study, a run of it or its experiment was deleted; says how to restore it.
        """
        if recorded is None:
            if self.find_study(study):
                recorded = StudyFile(self.experiment_id, self.study_run)
            else:
                self._deleted_or_unknown(study)
                return
        experiment = self.client.get_experiment(recorded.experiment)
        run = self.client.get_run(recorded.run)
        if experiment.lifecycle_stage == "deleted":
            restore = how_to_restore(self.address, "experiment", [experiment.experiment_id])
            raise StoreError(
                f"The experiment {experiment.name!r} of study {study} was deleted in MLflow. {restore}"
            )
        if run.info.lifecycle_stage == "deleted":
            restore = how_to_restore(self.address, "run", [run.info.run_id])
            raise StoreError(f"The run of study {study} was deleted in MLflow. {restore}")
        self.experiment_id, self.study, self.study_run = recorded.experiment, study, recorded.run
        self._metric = None
        where = f"tags.study = '{study}' and tags.kind != 'study' and tags.kind != '{DOUBLE}'"
        if gone := self._runs(where, ViewType.DELETED_ONLY):
            names = sorted({run.data.tags.get("candidate", run.info.run_id) for run in gone})
            restore = how_to_restore(self.address, "run", [run.info.run_id for run in gone])
            raise StoreError(
                f"{len(gone)} {'run' if len(gone) == 1 else 'runs'} of study {study} ({', '.join(names)}) "
                f"{'was' if len(gone) == 1 else 'were'} deleted in MLflow. {restore}"
            )

    def _deleted_or_unknown(self, study: str) -> None:
        where = f"tags.kind = 'study' and tags.study = '{study}'"
        run = next(iter(self._of_experiments(where, ViewType.ALL)), None)
        if run is not None:
            self.attach(
                study, StudyFile(run.info.experiment_id, run.info.run_id)
            )  # which says what was deleted
        raise StoreError(f"Study {study} is not in the MLflow store {self.address.shown}.")

    def searched(self) -> set[int]:
        """Numbers of the candidates that the search has opened: 0 for the reference and the baselines."""
        where = f"tags.study = '{self.study}' and tags.kind = 'iteration' and tags.phase != 'final'"
        return {int(run.data.tags["iteration"]) for run in self._runs(where)}

    def studies(self) -> list[StudySummary]:
        """Every study of the store, also those that were deleted in it, newest first."""
        experiments = {e.experiment_id: e for e in self._experiments(ViewType.ALL)}
        runs = self._of_experiments("tags.kind = 'study'", ViewType.ALL)
        summaries = [summary_of(run, experiments[run.info.experiment_id]) for run in runs]
        return sorted(summaries, key=lambda s: s.started, reverse=True)

    def _experiments(self, view: int = ViewType.ACTIVE_ONLY) -> list[Experiment]:
        return _all_pages(
            lambda token: self.client.search_experiments(view, max_results=_PAGE, page_token=token)
        )

    def _of_experiments(self, where: str, view: int = ViewType.ACTIVE_ONLY) -> Iterator[Run]:
        """Runs of every experiment, oldest first in each part of them."""
        ids = [experiment.experiment_id for experiment in self._experiments(view)]
        for start in range(0, len(ids), _EXPERIMENTS):
            yield from self._runs(where, view, ids[start : start + _EXPERIMENTS])

    def _runs(
        self,
        where: str,
        view: int = ViewType.ACTIVE_ONLY,
        experiments: list[str] | None = None,
        client: MlflowClient | None = None,
    ) -> list[Run]:
        order = ["attributes.start_time ASC"]
        return _all_pages(
            lambda token: (client or self.client).search_runs(
                experiments or [self.experiment_id], where, view, _PAGE, order_by=order, page_token=token
            )
        )

    def _record(self, run: Run, trials: list[Run]) -> IterationRecord:
        metrics, tags = run.data.metrics, run.data.tags
        low, high = metrics.get("gain_low"), metrics.get("gain_high")
        noise = tags.get("within_noise")
        return IterationRecord(
            number=int(tags["iteration"]),
            arm=tags["arm"],
            name=tags["candidate"],
            proposal=self._proposal(run),
            trials=tuple(sorted((self._trial(trial) for trial in trials), key=lambda t: t.seed)),
            mean=metrics.get(f"validation_{self.metric}"),
            std=metrics.get(f"validation_{self.metric}_std"),
            gain=metrics.get("gain_over_reference"),
            gain_interval=(low, high) if low is not None and high is not None else None,
            within_noise=None if noise is None else noise == "true",
            generated=tags.get("generated", ""),
            sheet=self._sheet(run),
            cheap_gain=metrics.get("cheap_gain_over_default"),
            stopped=tags.get("stopped", ""),
            epochs=epochs_of(tags),
        )

    def _trial(self, run: Run) -> TrialRecord:
        seed = int(run.data.tags["seed"])
        result = self._result(run)
        if result is None:
            return TrialRecord(seed, "stopped", None)
        if result.scores is None:
            return TrialRecord(seed, "failed", None, reason=f"{result.failure}: {result.reason}")
        last = result.epochs[-1] if result.epochs else None
        return TrialRecord(
            seed,
            "finished",
            result.scores.of(self.metric),
            result.scores.per_label_auroc or result.scores.per_class_recall,
            last.train_loss if last else None,
            last.validation_loss if last else None,
            confusion=result.scores.confusion,
            fit=result.fit,
            validation_losses=tuple(epoch.validation_loss for epoch in result.epochs),
            loss=result.scores.loss,
        )

    def _result(self, run: Run) -> TrialResult | None:
        """Results never change once written, so each is read once."""
        if run.info.status not in ("FINISHED", "FAILED"):
            return None
        if run.info.run_id not in self._results:
            self._results[run.info.run_id] = self._artifact(
                run, "result.json", lambda text: TrialResult.from_json(json.loads(text))
            )
        return self._results[run.info.run_id]

    def _sheet(self, run: Run) -> Path | None:
        if run.data.tags.get("generated", "failed").startswith("failed"):
            return None
        if run.info.run_id not in self._sheets:
            listed = self.client.list_artifacts(run.info.run_id, "backgrounds")
            self._sheets[run.info.run_id] = (
                self._download(run.info.run_id, listed[0].path) if listed else None
            )
        return self._sheets[run.info.run_id]

    def _proposal(self, run: Run) -> Proposal:
        if run.info.run_id not in self._proposals:
            self._proposals[run.info.run_id] = self._artifact(run, "proposal.json", parse_proposal)
        return self._proposals[run.info.run_id]

    def _artifact(self, run: Run, name: str, parse: Callable[[str], Any]) -> Any:
        """The content of an artifact that this study wrote.

        Raises:
            StoreError: it is missing or damaged.
        """
        known = self.client.list_artifacts(run.info.run_id)
        if name not in {item.path for item in known}:
            raise StoreError(self._lost(run, name, "is missing"))
        file = self._download(run.info.run_id, name)
        try:
            return parse(file.read_text(encoding="utf-8"))
        except (ValueError, KeyError, TypeError) as error:
            raise StoreError(self._lost(run, name, "is damaged")) from error

    def _lost(self, run: Run, name: str, what: str) -> str:
        return (
            f"{name} of {run.data.tags.get('candidate', 'a run')} (run {run.info.run_id}) {what} among "
            f"the artifacts of "
            f"the MLflow store {self.address.shown}. Restore it from a backup, or start a new study: the trials in "
            "the runs folder are reused."
        )

    def _download(self, run_id: str, path: str) -> Path:
        """A local copy; those of a server are deleted with this object."""
        if self._downloads is None:
            self._downloads = tempfile.TemporaryDirectory(prefix="augur-")
        folder = Path(self._downloads.name) / run_id
        folder.mkdir(exist_ok=True)
        return Path(self.client.download_artifacts(run_id, path, str(folder)))


def _all_pages(page_of: Callable[[str | None], Any]) -> list[Any]:
    items, token = [], None
    while True:
        page = page_of(token)
        items += page
        token = page.token
        if not token:
            return items
