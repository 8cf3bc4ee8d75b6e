"""The plan of a study, before it begins."""

import re
from pathlib import Path

import pytest

from tests.agent.studies import SMALL, agent
from tools.training.types import Timing


def test_a_dry_run_tells_what_the_study_takes_and_leaves_none_behind(tmp_path: Path):
    done = agent("run", *SMALL.split(), "--runs-dir", str(tmp_path), "--proposer", "random", "--dry-run")
    assert done.returncode == 0, done.stderr
    # 2 seeds of no augmentation, a baseline and 2 proposals; a third seed of each; 3 seeds of 3 for the test
    assert re.search(
        r"^plan: about \d+ (s|min) on this machine: up to 21 trainings of 2 epochs, 1 at a time, [\d,]+ images/s each$",
        done.stdout,
        re.MULTILINE,
    )
    assert re.search(
        r"^disk: up to \d+ MiB for weights, results and pictures \(.* free\)$", done.stdout, re.MULTILINE
    )
    assert [path.name for path in tmp_path.iterdir()] == ["cache"]


def test_a_study_of_hours_is_told_what_is_cheaper_alone_and_together_and_that_a_short_limit_ends_it(
    tmp_path: Path,
):
    long = f"{SMALL} --image-size 128 --model.stem imagenet --epochs 3000 --budget.wall_clock 1m --dry-run"
    done = agent("run", *long.split(), "--runs-dir", str(tmp_path), "--proposer", "random")
    assert done.returncode == 0, done.stderr
    assert re.search(
        r"^plan: .*The budget of 1m ends it before, without a result: the smallest study that has one takes",
        done.stdout,
        re.MULTILINE,
    )
    assert re.search(
        r"^cheaper: (--image-size \d+ [^;]+; )?--model.weights torchvision --epochs 8 [^;]+"
        r"; --image-size \d+ --model.weights torchvision --epochs 8 ",
        done.stdout,
        re.MULTILINE,
    )


def test_a_study_of_other_images_is_as_fast_as_its_updates_and_the_rest_that_goes_with_the_pixels():
    timing = Timing(training=10.0, evaluation=40.0, start=1.0)
    updates = {100: 0.08, 50: 0.02}
    smaller = timing.at_size(updates, 50, 100)
    assert smaller is not None
    assert 1 / smaller.training == pytest.approx(0.02 + 0.02 / 4)
    assert smaller.evaluation == pytest.approx(160.0)
    assert timing.at_size(updates, 64, 100) is None
