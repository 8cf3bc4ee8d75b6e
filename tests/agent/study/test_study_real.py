"""Whole studies on real medical images, killed in every node: the same end as when left alone."""

import signal
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from tests.agent import studies
from tests.agent.studies import NODES, agent, conclusions, environment, outcome
from tests.loopback.autopilot import autopilot
from tests.loopback.server import LoopbackServer

pytestmark = [pytest.mark.slow, pytest.mark.timeout(3600)]

SETTINGS = (
    "--model resnet18 --model.stem imagenet --epochs 1 --seeds 1 --iterations 2 --search.final_seeds 2 "
    "--search.top_k 1 --search.baselines trivial_augment_wide --data.on_leak drop"
)


@pytest.fixture(scope="module")
def pneumonia(shared_data, tmp_path_factory) -> Path:
    """Chest X-rays of 28 px as PNG files in folders: 5,856 of them, 8 both in train and validation."""
    folder = tmp_path_factory.mktemp("pneumonia")
    arrays = np.load(shared_data / "pneumonia2/pneumoniamnist.npz")
    for split in ("train", "val", "test"):
        for number, (image, label) in enumerate(
            zip(arrays[f"{split}_images"], arrays[f"{split}_labels"], strict=True)
        ):
            file = folder / split / ("normal", "pneumonia")[int(label[0])] / f"{number:05d}.png"
            file.parent.mkdir(parents=True, exist_ok=True)
            Image.fromarray(image).save(file)
    return folder


@pytest.fixture(params=[("skin2", 64), ("pneumonia2", 28)], ids=lambda pair: pair[0])
def images(request, shared_data, pneumonia) -> tuple[str, str]:
    """(folder, side in pixels)."""
    name, size = request.param
    return str(pneumonia if name == "pneumonia2" else shared_data / name), str(size)


@pytest.fixture(autouse=True)
def patience(monkeypatch):
    """These are minutes of training, also where nothing else runs."""
    monkeypatch.setattr(studies, "PATIENCE", 1200)


@pytest.mark.parametrize("arm", ["tpe", "llm"])
def test_killed_in_every_node_on_real_images(tmp_path, images, arm):
    folder, size = images
    with LoopbackServer(brain=autopilot) as server:
        chosen = (
            ("--proposer", "tpe")
            if arm == "tpe"
            else ("--llm", "openai:loopback", "--llm-base-url", server.openai_url)
        )

        def run(runs: Path, moment: str = "none"):
            data = ("--data", folder, "--image-size", size, "--study", "s", "--runs-dir", str(runs))
            return agent("run", *SETTINGS.split(), *data, *chosen, moment=moment, env=environment())

        whole, killed = tmp_path / "whole", tmp_path / "killed"
        done = run(whole)
        assert done.returncode == 0, done.stderr + done.stdout
        ended = run(killed, moment=f"after:{NODES[0]}")
        for node in NODES[1:]:
            assert ended.returncode == -signal.SIGKILL, ended.stderr + ended.stdout
            ended = agent("resume", "s", "--runs-dir", str(killed), moment=f"after:{node}", env=environment())
        assert ended.returncode == -signal.SIGKILL, ended.stderr + ended.stdout
        last = agent("resume", "s", "--runs-dir", str(killed), env=environment())
        assert last.returncode == 0, last.stderr
    assert outcome(killed) == outcome(whole)
    assert conclusions(killed) == conclusions(whole)
