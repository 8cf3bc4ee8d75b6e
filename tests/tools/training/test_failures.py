import errno
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.tools.training.trials import silent, tiny_trial
from tools import files
from tools.datasets.cache.read import CachedDataset
from tools.disk import DiskError
from tools.training.loop import train_trial
from tools.training.trial_store import read_result

DIVERGING = {"optimizer": "sgd", "learning_rate": 1e30, "gradient_clip": None, "warmup_fraction": 0.0}


def test_a_loss_that_is_not_finite_ends_the_trial_with_its_place(tinted: CachedDataset, root: Path):
    spec = tiny_trial(tinted, root, **DIVERGING)
    result = train_trial(spec, "cpu", silent)
    assert (result.status, result.failure) == ("failed", "non_finite_loss")
    assert result.scores is None
    assert "epoch 1, step" in result.reason
    assert "training.learning_rate" in result.reason
    assert result.seconds > 0
    # remembered, because it would only repeat
    assert read_result(spec.directory) == result == train_trial(spec, "cpu", silent)


def test_divergence_seen_only_in_validation_ends_the_trial_too(tinted: CachedDataset, root: Path):
    # one step: its loss is still that of the initial weights
    spec = tiny_trial(tinted, root, **DIVERGING, batch_size=64)
    result = train_trial(spec, "cpu", silent)
    assert (result.status, result.failure) == ("failed", "non_finite_loss")
    assert "epoch 1" in result.reason
    assert "validation" in result.reason


def test_an_unexpected_error_is_a_result_with_its_traceback_on_disk(tinted: CachedDataset, root: Path):
    spec = tiny_trial(tinted, root)
    # as if torchvision had lost the model between two versions of it
    spec = spec.model_copy(update={"classes": 2})
    result = train_trial(spec, "cpu", silent)
    assert (result.status, result.failure) == ("failed", "error")
    assert "error.txt" in result.reason
    assert "Traceback" in (spec.directory / "error.txt").read_text()
    assert read_result(spec.directory) is None


def test_an_error_of_the_users_keeps_its_own_words(tinted: CachedDataset, root: Path):
    spec = tiny_trial(tinted, root, amp="fp16")
    result = train_trial(spec, "cpu", silent)
    assert (result.status, result.failure) == ("failed", "error")
    assert "training.amp" in result.reason


@pytest.mark.parametrize(
    ("number", "told"),
    [
        (errno.ENOSPC, "agent cache"),
        (errno.EDQUOT, "agent cache"),
        (errno.EIO, "check the disk"),
        (errno.EROFS, "mounted read-only"),
        (errno.EACCES, "permissions"),
        (errno.EMFILE, "ulimit -n"),
    ],
)
def test_what_the_disk_refuses_is_no_failure_of_the_trial(
    tinted: CachedDataset, root: Path, monkeypatch: pytest.MonkeyPatch, number: int, told: str
):
    def sync(file: Path) -> None:
        raise OSError(number, os.strerror(number), str(file))

    spec = tiny_trial(tinted, root, epochs=1)
    monkeypatch.setattr(files, "sync", sync)
    with pytest.raises(DiskError, match=told) as caught:
        train_trial(spec, "cpu", silent)
    assert str(spec.directory) in str(caught.value)
    assert ("free)" in str(caught.value)) == (number in (errno.ENOSPC, errno.EDQUOT, errno.EIO))
    assert caught.value.resumable
    monkeypatch.undo()
    assert train_trial(spec, "cpu", silent).status == "finished"


def test_a_file_where_the_trials_should_be_is_named(tinted: CachedDataset, root: Path):
    root.write_text("not a folder")
    with pytest.raises(DiskError, match=rf"{root}.*move that away"):
        train_trial(tiny_trial(tinted, root), "cpu", silent)


@pytest.mark.skipif(sys.platform != "linux", reason="limits of address space bind on Linux")
def test_running_out_of_memory_says_what_to_try(tinted: CachedDataset, tmp_path: Path):
    spec = tiny_trial(tinted, tmp_path, model="resnet50")
    file = tmp_path / "spec.json"
    file.write_text(spec.model_dump_json())
    script = (
        "import resource, sys, torch\n"
        "from pathlib import Path\n"
        "from tools.training.config import TrialSpec\n"
        "from tools.training.loop import train_trial\n"
        "torch.set_num_threads(1)\n"
        "used = int(Path('/proc/self/statm').read_text().split()[0]) * resource.getpagesize()\n"
        "resource.setrlimit(resource.RLIMIT_AS, (used + 50_000_000,) * 2)\n"
        f"spec = TrialSpec.model_validate_json(Path({str(file)!r}).read_text())\n"
        "result = train_trial(spec, 'cpu', lambda report: None)\n"
        "print(result.failure, '|', result.reason)\n"
    )
    ran = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=False)
    assert ran.stdout.startswith("out_of_memory |"), ran.stdout + ran.stderr
    assert "training.batch_size" in ran.stdout
