"""The study's memory in MLflow: what was tried and what came of it, written and read by explicit run ids.

Three levels: a study run, a run for each candidate (the reference, a baseline, an iteration), a run for each of its
trials. Runs are found or created by their tags, so that a resumed study writes into the runs it had, once. This is
the only module that speaks MLflow; what may be spent is the ledger's business, and where weights lie the trial store's.
"""

import json
import os
import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal
from urllib.parse import quote

from filelock import FileLock
from mlflow import MlflowClient, set_tracking_uri
from mlflow.entities import Metric, Param, Run, RunTag

from agent.history import IterationRecord, TrialRecord
from agent.proposal import Proposal
from evaluators.statistics import Interval
from tools.policy.canonical import canonical_json, one_line
from tools.training.types import EpochReport, TrialResult

Phase = Literal["reference", "search", "final"]

_PAGE = 500
_TAG_LIMIT = 4000


@dataclass(frozen=True)
class Candidate:
    """Something that is trained and judged: the reference, a baseline, or an iteration's proposal."""

    name: str
    """'no augmentation', the baseline's operation, or 'iteration 3': unique within a phase of a study."""
    number: int
    """The iteration, from 1; 0 for the reference and the baselines."""
    arm: str
    proposal: Proposal

    @property
    def policy_json(self) -> str:
        """Canonical JSON of its policy."""
        return canonical_json(self.proposal.as_policy())


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
    run_id: str


