"""A trained classifier as a judge of synthetic images, as in ALIA (Dunlap et al. 2023, section 3.3).

It refuses images that the classifier confidently takes for another class (they do not show what their label says)
and, on request, images that it finds too easy (they teach nothing new). ALIA takes the limits from the average over
each class, and refuses both: `aga.gates.confidence` 'class'. Else both limits are settings of `aga.gates`.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from tools.aga.config import GatesConfig
from tools.aga.gates.gates import GateResult
from tools.errors import ConfigurationError
from tools.files import DamagedFile, sha256_of
from tools.training.config import ModelConfig
from tools.training.trial_store import RESULT, WEIGHTS, read_result

if TYPE_CHECKING:
    from tools.datasets.cache.read import Rows
    from tools.training.evaluation import Classifier

_BATCH = 64
_SETTING = "aga.gates.classifier"


class ClassifierGate:
    """Loads a finished trial's classifier once, judges many images."""

    def __init__(
        self, folder: Path, classes: Sequence[str], image_size: int, config: GatesConfig, device: str = "cpu"
    ) -> None:
        """Open the trial in `folder`.

        Args:
            folder: of a finished trial: holds result.json and weights.safetensors.
            classes: the data set's, in the order of its labels. The trial must have been trained on as many; it does
                not know their names.
            image_size: side of the images to be judged, in pixels.
            config: `wrong_confidence` and `easy_confidence` are used; at 1 they refuse nothing.
            device: 'cpu', 'mps' or 'cuda:N'.

        Raises:
            ConfigurationError: there is no finished trial, or it was trained on other classes or another size.
        """
        self._classes = tuple(classes)
        self._size = image_size
        self._config = config
        self._classifier = _load(folder, len(self._classes), image_size, device)
        self._limits: list[float] | None = None
        self.identity = sha256_of(folder / WEIGHTS)
        """Names the classifier by its weights."""

    def take_limits_from(self, images: "np.ndarray | Rows", labels: Sequence[int] | np.ndarray) -> None:
        """Judge by ALIA's limits from now on: of each class the mean confidence in it over its own training images.

        A class without images refuses nothing.

        Args:
            images: uint8 (N, S, S, 3), RGB: the training images, of which a batch is read at a time.
            labels: their classes.
        """
        sums, counts = np.zeros(len(self._classes)), np.zeros(len(self._classes))
        for start in range(0, len(labels), _BATCH):
            chosen = np.asarray(labels[start : start + _BATCH])
            rows = self._probabilities(images[start : start + _BATCH])
            np.add.at(sums, chosen, rows[np.arange(len(chosen)), chosen])
            np.add.at(counts, chosen, 1)
        means = np.divide(sums, counts, out=np.ones_like(sums), where=counts > 0)
        self._limits = means.tolist()

    def judge(self, images: np.ndarray, labels: Sequence[int] | np.ndarray) -> list[GateResult]:
        """One result for each image; its value is the confidence (0..1) in the predicted class.

        Args:
            images: uint8 (N, S, S, 3), RGB, S the image size given above.
            labels: N class numbers: what each image is to be trained as.

        Raises:
            ValueError: images of another shape, or not one label for each.
        """
        if images.shape[1:] != (self._size, self._size, 3) or len(labels) != len(images):
            raise ValueError(
                f"expected N images of {self._size} x {self._size} x 3 and N labels, not {images.shape} "
                f"and {len(labels)}"
            )
        results = []
        for start in range(0, len(images), _BATCH):
            probabilities = self._probabilities(images[start : start + _BATCH])
            chosen = labels[start : start + _BATCH]
            results += [
                self._result(row, int(label)) for row, label in zip(probabilities, chosen, strict=True)
            ]
        return results

    def _probabilities(self, images: np.ndarray) -> np.ndarray:
        import torch

        classifier = self._classifier
        with torch.inference_mode():
            batch = torch.from_numpy(np.array(images)).permute(0, 3, 1, 2)
            logits = classifier.model(classifier.normalisation.apply(batch, classifier.device))
            return logits.float().softmax(dim=1).cpu().numpy()

    def _result(self, probabilities: np.ndarray, label: int) -> GateResult:
        predicted = int(probabilities.argmax())
        confidence = float(probabilities[predicted])
        if predicted == label:
            limit, name = self._config.easy_confidence, "easy_confidence"
            reason = f"too easy: {self._classes[label]!r} with confidence {confidence:.2f}"
        else:
            limit, name = self._config.wrong_confidence, "wrong_confidence"
            reason = (
                f"{self._classes[predicted]!r} with confidence {confidence:.2f}, not {self._classes[label]!r}"
            )
        if self._limits is not None:
            limit, name = self._limits[predicted], f"confidence class, {self._limits[predicted]:.2f}"
        # A float32 softmax reaches 1 by rounding, so a limit of 1 must mean never.
        refused = limit < 1 and confidence >= limit
        return GateResult(
            "classifier", not refused, confidence, f"{reason} (aga.gates.{name})" if refused else ""
        )


