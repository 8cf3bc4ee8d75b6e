"""Imported once by the server that forks the processes of studies and their workers: what takes seconds to import.

Nothing here may use torch: a fork of a process that has used its threads hangs.
"""

from importlib import import_module

_USED_BY_A_STUDY = (
    "tools.execution.imported",
    "agent.service.session",
    "agent.service.jobs",
    "agent.study",
    "agent.starting.startup",
    "agent.starting.prechecks",
    "agent.starting.model_start",
    "agent.starting.consent",
    "agent.graph",
    "agent.studies.listing",
    "agent.studies.reporting",
    "agent.memory.writing",
    "agent.steps.finish.publishing",
    "agent.steps.finish.testing",
    "agent.steps.finish_plan",
    "agent.explanation.finishing",
    "langgraph.checkpoint.sqlite",
    "mlflow.store.tracking.sqlalchemy_store",
    "alembic.command",
    "optuna",
    "matplotlib.figure",
    "jinja2",
)

for _name in _USED_BY_A_STUDY:
    import_module(_name)
