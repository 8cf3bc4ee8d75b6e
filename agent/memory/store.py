"""Where the studies of a `--runs-dir` are remembered. Light: MLflow is imported when the store is opened."""

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


def open_tracking(runs_dir: Path) -> "Tracking":
    """The store, with what MLflow says of its own tables kept off the terminal."""
    import logging

    logging.getLogger("alembic").setLevel(logging.WARNING)
    logging.getLogger("mlflow").setLevel(logging.WARNING)
    from agent.memory import Tracking

    return Tracking(store_uri(runs_dir), (runs_dir / "artifacts").resolve() if is_local() else None)
