"""What the study's own run says of its candidates in MLflow: its charts then need no other run."""

import re
from collections.abc import Sequence

from agent.memory.history import IterationRecord
from tools.training.metrics import Metric


def before_search(records: Sequence[IterationRecord], metric: Metric) -> dict[str, float]:
    """The scores on validation of no augmentation and of each baseline, and its gain over no augmentation."""
    found: dict[str, float] = {}
    for record in records:
        if record.number == 0 and record.mean is not None:
            name = "reference" if record.arm == "reference" else f"baseline_{_word(record.name)}"
            found[f"{name}_validation_{metric}"] = record.mean
            if record.gain is not None:
                found[f"{name}_gain_over_reference"] = record.gain
    return found


def iteration_series(
    records: Sequence[IterationRecord], number: int, metric: Metric
) -> dict[str, float | None]:
    """The point of iteration `number` in the series of all iterations; None where there is nothing to log.

    Of several proposals it is the one that went on.
    """
    own = [each for each in records if each.number == number]
    if not own:
        return {}
    record = next((each for each in own if not each.stopped), own[0])
    low, high = record.gain_interval or (None, None)
    return {
        f"iteration_validation_{metric}": record.mean,
        f"iteration_validation_{metric}_std": record.std,
        "iteration_gain_over_reference": record.gain,
        "iteration_gain_over_reference_low": low,
        "iteration_gain_over_reference_high": high,
        "iteration_gain_over_default": record.gain_over_default,
    }


def _word(name: str) -> str:
    """A name of MLflow's: letters, digits and a few signs."""
    return re.sub(r"[^A-Za-z0-9_.-]+", "_", name)[:60].strip("_")