class Tracking:
    """One study in one MLflow store.

    Args:
        uri: where the store is; a `sqlite:///` URI is created and migrated here, once, behind a lock.
        artifacts: folder for artifacts of new experiments; the server's own where None.
    """

    def __init__(self, uri: str, artifacts: Path | None) -> None:
        self.uri, self._artifacts = uri, artifacts
        os.environ.setdefault("MLFLOW_ENABLE_ASYNC_TRACE_LOGGING", "false")
        set_tracking_uri(uri)  # the trace exporter has no other way to be told
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

    # ---------------------------------------------------------------- writing

    def open_study(
        self, experiment: str, study: str, tags: Mapping[str, str], params: Mapping[str, Any]
    ) -> str:
        """Find or create the study's run, and log those of `params` that it lacks (cut at 6,000 characters each)."""
        found = self.client.get_experiment_by_name(experiment)
        if found is None:
            location = (self._artifacts / quote(experiment, safe="")).as_uri() if self._artifacts else None
            self.experiment_id = self.client.create_experiment(experiment, artifact_location=location)
        else:
            self.experiment_id = found.experiment_id
        self.study = study
        run = self._find_or_create("study", study, {"phase": "search", **tags}, parent=None)
        self.study_run = run.info.run_id
        missing = [
            Param(key, str(value)[:6000]) for key, value in params.items() if key not in run.data.params
        ]
        for start in range(0, len(missing), 100):
            self.client.log_batch(self.study_run, params=missing[start : start + 100])
        return self.study_run

    def open_candidate(self, candidate: Candidate, phase: Phase, warnings: Iterable[str] = ()) -> str:
        """Find or create the run of `candidate` in `phase`."""
        policy = one_line(candidate.proposal.as_policy())
        tags = {
            "phase": phase,
            "candidate": candidate.name,
            "iteration": str(candidate.number),
            "arm": candidate.arm,
            "policy": policy[:_TAG_LIMIT],
            "mlflow.note.content": _note(candidate, policy, list(warnings)),
        }
        prefix = "final: " if phase == "final" else ""
        run = self._find_or_create(
            "iteration", prefix + candidate.name, tags, self.study_run, by=("phase", "candidate")
        )
        # Written again where the run is found: a process may have been killed right after creating it.
        self.client.log_dict(run.info.run_id, candidate.proposal.model_dump(), "proposal.json")
        if "expected_gain" not in run.data.metrics:
            self.client.log_metric(run.info.run_id, "expected_gain", candidate.proposal.expected_gain / 100)
        return run.info.run_id

    def open_trial(self, candidate_run: str, candidate: Candidate, phase: Phase, key: str, seed: int) -> str:
        """Find or create the run of one trial, by its key, below its candidate's run."""
        tags = {
            "phase": phase,
            "candidate": candidate.name,
            "iteration": str(candidate.number),
            "arm": candidate.arm,
            "seed": str(seed),
            "trial_key": key,
        }
        run = self._find_or_create(
            "trial", f"seed {seed}", tags, candidate_run, by=("phase", "candidate", "trial_key")
        )
        policy = one_line(candidate.proposal.as_policy())
        self.client.log_batch(
            run.info.run_id, params=[Param("seed", str(seed)), Param("policy", policy[:6000])]
        )
        self.client.log_text(run.info.run_id, candidate.policy_json, "policy.json")
        return run.info.run_id

    def log_epoch(self, run_id: str, report: EpochReport) -> None:
        """One epoch's losses and scores, at step = epoch."""
        self.client.log_batch(run_id, metrics=_epoch_metrics(report, int(time.time() * 1000)))

    def end_trial(self, run_id: str, result: TrialResult, classes: tuple[str, ...]) -> None:
        """Write what is missing of `result` and end the run: FINISHED, or FAILED with its reason."""
        run = self.client.get_run(run_id)
        logged = 0
        if "train_loss" in run.data.metrics:
            logged = max(m.step for m in self.client.get_metric_history(run_id, "train_loss"))
        now = int(time.time() * 1000)
        metrics = [m for epoch in result.epochs if epoch.epoch > logged for m in _epoch_metrics(epoch, now)]
        metrics.append(Metric("training_seconds", result.seconds, now, 0))
        tags = [RunTag(f"environment.{name}", value) for name, value in result.environment.items()]
        if result.scores is not None:
            scores = result.scores
            metrics += [
                Metric(name, value, now, 0)
                for name, value in {
                    "selected_validation_accuracy": scores.accuracy,
                    "selected_validation_macro_f1": scores.macro_f1,
                    "selected_validation_balanced_accuracy": scores.balanced_accuracy,
                    "selected_validation_quadratic_kappa": scores.quadratic_kappa,
                    **{f"recall_class_{i}": recall for i, recall in enumerate(scores.per_class_recall)},
                }.items()
                if value is not None
            ]
            confusion = {"classes": list(classes), "rows_are_true": [list(row) for row in scores.confusion]}
            self.client.log_dict(run_id, confusion, "confusion.json")
        else:
            tags.append(RunTag("failure", result.failure or "error"))
            tags.append(RunTag("mlflow.note.content", f"{result.failure}: {result.reason}"[:_TAG_LIMIT]))
        for start in range(0, len(metrics), 900):
            self.client.log_batch(run_id, metrics=metrics[start : start + 900])
        self.client.log_batch(run_id, tags=tags)
        self.client.log_dict(run_id, result.as_json(), "result.json")
        self.client.set_terminated(run_id, "FINISHED" if result.status == "finished" else "FAILED")

    def end_candidate(
        self,
        run_id: str,
        accuracies: Mapping[int, float],
        std: float | None,
        gain: Interval | None,
        noise: bool | None,
    ) -> None:
        """Write a candidate's mean, spread and paired gain, and end its run; FAILED where no trial finished."""
        now = int(time.time() * 1000)
        values: dict[str, float | None] = {
            "seeds_finished": float(len(accuracies)),
            "validation_accuracy_std": std,
        }
        if accuracies:
            values["validation_accuracy"] = sum(accuracies.values()) / len(accuracies)
        if gain is not None:
            values |= {"gain_over_reference": gain.mean, "gain_low": gain.low, "gain_high": gain.high}
        metrics = [Metric(key, value, now, 0) for key, value in values.items() if value is not None]
        tags = [] if noise is None else [RunTag("within_noise", str(noise).lower())]
        self.client.log_batch(run_id, metrics=metrics, tags=tags)
        self.client.set_terminated(run_id, "FINISHED" if accuracies else "FAILED")

    def log_study(
        self, metrics: Mapping[str, float], step: int = 0, tags: Mapping[str, str] | None = None
    ) -> None:
        """Metrics and tags of the study itself (the incumbent curve has step = iteration)."""
        now = int(time.time() * 1000)
        self.client.log_batch(
            self.study_run,
            metrics=[Metric(key, value, now, step) for key, value in metrics.items()],
            tags=[RunTag(key, value[:_TAG_LIMIT]) for key, value in (tags or {}).items()],
        )

    def log_test(self, run_id: str, accuracy: float, macro_f1: float) -> None:
        """Scores on the test set; only ever on runs of phase final."""
        now = int(time.time() * 1000)
        metrics = [Metric("test_accuracy", accuracy, now, 0), Metric("test_macro_f1", macro_f1, now, 0)]
        self.client.log_batch(run_id, metrics=metrics)

    def log_json(self, run_id: str, value: Any, name: str) -> None:
        """A JSON artifact."""
        self.client.log_text(run_id, json.dumps(value, indent=2), name)

    def log_file(self, run_id: str, path: Path) -> None:
        """A file as artifact, under its own name."""
        self.client.log_artifact(run_id, str(path))

    def log_llm_call(self, call: Any, run_id: str | None = None) -> None:
        """One call of the LLM (`agent.llm.CallRecord`) as a trace of the study's experiment."""
        end = time.time_ns()
        attributes = {
            "model": call.model,
            "dollars": "unknown" if call.dollars is None else f"{call.dollars:.6f}",
            "mlflow.chat.tokenUsage": {
                "input_tokens": call.input_tokens,
                "output_tokens": call.output_tokens,
                "total_tokens": call.input_tokens + call.output_tokens,
            },
        }
        span = self.client.start_trace(
            name=call.kind,
            span_type="CHAT_MODEL",
            inputs=call.request,
            attributes=attributes,
            tags={"study": self.study},
            experiment_id=self.experiment_id,
            start_time_ns=end - int(call.seconds * 1e9),
            run_id=run_id or self.study_run,
        )
        outputs = call.answer if call.error is None else {"error": call.error}
        self.client.end_trace(
            span.trace_id, outputs=outputs, status="OK" if call.error is None else "ERROR", end_time_ns=end
        )

    def end_study(self, status: Literal["FINISHED", "FAILED", "KILLED"]) -> None:
        """End the study's run, and as KILLED every run of it that was still going on."""
        for run in self._runs(f"tags.study = '{self.study}' and attributes.status = 'RUNNING'"):
            if run.info.run_id != self.study_run:
                self.client.set_terminated(run.info.run_id, "KILLED")
        self.client.set_terminated(self.study_run, status)

    def close_run(self, run_id: str) -> None:
        """End a run that did what it was to do."""
        self.client.set_terminated(run_id, "FINISHED")

    def log_leaderboard(self, rows: Sequence[Mapping[str, Any]]) -> None:
        """The final comparison as a table that the MLflow UI shows.

        Written whole rather than with `log_table`, which appends: a resumed finish would list every arm twice.
        """
        columns = list(rows[0]) if rows else []
        table = {"columns": columns, "data": [[row[column] for column in columns] for row in rows]}
        self.client.log_dict(self.study_run, table, "leaderboard.json")
        shown = json.dumps([{"path": "leaderboard.json", "type": "table"}])
        self.client.set_tag(self.study_run, "mlflow.loggedArtifacts", shown)

    # ---------------------------------------------------------------- reading

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

    def candidate_run(self, name: str, phase: Phase) -> str | None:
        """Run id of a candidate, if there is one."""
        found = self._runs(
            f"tags.study = '{self.study}' and tags.kind = 'iteration' and tags.phase = '{phase}' "
            f"and tags.candidate = '{name}'"
        )
        return found[0].info.run_id if found else None

    def trial_results(self, candidate: str, phase: Phase) -> dict[int, TrialResult]:
        """Seed → result, over the ended trials of a candidate."""
        runs = self._runs(
            f"tags.study = '{self.study}' and tags.kind = 'trial' and tags.phase = '{phase}' "
            f"and tags.candidate = '{candidate}'"
        )
        return {
            int(run.data.tags["seed"]): result for run in runs if (result := self._result(run)) is not None
        }

    def study_metrics(self) -> dict[str, float]:
        """Latest metrics of the study's run."""
        return dict(self.client.get_run(self.study_run).data.metrics)

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
                        run_id=run.info.run_id,
                    )
                )
        return sorted(summaries, key=lambda s: s.started, reverse=True)

    # ---------------------------------------------------------------- within

    def _find_or_create(
        self, kind: str, name: str, tags: Mapping[str, str], parent: str | None, by: tuple[str, ...] = ()
    ) -> Run:
        where = [f"tags.study = '{self.study}'", f"tags.kind = '{kind}'"]
        where += [f"tags.{key} = '{tags[key]}'" for key in by]
        found = self._runs(" and ".join(where))
        if found:
            if found[0].info.status != "RUNNING":
                self.client.update_run(found[0].info.run_id, status="RUNNING")
            return found[0]
        every = {"kind": kind, "study": self.study, **tags}
        if parent is not None:
            every["mlflow.parentRunId"] = parent
        return self.client.create_run(self.experiment_id, tags=every, run_name=name)

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

    def _proposal(self, run: Run) -> Proposal:
        if run.info.run_id not in self._proposals:
            path = self.client.download_artifacts(run.info.run_id, "proposal.json")
            self._proposals[run.info.run_id] = Proposal.model_validate_json(
                Path(path).read_text(encoding="utf-8")
            )
        return self._proposals[run.info.run_id]


def _epoch_metrics(report: EpochReport, now: int) -> list[Metric]:
    values = {
        "train_loss": report.train_loss,
        "validation_loss": report.validation_loss,
        "validation_accuracy": report.validation_accuracy,
        "validation_macro_f1": report.validation_macro_f1,
        "learning_rate": report.learning_rate,
    }
    return [Metric(key, value, now, report.epoch) for key, value in values.items()]


def _note(candidate: Candidate, policy: str, warnings: list[str]) -> str:
    lines = [f"**{policy}**", "", candidate.proposal.hypothesis]
    lines += [f"- Label safety: {warning}" for warning in warnings]
    return "\n".join(lines)[:_TAG_LIMIT]
