"""`agent fit` and `agent predict`: the model of a finished study, taken away and used from its folder alone."""

import base64
import csv
import io
import json
import os
import shutil
import socket
import subprocess
import sys
import time
import urllib.request
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from safetensors.torch import load_file

from tests.agent.studies import agent, environment, ledger
from tools.datasets.cache.read import CachedDataset
from tools.training.taken.folder import ModelFolder

WORDS = ("--runs-dir",)


def demo_images(runs: Path, folder: Path, count: int = 5) -> np.ndarray:
    """Validation images of the demo as PNG files in `folder`; their pixels, uint8 (N, S, S, 3)."""
    folder.mkdir(parents=True, exist_ok=True)
    cache = next(path.parent for path in (runs / "cache").rglob("test.json"))
    view = CachedDataset(cache).split("validation")
    pixels = np.stack([view.images[number] for number in range(count)])
    for number, image in enumerate(pixels):
        Image.fromarray(image).save(folder / f"{number}.png")
    return pixels


@pytest.fixture(scope="module")
def fitted(finished, once) -> Path:
    """A runs folder whose study s has been fitted, its test images deleted before."""

    def make(folder: Path) -> None:
        shutil.copytree(finished, folder, dirs_exist_ok=True)
        sealed = list((folder / "cache").rglob("test.json"))
        contents = {file: file.read_bytes() for file in sealed}
        done = agent("fit", "s", "--seeds", "2", "--mlflow", *WORDS, str(folder))
        (folder / "said.txt").write_text(done.stdout + done.stderr)
        assert done.returncode == 0, done.stderr + done.stdout
        assert sealed
        assert all(file.read_bytes() == content for file, content in contents.items())

    return once("fitted", make)


def test_the_folder_alone_gives_the_probabilities_of_the_trained_classifiers(
    fitted: Path, tmp_path: Path
) -> None:
    model, images = tmp_path / "elsewhere", tmp_path / "images"
    shutil.copytree(fitted / "models" / "s", model)
    pixels = demo_images(fitted, images)
    (images / "torn.png").write_bytes((images / "0.png").read_bytes()[:80])
    done = agent("predict", str(model), str(images), "--csv", within=tmp_path)
    assert done.returncode == 1, "one of them cannot be read"
    assert "torn.png" in done.stderr
    rows = list(csv.reader(io.StringIO(done.stdout)))
    about = json.loads((model / "preprocessing.json").read_text())
    assert rows[0] == ["file", "predicted", *about["classes"]]
    found = np.array([[float(value) for value in row[2:]] for row in rows[1:] if row[1]])
    folder = ModelFolder(model)
    assert np.allclose(found, folder.probabilities(pixels), atol=1e-6)
    assert np.allclose(found.sum(axis=1), 1, atol=1e-5)
    assert [row[1] for row in rows[1:] if "torn" in row[0]] == [""]
    first, second = (load_file(model / name) for name in ("model.safetensors", "model-2.safetensors"))
    assert first.keys() == second.keys()
    assert any((first[key] != second[key]).any() for key in first), "two seeds are two trainings"
    single = folder.model.members[0]
    assert not np.allclose(
        single((pixels_of(pixels) - folder.model.mean) / folder.model.std).softmax(1).detach().numpy(), found
    ), "the probabilities are averaged"


def pixels_of(pixels: np.ndarray):
    import torch

    return torch.from_numpy(pixels).permute(0, 3, 1, 2).float()


def test_onnx_says_what_torch_says_for_any_number_of_images(fitted: Path, tmp_path: Path) -> None:
    import onnxruntime

    folder = fitted / "models" / "s"
    pixels = demo_images(fitted, tmp_path / "images", 7)
    session = onnxruntime.InferenceSession(str(folder / "model.onnx"))
    (found,) = session.run(None, {"images": np.ascontiguousarray(pixels.transpose(0, 3, 1, 2))})
    assert np.abs(np.asarray(found) - ModelFolder(folder).probabilities(pixels)).max() < 1e-5


def test_the_card_says_what_to_expect_by_the_studys_test(fitted: Path) -> None:
    card = (fitted / "models" / "s" / "README.md").read_text()
    report = json.loads((fitted / "studies" / "s" / "report.json").read_text())
    sentence = report.get("sentence") or report["report"]["sentence"]
    assert sentence.split(":")[0][:40] in card.replace("\\", "")
    for part in (
        "What to expect",
        "test accuracy",
        "Limits",
        "seeds | 0, 1",
        "validation",
    ):
        assert part in card, part


