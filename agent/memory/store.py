"""Where the studies of a `--runs-dir` are stored. Light: MLflow is imported only when the store is opened."""

import os
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from agent.memory import Tracking


def store_uri(runs_dir: Path) -> str:
    """The MLflow store: `MLFLOW_TRACKING_URI`, or a sqlite file under `runs_dir`."""
    return os.environ.get("MLFLOW_TRACKING_URI") or f"sqlite:///{(runs_dir / 'mlflow.db').resolve()}"


def is_local() -> bool:
    """Whether the store is a file of ours, and not a server that `MLFLOW_TRACKING_URI` names."""
    return not os.environ.get("MLFLOW_TRACKING_URI")


def count_studies(uri: str) -> int:
    """How many studies the store at `uri` holds; gives up on an unreachable server within seconds.

    Raises:
        Exception: whatever MLflow raises where the store cannot be opened.
    """
    # By default, MLflow retries an unreachable server for minutes.
    os.environ.setdefault("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "1")
    os.environ.setdefault("MLFLOW_HTTP_REQUEST_TIMEOUT", "5")
    return len(_quiet_tracking("ERROR")(uri, None).studies())


def open_tracking(runs_dir: Path) -> "Tracking":
    """The store of `runs_dir`, created where there is none."""
    artifacts = (runs_dir / "artifacts").resolve() if is_local() else None
    return _quiet_tracking("WARNING")(store_uri(runs_dir), artifacts)


def _quiet_tracking(level: str) -> "type[Tracking]":
    """The class, imported with MLflow's own messages below `level` kept off the terminal."""
    import logging

    for name in ("alembic", "mlflow"):
        logging.getLogger(name).setLevel(level)
    from agent.memory import Tracking

    return Tracking
