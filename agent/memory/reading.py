"""What the store holds about a study, read back as records and results."""

import json
import os
from dataclasses import dataclass
from pathlib import Path

from filelock import FileLock
from mlflow import MlflowClient, set_tracking_uri
from mlflow.entities import Run

from agent.memory.candidate import Phase
from agent.memory.history import IterationRecord, TrialRecord
from agent.memory.proposal import Proposal, parse_proposal
from tools.training.types import TrialResult

_PAGE = 500


@dataclass(frozen=True)
class StudySummary:
    """One line of `agent list`."""

    name: str
    experiment: str
    arm: str
    status: str
    started: float
    """Seconds since the epoch."""
    iterations: int
    best: float | None
    """Best mean validation accuracy of an iteration, 0..1."""


class Reader:
    """One study in one MLflow store.

    Args:
        uri: where the store is; a `sqlite:///` URI is created and migrated here, once, behind a lock.
        artifacts: folder for artifacts of new experiments; the server's own where None.
    """

    def __init__(self, uri: str, artifacts: Path | None) -> None:
        self.uri, self._artifacts = uri, artifacts
        os.environ.setdefault("MLFLOW_ENABLE_ASYNC_TRACE_LOGGING", "false")
        os.environ.setdefault("MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR", "false")
        set_tracking_uri(uri)  # the trace exporter reads nothing else
        self.client = MlflowClient(tracking_uri=uri)
        if artifacts is not None:
            artifacts.mkdir(parents=True, exist_ok=True)
            with FileLock(artifacts.parent / "mlflow.lock"):
                self.client.search_experiments(max_results=1)
        self.experiment_id = ""
        self.study = ""
        self.study_run = ""
        self._results: dict[str, TrialResult] = {}
        self._proposals: dict[str, Proposal] = {}
        self._sheets: dict[str, Path | None] = {}

    def records(self, phase: Phase | None = None) -> list[IterationRecord]:
        """Every candidate of the study with its trials, oldest first; of `phase`, or all but final."""
        wanted = f"= '{phase}'" if phase else "!= 'final'"
        runs = self._runs(f"tags.study = '{self.study}' and tags.kind != 'study' and tags.phase {wanted}")
        trials: dict[str, list[Run]] = {}
        for run in runs:
            if run.data.tags["kind"] == "trial":
                trials.setdefault(run.data.tags["mlflow.parentRunId"], []).append(run)
        return [
            self._record(run, trials.get(run.info.run_id, []))
            for run in runs
            if run.data.tags["kind"] == "iteration"
        ]

    def trial_results(self, candidate: str, phase: Phase) -> dict[int, TrialResult]:
        """Seed → result, over the ended trials of a candidate."""
        runs = self._runs(
            f"tags.study = '{self.study}' and tags.kind = 'trial' and tags.phase = '{phase}' "
            f"and tags.candidate = '{candidate}'"
        )
        return {
            int(run.data.tags["seed"]): result for run in runs if (result := self._result(run)) is not None
        }

    def study_tags(self) -> dict[str, str]:
        """Tags of the study's run."""
        return dict(self.client.get_run(self.study_run).data.tags)

    def find_study(self, study: str) -> bool:
        """Attach to the existing study of that name, in whichever experiment it is; whether there is one."""
        for experiment in self.client.search_experiments():
            self.experiment_id, self.study = experiment.experiment_id, study
            runs = self._runs(f"tags.kind = 'study' and tags.study = '{study}'")
            if runs:
                self.study_run = runs[0].info.run_id
                return True
        return False

    def studies(self) -> list[StudySummary]:
        """Every study of the store, newest first."""
        names = {e.experiment_id: e.name for e in self.client.search_experiments()}
        summaries = []
        for experiment in names:
            self.experiment_id = experiment
            for run in self._runs("tags.kind = 'study'"):
                metrics, tags = run.data.metrics, run.data.tags
                summaries.append(
                    StudySummary(
                        name=tags["study"],
                        experiment=names[experiment],
                        arm=tags.get("arm", ""),
                        status=run.info.status,
                        started=run.info.start_time / 1000,
                        iterations=int(metrics.get("iterations_done", 0)),
                        best=metrics.get("incumbent_validation_accuracy"),
                    )
                )
        return sorted(summaries, key=lambda s: s.started, reverse=True)

    def _runs(self, where: str) -> list[Run]:
        runs: list[Run] = []
        token = None
        while True:
            page = self.client.search_runs(
                [self.experiment_id],
                where,
                max_results=_PAGE,
                order_by=["attributes.start_time ASC"],
                page_token=token,
            )
            runs += page
            token = page.token
            if not token:
                return runs

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
            mean=metrics.get("validation_accuracy"),
            std=metrics.get("validation_accuracy_std"),
            gain=metrics.get("gain_over_reference"),
            gain_interval=(low, high) if low is not None and high is not None else None,
            within_noise=None if noise is None else noise == "true",
            generated=tags.get("generated", ""),
            sheet=self._sheet(run),
        )

    def _trial(self, run: Run) -> TrialRecord:
        seed = int(run.data.tags["seed"])
        result = self._result(run)
        if result is None:
            return TrialRecord(seed, "failed", None, reason="stopped before its end")
        if result.scores is None:
            return TrialRecord(seed, "failed", None, reason=f"{result.failure}: {result.reason}")
        last = result.epochs[-1] if result.epochs else None
        return TrialRecord(
            seed,
            "finished",
            result.scores.accuracy,
            result.scores.per_class_recall,
            last.train_loss if last else None,
            last.validation_loss if last else None,
            confusion=result.scores.confusion,
        )

    def _result(self, run: Run) -> TrialResult | None:
        """Results never change once written, so each is read once."""
        if run.info.status not in ("FINISHED", "FAILED"):
            return None
        if run.info.run_id not in self._results:
            text = Path(self.client.download_artifacts(run.info.run_id, "result.json")).read_text(
                encoding="utf-8"
            )
            self._results[run.info.run_id] = TrialResult.from_json(json.loads(text))
        return self._results[run.info.run_id]

    def _sheet(self, run: Run) -> Path | None:
        if run.data.tags.get("generated", "failed").startswith("failed"):
            return None
        if run.info.run_id not in self._sheets:
            listed = self.client.list_artifacts(run.info.run_id, "backgrounds")
            self._sheets[run.info.run_id] = (
                Path(self.client.download_artifacts(run.info.run_id, listed[0].path)) if listed else None
            )
        return self._sheets[run.info.run_id]

    def _proposal(self, run: Run) -> Proposal:
        if run.info.run_id not in self._proposals:
            path = self.client.download_artifacts(run.info.run_id, "proposal.json")
            self._proposals[run.info.run_id] = parse_proposal(Path(path).read_text(encoding="utf-8"))
        return self._proposals[run.info.run_id]
