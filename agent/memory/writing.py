"""What a study tells the store while it runs."""

import json
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, Literal

from mlflow.entities import Dataset, DatasetInput, InputTag, Metric, Param, Run, RunTag

from agent.memory.candidate import Candidate, Phase
from agent.memory.finding import Finder
from agent.memory.look_ups import Notebook
from agent.memory.reading import NOTEBOOK
from agent.memory.run_names import EPOCHS, operation_params, run_name, shared_params, trial_name
from agent.memory.tracking.faults import StoreError
from agent.memory.tracking.store import Address
from agent.memory.trial_metrics import by_label, epoch_metrics, result_metrics
from agent.memory.views import PREFIX, view_key, view_state
from agent.settings.config import TrackingConfig
from evaluators.fit import Training
from evaluators.statistics import Interval
from tools.text import markdown
from tools.training.types import EpochReport, TrialResult

_TAG_LIMIT = 4000
_NOTE = "mlflow.note.content"
"""Tag of the Markdown that MLflow shows on the page of a run."""


class Tracking(Finder):
    """A study's memory, written and read."""

    def open_study(
        self, experiment: str, study: str, tags: Mapping[str, str], params: Mapping[str, Any]
    ) -> None:
        """Find or create the study's run, and log those of `params` that it lacks (cut at 6,000 characters each).

        In a study that was attached to, `experiment` is not looked at.
        """
        if self.study != study or not self.study_run:
            self.experiment_id = self.calls.retried(lambda: self.find_experiment(experiment))
        self.study = study
        self._metric = None
        run = self._find_or_create("study", study, {"phase": "search", **tags}, parent=None)
        self.study_run = run.info.run_id
        missing = [
            Param(key, str(value)[:6000]) for key, value in params.items() if key not in run.data.params
        ]
        for start in range(0, len(missing), 100):
            self.client.log_batch(self.study_run, params=missing[start : start + 100])
        self._shared = shared_params(params)

    def log_view(self, over_default: bool) -> None:
        """Keep the table of this study's candidates as a view of MLflow's page (`views.py`)."""
        state = view_state(self.study, self.metric, over_default)
        self.client.set_experiment_tag(self.experiment_id, PREFIX + view_key(self.study_run), state)

    def log_dataset(self, name: str, digest: str, source: str, images: Mapping[str, int]) -> None:
        """The data set that the study trains on, as MLflow shows it: name, digest, place, images of each split."""
        known = self.client.get_run(self.study_run).inputs
        if known is not None and known.dataset_inputs:
            return
        profile = json.dumps(dict(images))
        data = Dataset(
            name=name[:500],
            digest=digest[:36],
            source_type="local",
            source=json.dumps({"uri": source}),
            profile=profile,
        )
        context = [InputTag("mlflow.data.context", "training")]
        self.client.log_inputs(self.study_run, [DatasetInput(data, context)])

    def open_candidate(self, candidate: Candidate, phase: Phase, warnings: Iterable[str] = ()) -> str:
        """Find or create the run of `candidate` in `phase`."""
        policy = candidate.proposal.in_one_line()
        tags = {
            "phase": phase,
            "candidate": candidate.name,
            "iteration": str(candidate.number),
            "arm": candidate.arm,
            "policy": policy[:_TAG_LIMIT],
            _NOTE: _note(candidate, policy, list(warnings)),
            **({} if candidate.epochs is None else {EPOCHS: str(candidate.epochs)}),
        }
        name = run_name(candidate, phase)
        run = self._find_or_create("iteration", name, tags, self.study_run, by=("phase", "candidate"))
        self._log_params(run, operation_params(candidate))
        # Written again where the run is found: a process may have been killed right after creating it.
        self.client.log_dict(run.info.run_id, candidate.proposal.model_dump(), "proposal.json")
        if "expected_gain" not in run.data.metrics:
            # With its time, so that a request that is repeated writes it once.
            gain = Metric("expected_gain", candidate.proposal.expected_gain / 100, int(time.time() * 1000), 0)
            self.client.log_batch(run.info.run_id, metrics=[gain])
        return run.info.run_id

    def open_trial(
        self, candidate_run: str, candidate: Candidate, phase: Phase, key: str, seed: int, fold: str = ""
    ) -> str:
        """Find or create the run of one trial, by its key, below its candidate's run.

        `fold` names the images that it is validated on, such as '2 of 6'; '' for the validation split.
        """
        tags = {
            "phase": phase,
            "candidate": candidate.name,
            "iteration": str(candidate.number),
            "arm": candidate.arm,
            "seed": str(seed),
            "trial_key": key,
            **({"fold": fold} if fold else {}),
        }
        run = self._find_or_create(
            "trial", trial_name(candidate, seed), tags, candidate_run, by=("phase", "candidate", "trial_key")
        )
        policy = candidate.proposal.in_one_line()
        self._log_params(run, {"seed": str(seed), "policy": policy[:6000], **operation_params(candidate)})
        self.client.log_text(run.info.run_id, candidate.policy_json, "policy.json")
        return run.info.run_id

    def _log_params(self, run: Run, params: Mapping[str, str]) -> None:
        """Those that the run lacks, over what all of the study's runs were trained with: a parameter cannot change."""
        every = {**self._shared, **params}
        missing = [Param(key, value) for key, value in every.items() if key not in run.data.params]
        if missing:
            self.client.log_batch(run.info.run_id, params=missing)

    def log_epoch(self, run_id: str, report: EpochReport) -> None:
        """One epoch's losses and scores, at step = epoch."""
        self.client.log_batch(run_id, metrics=epoch_metrics(report, int(time.time() * 1000)))

    def epochs_logged(self, run_id: str) -> int:
        """The last epoch that is logged with a trial's run; 0 where none is."""
        return max(
            (metric.step for metric in self.client.get_metric_history(run_id, "train_loss")), default=0
        )

    def end_trial(self, run_id: str, result: TrialResult, classes: tuple[str, ...]) -> None:
        """Write what is missing of `result` and end the run: FINISHED, or FAILED with its reason."""
        logged = self.epochs_logged(run_id)
        now = int(time.time() * 1000)
        metrics = [m for epoch in result.epochs if epoch.epoch > logged for m in epoch_metrics(epoch, now)]
        metrics += result_metrics(result, now)
        tags = [RunTag(f"environment.{name}", value) for name, value in result.environment.items()]
        if (scores := result.scores) is not None:
            if scores.confusion:
                confusion = {
                    "classes": list(classes),
                    "rows_are_true": [list(row) for row in scores.confusion],
                }
                self.client.log_dict(run_id, confusion, "confusion.json")
            elif scores.per_label_auroc:
                self.client.log_dict(run_id, by_label(scores, classes), "labels.json")
        else:
            tags.append(RunTag("failure", result.failure or "error"))
            tags.append(RunTag(_NOTE, f"{result.failure}: {result.reason}"[:_TAG_LIMIT]))
        for start in range(0, len(metrics), 900):
            self.client.log_batch(run_id, metrics=metrics[start : start + 900])
        self.client.log_batch(run_id, tags=tags)
        self.client.log_dict(run_id, result.as_json(), "result.json")
        self.client.set_terminated(run_id, "FINISHED" if result.status == "finished" else "FAILED")

    def end_candidate(
        self,
        run_id: str,
        scores: Mapping[int, float],
        std: float | None,
        gain: Interval | None,
        noise: bool | None,
        over_default: Interval | None = None,
        training: Training | None = None,
        name: str = "",
        verdict: str = "",
    ) -> None:
        """Write a candidate's mean, spread and paired gains, and end its run; FAILED where no trial finished.

        `name` is what the run is called from now on, `verdict` how the candidate compares, in words.
        """
        now = int(time.time() * 1000)
        values: dict[str, float | None] = {
            "seeds_finished": float(len(scores)),
            f"validation_{self.metric}_std": std,
        }
        if scores:
            values[f"validation_{self.metric}"] = sum(scores.values()) / len(scores)
        if gain is not None:
            values |= {"gain_over_reference": gain.mean, "gain_low": gain.low, "gain_high": gain.high}
        if over_default is not None:
            values |= {
                "gain_over_default": over_default.mean,
                "gain_over_default_low": over_default.low,
                "gain_over_default_high": over_default.high,
            }
        metrics = [Metric(key, value, now, 0) for key, value in values.items() if value is not None]
        tags = [] if noise is None else [RunTag("within_noise", str(noise).lower())]
        tags += [RunTag("verdict", verdict)] if verdict else []
        if training is not None:
            fit = {
                "clean_training_loss": training.clean_loss,
                "clean_training_accuracy": training.clean_accuracy,
            }
            metrics += [Metric(key, value, now, 0) for key, value in fit.items()]
            tags.append(RunTag("training", training.state))
        self.client.log_batch(run_id, metrics=metrics, tags=tags)
        if name:
            self.client.update_run(run_id, name=name)
        # One that was left behind before it was trained in full has not failed.
        ended = bool(scores) or "stopped" in self.client.get_run(run_id).data.tags
        self.client.set_terminated(run_id, "FINISHED" if ended else "FAILED")

    def stop_candidate(self, run_id: str, reason: str, cheap_gain: float | None = None) -> None:
        """Why a candidate is not trained under all seeds: others of its iteration were found better.

        `cheap_gain` is what it gained over the default policy by the cheap measure, if that was the reason.
        """
        self.client.set_tag(run_id, "stopped", reason[:_TAG_LIMIT])
        if cheap_gain is not None:
            self.log_metrics(run_id, {"cheap_gain_over_default": cheap_gain})

    def log_study(
        self,
        metrics: Mapping[str, float],
        step: int = 0,
        tags: Mapping[str, str] | None = None,
        note: str = "",
    ) -> None:
        """Metrics and tags of the study itself (the incumbent curve has step = iteration).

        `note` is Markdown that MLflow shows on the study's page.
        """
        tags = {**(tags or {}), **({_NOTE: note} if note else {})}
        now = int(time.time() * 1000)
        self.client.log_batch(
            self.study_run,
            metrics=[Metric(key, value, now, step) for key, value in metrics.items()],
            tags=[RunTag(key, value[:_TAG_LIMIT]) for key, value in tags.items()],
        )

    def log_changes(self, when: str, changes: Mapping[str, tuple[Any, Any]]) -> None:
        """Settings that a resumed study changed: setting → (before, after); added to what was changed earlier."""
        lines = [f"{when} {key}: {before} → {after}" for key, (before, after) in changes.items()]
        earlier = self.study_tags().get("changed_settings", "")
        text = "\n".join(filter(None, (earlier, *lines)))
        self.client.set_tag(self.study_run, "changed_settings", text[-_TAG_LIMIT:])

    def log_test(self, run_id: str, scores: Mapping[str, float], on: str = "") -> None:
        """Scores (accuracy, macro_f1, …) on the test set, or on a shifted one, whose metrics end with `on`.

        Only on runs of phase final.
        """
        now = int(time.time() * 1000)
        metrics = [Metric(f"test_{name}{on}", value, now, 0) for name, value in scores.items()]
        self.client.log_batch(run_id, metrics=metrics)

    def log_metrics(self, run_id: str, metrics: Mapping[str, float]) -> None:
        """Numbers of one run."""
        now = int(time.time() * 1000)
        self.client.log_batch(
            run_id, metrics=[Metric(name, value, now, 0) for name, value in metrics.items()]
        )

    def log_json(self, run_id: str, value: Any, name: str) -> None:
        """A JSON artifact."""
        self.client.log_text(run_id, json.dumps(value, indent=2), name)

    def log_file(self, run_id: str, path: Path, folder: str | None = None) -> None:
        """A file as artifact, under its own name, in `folder` of the artifacts."""
        self.client.log_artifact(run_id, str(path), folder)

    def log_folder(self, run_id: str, folder: Path) -> None:
        """The files of a folder as artifacts, below its name."""
        self.client.log_artifacts(run_id, str(folder), folder.name)

    def log_generated(
        self, run_id: str, text: str, gates: Mapping[str, Mapping[str, int]], sheet: Path | None
    ) -> None:
        """What became of an iteration's backgrounds: a sentence, the counts of each gate, and a contact sheet."""
        self.client.set_tag(run_id, "generated", text[:_TAG_LIMIT])
        self.client.log_dict(run_id, {gate: dict(counts) for gate, counts in gates.items()}, "gates.json")
        if sheet is not None:
            self.client.log_artifact(run_id, str(sheet), "backgrounds")

    def log_notebook(self, run_id: str, notebook: Notebook) -> None:
        """What the model wrote down and looked up before the proposal of an iteration."""
        if notebook != Notebook():
            self.log_json(run_id, notebook.as_json(), NOTEBOOK)
            self.client.set_tag(run_id, "notebook", notebook.notes[:_TAG_LIMIT] or "(only look-ups)")

    def abandon_study(self, status: Literal["FAILED", "KILLED"]) -> None:
        """`end_study` for a session that is ending already: a store that does not answer is not waited for."""
        self.calls.retries = 0
        try:
            self.end_study(status)
        except StoreError as error:
            self.tell(f"MLflow still shows the study as running: {error}")

    def end_study(self, status: Literal["FINISHED", "FAILED", "KILLED"]) -> None:
        """End the study's run, and as KILLED every run of it that was still running."""
        for run in self._runs(f"tags.study = '{self.study}' and attributes.status = 'RUNNING'"):
            if run.info.run_id != self.study_run:
                self.client.set_terminated(run.info.run_id, "KILLED")
        self.client.set_terminated(self.study_run, status)

    def close_run(self, run_id: str) -> None:
        """End a run as FINISHED."""
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


def open_store(
    address: Address,
    settings: TrackingConfig,
    tell: Callable[[str], None],
    own: str = "",
    writes: bool = True,
) -> Tracking:
    """The opened store, created where there is none.

    Args:
        address: where it is.
        settings: how long a call may take, and how often it is repeated.
        tell: is told of each fault that is retried, and of what is changed in a store of an earlier version.
        own: the study that this process runs.
        writes: whether anything will be written, and not only read.

    Raises:
        StoreError: it cannot be used; says why and what to do.
    """
    return Tracking(
        address.uri, address.artifacts, address=address, settings=settings, tell=tell, own=own, writes=writes
    )


def _note(candidate: Candidate, policy: str, warnings: list[str]) -> str:
    lines = [f"**{markdown(policy)}**", "", markdown(candidate.proposal.hypothesis)]
    lines += [f"- Label safety: {markdown(warning)}" for warning in warnings]
    return "\n".join(lines)[:_TAG_LIMIT]
