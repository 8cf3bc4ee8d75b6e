"""What the card of a model that is taken away warns of."""

from pathlib import Path
from types import SimpleNamespace
from typing import Any

from agent.taking.card import Card, write_card
from tools.files import write_json
from tools.training.taken.config import Preprocessing


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
    card = Card(
        study="t",
        data="scans",
        fingerprint="0",
        licence="",
        images={"train": 2, "validation": 2, "test": 2},
        classes=("a", "b"),
        counts={"a": 2, "b": 2},
        size=16,
        model="resnet18, from scratch",
        policy="no augmentation",
        candidate="no augmentation",
        length="2 epochs",
        seeds=[0],
        onnx="",
        report=report,
        cautions=(),
    )
    write_card(tmp_path, card)
    limits = (tmp_path / "README.md").read_text().partition("## Limits")[2]
    assert "- this test set has been opened by 1 earlier study: s" in limits
    assert "- default was trained under 2 of 3 fresh seeds" in limits
