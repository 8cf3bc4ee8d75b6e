"""Paths in settings that go to a service in another folder."""

from pathlib import Path

import pytest

from agent.commands.submit import as_submitted
from agent.settings.sources import load_config


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The working directory, with some files of a person's own."""
    for name in ("net.py", "own.py", "weights.pth", "labels.csv", "images/inside.csv"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).touch()
    monkeypatch.chdir(tmp_path)
    return tmp_path


def submitted(*words: str) -> dict:
    config, _ = load_config(words, {}, command="submit", add_flags=lambda parser: None)
    return as_submitted(config)


def test_what_names_a_file_is_sent_with_its_whole_path(here: Path) -> None:
    words = ["--data", "images", "--model", "net.py:make", "--model.weights", "weights.pth", "--data.always"]
    words += ["own.py:f", "--data.shifts", "b=others", "--search.baselines", "own.py:g,default"]
    tree = submitted(*words, "--data.labels", "labels.csv:id:a,b", "--data.splits", "labels.csv")
    data = {name: tree["data"][name] for name in ("path", "always", "shifts", "labels", "splits")}
    assert data == {
        "path": f"{here}/images",
        "always": f"{here}/own.py:f",
        "shifts": [f"b={here}/others"],
        "labels": f"{here}/labels.csv:id:a,b",
        "splits": f"{here}/labels.csv",
    }
    assert tree["model"] == {"name": f"{here}/net.py:make", "weights": f"{here}/weights.pth"}
    assert tree["search"]["baselines"] == [f"{here}/own.py:g", "default"]


def test_what_is_no_file_here_is_sent_as_it_is(here: Path) -> None:
    words = [
        "--data",
        "images",
        "--model",
        "timm:resnet18",
        "--model.weights",
        "torchvision",
        "--data.shifts",
    ]
    words += [
        "auto",
        "--search.baselines",
        "rand_augment(num_ops=3),default",
        "--data.labels",
        "inside.csv:id:dx",
    ]
    tree = submitted(*words, "--aga.background.model", "stabilityai/sdxl-turbo")
    assert (tree["data"]["labels"], tree["data"]["shifts"]) == ("inside.csv:id:dx", ["auto"])
    assert tree["model"] == {"name": "timm:resnet18", "weights": "torchvision"}
    assert tree["search"]["baselines"] == ["rand_augment(num_ops=3)", "default"]
    assert tree["aga"]["background"]["model"] == "stabilityai/sdxl-turbo"
