"""A study of images that may have several labels, from its table to the model that is taken away."""

import csv
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.agent.studies import TINY, Ended, agent, tracking
from tests.tools.datasets.replicas import medmnist

SHORT = (
    f"{TINY} --proposer random --seeds 1 --iterations 1 --search.choosing_seeds 1 --search.final_seeds 2 "
    "--search.top_k 1 --search.baselines []"
)


def chest(folder: Path) -> Path:
    """A replica of ChestMNIST: each finding is a bright square at its own place."""
    rng = np.random.default_rng(0)
    arrays: dict[str, Any] = {}
    for split, count in (("train", 40), ("val", 24), ("test", 24)):
        labels = ((np.arange(count)[:, None] * 5 + np.arange(14)) % 8 == 0).astype(np.uint8)
        images = rng.integers(0, 60, (count, 28, 28), dtype=np.uint8)
        for finding in range(14):
            row, column = divmod(finding, 4)
            images[labels[:, finding] == 1, 7 * row : 7 * row + 7, 7 * column : 7 * column + 7] += 150
        labels[::7] = 0
        arrays |= {f"{split}_images": images, f"{split}_labels": labels}
    medmnist(folder / "chestmnist.npz", **arrays)
    return folder


def run(runs: Path, *more: str) -> Ended:
    return agent(
        *("run", "--dataset", "medmnist:chestmnist", "--data", str(chest(runs / "chest"))),
        *(*SHORT.split(), "--study", "s", "--runs-dir", str(runs), *more),
    )


@pytest.fixture(scope="module")
def ended(once) -> Path:
    """The runs folder of a study that ran through, with what it said."""

    def make(folder: Path) -> None:
        done = run(folder)
        (folder / "said.txt").write_text(done.stdout + done.stderr)
        assert done.returncode == 0, done.stderr + done.stdout

    return once("labels", make)


def test_it_opens_with_the_share_of_each_label_and_decides_by_auroc(ended: Path) -> None:
    said = (ended / "said.txt").read_text()
    assert "14 labels: atelectasis 9.1%, " in said
    assert "hernia 9.1%; 15.9% have none · train 40 / validation 24 / test 24" in said
    assert "the metric is the AUROC, its mean over the labels" in said
    assert "backgrounds: off (an image may have several labels" in said
    assert "confus" not in said


def test_report_and_store_have_every_label(ended: Path) -> None:
    report = (ended / "studies" / "s" / "report.md").read_text()
    assert "### AUROC and average precision (AP) by label" in report
    assert "| hernia | 2 |" in report
    assert "test AUROC" in report
    assert "test mean average precision" in report
    page = (ended / "studies" / "s" / "report.html").read_text()
    assert "By label" in page
    assert "By class" not in page
    store = tracking(ended)
    runs = store.client.search_runs([store.experiment_id], "tags.kind = 'trial'")
    trial = next(each for each in runs if "auroc_label_13" in each.data.metrics)
    areas = [trial.data.metrics[f"auroc_label_{label}"] for label in range(14)]
    assert trial.data.metrics["selected_validation_auroc"] == pytest.approx(np.mean(areas))


@pytest.mark.slow
def test_the_model_that_is_taken_away_says_each_label_by_itself(ended: Path, tmp_path: Path) -> None:
    from PIL import Image

    out, image = tmp_path / "model", tmp_path / "one.png"
    done = agent("fit", "s", "--out", str(out), "--runs-dir", str(ended))
    assert done.returncode == 0, done.stderr
    assert json.loads((out / "preprocessing.json").read_text())["several_labels"] is True
    card = (out / "README.md").read_text()
    assert "any number of them" in card
    assert "agrees with torch" in card, "as ONNX too"
    with np.load(ended / "chest" / "chestmnist.npz") as arrays:
        Image.fromarray(arrays["val_images"][3]).save(image)
    told = agent("predict", str(out), str(image), "--csv")
    (row,) = csv.DictReader(told.stdout.splitlines())
    shares = {name: float(value) for name, value in row.items() if name not in ("file", "predicted")}
    assert len(shares) == 14
    assert sum(shares.values()) != pytest.approx(1, abs=1e-3)
    assert row["predicted"].split(";") == [name for name, share in shares.items() if share >= 0.5] or [""]


@pytest.mark.slow
def test_evaluate_scores_each_label_and_explain_says_why_it_does_not(ended: Path, tmp_path: Path) -> None:
    done = agent("evaluate", "s", "--out", str(tmp_path / "out"), "--runs-dir", str(ended))
    assert done.returncode == 0, done.stderr
    assert "average precision" in done.stdout
    table = next((tmp_path / "out").glob("predictions-*.csv"))
    row = next(csv.DictReader(table.open()))
    assert {"file", "true(hernia)", "p(hernia)"} <= row.keys()
    refused = agent("explain", "s", "--runs-dir", str(ended))
    assert refused.returncode == 2
    assert "agent explain is for images of one class each" in refused.stderr


@pytest.mark.parametrize(
    ("setting", "reason"),
    [
        (("--training.imbalance", "balanced_sampling"), "take weighted_loss or logit_adjustment"),
        (("--search.backgrounds", "optional"), "use --search.backgrounds off"),
        (("--search.metric", "kappa"), "take --search.metric auroc or average_precision"),
    ],
)
def test_settings_that_mean_nothing_for_labels_are_refused(
    setting: tuple[str, str], reason: str, tmp_path: Path
) -> None:
    refused = run(tmp_path, *setting)
    assert refused.returncode == 2
    assert reason in refused.stderr


def test_no_backgrounds_are_made_for_labels(tmp_path: Path) -> None:
    words = ("generate", "--dataset", "medmnist:chestmnist", "--data", str(chest(tmp_path)))
    refused = agent(*words, "--runs-dir", str(tmp_path), "--subject", "chest")
    assert refused.returncode == 2
    assert "may have several labels, which do not belong to one subject" in refused.stderr
