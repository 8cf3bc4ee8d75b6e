"""A study of a team's own pipelines: one is to be beaten, one is a baseline; killed once, and refused once edited."""

import signal
from pathlib import Path

from tests.agent.studies import TINY, resume, run, tracking

OWN = """
import albumentations as A
import numpy as np

weak = A.Compose([A.RandomBrightnessContrast(p=0.9)])


def grey_world(image: np.ndarray) -> np.ndarray:
    means = image.reshape(-1, 3).mean(axis=0)
    return np.clip(image * (means.mean() / np.maximum(means, 1)), 0, 255).astype(np.uint8)


def turned(image: np.ndarray) -> np.ndarray:
    return np.rot90(image, np.random.randint(0, 2)).copy()
"""
SIZE = (
    f"--dataset demo {TINY} --seeds 1 --iterations 1 --search.choosing_seeds 1 --search.final_seeds 2 "
    "--search.top_k 1 --search.backgrounds off --proposer random"
)


def test_own_pipelines_are_compared_killed_resumed_and_refused_once_edited(
    tmp_path: Path, runs: Path
) -> None:
    file = tmp_path / "own.py"
    file.write_text(OWN)
    own = (
        "--data.always",
        f"{file}:grey_world",
        "--search.default",
        f"{file}:turned",
        "--search.baselines",
        f"default,{file}:weak",
    )
    killed = run(runs, *own, size=SIZE, moment="epoch:3")
    assert killed.returncode == -signal.SIGKILL, killed.stderr + killed.stdout

    file.write_text(OWN.replace("0.9", "0.8"))
    refused = resume(runs)
    assert refused.returncode == 2, refused.stderr + refused.stdout
    assert f"{file}:grey_world (data.always) was edited" in refused.stderr

    file.write_text(OWN)
    done = resume(runs)
    assert done.returncode == 0, done.stderr + done.stdout
    report = (runs / "studies/s/report.md").read_text()
    assert "own.py:weak" in report
    assert "own.py:grey_world is applied to every image" in done.stdout
    assert f"first goes through {file}:grey_world" in (runs / "studies/s/policy.py").read_text().replace(
        "\n# ", " "
    )
    records = {record.name: record for record in tracking(runs).records()}
    assert records["default"].proposal.in_one_line() == "own.py:turned"
    assert records["own.py:weak"].mean is not None
    assert records["iteration 1"].gain_over_default is not None


def test_a_pipeline_that_cannot_run_is_refused_before_anything_is_decoded(tmp_path: Path, runs: Path) -> None:
    (tmp_path / "own.py").write_text("def augment(image):\n    return image.resize((8, 8))\n")
    refused = run(runs, "--search.baselines", f"default,{tmp_path}/own.py:augment", size=SIZE)
    assert refused.returncode == 2, refused.stderr + refused.stdout
    assert "made 8 x 8 of 16 x 16 pixels" in refused.stderr
    assert "decoding" not in refused.stdout
