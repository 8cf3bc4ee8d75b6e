"""`agent datasets`, `… show` and `… get`: lists the data sets, shows one, downloads one."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from rich.table import Table
from rich.text import Text

from agent.screen.tables import class_table, facts_grid, open_table
from agent.screen.terminal import Terminal
from tools.datasets.check.class_balance import class_counts, split_sizes_of
from tools.datasets.config import DataConfig
from tools.datasets.entry import Entry
from tools.datasets.folder.walk import tree
from tools.datasets.presence import Presence, find_dataset, is_occupied
from tools.datasets.registry import ENTRIES, dataset_names
from tools.datasets.types import SPLITS, Card, Dataset, Split
from tools.errors import AugurError, ConfigurationError

_COLLECTIONS = {
    "folder": "your own images: folders of classes, splits or patients, or a table of labels (--data PATH)",
    "torchvision": "classification data sets of torchvision, such as torchvision:CIFAR10",
    "hf": "image data sets of the Hugging Face datasets library, such as hf:cifar10",
    "medmnist": "2-D data sets of MedMNIST v2, such as medmnist:bloodmnist or medmnist:bloodmnist_64",
}
"""Kinds of names that have no entry of their own → what they mean."""
_MEASURES = {
    "validation_accuracy": "accuracy",
    "validation_macro_f1": "macro F1 is usual for it: --search.metric macro_f1 (a study decides by accuracy unless "
    "told otherwise)",
}


def list_all(terminal: Terminal, *, as_json: bool) -> int:
    """Print every data set; the exit code."""
    found = {name: find_dataset(name) for name in ENTRIES}
    others = {name: _COLLECTIONS.get(name.partition(":")[0], "") for name in dataset_names()}
    others = {name: about for name, about in others.items() if name not in ENTRIES}
    if as_json:
        rows = [_as_json(ENTRIES[name], presence) for name, presence in found.items()]
        terminal.verbatim(json.dumps({"datasets": rows, "collections": others}, indent=2))
        return 0
    table = open_table()
    table.add_column("data set", ratio=1)
    for header in ("images", "classes", "modality", "splits", "here"):
        table.add_column(header, justify="right" if header in ("images", "classes") else "left")
    for name, presence in found.items():
        table.add_row(*_row(ENTRIES[name], presence))
    terminal.show(table)
    for presence in found.values():
        if presence.state == "damaged":
            terminal.warn(
                f"{presence.name} in {presence.place} is damaged: {presence.reason.splitlines()[0]}"
            )
    listed = Table.grid(padding=(0, 2, 0, 0))
    listed.add_column(no_wrap=True)
    listed.add_column()
    for name, about in others.items():
        listed.add_row(Text(name), Text(about, style="dim"))
    terminal.show(Text(""))
    terminal.show(listed)
    terminal.note(
        "agent datasets show NAME shows one, get NAME downloads it, check NAME inspects it for faults."
    )
    return 0


def show(name: str, config: DataConfig, terminal: Terminal) -> int:
    """Print all that is known of a data set; the exit code.

    Raises:
        ConfigurationError: there is no data set of that name.
        DataError: it is a folder or part of a collection, of which nothing is known in advance, and it is missing.
    """
    presence = find_dataset(name, config.path, config)
    entry = ENTRIES.get(name)
    if entry is None and presence.error is not None:
        raise presence.error
    card = presence.dataset.card if presence.dataset is not None else ENTRIES[name].card
    facts = [
        ("data set", f"{name}: {card.title}"),
        ("shows", card.description),
        *([("advice", card.advice)] if card.advice else []),
        ("modality", card.modality),
        ("classes", _classes(card)),
        ("measure", _MEASURES.get(card.metric, card.metric)),
        ("image size", f"{card.image_size} × {card.image_size} pixels, unless --image-size is given"),
        ("licence", card.licence),
        ("citation", card.citation or "unknown"),
    ]
    facts += [("caveat" if number == 0 else "", text) for number, text in enumerate(card.warnings)]
    if entry is not None and entry.counts:
        facts.append(("published", "; or ".join(_by_split(each) for each in entry.counts)))
    if entry is not None and entry.variants:
        facts.append(("variants", f"{', '.join(entry.variants)} (--data.variant)"))
    facts.append(("here", _location(presence)))
    terminal.show(facts_grid(facts))
    if presence.dataset is not None:
        for note in presence.dataset.notes:
            terminal.note(note)
        for warning in presence.dataset.warnings:
            terminal.warn(warning)
        terminal.show(Text(""))
        terminal.show(_counts_table(presence.dataset))
        return 0
    if presence.state == "damaged" and not presence.expected:
        terminal.warn(presence.reason)
    expected = presence.expected
    if expected:
        terminal.verbatim(f"\nexpected in {presence.place}:\n{expected}")
    terminal.verbatim(f"\nto get it:\n{tree(_commands(entry, card))}")
    return 0


def get(name: str, path: Path | None, terminal: Terminal) -> int:
    """Download a data set, or print the commands that do; the exit code.

    Raises:
        ConfigurationError: there is no data set of that name, or it is the user's own.
        DataError: it cannot be downloaded.
        AugurError: something else is in its place, or was downloaded.
    """
    if name == "folder":
        raise ConfigurationError(
            "'folder' means images of your own: there is nothing to download. See: agent datasets"
        )
    before = find_dataset(name, path)
    if before.dataset is not None:
        terminal.result(f"{name} is already here: {_location(before)}. Nothing was downloaded.")
        return 0
    entry = ENTRIES.get(name)
    fetch = name if entry is None else entry.fetch
    if entry is not None and not fetch:
        terminal.note(f"No library can download {name}; run:")
        terminal.verbatim(entry.card.download)
        return 0
    if before.place.is_file() or (entry is not None and is_occupied(before.place)):
        raise AugurError(
            f"{before.place} exists, but is not {name}:\n{before.reason}\nNothing was downloaded, so as not to "
            "overwrite it: move it away, or choose another folder with --data PATH."
        )
    from tools.datasets.collections.download import download

    fetched = download(fetch, before.place, terminal.note)
    after = find_dataset(name, path)
    flag = f" --data {path}" if path is not None else ""
    if after.dataset is None:
        after, flag = find_dataset(name, fetched), f" --data {fetched}"
    if after.dataset is None:
        raise AugurError(
            f"{fetch} was downloaded to {fetched}, but it is not as {name} should be: {after.reason}"
        )
    terminal.show(_counts_table(after.dataset))
    terminal.result(
        f"{name} is in {fetched}. Check it: agent datasets check {name}{flag}   Use it: agent run --dataset "
        f"{name}{flag}"
    )
    return 0


# ------------------------------------------------------------------ the list


def _row(entry: Entry, presence: Presence) -> list[Text]:
    card = entry.card
    title = Text(card.name, style="bold")
    title.append(f"\n{card.title}", style="not bold dim")
    if entry.variants:
        title.append(f"\nvariants: {', '.join(entry.variants)}", style="not bold dim")
    styles = {"present": "green", "damaged": "bold red", "absent": "dim"}
    return [
        title,
        Text(_images(entry, presence)),
        Text(str(len(_card(entry, presence).classes) or "–")),
        Text(card.modality),
        Text(_splits(entry, presence)),
        Text(presence.state, style=styles[presence.state]),
    ]


def _card(entry: Entry, presence: Presence) -> Card:
    """The card; some classes are known only once the images are here."""
    return presence.dataset.card if presence.dataset is not None else entry.card


def _images(entry: Entry, presence: Presence) -> str:
    if presence.dataset is not None:
        return f"{len(presence.dataset.records):,}"
    totals = sorted({sum(each.values()) for each in entry.counts}, reverse=True)
    return " or\n".join(f"{total:,}" for total in totals) or "–"


def _splits(entry: Entry, presence: Presence) -> str:
    if presence.dataset is not None:
        return _kind([split for split in SPLITS if any(r.split == split for r in presence.dataset.records)])
    kinds = [
        "none" if "all" in each else _kind([split for split in SPLITS if split in each])
        for each in entry.counts
    ]
    return " or\n".join(dict.fromkeys(kinds)) or "–"


def _kind(given: list[Split]) -> str:
    if given == ["train"]:
        return "none"
    return "test only" if given == ["test"] else ", ".join(given).replace("validation", "val")


def _as_json(entry: Entry, presence: Presence) -> dict[str, Any]:
    card = _card(entry, presence)
    return {
        "name": card.name,
        "title": card.title,
        "state": presence.state,
        "place": str(presence.place) if presence.dataset is None or is_occupied(presence.place) else None,
        "reason": presence.reason,
        "images": len(presence.dataset.records) if presence.dataset is not None else None,
        "published": [dict(each) for each in entry.counts],
        "classes": list(card.classes),
        "modality": card.modality,
        "variants": list(entry.variants),
        "licence": card.licence,
        "fetch": entry.fetch,
    }


# ------------------------------------------------------------------ one of them


def _classes(card: Card) -> str:
    if not card.classes:
        return "known once it is here, from its tables"
    if not any(card.superclasses):
        return ", ".join(card.classes)
    return ", ".join(
        f"{name} ({superclass})" if superclass else name
        for name, superclass in zip(card.classes, card.superclasses, strict=True)
    )


def _location(presence: Presence) -> str:
    if presence.dataset is not None:
        where = f"in {presence.place}" if is_occupied(presence.place) else "included with Augur"
        return f"{len(presence.dataset.records):,} images, {where}"
    if presence.state == "damaged":
        return f"damaged, in {presence.place}: {presence.reason.splitlines()[0]}"
    return f"no: looked in {presence.place.absolute()}"


def _commands(entry: Entry | None, card: Card) -> list[str]:
    own = [f"agent datasets get {card.name}", "or"] if entry is not None and entry.fetch else []
    return [*own, *card.download.splitlines()]


def _counts_table(dataset: Dataset) -> Table:
    return class_table(
        class_counts(dataset.records, dataset.card), split_sizes_of(dataset.records, dataset.card)
    )


def _by_split(counts: Mapping[str, int]) -> str:
    return ", ".join(f"{split} {count:,}" for split, count in counts.items()) + " images"
