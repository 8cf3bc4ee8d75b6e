"""`agent predict`: what a model of `agent fit` says about images."""

import csv
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, TextIO

from agent.screen.exits import perform
from agent.screen.terminal import Terminal
from agent.settings.arguments import FlagParser, given_path
from tools.errors import AugurError, ConfigurationError
from tools.text import counted

if TYPE_CHECKING:
    import numpy as np

    from tools.training.taken.config import Preprocessing
    from tools.training.taken.folder import Predicted

_SHOWN = 3
"""Classes of an image that the table shows."""

_DESCRIPTION = """\
Say what each image shows, by a model that agent fit wrote. The folder is all
that is needed: no study, no training images."""


def main(words: Sequence[str]) -> int:
    """`agent predict …`; the exit code: 1 where an image could not be read."""
    parser = FlagParser("predict", description=_DESCRIPTION)
    add = parser.add_argument
    add("model", type=given_path, metavar="FOLDER", help="of the model, as agent fit wrote it")
    add("images", nargs="+", type=given_path, metavar="IMAGE", help="files, and folders (at any depth)")
    add(
        "--csv",
        nargs="?",
        const="-",
        metavar="FILE",
        help="write the probability of every class as CSV, to FILE or to the terminal's output; put it last, or write "
        "--csv=FILE",
    )
    add("--device", default="cpu", metavar="NAME", help="cpu, mps or cuda:N (default: cpu)")
    parser.add_common_flags()
    options = parser.parse_all(words)

    def predict(terminal: Terminal) -> int:
        from tools.datasets.folder.walk import IMAGE_SUFFIXES
        from tools.training.taken.folder import ModelFolder, images_in

        if options.csv is not None and Path(options.csv).suffix.lower() in IMAGE_SUFFIXES:
            raise ConfigurationError(
                f"--csv {options.csv}: that is an image, and would be overwritten: put --csv last, or write --csv=FILE"
            )
        files = images_in(options.images)
        try:
            model = ModelFolder(options.model, options.device)
        except (RuntimeError, AssertionError) as error:
            raise ConfigurationError(f"--device {options.device}: {error}") from error
        found = model.predict(files)
        if options.csv is not None:
            return _as_csv(found, model.about, options.csv, terminal)
        return _as_table(list(found), model.about, terminal)

    return perform(predict, options, quiet=options.csv == "-")


def _as_csv(
    found: "Sequence[Predicted] | object", about: "Preprocessing", place: str, terminal: Terminal
) -> int:
    if place == "-":
        return _write_csv(found, about, sys.stdout, terminal)
    try:
        with Path(place).open("w", encoding="utf-8", newline="") as file:
            faults = _write_csv(found, about, file, terminal)
    except OSError as error:
        raise AugurError(f"--csv {place}: {error.strerror}") from error
    terminal.note(f"probabilities: {place}")
    return faults


def _write_csv(found: object, about: "Preprocessing", stream: TextIO, terminal: Terminal) -> int:
    writer = csv.writer(stream, lineterminator="\n")
    classes = about.classes
    writer.writerow(("file", "predicted", *classes))
    faults = 0
    for each in found:  # type: ignore[attr-defined]
        if each.probabilities is None:
            faults += 1
            terminal.warn(f"{each.file}: {each.fault}")
            writer.writerow((each.file, "", *("" for _ in classes)))
            continue
        predicted = _predicted(each.probabilities, about)
        writer.writerow((each.file, predicted, *(f"{value:.6f}" for value in each.probabilities)))
    return _told(faults, terminal)


def _predicted(probabilities: "np.ndarray", about: "Preprocessing") -> str:
    """The class; of several labels, all whose probability is 0.5 or more, with a semicolon between."""
    if not about.several_labels:
        return about.classes[int(probabilities.argmax())]
    from tools.training.label_scores import THRESHOLD

    return ";".join(about.classes[at] for at in (probabilities >= THRESHOLD).nonzero()[0])


def _as_table(found: "Sequence[Predicted]", about: "Preprocessing", terminal: Terminal) -> int:
    rows, faults, classes = [], 0, about.classes
    for each in found:
        if each.probabilities is None:
            faults += 1
            terminal.warn(f"{each.file}: {each.fault}")
            continue
        best = each.probabilities.argsort()[::-1][:_SHOWN]
        words = ", ".join(f"{classes[int(at)]} {each.probabilities[at]:.1%}" for at in best)
        rows.append((str(each.file), _predicted(each.probabilities, about) or "–", words))
    terminal.table(("image", "labels" if about.several_labels else "class", "probabilities"), rows)
    return _told(faults, terminal)


def _told(faults: int, terminal: Terminal) -> int:
    """The exit code, after saying how many images could not be read."""
    if faults:
        terminal.warn(f"{counted(faults, 'image')} could not be read")
    return int(faults > 0)
