"""What a model's folder says of itself (`preprocessing.json`). Light: imports no torch."""

from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from tools.errors import AugurError, ConfigurationError
from tools.files import read_json
from tools.training.config import ModelConfig

PREPROCESSING = "preprocessing.json"
CODE = "code"
"""Folder of the code of a model that is the user's own file."""
ONNX = "model.onnx"
CARD = "README.md"

Triple = tuple[float, float, float]


class Preprocessing(BaseModel):
    """All that is needed besides the weights to turn a file into probabilities."""

    model_config = ConfigDict(extra="forbid", frozen=True, protected_namespaces=())

    format: Literal[1] = 1
    classes: tuple[str, ...] = Field(min_length=2)
    """In the order of the probabilities."""
    several_labels: bool = False
    """Whether each probability is of its own label, there or not, so that they do not add up to 1."""
    image_size: int = Field(ge=8)
    """Side in pixels."""
    fit: Literal["stretch", "crop", "pad"]
    """How an image that is not square becomes square."""
    max_pixels: int
    """An image whose header states more is refused."""
    black_and_white: tuple[float, float] | None = None
    """The numbers that become 0 and 255 where an image has more than 8 bits; None: the range of their type."""
    always: str | None = None
    """A step of the user's own that every image goes through first, as `tools.from_file.pinned` gives it; the path of a
    file is within this folder."""
    mean: Triple
    """Of red, green and blue, on the scale 0..1; subtracted, then divided by `std`."""
    std: Triple
    model: str
    """As `model.name`; the path of a user's file is within this folder."""
    stem: Literal["auto", "imagenet", "small", "small-pool"] = "auto"
    pretrained: bool = False
    """Whether training started from weights: torchvision builds some models otherwise then."""
    source: str | None = None
    """What tells the code of the model from other code (see `tools.training.model_source.source_identity`)."""
    weights: tuple[str, ...] = Field(min_length=1)
    """Files of this folder; of several, the probabilities are averaged."""
    versions: dict[str, str] = {}
    """Of what wrote it."""

    def built(self, folder: Path) -> ModelConfig:
        """The model's settings, for a folder at this place."""
        place, colon, function = self.model.rpartition(":")
        name = f"{folder / place}:{function}" if colon and place.endswith(".py") else self.model
        return ModelConfig(name=name, stem=self.stem, weights="auto" if self.pretrained else None)


def read_preprocessing(folder: Path) -> Preprocessing:
    """What the folder of a model says of itself.

    Raises:
        ConfigurationError: it is no folder of a model.
        AugurError: its file is damaged, or of a later version.
    """
    file = folder / PREPROCESSING
    if not file.is_file():
        raise ConfigurationError(
            f"{folder} is no folder of a model: it has no {PREPROCESSING}. agent fit STUDY writes one"
        )
    try:
        return Preprocessing.model_validate(read_json(file))
    except (ValidationError, ValueError) as error:
        first = error.errors()[0] if isinstance(error, ValidationError) else {"loc": (), "msg": str(error)}
        raise AugurError(
            f"{file} cannot be used: {'.'.join(map(str, first['loc']))}: {first['msg']}. It is damaged, or was written "
            "by another version; write the folder again (agent fit)"
        ) from error
