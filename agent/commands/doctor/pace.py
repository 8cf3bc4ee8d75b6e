"""How fast this machine could train, for `agent doctor`: in seconds, on made images, with nothing written."""

from functools import cache

from agent.commands.doctor.check import Check
from tools.errors import first_line
from tools.machine import usable_cores

_BATCH = 16
"""Images of an update that is timed: half the usual batch, so that it takes half the time."""


def cuda_pace(device: str) -> Check:
    """What packs of small trials could reach on a CUDA device."""
    from tools.training.packed.measure import augmenting_pace, device_pace, usual_shape

    try:
        trained = device_pace(usual_shape(), device, 8, seconds=3).images_per_second
    except Exception as error:  # torch raises many kinds
        remedy = "trials are trained one at a time with --execution.pack off"
        return Check(f"pace of {device}", "fails", f"{type(error).__name__}: {first_line(error)}", remedy)
    augmented = augmenting_pace() * max(1, usable_cores() - 2)
    text = (
        f"ResNet18 at 64 px, 8 trials side by side: {trained:,.0f} images/s; the cores augment {augmented:,.0f}/s, "
        f"so that the card waits for {waiting(trained, augmented):.0%} of the time"
    )
    remedy = (
        ""
        if augmented > trained
        else "training.draws=shared lets seeds of a candidate share augmented images"
    )
    return Check(f"pace of {device}", "works", text, remedy)


@cache
def cpu_pace(threads: int) -> Check:
    """What one worker reaches on CPU, in what a study would compute in, and the part of the time that it augments."""
    from tools.training.arithmetic import choices, choose, time_arithmetics
    from tools.training.config import ModelConfig, TrainingConfig
    from tools.training.packed.measure import augmenting_pace
    from tools.training.recipes import resolve_recipe

    config = TrainingConfig(batch_size=_BATCH)
    seconds = time_arithmetics(choices(config), ModelConfig(), 2, 64, resolve_recipe(config), threads)
    plain, taken = next(iter(seconds)), choose(seconds)
    trained, augmented = _BATCH / seconds[taken], augmenting_pace()
    faster = "" if taken == plain else f", {seconds[plain] / seconds[taken]:.1f} times as fast as {plain}"
    return Check(
        "pace of cpu",
        "works",
        f"ResNet18 at 64 px, one worker: {1 / (1 / trained + 1 / augmented):,.0f} images/s in {taken}{faster}; of this "
        f"time, augmenting takes {trained / (trained + augmented):.0%}",
    )


def waiting(trained: float, augmented: float) -> float:
    """The share of the time (0..1) in which a device that could train so many images a second waits, because the cores
    make `augmented` a second."""
    return max(0.0, 1 - augmented / trained)
