import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from safetensors.torch import load_file

from tests.tools.training.trials import mixed, numbers, silent, tiny_trial
from tools.datasets.cache.read import CachedDataset
from tools.errors import ImagesGone
from tools.training import checkpoint
from tools.training.config import TrialSpec
from tools.training.evaluation import evaluate_trial
from tools.training.loop import train_trial
from tools.training.recipes import learning_rate_at
from tools.training.synthetic import Mixing
from tools.training.trial_store import WEIGHTS
from tools.training.types import EpochReport

DRIVE = Path(__file__).with_name("drive.py")
POLICY = "horizontal_flip(p=0.5) > mixup(p=0.5, alpha=0.4)"
EXTRA, MATCHED = Mixing(), Mixing(step_matched=True)
REPLACE = Mixing(mode="replace", probability=0.5)
MIXINGS = pytest.mark.parametrize(
    "mixing", [EXTRA, MATCHED, REPLACE], ids=["extra", "step-matched", "replace"]
)


def test_replacing_with_probability_0_trains_as_without_synthetic_images(
    tinted: CachedDataset, tmp_path: Path, folder: Path
):
    without = train_trial(tiny_trial(tinted, tmp_path / "a", POLICY), "cpu", silent)
    never = mixed(folder, Mixing(mode="replace", probability=0))
    spec = tiny_trial(tinted, tmp_path / "b", POLICY, synthetic=never)
    assert numbers(train_trial(spec, "cpu", silent)) | {"key": ""} == numbers(without) | {"key": ""}


def epochs_trained(spec: TrialSpec) -> tuple[list[int], Any]:
    reports: list[EpochReport] = []
    result = train_trial(spec, "cpu", reports.append)
    return [report.epoch for report in reports], numbers(result)


@MIXINGS
def test_a_trial_repeats_to_the_bit_with_and_without_loader_processes(
    tinted: CachedDataset, tmp_path: Path, folder: Path, mixing: Mixing
):
    found = []
    for name, workers in (("a", 0), ("b", 0), ("c", 2)):
        spec = tiny_trial(
            tinted, tmp_path / name, POLICY, loader_workers=workers, synthetic=mixed(folder, mixing)
        )
        result = numbers(train_trial(spec, "cpu", silent))
        assert result["status"] == "finished", result["reason"]
        weights = load_file(spec.directory / WEIGHTS)
        found.append((result, {part: tensor.numpy().tobytes() for part, tensor in weights.items()}))
    assert found[0] == found[1] == found[2]


class Interrupted(BaseException):
    """Ends a session at a chosen place, as Ctrl-C would."""


def test_a_resumed_trial_equals_an_uninterrupted_one(
    tinted: CachedDataset, tmp_path: Path, folder: Path, monkeypatch: pytest.MonkeyPatch
):
    def interrupt(report: EpochReport) -> None:
        if report.epoch == 2:
            raise Interrupted

    monkeypatch.setattr(checkpoint, "LARGEST_SHARE", 1e9)
    synthetic = mixed(folder, EXTRA)
    _, whole = epochs_trained(tiny_trial(tinted, tmp_path / "a", POLICY, synthetic=synthetic))
    spec = tiny_trial(tinted, tmp_path / "b", POLICY, synthetic=synthetic)
    with pytest.raises(Interrupted):
        train_trial(spec, "cpu", interrupt)
    assert epochs_trained(spec) == ([3], whole)


def test_a_process_killed_amid_loader_processes_resumes_exactly(
    tinted: CachedDataset, tmp_path: Path, folder: Path
):
    synthetic = mixed(folder, REPLACE)
    _, whole = epochs_trained(tiny_trial(tinted, tmp_path / "a", POLICY, synthetic=synthetic, epochs=5))
    spec = tiny_trial(tinted, tmp_path / "b", POLICY, synthetic=synthetic, epochs=5, loader_workers=1)
    file = tmp_path / "spec.json"
    file.write_text(spec.model_dump_json())
    killed = subprocess.run([sys.executable, DRIVE, file, "4"], capture_output=True, check=False, text=True)
    assert killed.returncode == -signal.SIGKILL, killed.stderr
    assert killed.stdout.split() == ["1", "2", "3", "4"]
    assert not (spec.directory / "result.json").exists()
    trained, resumed = epochs_trained(spec)
    assert trained == list(range(trained[0], 6))
    assert resumed == whole


@pytest.mark.parametrize(
    ("mixing", "steps"), [(EXTRA, 5), (MATCHED, 4), (REPLACE, 4)], ids=["extra", "step-matched", "replace"]
)
def test_steps_and_learning_rates_follow_the_images_of_an_epoch(
    tinted: CachedDataset, root: Path, folder: Path, mixing: Mixing, steps: int
):
    """33 real images and 7 synthetic ones in batches of 8; batch normalisation counts the steps that were taken."""
    spec = tiny_trial(tinted, root, synthetic=mixed(folder, mixing))
    result = train_trial(spec, "cpu", silent)
    taken = {
        int(v) for k, v in load_file(spec.directory / WEIGHTS).items() if k.endswith("num_batches_tracked")
    }
    assert taken == {3 * steps}
    assert [report.learning_rate for report in result.epochs] == [
        learning_rate_at(spec.recipe, epoch, steps - 1, steps) for epoch in (1, 2, 3)
    ]


def test_validation_and_test_never_see_a_synthetic_image(tinted: CachedDataset, root: Path, folder: Path):
    spec = tiny_trial(tinted, root, synthetic=mixed(folder, EXTRA))
    train_trial(spec, "cpu", silent)
    judged = evaluate_trial(spec, "validation", "cpu"), evaluate_trial(spec, "test", "cpu")
    for predictions, view in zip(judged, (tinted.split("validation"), tinted.open_test()), strict=True):
        np.testing.assert_array_equal(predictions.labels, view.labels)


def test_a_trial_whose_set_is_gone_stops_and_may_be_tried_again(
    tinted: CachedDataset, root: Path, folder: Path
):
    about = (folder / "set.json").read_text()
    (folder / "set.json").unlink()
    spec = tiny_trial(tinted, root, synthetic=mixed(folder, EXTRA))
    with pytest.raises(ImagesGone, match=r"set\.json is missing"):
        train_trial(spec, "cpu", silent)
    (folder / "set.json").write_text(about)
    assert train_trial(spec, "cpu", silent).status == "finished"
