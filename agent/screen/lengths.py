"""How the phase `length` is shown: every length that was tried, and what the study makes of it."""

from rich.console import Group, RenderableType
from rich.text import Text

from agent.memory.length_file import Lengths, Tried
from agent.screen.tables import open_table
from tools.text import counted
from tools.training.metrics import Metric, metric_title

_HEIGHTS = "▁▂▃▄▅▆▇█"


def lengths_table(lengths: Lengths, metric: Metric) -> RenderableType:
    """A row for each length, a curve of the losses for each arm, and the sentence."""
    table = open_table("length", "steps", "no augmentation", "loss", "default", "loss", "")
    by_place = {(each.arm, each.epochs): each for each in lengths.tried}
    for epochs in sorted({each.epochs for each in lengths.tried}):
        none, default = by_place.get(("no augmentation", epochs)), by_place.get(("default", epochs))
        steps = next(each.steps for each in lengths.tried if each.epochs == epochs)
        cells = [_score(none), _loss(none), _score(default), _loss(default), _mark(lengths, epochs)]
        table.add_row(Text(counted(epochs, "epoch")), Text(f"{steps:,}"), *map(Text, cells))
    curves = [
        Text(f"loss by length  {arm}: {_curve(points)}", style="dim")
        for arm in ("no augmentation", "default")
        if len(points := [each for each in lengths.tried if each.arm == arm]) > 1
    ]
    about = Text(
        f"validation {metric_title(metric)} (%), mean over {_seeds(lengths.seeds)}; loss after temperature scaling",
        style="dim",
    )
    shown = [table, about, *curves] if lengths.tried else []
    return Group(*shown, Text(lengths.sentence))


def lengths_lines(lengths: Lengths) -> list[str]:
    """The same for a file: a line for each training, and the sentence."""
    lines = [
        f"length: {each.arm}, {counted(each.epochs, 'epoch')} ({each.steps:,} steps): {_score(each)}, "
        f"loss {_loss(each)}"
        for each in lengths.tried
    ]
    return [
        *lines,
        f"length: {lengths.sentence}",
        *([f"length: {cost}"] if (cost := cost_line(lengths)) else []),
    ]


def cost_line(lengths: Lengths) -> str:
    """What finding the length has cost, and why it ended there; empty where nothing was tried."""
    if not lengths.tried:
        return ""
    share = ""
    if lengths.share is not None:
        epochs = counted(lengths.epochs, "epoch")
        plan = f"what the study is planned to train, up to {lengths.trials} trainings of {epochs}"
        if lengths.limited:
            plan = f"the {lengths.planned:,} training images that the time allows"
        share = f"{lengths.share:.0%} of {plan}"
    return "; ".join(filter(None, (share, lengths.note)))


def _mark(lengths: Lengths, epochs: int) -> str:
    marks = [
        *(["the study"] if epochs == lengths.epochs else []),
        *(["no augmentation"] if epochs == lengths.reference != lengths.epochs else []),
    ]
    return f"← {', '.join(marks)}" if marks else ""


def _score(tried: Tried | None) -> str:
    return "–" if tried is None else f"{100 * tried.score:.1f}".replace("-", "−")


def _loss(tried: Tried | None) -> str:
    return "–" if tried is None else f"{tried.loss:.3f}"


def _seeds(count: int) -> str:
    return "one seed" if count == 1 else f"{count} seeds"


def _curve(points: list[Tried]) -> str:
    losses = [point.loss for point in sorted(points, key=lambda point: point.epochs)]
    low, high = min(losses), max(losses)
    top = len(_HEIGHTS) - 1
    return "".join(_HEIGHTS[round(top * (loss - low) / (high - low)) if high > low else 0] for loss in losses)
