"""Trained classifiers: saved, loaded, run on the images of a split, and scored."""

import json
import logging
import math
from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import numpy as np
import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import nn

from tools.datasets.cache.read import SplitView, open_cache
from tools.disk import disk_errors_explained
from tools.errors import AugurError, DataError, first_line
from tools.files import DamagedFile, locked, remove_unfinished, sha256_of, written_whole
from tools.training.config import TrialSpec
from tools.training.failures import NonFiniteLoss
from tools.training.hardware import Precision, on_device, precision_for
from tools.training.label_scores import areas, average_precisions, mean_of, score_sets
from tools.training.model_source import check_unchanged
from tools.training.networks.models import architecture
from tools.training.normalisation import Normalisation
from tools.training.trial_store import (
    LOCK,
    WEIGHTS,
    check_weights,
    predictions_file,
    read_predictions,
    write_predictions,
)
from tools.training.types import Fit, Predictions, Scores
from tools.training.views import training_view, validation_view

_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Classifier:
    """A trained model and how its images are normalised, on one device, in evaluation mode."""

    model: nn.Module
    normalisation: Normalisation
    device: str


def evaluate_trial(spec: TrialSpec, split: str, device: str) -> Predictions:
    """Predict `split` with the trial's weights, and keep the predictions in its folder.

    Predictions that are already there are returned as they are: test images are used once. Damaged ones are made again.

    Args:
        spec: of a trial that has finished.
        split: 'train' or 'validation', the images of the trial's fold; 'test' opens the sealed images, and so does any
            name that begins with it: the test set of another data set, whose cache `spec.cache` then is.
        device: 'cpu', 'mps' or 'cuda:N'.

    Raises:
        AugurError: the trial has no weights.
        DamagedFile: its weights are damaged.
        DataError: the decoded data set is missing, or its labels do not fit the classifier.
        DiskError: a file cannot be read or written.
    """
    with disk_errors_explained(spec.directory), locked(spec.directory / LOCK):
        return evaluate_under_lock(spec, split, device)


def evaluate_under_lock(spec: TrialSpec, split: str, device: str) -> Predictions:
    """As `evaluate_trial`, for a caller that holds the trial's lock and explains what the disk refuses."""
    try:
        kept = read_predictions(spec.directory, split)
        if kept is not None:
            return kept
    except DamagedFile as damage:
        _log.warning("%s: the images are predicted again", damage)
        predictions_file(spec.directory, split).unlink()
    classifier = load_trained(spec, device)
    view = _view(spec, split)
    predictions = predict(classifier, view, spec, precision_for(device, spec.recipe.amp))
    write_predictions(spec.directory, split, predictions)
    return predictions


def _view(spec: TrialSpec, split: str) -> SplitView:
    if split.startswith("test"):
        return open_cache(spec.cache).open_test()
    return training_view(spec) if split == "train" else validation_view(spec)


FIT_SAMPLE = 512
"""Training images, at most, on which the fit of a trained classifier is measured."""


def fit_sample(view: SplitView, most: int = FIT_SAMPLE) -> SplitView:
    """`most` images of `view` at most, evenly spread: the same in every trial."""
    sample = np.linspace(0, len(view) - 1, min(len(view), most)).round().astype(np.int64)
    labels = np.asarray(view.labels)[sample]
    return replace(
        view, images=view.images.only(sample), labels=labels, files=[view.files[i] for i in sample], groups=[]
    )


def fit_of(classifier: Classifier, view: SplitView, spec: TrialSpec, precision: Precision) -> Fit:
    """Loss and accuracy on training images as they are: `FIT_SAMPLE` at most, the same in every trial."""
    scores = predict(classifier, fit_sample(view), spec, precision).scores
    return Fit.of(scores)


def predict(classifier: Classifier, view: SplitView, spec: TrialSpec, precision: Precision) -> Predictions:
    """Probabilities and scores for every image of `view`, in its order.

    Batches are twice the recipe's: without gradients they take less memory than a training step.
    """

    def logits() -> Iterator[torch.Tensor]:
        for start in range(0, len(view.labels), 2 * spec.recipe.batch_size):
            stop = start + 2 * spec.recipe.batch_size
            images = torch.from_numpy(np.array(view.images[start:stop])).permute(0, 3, 1, 2)
            normalised = classifier.normalisation.apply(images, classifier.device)
            with precision.autocast(classifier.device):
                found = classifier.model(normalised)
            yield found.float()

    classifier.model.eval()
    with torch.inference_mode():
        return predictions_from(logits(), view, spec)


def predictions_from(batches: Iterable[torch.Tensor], view: SplitView, spec: TrialSpec) -> Predictions:
    """Predictions on `view` from what a model says about it.

    Args:
        batches: logits, float32 (B, C) on any device, in the order of the images.
        view: which images they are.
        spec: of the trial.

    Raises:
        NonFiniteLoss: the loss, or a probability, is not finite.
    """
    probabilities = np.empty((len(view.labels), spec.classes), dtype=np.float32)
    loss, start = 0.0, 0
    for logits in batches:
        stop = start + len(logits)
        labels = torch.from_numpy(np.array(view.labels[start:stop])).to(logits.device)
        if spec.several_labels:
            each = nn.functional.binary_cross_entropy_with_logits(logits, labels.float(), reduction="none")
            loss += each.mean(dim=1).sum().item()
            probabilities[start:stop] = logits.sigmoid().cpu().numpy()
        else:
            loss += nn.functional.cross_entropy(logits, labels, reduction="sum").item()
            probabilities[start:stop] = logits.softmax(dim=1).cpu().numpy()
        start = stop
    mean_loss = loss / len(view.labels)
    if not math.isfinite(mean_loss) or not np.isfinite(probabilities).all():
        raise NonFiniteLoss(f"the loss on the {view.name} images is {mean_loss}")
    scores = score(probabilities, view.labels, spec.ordinal, mean_loss)
    return Predictions(probabilities, np.array(view.labels), scores)


