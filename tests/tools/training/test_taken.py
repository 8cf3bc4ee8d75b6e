"""The folder of a model that is taken away, where the model is the user's own code."""

import io
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from tests.tools.training.networks.test_own_models import written
from tools.errors import AugurError
from tools.from_file import pinned
from tools.training.config import ModelConfig
from tools.training.evaluation import Classifier
from tools.training.networks.models import build_model
from tools.training.normalisation import IMAGENET
from tools.training.taken.config import Preprocessing
from tools.training.taken.folder import ModelFolder, images_in, write_model
from tools.training.taken.onnx_export import NoOnnx, write_onnx

STEP = "from PIL import ImageOps\n\ndef invert(image):\n    return ImageOps.invert(image)\n"
VALUES = """
from torch import nn

class Fussy(nn.Linear):
    def forward(self, x):
        x = x.flatten(1)
        return super().forward(x) if float(x.sum()) > 0 else super().forward(-x)

def make(classes):
    return Fussy(768, classes)
"""


def taken(folder: Path, model: ModelConfig, always: str | None = None) -> Classifier:
    classifier = Classifier(build_model(model, 3, 16, 0).eval(), IMAGENET, "cpu")
    about = Preprocessing(
        classes=("a", "b", "c"),
        image_size=16,
        fit="stretch",
        max_pixels=10_000,
        always=always,
        mean=(0.485, 0.456, 0.406),
        std=(0.229, 0.224, 0.225),
        model="",
        weights=("",),
    )
    folder.mkdir()
    write_model(folder, [classifier], model, about)
    return classifier


def png(pixels: np.ndarray) -> bytes:
    stream = io.BytesIO()
    Image.fromarray(pixels).save(stream, "PNG")
    return stream.getvalue()


def test_in_folders_hidden_files_and_those_of_a_system_are_passed_over(tmp_path: Path):
    for name in ("a.png", "below/b.JPG", ".thumbs/c.png", "__MACOSX/._d.jpg", "below/._b.JPG"):
        file = tmp_path / name
        file.parent.mkdir(parents=True, exist_ok=True)
        Image.new("RGB", (4, 4)).save(file, "PNG")
    (tmp_path / "folder.png").mkdir()
    assert images_in([tmp_path]) == [tmp_path / "a.png", tmp_path / "below/b.JPG"]
    assert images_in([tmp_path / ".thumbs/c.png"]) == [tmp_path / ".thumbs/c.png"], "what is named is taken"
    with pytest.raises(AugurError, match="has no images"):
        images_in([tmp_path / "folder.png"])


def test_the_users_code_travels_with_the_folder_and_is_needed_nowhere_else(tmp_path: Path):
    model = written(tmp_path / "code")
    (tmp_path / "code" / "step.py").write_text(STEP)
    classifier = taken(tmp_path / "out", model, pinned(f"{tmp_path / 'code' / 'step.py'}:invert"))
    shutil.rmtree(tmp_path / "code")
    (tmp_path / "out").rename(tmp_path / "moved")
    folder = ModelFolder(tmp_path / "moved")
    pixels = np.random.default_rng(1).integers(0, 256, (4, 16, 16, 3), dtype=np.uint8)
    inverted = torch.from_numpy(255 - pixels).permute(0, 3, 1, 2)
    with torch.inference_mode():
        expected = classifier.model(IMAGENET.apply(inverted, "cpu")).softmax(dim=1).numpy()
    decoded = np.stack([folder.pixels(png(each)) for each in pixels])
    assert np.allclose(folder.probabilities(decoded), expected, atol=1e-6)
    layers = next((tmp_path / "moved" / "code").rglob("layers.py"))
    layers.write_text(layers.read_text().replace("ReLU", "GELU"))
    with pytest.raises(AugurError, match="is not what this model was trained with"):
        ModelFolder(tmp_path / "moved")


@pytest.mark.slow
def test_a_model_that_onnx_cannot_hold_leaves_no_file_and_says_why(tmp_path: Path):
    taken(tmp_path / "out", written(tmp_path / "code", VALUES))
    pixels = np.random.default_rng(1).integers(0, 256, (2, 16, 16, 3), dtype=np.uint8)
    with pytest.raises(NoOnnx, match="cannot be exported"):
        write_onnx(ModelFolder(tmp_path / "out").model, pixels, tmp_path / "model.onnx")
    assert not (tmp_path / "model.onnx").exists()
