"""A paper's table as it is shown: on the terminal, as table.md and as table.json, with all that a reader must know."""

from collections.abc import Mapping
from typing import Any

from agent.paper.cells import Cell, Table
from agent.paper.layout import Entry, Laid, Results, lay_out, ours_in_words, printed_in_words
from agent.paper.results import Result, read_result
from agent.screen.terminal import Terminal
from tools.files import write_json, write_whole
from tools.text import counted, markdown

MARKDOWN, DOCUMENT = "table.md", "table.json"
SMOKE_RUN = (
    "SMOKE RUN on made images, one epoch and one seed: the protocol runs, and the numbers mean nothing."
)


def publish(table: Table, unfinished: Mapping[str, str], terminal: Terminal, show: bool = True) -> None:
    """Write the files, and show the table.

    Args:
        table: the cells.
        unfinished: cell → why it was to be run and has no result.
        terminal: what shows it.
        show: whether it is shown now.
    """
    results = results_of(table)
    laid = lay_out(table.protocol, results)
    document = as_document(table, laid, results, unfinished)
    table.folder.mkdir(parents=True, exist_ok=True)
    write_json(table.folder / DOCUMENT, document)
    write_whole(table.folder / MARKDOWN, as_markdown(table, laid, results, unfinished).encode())
    if not show:
        return
    terminal.document = document
    terminal.close()
    terminal.result(_title(table))
    for heading, heads, rows in terminal_tables(table, laid):
        if heading:
            terminal.result(heading)
        terminal.table(heads, rows)
    for title, lines in notes_of(table, results, unfinished):
        terminal.result(f"{title}:" if title else "")
        for line in lines:
            terminal.result(f"- {line}")
    for name in (MARKDOWN, DOCUMENT):
        terminal.note(f"{name}: {table.folder / name}")


def results_of(table: Table) -> Results:
    """What is finished of the table, whether it was wanted now or not."""
    found = {(cell.model, cell.arm): read_result(table, cell) for cell in table.cells}
    return {key: result for key, result in found.items() if result is not None}


def _title(table: Table) -> str:
    protocol = table.protocol
    smoke = f"{SMOKE_RUN}\n" if table.scale == "small" else ""
    return f"{smoke}{protocol.title} ({protocol.where}). {protocol.paper}"


def terminal_tables(table: Table, laid: Laid) -> list[tuple[str, list[str], list[list[str]]]]:
    """(heading, heads, rows) of each group of columns: the printed number, and ours beside it."""
    protocol = table.protocol
    found = []
    for at, group in enumerate(laid.groups):
        columns = list(zip(*(groups[at] for _, groups in laid.rows), strict=True))
        has_printed = [any(entry.printed is not None for entry in column) for column in columns]
        heads = [laid.corner]
        for title, printed in zip(group.columns, has_printed, strict=True):
            heads += [title, "ours"] if printed else [f"{title}, ours"]
        rows = []
        for title, groups in laid.rows:
            row = [_marked(title, laid)]
            for entry, printed in zip(groups[at], has_printed, strict=True):
                row += [printed_in_words(protocol, entry)] if printed else []
                row.append(ours_in_words(protocol, entry))
            rows.append(row)
        what = "printed, and ours" if any(has_printed) else "ours, for the paper prints no numbers,"
        found.append((f"{group.title} ({what} with its 95% interval over seeds)", heads, rows))
    return found


def _marked(title: str, laid: Laid) -> str:
    return f"{title} (not in the paper)" if title in laid.extra else title


def as_markdown(table: Table, laid: Laid, results: Results, unfinished: Mapping[str, str]) -> str:
    """The whole table with the paper's rows and columns; in each place the printed number, and ours below it."""
    heads = [laid.corner]
    several = len(laid.groups) > 1
    for group in laid.groups:
        heads += [f"{group.title}<br>{title}" if several else title for title in group.columns]
    lines = [
        f"# {markdown(table.protocol.title)}: {markdown(table.protocol.where)}",
        "",
        *([f"**{SMOKE_RUN}**", ""] if table.scale == "small" else []),
        f"{markdown(table.protocol.paper)}.",
        "",
        f"In each place: the number that the paper prints, and **ours** with its 95% interval over seeds"
        f"{'' if several else ' (' + markdown(laid.groups[0].title) + ')'}. A dash: the paper prints none. Nothing "
        "below it: not run.",
        "",
        f"| {' | '.join(heads)} |",
        f"|{' --- |' * len(heads)}",
    ]
    for title, groups in laid.rows:
        cells = [_in_markdown(table, entry) for group in groups for entry in group]
        lines.append(f"| {markdown(_marked(title, laid))} | {' | '.join(cells)} |")
    for title, notes in notes_of(table, results, unfinished):
        lines += ["", f"{markdown(title)}:", "", *(f"- {markdown(note)}" for note in notes)]
    if policies := _policies(table, results):
        lines += ["", "What was trained:", "", *policies]
    return "\n".join(lines) + "\n"