def score(probabilities: np.ndarray, labels: np.ndarray, ordinal: bool, loss: float) -> Scores:
    """Scores of predictions; the predicted class is the most probable one, the lowest where several tie.

    Macro-F1 and balanced accuracy are means over the classes that occur (in labels or predictions, and in labels), as
    scikit-learn defines them, so that a class without images does not change them; AUROC is the mean over the classes,
    each against the rest, that some but not all images belong to.

    Labels of several an image (N, C) are scored by `label_scores.score_sets`.

    Args:
        probabilities: (N, C) float, rows sum to 1.
        labels: (N,) int, 0..C-1.
        ordinal: whether classes are ordered; only then is the quadratic kappa given (None where it is
            undefined: one class alone, in labels and predictions).
        loss: mean cross-entropy in nats, copied to the result.

    Raises:
        DataError: no predictions, shapes that do not match, labels outside 0..C-1, or probabilities that are
            not finite.
    """
    if labels.ndim == 2:
        if not np.isfinite(probabilities).all():
            raise DataError(
                "cannot score probabilities that are NaN or infinite: the classifier has diverged"
            )
        return score_sets(probabilities, labels, loss)
    if probabilities.ndim != 2 or labels.shape != probabilities.shape[:1] or not len(labels):
        raise DataError(
            f"cannot score probabilities of shape {probabilities.shape} against labels of shape "
            f"{labels.shape}: expected (N, C) and (N,) with N at least 1"
        )
    if not np.isfinite(probabilities).all():
        raise DataError("cannot score probabilities that are NaN or infinite: the classifier has diverged")
    classes = probabilities.shape[1]
    if labels.min() < 0 or labels.max() >= classes:
        raise DataError(
            f"labels run from {labels.min()} to {labels.max()}, but the classifier has {classes} classes"
        )
    # Not at the top: its import takes longer than that of torch, and the first training step does not need it.
    from sklearn.metrics import accuracy_score, cohen_kappa_score, confusion_matrix, f1_score

    predicted = probabilities.argmax(axis=1)
    every_class = np.arange(classes)
    confusion = confusion_matrix(labels, predicted, labels=every_class)
    images = confusion.sum(axis=1)
    recalls = [float(confusion[c, c] / images[c]) if images[c] else None for c in every_class]
    kappa = None
    if ordinal and (len(np.unique(labels)) > 1 or len(np.unique(predicted)) > 1):
        kappa = float(cohen_kappa_score(labels, predicted, labels=every_class, weights="quadratic"))
    members = labels[:, None] == every_class
    return Scores(
        loss=float(loss),
        accuracy=float(accuracy_score(labels, predicted)),
        macro_f1=float(f1_score(labels, predicted, average="macro")),
        # as balanced_accuracy_score defines it, without its warning about predictions of empty classes
        balanced_accuracy=float(np.mean([recall for recall in recalls if recall is not None])),
        quadratic_kappa=kappa,
        per_class_recall=tuple(recalls),
        confusion=tuple(tuple(int(count) for count in row) for row in confusion),
        auroc=mean_of(areas(probabilities, members)),
        average_precision=mean_of(average_precisions(probabilities, members)),
    )


def save_trained(
    file: Path, state: dict[str, torch.Tensor], normalisation: Normalisation, spec: TrialSpec
) -> str:
    """Write weights as safetensors, whole or not at all; returns their SHA-256.

    Normalisation and policy are in its metadata.
    """
    remove_unfinished(file)
    with written_whole(file) as temporary:
        save_file(
            {name: tensor.detach().cpu().contiguous() for name, tensor in state.items()},
            temporary,
            metadata={
                "format": "pt",
                "normalisation": json.dumps(asdict(normalisation)),
                "model": spec.model.name,
                "stem": spec.model.stem,
                "image_size": str(spec.image_size),
                "policy": spec.policy,
                "key": spec.key,
            },
        )
        return sha256_of(temporary)


def load_trained(spec: TrialSpec, device: str) -> Classifier:
    """The classifier that a trial ended with, ready to predict on `device`.

    Raises:
        AugurError: the trial has no weights, because it has not finished or they were dropped.
        DamagedFile: they are not as training wrote them.
        ModelChanged: the code of the model is no longer what it was trained with.
    """
    file = spec.directory / WEIGHTS
    check_unchanged(spec.model.name, spec.model_source)
    try:
        check_weights(spec.directory)
    except FileNotFoundError as error:
        raise AugurError(
            f"the trial {spec.key[:12]} (seed {spec.seed}) has no weights at {file}: it has not finished, or they "
            "were dropped; train it again by removing its folder"
        ) from error
    model = architecture(spec.model, spec.classes, spec.image_size)
    try:
        with safe_open(file, framework="pt", device="cpu") as content:
            about = content.metadata() or {}
            if about.get("key", spec.key) != spec.key:
                raise DamagedFile(file, f"they are of the trial {about['key'][:12]}")
            model.load_state_dict({name: content.get_tensor(name) for name in content.keys()})  # noqa: SIM118
            normalisation = Normalisation(**json.loads(about["normalisation"]))
    except (SafetensorError, RuntimeError, KeyError, TypeError, ValueError) as error:
        raise DamagedFile(file, f"{type(error).__name__}: {first_line(error)}") from error
    return Classifier(on_device(model, device, spec.recipe.channels_last).eval(), normalisation, device)
