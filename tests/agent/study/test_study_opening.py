"""What a study says of its images before it trains on them, and what it says of them even when quiet."""

from pathlib import Path

import pytest

from tests.agent.studies import TINY, Ended, agent
from tests.tools.datasets.images import fill, photo

STUDY = (
    f"{TINY} --epochs 1 --seeds 1 --iterations 1 --search.final_seeds 2 --search.top_k 1 --search.baselines [] "
    "--search.backgrounds off --proposer random --study s"
)


def session(root: Path, runs: Path, *more: str, moment: str = "none") -> Ended:
    return agent("run", "--data", str(root), *STUDY.split(), "--runs-dir", str(runs), *more, moment=moment)


@pytest.fixture
def uneven(tmp_path) -> Path:
    """200 images of one class, 8 of another."""
    return fill(tmp_path / "uneven", {"maj": 200, "min": 8})


def test_a_study_begins_with_the_number_of_its_images_and_warns_of_uneven_classes(uneven, runs):
    ended = session(uneven, runs, moment="before:prepare")
    assert (
        "data: uneven: 208 images · 2 classes: maj 200, min 8 · train 146 / validation 31 / test 31 · 16 px"
        in ended.stdout
    )
    assert "warning: unbalanced: read macro F1 or balanced accuracy beside accuracy" in ended.stderr
    assert "always answering maj scores 96.8% in validation" in ended.stderr
    assert "too few images to judge a class by: validation has 1 of min, test has 1 of min" in ended.stderr


def test_a_quiet_study_prints_its_warnings_and_the_result(tmp_path, runs):
    root = fill(tmp_path / "data", {"yes": 12, "no": 12})
    photo(1).save(root / "no" / "copy.png")
    ended = session(root, runs, "--quiet", "--training.learning_rate", "1e-6")
    assert ended.returncode == 0, ended.stderr
    assert "warning: 2 images show a picture that has two different labels" in ended.stderr
    assert "carved" not in ended.stdout + ended.stderr
    said = " ".join(ended.stdout.split())
    assert said.startswith("Nothing was learnt in 1 epoch (")
    assert "What follows rests on chance. Use no augmentation" in said
    assert "warning: Nothing was learnt in 1 epoch" in " ".join(ended.stderr.split())
