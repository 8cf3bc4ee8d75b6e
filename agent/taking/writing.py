"""The files of a model that is taken away, each checked before the folder gets its name."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch

from agent.context import Context
from agent.memory.candidate import Candidate
from agent.screen.terminal import Terminal
from agent.steps.finish.handing_over import length_of
from agent.taking.card import Card, write_card
from evaluators.report.report import Report
from tools.errors import AugurError
from tools.policy.export import as_json
from tools.training.config import TrialSpec
from tools.training.evaluation import Classifier
from tools.training.normalisation import Normalisation
from tools.training.taken.config import ONNX, Preprocessing
from tools.training.taken.folder import ModelFolder, write_model
from tools.training.taken.onnx_export import NoOnnx, write_onnx

_CHECKED = 64
"""Images on which the folder is compared with the trained classifier, and ONNX with torch."""
_POLICY = "policy.json"
_TOLERANCE = 1e-4


def write_folder(
    folder: Path,
    context: Context,
    candidate: Candidate,
    specs: Sequence[TrialSpec],
    classifiers: Sequence[Classifier],
    report: Report | None,
    onnx: bool,
) -> Card:
    """Write all files of the folder, which is empty, and check them; what the card says.

    Raises:
        AugurError: the folder does not say what the classifiers say.
    """
    data, config = context.data, context.config
    normalisation = classifiers[0].normalisation
    if any(each.normalisation != normalisation for each in classifiers):
        raise AugurError("the classifiers differ in their normalisation: this is a bug, please report it")
    about = _about(context, normalisation)
    write_model(folder, classifiers, config.model, about)
    model = ModelFolder(folder)
    images = _real_images(context)
    _compare(model, classifiers, images)
    exported = _export(folder, model, images, context.terminal) if onnx else ""
    card = Card(
        study=context.study,
        data=data.card.title,
        fingerprint=data.fingerprint,
        licence="" if data.card.licence == "unknown" else data.card.licence,
        images={split: data.size(split) for split in ("train", "validation", "test")},
        classes=data.card.classes,
        several_labels=data.card.several_labels,
        counts={
            name: data.class_counts("train").get(name, 0) + data.class_counts("validation").get(name, 0)
            for name in data.card.classes
        },
        size=data.image_size,
        model=f"{config.model.title}, {config.model.start}",
        policy=candidate.proposal.in_one_line(),
        candidate=candidate.name,
        length=length_of(context, candidate),
        seeds=[spec.seed for spec in specs],
        onnx=exported,
        report=report,
        cautions=(*data.card.warnings, *data.warnings),
    )
    write_card(folder, card)
    (folder / _POLICY).write_text(
        as_json(candidate.proposal.as_policy(), {"study": context.study, "recommended": candidate.name}),
        "utf-8",
    )
    for file in folder.rglob("*"):
        file.chmod(0o755 if file.is_dir() else 0o644)  # the weights are written for their owner alone
    return card


def _about(context: Context, normalisation: Normalisation) -> Preprocessing:
    data, config = context.data, context.config
    mean, std = (
        tuple(round(each / 255, 8) for each in values) for values in (normalisation.mean, normalisation.std)
    )
    return Preprocessing(
        classes=data.card.classes,
        several_labels=data.card.several_labels,
        image_size=data.image_size,
        fit=config.data.fit,
        max_pixels=config.data.max_pixels,
        black_and_white=data.span,
        always=config.data.always,
        mean=mean,  # type: ignore[arg-type]
        std=std,  # type: ignore[arg-type]
        model=config.model.name,
        stem=config.model.stem,
        pretrained=config.model.weights is not None,
        weights=("model.safetensors",),
    )


def _real_images(context: Context) -> np.ndarray:
    """Validation images, evenly spread: uint8 (N, S, S, 3)."""
    view = context.data.split("validation")
    places = np.linspace(0, len(view) - 1, min(len(view), _CHECKED)).round().astype(int)
    return np.stack([view.images[int(place)] for place in places])


def _compare(model: ModelFolder, classifiers: Sequence[Classifier], images: np.ndarray) -> None:
    """See that the folder says what the classifiers say that were trained.

    Raises:
        AugurError: it does not.
    """
    batch = torch.from_numpy(images).permute(0, 3, 1, 2)
    with torch.inference_mode():
        logits = [each.model(each.normalisation.apply(batch, "cpu")) for each in classifiers]
        several = model.about.several_labels
        found = [(each.sigmoid() if several else each.softmax(dim=1)).numpy() for each in logits]
    difference = float(np.abs(np.mean(found, axis=0) - model.probabilities(images)).max())
    if difference > _TOLERANCE:
        raise AugurError(
            f"the folder gives other probabilities than the trained classifier (by {difference:.2g}): nothing was "
            "written"
        )


def _export(folder: Path, model: ModelFolder, images: np.ndarray, terminal: Terminal) -> str:
    """What is to be said of model.onnx; '' where there is none, which is told."""
    try:
        difference = write_onnx(model.model, images, folder / ONNX)
    except NoOnnx as reason:
        terminal.warn(f"no {ONNX}: {reason}")
        return ""
    return f"agrees with torch to {difference:.1e} on {len(images)} validation images"