def _in_markdown(table: Table, entry: Entry) -> str:
    printed = printed_in_words(table.protocol, entry) or "–"
    ours = ours_in_words(table.protocol, entry)
    return f"{printed}<br>**{ours}**" if ours else printed


def _policies(table: Table, results: Results) -> list[str]:
    lines = []
    for cell in table.cells:
        if (result := results.get((cell.model, cell.arm))) is None:
            continue
        found = "" if result.iteration is None else f", found in iteration {result.iteration}"
        seeds = sorted({seed for scores in result.scores.values() for seed in scores})
        lines.append(
            f"- {markdown(cell.name)}: `{result.line}`{found}; seeds {', '.join(map(str, seeds))}; entry "
            f"`{result.study}`"
        )
    return lines


def notes_of(table: Table, results: Results, unfinished: Mapping[str, str]) -> list[tuple[str, list[str]]]:
    """What stands below the table: (title, lines), without empty parts."""
    protocol = table.protocol
    blank = [
        cell.name
        for cell in table.cells
        if (cell.model, cell.arm) not in results and not table.arm(cell).extra
    ]
    what: list[str] = [f"{name}: {reason}" for name, reason in unfinished.items()]
    if rest := [name for name in blank if name not in unfinished]:
        what.append(f"not run yet: {_shortened(rest)}")
    what += [f"{arm.title}: {arm.unavailable}" for arm in protocol.arms.values() if arm.unavailable]
    failed = [
        f"{cell.name}: {failure}"
        for cell in table.cells
        if (result := results.get((cell.model, cell.arm))) is not None
        for failure in result.failures
    ]
    parts = [
        ("Blank", what),
        ("Trainings that failed", failed),
        ("Changed from the protocol", _changes(table, results)),
        ("Not stated in the paper, and assumed", list(protocol.assumptions)),
        ("Done otherwise than in the paper", list(protocol.differences)),
    ]
    return [(title, lines) for title, lines in parts if lines]


def _changes(table: Table, results: Results) -> list[str]:
    """Settings of the shown cells that are not those of the protocol, with the cells that they are of."""
    cells = [cell for cell in table.cells if cell in table.wanted or (cell.model, cell.arm) in results]
    by_change: dict[str, list[Cell]] = {}
    for cell in cells:
        for change in cell.changed:
            by_change.setdefault(change, []).append(cell)
    return [
        change if len(of) == len(cells) else f"{change}: {_shortened([cell.name for cell in of])}"
        for change, of in by_change.items()
    ]


def _shortened(names: list[str], most: int = 6) -> str:
    more = len(names) - most
    return ", ".join(names[:most]) + (f" and {counted(more, 'other')}" if more > 0 else "")


def as_document(table: Table, laid: Laid, results: Results, unfinished: Mapping[str, str]) -> dict[str, Any]:
    """All numbers, unrounded: what `--json` prints and table.json holds (docs/scripts.md)."""
    protocol = table.protocol
    return {
        "protocol": table.name,
        "title": protocol.title,
        "paper": protocol.paper,
        "where": protocol.where,
        "smoke_run": table.scale == "small",
        "warning": SMOKE_RUN if table.scale == "small" else None,
        "folder": str(table.folder.resolve()),
        "table": [_entry(entry) for entry in laid.entries],
        "cells": [
            _cell(table, cell, results.get((cell.model, cell.arm)), unfinished) for cell in table.cells
        ],
        "changed": _changes(table, results),
        "stated": list(protocol.stated),
        "assumptions": list(protocol.assumptions),
        "differences": list(protocol.differences),
    }


def _entry(entry: Entry) -> dict[str, Any]:
    """Scores as fractions; the gain that a paper prints is in points there, and a difference of fractions here."""
    printed = entry.printed
    if printed is not None and entry.is_gain:
        printed = printed / 100
    ours = entry.ours
    return {
        "on": entry.on,
        "model": entry.model,
        "arm": entry.arm,
        "is_gain": entry.is_gain,
        "printed": printed,
        "ours": None if ours is None else {"mean": ours.mean, "low": ours.low, "high": ours.high},
    }


def _cell(table: Table, cell: Cell, result: Result | None, unfinished: Mapping[str, str]) -> dict[str, Any]:
    found: dict[str, Any] = {
        "cell": cell.name,
        "title": table.arm(cell).title,
        "in_paper": not table.arm(cell).extra,
        "study": table.study_of(cell),
        "finished": result is not None,
        "why_not": unfinished.get(cell.name),
    }
    if result is not None:
        scores = {
            place: {str(seed): score for seed, score in by_seed.items()}
            for place, by_seed in result.scores.items()
        }
        found |= {
            "policy": result.line,
            "iteration": result.iteration,
            "scores": scores,
            "failures": list(result.failures),
            "trainings": result.trainings,
            "training_seconds": result.seconds,
            "test": result.tested,
        }
    return found
