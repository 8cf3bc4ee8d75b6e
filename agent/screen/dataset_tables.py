"""Tables of `agent datasets` that more than one of its parts prints."""

from collections.abc import Mapping

from rich.table import Table
from rich.text import Text

from agent.screen.tables import open_table
from tools.datasets.types import Split

_CLASSES_SHOWN = 40


def class_table(counts: Mapping[Split, Mapping[str, int]]) -> Table:
    """Classes down, splits across; of many classes, the first and a line for the rest."""
    table = open_table("class")
    for split in counts:
        table.add_column(split, justify="right")
    classes = list(next(iter(counts.values()), {}))
    for name in classes[:_CLASSES_SHOWN]:
        table.add_row(Text(name), *(Text(f"{its[name]:,}") for its in counts.values()))
    if rest := classes[_CLASSES_SHOWN:]:
        sums = (sum(its[name] for name in rest) for its in counts.values())
        table.add_row(Text(f"… {len(rest)} more classes"), *(Text(f"{total:,}") for total in sums))
    table.add_row(
        Text("all", style="bold"),
        *(Text(f"{sum(its.values()):,}", style="bold") for its in counts.values()),
    )
    return table
