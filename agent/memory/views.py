"""The table of a study that MLflow's page opens at: its candidates by gain, with what was tried and how it went.

MLflow keeps the columns, filter and order of a shared view as JSON in a tag of the experiment, and opens it where an
address names the tag (`viewStateShareKey`). Nothing else sets the columns of a page from outside.
"""

import json
from urllib.parse import quote

PREFIX = "mlflow.sharedViewState."
"""Of the tag's name, as MLflow's page looks it up."""
_KEY = "augur-"
_NAME = "attributes.`Run Name`"
_WIDTHS = {"tags.`verdict`": 170, "params.`operations`": 260}
"""Pixels of a column, where it holds more than a number."""


def view_key(run: str) -> str:
    """The name of the view of the study whose run is `run`."""
    return f"{_KEY}{run[:12]}"


def view_state(study: str, metric: str, over_default: bool) -> str:
    """The value of the tag.

    Args:
        study: whose candidates are shown.
        metric: of the study.
        over_default: whether the default policy was trained, so that gains are over that first.
    """
    gains = [*(["gain_over_default"] if over_default else []), "gain_over_reference"]
    metrics = [f"metrics.`{name}`" for name in (*gains, f"validation_{metric}", f"validation_{metric}_std")]
    columns = [
        *metrics[: len(gains) + 1],
        "tags.`verdict`",
        "params.`operations`",
        *metrics[len(gains) + 1 :],
    ]
    apart = " and ".join(f"tags.phase != '{phase}'" for phase in ("final", "choice", "length", "probe"))
    state = {
        "searchFilter": f"tags.study = '{study}' and tags.kind = 'iteration' and {apart}",
        "orderByKey": metrics[0],
        "orderByAsc": False,
        "startTime": "ALL",
        "lifecycleFilter": "Active",
        "modelVersionFilter": "All Runs",
        "datasetsFilter": [],
        "selectedColumns": columns,
        "columnOrder": [_NAME, *columns],
        "columnWidths": {_NAME: 330} | {column: _WIDTHS.get(column, 135) for column in columns},
        "viewMaximized": True,
        "runListHidden": False,
        "runsExpanded": {},
        "runsPinned": [],
        "runsHidden": [],
        "groupBy": None,
    }
    return json.dumps(state, separators=(",", ":"))


def view_address(server: str, experiment: str, run: str, key: str | None = None) -> str:
    """The address of that table on an MLflow server, such as 'http://127.0.0.1:5000'."""
    shared = quote(key or view_key(run))
    page = f"{server.rstrip('/')}/#/experiments/{experiment}/runs"
    return f"{page}?workflowType=machine_learning&viewStateShareKey={shared}"
