"""The card of a model that is taken away: what it is, what to expect of it, and what it cannot do."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from importlib.metadata import version
from pathlib import Path

from evaluators.report.report import Report, interval_percent, interval_points
from tools.text import counted, markdown
from tools.training.metrics import metric_title
from tools.training.taken.config import CARD, CODE, ONNX, PREPROCESSING, Preprocessing, read_preprocessing

_SQUARES = {
    "stretch": "image.resize(({side}, {side}), Image.Resampling.BILINEAR)",
    "crop": "ImageOps.fit(image, ({side}, {side}), Image.Resampling.BILINEAR)",
    "pad": "ImageOps.pad(image, ({side}, {side}), Image.Resampling.BILINEAR)",
}
"""How `tools.datasets.cache.decode` makes an image square, as code."""
_WITHOUT_AUGUR = """\
## Without Augur

The model must get images as it was trained on them: another way of making them smaller changes the probabilities by
several points. For photographs and other files of 8 bits (of 16 bits, DICOM or transparent ones: `agent predict`):

```python
import numpy as np
import onnxruntime
from PIL import Image, ImageOps

session = onnxruntime.InferenceSession("{onnx}")
image = Image.open("photo.jpg")
image.draft(image.mode, ({double}, {double}))  # a JPEG is made smaller by its decoder first
image = ImageOps.exif_transpose(image).convert("RGB")
image = {square}
pixels = np.asarray(image).transpose(2, 0, 1)[None]
(probabilities,) = session.run(None, {{"images": pixels}})
classes = {classes}
print(dict(zip(classes, probabilities[0].tolist())))
```"""


@dataclass(frozen=True)
class Card:
    """What the card says."""

    study: str
    data: str
    fingerprint: str
    licence: str
    images: Mapping[str, int]
    """Of each split."""
    classes: Sequence[str]
    counts: Mapping[str, int]
    """Class → images that were trained on."""
    size: int
    model: str
    policy: str
    candidate: str
    length: str
    seeds: Sequence[int]
    onnx: str
    """How far it agrees; '' where there is none."""
    report: Report | None
    """Of the study; None where an earlier version finished it."""
    cautions: Sequence[str]
    several_labels: bool = False
    """Whether an image may have several of the `classes`, or none."""

    @property
    def title(self) -> str:
        """Of the page."""
        return f"{self.data}: {self.model.partition(',')[0]}"


def write_card(folder: Path, card: Card) -> None:
    """Write README.md."""
    parts = [
        f"# {markdown(card.title)}",
        f"Trained by Augur {version('augur-vision')} on {datetime.now():%d %B %Y} with what study "
        f"{markdown(card.study)} recommends. "
        + (
            f"It says of {len(card.classes)} labels which an image has, any number of them: "
            if card.several_labels
            else f"It tells {counted(len(card.classes), 'class', 'classes')} apart: "
        )
        + f"{markdown(', '.join(card.classes))}.",
        *_expectation(card),
        *_training(card),
        *_files(folder, card),
        *_limits(card),
    ]
    (folder / CARD).write_text("\n\n".join(parts) + "\n", encoding="utf-8")


def _expectation(card: Card) -> list[str]:
    report = card.report
    lines = ["## What to expect"]
    winner = None if report is None else next((each for each in report.comparisons if each.recommended), None)
    if report is None or winner is None or winner.test is None:
        return [
            *lines,
            "The study has no test figures: nothing is known of how good this model is on new images.",
        ]
    title = metric_title(report.metric)
    rows = [f"| test {title}, % [95%] | {interval_percent(winner.test)} |"]
    if winner.accuracy is not None and report.metric != "accuracy":
        rows.append(f"| test accuracy, % [95%] | {interval_percent(winner.accuracy)} |")
    if winner.verdict is not None:
        over = interval_points(winner.verdict.over_both)
        rows.append(f"| gain over no augmentation, points [95%, over seeds and images] | {over} |")
    if winner.over_default is not None:
        rows.append(
            f"| gain over the default policy, points [95%] | {interval_points(winner.over_default.over_both)} |"
        )
    many = (
        f", and the probabilities of {len(card.seeds)} trainings are averaged" if len(card.seeds) > 1 else ""
    )
    trainings = counted(winner.test.count, "other training", "other trainings")
    return [
        *lines,
        markdown(report.sentence),
        *([markdown(report.price)] if report.price else []),
        "\n".join(("| in the study's test | |", "| --- | --- |", *rows)),
        f"These figures are of {trainings} of the same recipe, on {card.images['test']} test images, which the study "
        f"opened once. This model was trained on the validation images as well{many}, which usually helps a little; it "
        "was not tested itself, and the test images were not opened for it.",
    ]


def _training(card: Card) -> list[str]:
    rows = [
        (
            "data",
            f"{card.data}, fingerprint {card.fingerprint[:16]}"
            + (f", licence {card.licence}" if card.licence else ""),
        ),
        (
            "images",
            f"{card.images['train']} of the training split and {card.images['validation']} of the validation split, "
            f"{card.size} px",
        ),
        ("model", card.model),
        ("augmentation", f"{card.policy} ({card.candidate})"),
        ("length", card.length),
        ("seeds", ", ".join(map(str, card.seeds))),
    ]
    classes = "\n".join(f"| {markdown(name)} | {card.counts[name]} |" for name in card.classes)
    return [
        "## How it was trained",
        "\n".join(("| | |", "| --- | --- |", *(f"| {name} | {markdown(text)} |" for name, text in rows))),
        f"| {'label' if card.several_labels else 'class'} | images |\n| --- | --- |\n{classes}",
    ]


def _files(folder: Path, card: Card) -> list[str]:
    about = read_preprocessing(folder)
    lines = [
        f"- {', '.join(f'`{name}`' for name in about.weights)}: the weights, as safetensors",
        f"- `{PREPROCESSING}`: class names, size, normalisation, model",
        "- `policy.json`: the augmentation that it was trained with",
    ]
    if card.onnx:
        last = "sigmoid" if card.several_labels else "softmax"
        lines.append(
            f"- `{ONNX}`: with normalisation and {last}; input `images`, uint8 (batch, 3, {card.size}, {card.size}) "
            f"in RGB, output `probabilities`; {card.onnx}"
        )
    if (folder / CODE).is_dir():
        lines.append(f"- `{CODE}/`: the code of the model, which is run when the folder is read")
    parts = ["## What is here", "\n".join(lines), "    agent predict FOLDER IMAGES… --csv"]
    return [*parts, _without_augur(about)] if card.onnx else parts


def _without_augur(about: Preprocessing) -> str:
    """Plain Python from a file to its probabilities; where a step of the user's own comes first, it says so."""
    side = about.image_size
    text = _WITHOUT_AUGUR.format(
        onnx=ONNX,
        double=2 * side,
        square=_SQUARES[about.fit].format(side=side),
        classes=list(about.classes),
    )
    if about.always is None:
        return text
    return f"{text}\n\nEvery image goes through `{about.always.partition('@')[0]}` before it is made square."


def _limits(card: Card) -> list[str]:
    kind = "label" if card.several_labels else "class"
    fewest = min(card.classes, key=lambda name: card.counts[name])
    lines = [
        f"It knows only these {len(card.classes)} labels, each with a probability of its own, whatever an image shows. "
        "A label counts as there from 0.5 on; for a rare one, another threshold may serve better."
        if card.several_labels
        else f"It knows only these {len(card.classes)} classes: every image is given one of them, whatever it shows.",
        "Images from another camera, site or group of people than those of the data may be told apart far worse; the "
        "test images come from the same source.",
        f"The {kind} with the fewest images is {fewest} ({card.counts[fewest]}): what is said of it is least certain.",
        "The probabilities are the network's own, and were not calibrated.",
    ]
    told = [] if card.report is None else [card.report.earlier, *card.report.notes]
    lines += [caution for caution in (*card.cautions, *told) if caution]
    return ["## Limits", "\n".join(f"- {markdown(line)}" for line in lines)]
