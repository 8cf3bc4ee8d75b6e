"""The study's memory in MLflow: what was tried and what came of it, written and read by explicit run ids.

Three levels: a study run, a run for each candidate (the reference, a baseline, an iteration), a run for each of its
trials. Runs are found or created by their tags, so that a resumed study writes into the runs it had, once. This is
the only package that speaks MLflow, which it imports when the store is opened; what may be spent is the ledger's
business, where weights lie the trial store's.
"""

import os
from typing import TYPE_CHECKING, Any

from agent.memory.candidate import Candidate, Phase

if TYPE_CHECKING:
    from agent.memory.summary import StudySummary
    from agent.memory.writing import Tracking

# Before MLflow is imported: it would report its use to its makers, and does so from a thread that changes the
# environment while other libraries copy it, which then fail with a KeyError (seen with boto3).
os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")

__all__ = ["Candidate", "Phase", "StudySummary", "Tracking"]


def __getattr__(name: str) -> Any:
    if name == "Tracking":
        from agent.memory.writing import Tracking

        return Tracking
    if name == "StudySummary":
        from agent.memory.summary import StudySummary

        return StudySummary
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
