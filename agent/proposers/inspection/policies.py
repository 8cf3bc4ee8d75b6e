"""The tool `preview_policy`: what a policy does to training images, before any training."""

from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

import numpy as np
from PIL import Image

from agent.memory.history import History
from agent.proposers.inspection import ToolResult, encoded
from agent.proposers.inspection.training_images import examples
from prompts import render
from tools.datasets.label_sets import label_words
from tools.policy.policy import Policy
from tools.policy.safety import lint
from tools.policy.validate import check_policy

if TYPE_CHECKING:
    from tools.datasets.cache.read import SplitView

_COLUMNS, _ROWS = 5, 3


def preview(history: History, view: "SplitView", policy: Policy, vision: bool) -> ToolResult:
    """Whether the policy would be refused, what it does in numbers, and a contact sheet for a model that sees."""
    # a single operation may be previewed, whatever number the policy must have in the end
    problems = check_policy(policy, 1, history.maximum_operations, history.whole_policies, history.grey)
    if problems:
        return ToolResult(render("preview", problems=problems))
    from tools.policy.preview import preview_statistics

    chosen = examples(view, len(history.card.classes), _COLUMNS, history.seed)
    measured = examples(view, len(history.card.classes), 4 * _COLUMNS, history.seed)
    values = {
        "problems": [],
        "findings": [
            finding
            for finding in lint(policy, history.card)
            if history.advice or finding.severity == "reject"
        ],
        "statistics": preview_statistics(np.asarray(view.images[measured]), policy, history.seed),
    }
    text = render("preview", picture=False, **values)
    if not vision:
        return ToolResult(text)
    sheet = _sheet(history, view, chosen, policy)
    return ToolResult(render("preview", picture=True, **values), sheet, text)


def _sheet(history: History, view: "SplitView", chosen: np.ndarray, policy: Policy) -> str:
    from tools.policy.preview import contact_sheet

    names = [label_words(view.labels[at], history.card.classes) for at in chosen]
    with TemporaryDirectory() as folder:
        path = Path(folder) / "sheet.png"
        contact_sheet(np.asarray(view.images[chosen]), names, policy, path, history.seed, _ROWS)
        with Image.open(path) as sheet:
            return encoded(sheet.convert("RGB"))
