"""What the card of a model that is taken away warns of."""

import ast
import shutil
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from torch import nn

from agent.taking.card import Card, write_card
from tools.datasets.cache.decode import decode
from tools.files import write_json
from tools.training.taken.config import Preprocessing
from tools.training.taken.folder import TakenModel
from tools.training.taken.onnx_export import write_onnx


def a_card(**given: Any) -> Card:
    facts: dict[str, Any] = {
        "study": "t",
        "data": "scans",
        "fingerprint": "0",
        "licence": "",
        "images": {"train": 2, "validation": 2, "test": 2},
        "classes": ("a", "b"),
        "counts": {"a": 2, "b": 2},
        "size": 16,
        "model": "resnet18, from scratch",
        "policy": "no augmentation",
        "candidate": "no augmentation",
        "length": "2 epochs",
        "seeds": [0],
        "onnx": "",
        "report": None,
        "cautions": (),
    }
    return Card(**facts | given)


def test_the_card_says_who_opened_the_test_set_before_and_which_trainings_are_missing(tmp_path: Path) -> None:
    about = Preprocessing(
        classes=("a", "b"),
        image_size=16,
        fit="crop",
        max_pixels=1000,
        mean=(0, 0, 0),
        std=(1, 1, 1),
        model="resnet18",
        weights=("model.safetensors",),
    )
    write_json(tmp_path / "preprocessing.json", about.model_dump(mode="json"))
    report: Any = SimpleNamespace(
        comparisons=[],
        earlier="this test set has been opened by 1 earlier study: s",
        notes=["default was trained under 2 of 3 fresh seeds"],
    )
    card = a_card(report=report)
    write_card(tmp_path, card)
    limits = (tmp_path / "README.md").read_text().partition("## Limits")[2]
    assert "- this test set has been opened by 1 earlier study: s" in limits
    assert "- default was trained under 2 of 3 fresh seeds" in limits


class Weighted(nn.Module):
    """Every pixel counts by its own weight, so that another size, shape or turn gives something else."""

    def __init__(self) -> None:
        super().__init__()
        self.head = nn.Linear(3 * 16 * 16, 2)

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        return self.head(images.flatten(1))


@pytest.fixture(scope="module")
def exported(tmp_path_factory: pytest.TempPathFactory) -> tuple[TakenModel, Path]:
    torch.manual_seed(0)
    model = TakenModel([Weighted()], (0.5,) * 3, (0.25,) * 3).eval()
    file = tmp_path_factory.mktemp("onnx") / "model.onnx"
    write_onnx(model, np.random.default_rng(0).integers(0, 256, (2, 16, 16, 3), dtype=np.uint8), file)
    return model, file


@pytest.mark.parametrize("fit", ["stretch", "crop", "pad"])
@pytest.mark.parametrize("kind", ["turned.jpg", "grey.png"])
def test_the_code_of_the_card_sees_a_file_as_the_training_did(
    tmp_path: Path, exported: tuple[TakenModel, Path], fit: Any, kind: str
) -> None:
    model, onnx = exported
    shutil.copy(onnx, tmp_path)
    picture = Image.fromarray(np.random.default_rng(1).integers(0, 256, (90, 140, 3), dtype=np.uint8))
    picture = picture.resize((280, 180))
    exif = picture.getexif()
    exif[0x0112] = 6
    picture.convert("L" if kind == "grey.png" else "RGB").save(tmp_path / f"photo.{kind[-3:]}", exif=exif)
    about = Preprocessing(
        classes=("it's a", "b"),
        image_size=16,
        fit=fit,
        max_pixels=100_000,
        mean=(0.5, 0.5, 0.5),
        std=(0.25, 0.25, 0.25),
        model="resnet18",
        weights=("model.safetensors",),
    )
    write_json(tmp_path / "preprocessing.json", about.model_dump(mode="json"))
    write_card(tmp_path, a_card(onnx="agrees"))
    code = (tmp_path / "README.md").read_text().partition("```python")[2].partition("```")[0]
    code = code.replace("photo.jpg", f"photo.{kind[-3:]}")
    done = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    pixels = decode((tmp_path / f"photo.{kind[-3:]}").read_bytes(), 16, fit, 100_000)
    with torch.inference_mode():
        expected = model(torch.from_numpy(pixels.copy()).permute(2, 0, 1)[None])[0].tolist()
    found = ast.literal_eval(done.stdout)
    assert list(found) == ["it's a", "b"]
    assert list(found.values()) == pytest.approx(expected, abs=1e-4)
