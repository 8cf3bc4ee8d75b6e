"""`agent train --datasets` and `agent evaluate --dataset`: data sets that are known by name, found in data/NAME."""

import csv
import json
import shutil
from pathlib import Path

import pytest

from tests.agent.studies import TINY, agent
from tests.tools.datasets.images import fill
from tools.datasets.known.imagenet import TEN

SETTINGS = f"{TINY} --epochs 1 --training.batch_size 16 --seeds 1 --policy default --study t"


@pytest.fixture(scope="module")
def trained(once, empty_store) -> Path:
    """A working directory with two further data sets in data/, and what was trained on the demo and one of them."""

    def make(root: Path) -> None:
        fill(root / "data/imagenet10", {f"train/{each.wnid}": 6 for each in TEN}, suffix=".JPEG")
        fill(root / "data/imagenet10", {f"val/{each.wnid}": 2 for each in TEN}, seed=500, suffix=".JPEG")
        fill(root / "data/imagenet-sketch", {each.wnid: 3 for each in TEN}, seed=900, suffix=".JPEG")
        (root / "runs").mkdir()
        shutil.copy(empty_store, root / "runs")
        done = agent("train", "--datasets", "demo,imagenet10", *SETTINGS.split(), within=root)
        assert done.returncode == 0, done.stderr + done.stdout
        (root / "stdout").write_text(done.stdout)

    return once("trained-on-two-sets", make)


def test_several_data_sets_have_an_entry_each_and_one_table(trained):
    assert {path.name for path in (trained / "runs/studies").iterdir()} == {"t-demo", "t-imagenet10"}
    lines = [line.split() for line in (trained / "stdout").read_text().splitlines()]
    rows = [line[:3] for line in lines if line[:1] in (["no"], ["default"]) and "·" not in line]
    assert [line for line in rows if "demo" in line or "imagenet10" in line] == [
        ["no", "augmentation", "demo"],
        ["default", "demo", rows[1][2]],
        ["no", "augmentation", "imagenet10"],
        ["default", "imagenet10", rows[3][2]],
    ]


def test_what_was_trained_is_evaluated_on_another_data_set_of_its_classes(trained, tmp_path):
    shutil.copytree(trained, tmp_path / "w")
    words = ("t-imagenet10", "--dataset", "imagenet-sketch", "--out", "out")
    done = agent("evaluate", *words, within=tmp_path / "w")
    assert done.returncode == 0, done.stderr + done.stdout
    assert "t-imagenet10 on imagenet-sketch: 30 images" in done.stdout
    with (tmp_path / "w/out/predictions-default-seed-0.csv").open() as stream:
        predicted = list(csv.DictReader(stream))
    assert len(predicted) == 30
    right = sum(row["true"] == row["predicted"] for row in predicted) / len(predicted)
    found = json.loads((tmp_path / "w/out/evaluation.json").read_text())
    assert found["evaluated_on"] == "imagenet-sketch"
    (default,) = (trial for trial in found["trials"] if trial["policy"] == "default")
    assert default["accuracy"] == pytest.approx(right)
    # Its own test set stays sealed.
    assert not list((tmp_path / "w/runs/trials").glob("*/predictions-test.npz"))
    openings = (tmp_path / "w/runs/test_openings.jsonl").read_text().splitlines()
    assert [json.loads(line)["study"] for line in openings] == ["t-imagenet10"]


@pytest.mark.parametrize(
    ("words", "code", "told"),
    [
        (("evaluate", "t-demo", "--dataset", "imagenet-sketch"), 2, "has classes that demo lacks"),
        (("evaluate", "t-demo", "--dataset", "imagenet_sketch"), 2, "imagenet-sketch"),
        (("evaluate", "t-imagenet10", "--dataset", "imagenet-v2"), 1, "data/imagenet-v2"),
        (("train", "--datasets", "demo,nowhere", *SETTINGS.split()), 2, "nowhere"),
    ],
)
def test_a_data_set_that_does_not_do_is_named(trained, words, code, told):
    done = agent(*words, within=trained)
    assert told in " ".join(done.stderr.split()), done.stderr + done.stdout
    assert done.returncode == code
