"""Studies of a model that is not torchvision's: killed, resumed, and refused where its code has changed."""

from pathlib import Path

import pytest

from tests.agent.studies import MODEL, SHORT, conclusions, resume, run, tracking

NET = """
from torch import nn

def make(classes):
    return nn.Sequential(
        nn.Conv2d(3, 8, 3, stride=2), nn.BatchNorm2d(8), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten(),
        nn.Linear(8, classes),
    )
"""


def with_model(name: str) -> str:
    return SHORT.replace(MODEL, name).replace("--iterations 2", "--iterations 1")


def test_a_study_of_a_users_model_is_killed_and_resumed_but_not_with_other_code(
    runs: Path, tmp_path: Path
) -> None:
    net = tmp_path / "mine" / "net.py"
    net.parent.mkdir()
    net.write_text(NET)
    killed = run(
        runs,
        "--search.backgrounds",
        "off",
        "--proposer",
        "random",
        size=with_model(f"{net}:make"),
        moment="epoch:1",
    )
    assert killed.returncode == -9, killed.stderr
    assert "net.py:make, from scratch" in killed.stdout + killed.stderr
    net.write_text(NET.replace("ReLU", "GELU"))
    refused = resume(runs)
    assert refused.returncode == 1
    said = " ".join(refused.stderr.split())
    assert "The model of study s has changed since it began: the code of net.py:make" in said
    assert "Restore it, or start a new study" in said
    net.write_text(NET)
    done = resume(runs)
    assert done.returncode == 0, done.stderr
    assert "augmentation for net.py:make" in " ".join(conclusions(runs))
    experiment = tracking(runs)
    assert experiment.client.get_experiment(experiment.experiment_id).name == "demo/net.py:make"
    assert str(tmp_path) not in (runs / "studies" / "s" / "policy.py").read_text()


@pytest.mark.slow
def test_a_study_of_a_timm_model_is_killed_and_resumed(runs: Path) -> None:
    size = with_model("timm:test_resnet")
    killed = run(runs, "--search.backgrounds", "off", "--proposer", "random", size=size, moment="epoch:1")
    assert killed.returncode == -9, killed.stderr
    done = resume(runs)
    assert done.returncode == 0, done.stderr
    assert "timm:test_resnet" in " ".join(conclusions(runs))


def test_a_model_that_is_not_there_is_told_before_anything_begins(runs: Path, tmp_path: Path) -> None:
    for name, said in (
        (f"{tmp_path / 'gone.py'}:make", "there is no file"),
        ("timm:resnet1888", "did you mean"),
        ("resnet1888", "did you mean"),
        ("nowhere_at_all:make", "there is no module"),
    ):
        ended = run(runs, size=with_model(name))
        assert ended.returncode == 2, (name, ended.stderr)
        assert said in " ".join(ended.stderr.split()), (name, ended.stderr)
    assert not any((runs / "studies").glob("*"))
