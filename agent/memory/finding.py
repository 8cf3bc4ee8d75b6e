"""Experiments and runs that are found, or created where there are none: once, however often a request is repeated."""

from collections.abc import Mapping

from mlflow.entities import Run

from agent.memory.reading import DOUBLE, Reader
from agent.memory.tracking.faults import StoreError
from agent.memory.tracking.relocation import artifact_location


class Finder(Reader):
    """A study whose runs are looked up by their tags before they are created."""

    def find_experiment(self, name: str) -> str:
        """The id of the experiment of that name; of NAME-2 where NAME was deleted in MLflow, and so on."""
        wanted, number = name, 1
        while True:
            found = self._single.get_experiment_by_name(wanted)
            if found is None:
                return self._create_experiment(wanted)
            if found.lifecycle_stage == "active":
                if wanted != name:
                    self.tell(f"The experiment {name!r} was deleted in MLflow: this study is in {wanted!r}.")
                return found.experiment_id
            number += 1
            wanted = f"{name}-{number}"

    def _create_experiment(self, name: str) -> str:
        artifacts = self.address.artifacts
        location = artifact_location(artifacts, name) if artifacts else None
        try:
            # The tag has MLflow's page open at the runs, and not at its view for chat applications.
            return self._single.create_experiment(
                name,
                artifact_location=location,
                tags={"mlflow.experimentKind": "custom_model_development"},
            )
        except StoreError:
            # Another study, or a request of ours whose answer was lost, has made it.
            found = self._single.get_experiment_by_name(name)
            if found is None:
                raise
            return found.experiment_id

    def _find_or_create(
        self, kind: str, name: str, tags: Mapping[str, str], parent: str | None, by: tuple[str, ...] = ()
    ) -> Run:
        where = [f"tags.study = '{self.study}'", f"tags.kind = '{kind}'"]
        where += [f"tags.{key} = '{tags[key]}'" for key in by]
        every = {"kind": kind, "study": self.study, **tags}
        if parent is not None:
            every["mlflow.parentRunId"] = parent

        def find_or_create() -> Run:
            found = self._runs(" and ".join(where), client=self._single)
            if not found:
                return self._single.create_run(self.experiment_id, tags=every, run_name=name)
            for double in found[1:]:  # of a request whose answer was lost, and which was repeated
                self._single.set_tag(double.info.run_id, "kind", DOUBLE)
                self._single.delete_run(double.info.run_id)
            if found[0].info.status != "RUNNING":
                self._single.update_run(found[0].info.run_id, status="RUNNING")
            return found[0]

        return self.calls.retried(find_or_create)