def _load(folder: Path, classes: int, image_size: int, device: str) -> "Classifier":
    try:
        _check_finished(folder, classes)
    except DamagedFile as error:
        raise ConfigurationError(f"{error}: {_SETTING} needs the folder of a finished trial") from error
    import json

    from safetensors import SafetensorError, safe_open

    from tools.training.evaluation import Classifier
    from tools.training.hardware import on_device
    from tools.training.networks.models import architecture
    from tools.training.normalisation import Normalisation

    file = folder / WEIGHTS
    try:
        with safe_open(file, framework="pt", device="cpu") as content:
            about = content.metadata() or {}
            weights = {name: content.get_tensor(name) for name in content.keys()}  # noqa: SIM118
        normalisation = Normalisation(**json.loads(about["normalisation"]))
        name, stem, trained_size = about["model"], about["stem"], int(about["image_size"])
    except (SafetensorError, KeyError, ValueError, TypeError) as error:
        raise ConfigurationError(
            f"{file} was not written by a trial ({error}): {_SETTING} needs the folder of a finished one"
        ) from error
    if trained_size != image_size:
        raise ConfigurationError(
            f"the classifier in {folder} ({_SETTING}) was trained on images of {trained_size} px, but these are of "
            f"{image_size} px: give a trial of the same data.image_size"
        )
    model = architecture(ModelConfig.model_validate({"name": name, "stem": stem}), classes, image_size)
    try:
        model.load_state_dict(weights)
    except RuntimeError as error:
        raise ConfigurationError(
            f"the weights {file} ({_SETTING}) do not fit {name} with {classes} classes: give a trial of this data set"
        ) from error
    return Classifier(on_device(model, device).eval(), normalisation, device)


def _check_finished(folder: Path, classes: int) -> None:
    try:
        result = read_result(folder)
    except (ValueError, TypeError, KeyError, OSError) as error:
        raise ConfigurationError(
            f"{folder / RESULT} cannot be read ({error}): {_SETTING} needs the folder of a finished trial"
        ) from error
    if result is None or result.scores is None or not (folder / WEIGHTS).is_file():
        if result is None:
            missing = f"it has no {RESULT}"
        elif result.scores is None:
            missing = f"the trial failed ({result.failure})"
        else:
            missing = f"its {WEIGHTS} is gone"
        raise ConfigurationError(
            f"{folder} holds no finished trial ({_SETTING}): {missing}. Give a folder in which training has ended and "
            "whose weights were kept"
        )
    trained = len(result.scores.per_class_recall)
    if trained != classes:
        raise ConfigurationError(
            f"the classifier in {folder} ({_SETTING}) knows {trained} classes, but this data set has {classes}: give a "
            "trial of this data set"
        )
