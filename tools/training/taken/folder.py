"""The folder of a trained model: its weights, its preprocessing and, where it is the user's own, its code."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path

import numpy as np
import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import nn

from tools.datasets.cache.always import AlwaysSource
from tools.datasets.cache.decode import UnreadableImage, decode
from tools.errors import AugurError, ConfigurationError, DataError, first_line
from tools.files import write_json, written_whole
from tools.from_file import parts, sources
from tools.training.config import ModelConfig
from tools.training.evaluation import Classifier
from tools.training.model_source import parse_name, source_identity
from tools.training.networks.models import architecture
from tools.training.taken.config import CODE, PREPROCESSING, Preprocessing, read_preprocessing

_BATCH = 64


class TakenModel(nn.Module):
    """One or several classifiers with their normalisation, as one function from pixels to probabilities."""

    mean: torch.Tensor
    std: torch.Tensor

    def __init__(
        self,
        members: Sequence[nn.Module],
        mean: Sequence[float],
        std: Sequence[float],
        several_labels: bool = False,
    ) -> None:
        """`mean` and `std` of each channel, 0..1."""
        super().__init__()
        self._several_labels = several_labels
        self.members = nn.ModuleList(members)
        self.register_buffer("mean", 255 * torch.tensor(mean).view(1, 3, 1, 1))
        self.register_buffer("std", 255 * torch.tensor(std).view(1, 3, 1, 1))

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        """uint8 (B, 3, S, S), red, green, blue → float32 (B, C), rows sum to 1 (or each 0..1, of several labels)."""
        inputs = (images.float() - self.mean) / self.std
        logits = [member(inputs).float() for member in self.members]
        found = [each.sigmoid() if self._several_labels else each.softmax(dim=1) for each in logits]
        return torch.stack(found).mean(dim=0)


@dataclass(frozen=True)
class Predicted:
    """What a model says about one image."""

    file: Path
    probabilities: np.ndarray | None
    """float32 (C,); None where the image cannot be read."""
    fault: str = ""


def write_model(
    folder: Path, classifiers: Sequence[Classifier], model: ModelConfig, about: Preprocessing
) -> None:
    """Write weights, code and preprocessing to `folder`, which exists and is empty.

    Args:
        folder: where to.
        classifiers: those that are averaged, of one architecture.
        model: what they were built from.
        about: `model`, `weights`, `source` and `versions` are filled in.

    Raises:
        OSError: as the system raises it.
    """
    names = [
        "model.safetensors",
        *(f"model-{number}.safetensors" for number in range(2, len(classifiers) + 1)),
    ]
    for name, classifier in zip(names, classifiers, strict=True):
        state = {
            key: tensor.detach().cpu().contiguous() for key, tensor in classifier.model.state_dict().items()
        }
        with written_whole(folder / name) as temporary:
            save_file(state, temporary, metadata={"format": "pt"})
    always = about.always
    if always is not None:
        reference, digest = parts(always)
        always = f"{_with_code(folder, reference, 'always')}@{digest}"
    filled = about.model_copy(
        update={
            "model": _with_code(folder, model.name, "model") if model.named.is_code else model.name,
            "always": always,
            "source": source_identity(model.name),
            "weights": tuple(names),
            "versions": {each: version(each) for each in ("augur-vision", "torch", "torchvision")},
        }
    )
    # what is rarely used is written only where it is used, so that earlier versions read other folders
    rare = set() if about.several_labels else {"several_labels"}
    write_json(folder / PREPROCESSING, filled.model_dump(mode="json", exclude=rare))


def _with_code(folder: Path, reference: str, what: str) -> str:
    """Copy the code behind a name, where it is a file; the name with its place in the folder."""
    place, _, name = reference.rpartition(":")
    if not place.endswith(".py"):
        return reference
    root, files = sources(reference)
    for within, content in files.items():
        target = folder / CODE / what / within
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(content)
    return f"{CODE}/{what}/{Path(place).resolve().relative_to(root).as_posix()}:{name}"


class ModelFolder:
    """A model that was taken away, ready to predict."""

    def __init__(self, folder: Path, device: str = "cpu") -> None:
        """Reads the folder, and nothing else.

        Raises:
            ConfigurationError: it is no folder of a model, or a package that the model needs is missing.
            AugurError: something of it is damaged or missing.
        """
        folder = folder.resolve()
        self.about = read_preprocessing(folder)
        self._always = _always(folder, self.about)
        self.device = device
        model = self.about.built(folder)
        self._check_code(folder, model)
        members = [self._member(folder / name, model) for name in self.about.weights]
        self.model = (
            TakenModel(members, self.about.mean, self.about.std, self.about.several_labels).to(device).eval()
        )

    def _check_code(self, folder: Path, model: ModelConfig) -> None:
        found = parse_name(model.name)
        if self.about.source is None or not found.is_code or source_identity(model.name) == self.about.source:
            return
        where = folder / CODE if found.kind == "file" else f"the module {found.where}"
        raise AugurError(
            f"{where} is not what this model was trained with: restore it, so that the weights mean what they meant"
        )

    def _member(self, file: Path, model: ModelConfig) -> nn.Module:
        with torch.random.fork_rng(devices=[]):
            built = architecture(model, len(self.about.classes), self.about.image_size)
        try:
            built.load_state_dict(load_file(file))
        except FileNotFoundError as error:
            raise AugurError(f"{file}, which {PREPROCESSING} names, is not there: restore it") from error
        except (SafetensorError, RuntimeError, OSError) as error:
            raise AugurError(
                f"{file} cannot be used ({type(error).__name__}: {first_line(error)}): restore it from a copy"
            ) from error
        return built.eval()

    def probabilities(self, images: np.ndarray) -> np.ndarray:
        """float32 (N, C) of images, uint8 (N, S, S, 3) as `pixels` makes them."""
        found = np.empty((len(images), len(self.about.classes)), dtype=np.float32)
        with torch.inference_mode():
            for start in range(0, len(images), _BATCH):
                batch = torch.from_numpy(np.array(images[start : start + _BATCH])).permute(0, 3, 1, 2)
                found[start : start + _BATCH] = self.model(batch.to(self.device)).cpu().numpy()
        return found

    def pixels(self, data: bytes) -> np.ndarray:
        """An encoded image as the classifier was trained on it: uint8 (S, S, 3).

        Raises:
            UnreadableImage: it is none, or is damaged.
            DataError: the step that every image goes through first fails.
        """
        about = self.about
        if self._always is not None:
            data = self._always.after(data, "the image")
        return decode(data, about.image_size, about.fit, about.max_pixels, about.black_and_white)

    def predict(self, files: Sequence[Path]) -> Iterator[Predicted]:
        """What it says about each file, in their order; those that cannot be read say why."""
        for start in range(0, len(files), _BATCH):
            read = [(file, *self._read(file)) for file in files[start : start + _BATCH]]
            usable = [pixels for _, pixels, _ in read if pixels is not None]
            found = iter(self.probabilities(np.stack(usable)) if usable else [])
            for file, pixels, fault in read:
                yield Predicted(file, None if pixels is None else next(found), fault)

    def _read(self, file: Path) -> tuple[np.ndarray | None, str]:
        try:
            return self.pixels(file.read_bytes()), ""
        except (UnreadableImage, DataError) as error:
            return None, str(error)
        except OSError as error:
            return None, str(error.strerror)


def _always(folder: Path, about: Preprocessing) -> AlwaysSource | None:
    if about.always is None:
        return None
    reference, digest = parts(about.always)
    if reference.rpartition(":")[0].endswith(".py"):
        reference = str(folder / reference)
    return AlwaysSource(_Images(), f"{reference}@{digest}", about.max_pixels)


class _Images:
    """Stands for the source of images that are read elsewhere."""

    def read(self, file: str) -> bytes:
        """Its bytes."""
        return Path(file).read_bytes()

    def where(self, file: str) -> str:
        """As a person finds it."""
        return file


def images_in(paths: Sequence[Path]) -> list[Path]:
    """The files that are named, and the images in the folders that are named, at any depth, in order.

    Hidden files and what a system makes for itself are passed over in folders, as in a data set.

    Raises:
        DataError: a folder cannot be listed.
        ConfigurationError: one of them is not there, or there is no image.
    """
    from tools.datasets.folder.walk import find_images

    found: list[Path] = []
    for path in paths:
        if path.is_dir():
            inside = [path / name for name in find_images(path, path, companions="keep").images]
            if not inside:
                raise ConfigurationError(f"{path} has no images")
            found += inside
        elif path.exists():
            found.append(path)
        else:
            raise ConfigurationError(f"there is no file or folder {path}")
    return found
