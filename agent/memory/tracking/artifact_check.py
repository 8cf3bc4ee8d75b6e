"""Whether artifacts can be stored where a study will put them: in a bucket, on a server, in a folder elsewhere.

The store's own answers do not say so: a server may be well and its bucket away. So a small file is written and deleted.
"""

import tempfile
from contextlib import suppress
from pathlib import Path
from typing import Any

from mlflow import MlflowClient
from mlflow.store.artifact.artifact_repository_registry import get_artifact_repository

from agent.memory.tracking.faults import StoreError, as_store_error
from agent.memory.tracking.store import Address
from agent.settings.secrets import mask
from tools.errors import first_line

FOLDER = "augur-check"
"""Below the artifacts of the experiment; what is in it may be deleted."""
_REMEDIES = {
    "s3": "check the bucket, the credentials (AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY, AWS_PROFILE) and "
    "MLFLOW_S3_ENDPOINT_URL",
    "gs": "check the bucket and the credentials (GOOGLE_APPLICATION_CREDENTIALS)",
    "wasbs": "check the container and the credentials (AZURE_STORAGE_CONNECTION_STRING)",
    "mlflow-artifacts": "check the server's --artifacts-destination, and its log",
    "file": "check that the folder exists on this machine and can be written to",
}
_OTHER = "check the place and its credentials"


def artifacts_of(client: MlflowClient, experiment: str) -> str | None:
    """Where artifacts of the experiment go; of one that there is not yet, where those of the store's first one go."""
    found = client.get_experiment_by_name(experiment)
    if found is None or found.lifecycle_stage != "active":
        try:
            found = client.get_experiment("0")
        except StoreError:  # somebody deleted it: nothing is known before the experiment is made
            return None
    return found.artifact_location


def try_artifacts(location: str, address: Address) -> None:
    """Write a small file below `location`, and delete it where that is allowed.

    Raises:
        StoreError: it cannot be written; says where, why and what to do.
    """
    kind = location.partition(":")[0] if ":" in location else "file"
    try:
        repository: Any = get_artifact_repository(
            f"{location.rstrip('/')}/{FOLDER}", tracking_uri=address.uri
        )
        with tempfile.TemporaryDirectory() as folder:
            file = Path(folder) / "can-be-written.txt"
            file.write_text("Augur looks whether artifacts can be stored here. This file may be deleted.\n")
            repository.log_artifact(str(file))
    except Exception as error:
        raise StoreError(mask(_in_words(error, location, address, _REMEDIES.get(kind, _OTHER)))) from error
    with suppress(Exception):  # some places may be written to but not cleared
        repository.delete_artifacts()


def _in_words(error: Exception, location: str, address: Address, remedy: str) -> str:
    where = f"Artifacts of {address.shown} cannot be stored in {location}"
    if isinstance(error, ImportError) or address.kind in ("server", "database"):
        known = as_store_error(error, address, "artifacts")
        if known is not None and not isinstance(error, OSError) and "(artifacts)" not in str(known):
            return f"{where}: {str(known).rstrip('.')}. Also {remedy}."
    return f"{where}: {type(error).__name__}: {first_line(error, limit=300)}. What to do: {remedy}."
