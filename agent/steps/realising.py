"""What becomes of an accepted proposal before it is trained: a contact sheet, and its synthetic images."""

import numpy as np

from agent.context import Context
from agent.memory.candidate import Candidate
from agent.memory.ledger import BudgetSpent
from agent.steps.synthesis import describe
from tools.datasets.cache.read import CachedDataset
from tools.errors import AugurError, ConfigurationError

SHOWN = 8
"""Training images on a contact sheet."""


def log_contact_sheet(context: Context, candidate: Candidate, run: str) -> None:
    """Draw what the policy does to training images, and log it with the iteration's `run`."""
    from tools.policy.preview import contact_sheet

    path = context.folder / "contact_sheets" / f"iteration-{candidate.number:03d}.png"
    path.parent.mkdir(exist_ok=True)
    images, labels = training_examples(context.data, SHOWN)
    contact_sheet(images, labels, candidate.proposal.as_policy(), path, seed=context.config.search.seed)
    context.tracking.log_file(run, path)


def make_images(context: Context, candidate: Candidate, run: str) -> dict[str, str]:
    """Make the synthetic images that a proposal asks for, log them with `run`; the change of the loop's state.

    Raises:
        AugurError: they cannot be made, for a reason that any other proposal would meet as well.
    """
    prompts = candidate.proposal.prompts
    if prompts is None:
        return {"unrealised": ""}
    try:
        made = context.synthesis.set_of(prompts)
    except BudgetSpent as spent:
        return {"unrealised": str(spent), "stop": str(spent)}
    except AugurError as error:
        if error.resumable or isinstance(error, ConfigurationError):
            raise
        context.terminal.warn(f"no synthetic images: {error}")
        context.tracking.log_generated(run, f"failed: {error}", {}, None)
        return {"unrealised": str(error)}
    context.terminal.note(describe(made))
    sheet = context.folder / "contact_sheets" / f"backgrounds-{candidate.number:03d}.png"
    context.synthesis.sheet(prompts, sheet)
    context.tracking.log_generated(run, describe(made), made.gates, sheet)
    return {"unrealised": ""}


def training_examples(data: CachedDataset, count: int) -> tuple[np.ndarray, list[str]]:
    """Training images uint8 (n ≤ count, S, S, 3) spread over the classes, the same every time, with class names."""
    view, classes = data.split("train"), data.card.classes
    order = np.argsort(view.labels, kind="stable")
    picked = np.sort(order[np.linspace(0, len(order) - 1, min(count, len(order))).astype(int)])
    return np.asarray(view.images[picked]), [classes[view.labels[i]] for i in picked]