def test_the_study_is_as_it_was_and_the_training_saw_training_and_validation_images(
    fitted: Path, finished: Path
) -> None:
    assert [each for each in ledger(fitted) if each["kind"] != "sitting"] == [
        each for each in ledger(finished) if each["kind"] != "sitting"
    ]
    new = {path.name for path in (fitted / "trials").iterdir()} - {
        path.name for path in (finished / "trials").iterdir()
    }
    assert len(new) == 2
    cache = CachedDataset(next(path.parent for path in (fitted / "cache").rglob("test.json")))
    both = len(cache.split("train")) + len(cache.split("validation"))
    said = " ".join((fitted / "said.txt").read_text().split())
    assert (
        f"{len(cache.split('train'))} training and {len(cache.split('validation'))} validation images" in said
    )
    from tools.training.config import EVERYTHING
    from tools.training.views import fold_view, training_size

    assert (
        training_size(cache.folder, EVERYTHING) == both == len(fold_view(cache.folder, "train", EVERYTHING))
    )


def test_the_same_command_finds_its_training_and_refuses_to_overwrite(fitted: Path, tmp_path: Path) -> None:
    again = agent("fit", "s", "--seeds", "2", *WORDS, str(fitted))
    assert again.returncode == 2
    assert "is not an empty folder" in again.stderr
    before = {path: path.stat().st_mtime_ns for path in (fitted / "trials").glob("*/result.json")}
    other = agent("fit", "s", "--no-onnx", "--out", str(tmp_path / "other"), *WORDS, str(fitted))
    assert other.returncode == 0, other.stderr + other.stdout
    assert {path: path.stat().st_mtime_ns for path in (fitted / "trials").glob("*/result.json")} == before
    assert not (tmp_path / "other" / "model.onnx").exists()


def test_an_image_is_never_overwritten_by_probabilities(tmp_path: Path) -> None:
    """'agent predict MODEL one.png --csv two.png': the second was meant to be read."""
    image = tmp_path / "two.PNG"
    image.write_bytes(b"a picture")
    done = agent("predict", str(tmp_path), str(image), "--csv", str(image))
    assert done.returncode == 2
    assert "would be overwritten: put --csv last" in " ".join(done.stderr.split())
    assert image.read_bytes() == b"a picture"


def test_a_study_that_has_not_finished_and_a_folder_that_is_no_model_are_refused(
    runs: Path, tmp_path: Path
) -> None:
    unknown = agent("fit", "nothing", *WORDS, str(runs))
    assert unknown.returncode == 2
    assert "no study 'nothing'" in unknown.stderr
    (tmp_path / "image.png").write_bytes(b"")
    empty = agent("predict", str(tmp_path), str(tmp_path / "image.png"))
    assert empty.returncode == 2
    assert "no preprocessing.json" in " ".join(empty.stderr.split())


def test_a_damaged_folder_is_named(fitted: Path, tmp_path: Path) -> None:
    model = tmp_path / "model"
    shutil.copytree(fitted / "models" / "s", model)
    demo_images(fitted, tmp_path / "images", 1)
    content = (model / "model-2.safetensors").read_bytes()
    (model / "model-2.safetensors").write_bytes(content[: len(content) // 2])
    done = agent("predict", str(model), str(tmp_path / "images"))
    assert done.returncode == 1
    assert "model-2.safetensors cannot be used" in " ".join(done.stderr.split())


@pytest.mark.slow
def test_mlflow_serves_the_same_probabilities(fitted: Path, tmp_path: Path) -> None:
    from tests.agent.studies import tracking

    pixels = demo_images(fitted, tmp_path / "images", 3)
    store = tracking(fitted)
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    server = subprocess.Popen(
        [
            *(sys.executable, "-m", "mlflow", "models", "serve", "--env-manager", "local", "-h", "127.0.0.1"),
            *("-p", str(port), "-m", f"runs:/{store.study_run}/model"),
        ],
        env=environment(
            MLFLOW_TRACKING_URI=f"sqlite:///{fitted / 'mlflow.db'}",
            PATH=f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
        ),
        start_new_session=True,
    )
    encoded = [
        [base64.b64encode(file.read_bytes()).decode()] for file in sorted((tmp_path / "images").iterdir())
    ]
    body = json.dumps({"dataframe_split": {"columns": ["image"], "data": encoded}}).encode()
    request = urllib.request.Request(
        f"http://127.0.0.1:{port}/invocations", body, {"Content-Type": "application/json"}
    )
    try:
        for _ in range(120):
            try:
                with urllib.request.urlopen(request, timeout=20) as answer:
                    found = json.load(answer)["predictions"]
                break
            except OSError:
                time.sleep(0.5)
                assert server.poll() is None
        else:
            pytest.fail("the server did not answer")
    finally:
        os.killpg(server.pid, 15)
        server.wait()
    expected = ModelFolder(fitted / "models" / "s").probabilities(pixels)
    assert np.allclose([list(row.values()) for row in found], expected, atol=1e-6)
