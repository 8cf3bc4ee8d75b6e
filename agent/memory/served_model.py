"""The model of a study as an MLflow model, which `mlflow models serve` answers with.

A request has one column, `image`: the bytes of an image file, in base64. The answer has the probability of each class.
MLflow loads this module by its name (`_load_pyfunc`); nothing is pickled.
"""

import base64
import binascii
import io
import tempfile
import warnings
from collections.abc import Sequence
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from tools.errors import DataError

if TYPE_CHECKING:
    import pandas as pd

    from agent.memory.writing import Tracking
    from tools.training.taken.folder import ModelFolder

PLACE = "model"
"""Among the artifacts of the study's run."""
ADDRESS = f"runs:/{{run}}/{PLACE}"
COLUMN = "image"


def log_model(tracking: "Tracking", folder: Path, classes: Sequence[str]) -> None:
    """Log the folder of a model with the study's run; one that is there already is replaced.

    Args:
        tracking: attached to the study.
        folder: as `agent fit` wrote it.
        classes: in the order of the probabilities.

    Raises:
        StoreError: the store does not take it.
    """
    import mlflow.pyfunc
    from mlflow.models import ModelSignature
    from mlflow.types.schema import ColSpec, Schema

    signature = ModelSignature(
        Schema([ColSpec("string", COLUMN)]), Schema([ColSpec("double", name) for name in classes])
    )
    with tempfile.TemporaryDirectory() as scratch:
        place = Path(scratch) / PLACE
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of an example of the input, which the signature says in words
            mlflow.pyfunc.save_model(
                place,
                loader_module=__name__,
                data_path=str(folder),
                signature=signature,
                pip_requirements=[f"augur-vision=={version('augur-vision')}"],
            )
        tracking.client.log_artifacts(tracking.study_run, str(place), PLACE)


class Served:
    """What MLflow calls."""

    def __init__(self, model: "ModelFolder") -> None:
        self._model = model

    def predict(self, model_input: "pd.DataFrame", params: dict[str, Any] | None = None) -> "pd.DataFrame":
        """Probabilities, a column for each class, of images in base64.

        Raises:
            DataError: a value is no image; says which row.
        """
        import pandas as pd

        pixels = [self._pixels(row, value) for row, value in enumerate(model_input[COLUMN])]
        return pd.DataFrame(
            self._model.probabilities(np.stack(pixels)), columns=list(self._model.about.classes)
        )

    def _pixels(self, row: int, value: str) -> np.ndarray:
        from tools.datasets.cache.decode import UnreadableImage

        try:
            return self._model.pixels(io.BytesIO(base64.b64decode(value, validate=True)).read())
        except (binascii.Error, UnreadableImage, TypeError, ValueError) as error:
            raise DataError(f"row {row} of {COLUMN!r} is no image file in base64: {error}") from error


def _load_pyfunc(data_path: str) -> Served:
    """Called by MLflow with the folder of the model."""
    from tools.training.taken.folder import ModelFolder

    return Served(ModelFolder(Path(data_path)))
