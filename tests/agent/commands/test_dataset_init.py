"""`agent datasets init`: describes a folder of images by flags or by questions, and never overwrites silently."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from agent.cli import main
from tests.repository import ROOT
from tests.tools.datasets.images import fill, write_csv


@pytest.fixture
def told(capsys):
    """Run the command: (exit code, standard output, standard error as one line)."""

    def run(*words: str) -> tuple[int, str, str]:
        code = main(["datasets", "init", *words])
        out, err = capsys.readouterr()
        return code, out, " ".join(err.split())

    return run


@pytest.fixture
def folder(tmp_path) -> Path:
    return fill(tmp_path / "breast-ultrasound", {"benign": 4, "malignant": 2})


def written(folder: Path) -> dict:
    return yaml.safe_load((folder / "dataset.yaml").read_text())


def test_flags_are_written_and_read_by_the_next_command(told, folder, capsys):
    flags = [
        "--modality",
        "ultrasound",
        "--title",
        "BUSI: a part",
        "--classes",
        "malignant,benign",
        "--ordinal",
    ]
    code, out, err = told(
        str(folder), *flags, "--metric", "validation_macro_f1", "--warning", "one", "--warning", "two"
    )
    assert (code, err) == (0, "")
    assert written(folder) == {
        "title": "BUSI: a part",
        "modality": "ultrasound",
        "classes": ["malignant", "benign"],
        "ordinal": True,
        "metric": "validation_macro_f1",
        "warnings": ["one", "two"],
    }
    assert f"agent datasets check --data {folder}" in out
    assert main(["datasets", "show", "--data", str(folder)]) == 0
    shown = capsys.readouterr().out
    assert "BUSI: a part" in shown
    assert "ultrasound" in shown


@pytest.mark.parametrize("name", ["dataset.yaml", "card.yml"])
def test_a_description_that_is_there_is_replaced_only_by_force(told, folder, name):
    (folder / name).write_text("title: mine\n")
    code, _, err = told(str(folder), "--modality", "ultrasound")
    assert (code, name in err, "--force" in err) == (2, True, True)
    assert (folder / name).read_text() == "title: mine\n"
    assert told(str(folder), "--modality", "ultrasound", "--force")[0] == 0
    assert yaml.safe_load((folder / name).read_text()) == {"modality": "ultrasound"}


@pytest.mark.parametrize(
    ("flags", "hint"),
    [
        ("--modality xrya", "did you mean 'xray'?"),
        ("--metric f1", "choose one of validation_accuracy, validation_macro_f1"),
        (
            "--classes benign,malignent",
            "the images have the classes benign, malignant; give each of them once",
        ),
        ("--classes benign", "give each of them once"),
        ("--name with/slash", "name"),
        ("--image-size 4 --title x", "image_size"),
        ("--data.layout foo --title x", "--data.layout: has the level 'foo'"),
        ("--modalty xray", "did you mean '--modality'?"),
        ("", "--modality ultrasound"),
    ],
)
def test_wrong_values_are_wrong_usage_and_nothing_is_written(told, folder, flags, hint):
    code, out, err = told(str(folder), *flags.split())
    assert (code, out, hint in err) == (2, "", True), err
    assert not (folder / "dataset.yaml").exists()


def test_a_folder_that_is_missing_is_named(told, tmp_path):
    code, _, err = told(str(tmp_path / "nowhere"), "--title", "x")
    assert code == 1
    assert "nowhere is missing: give a folder of images" in err


def test_without_a_kind_of_images_the_names_suggest_one_and_none_is_written(told, folder):
    code, _, err = told(str(folder), "--title", "x")
    assert code == 0
    assert "the names suggest ultrasound" in err
    assert "modality" not in written(folder)


def test_where_the_classes_are_not_clear_the_readings_are_shown_and_their_flags_work_here(told, tmp_path):
    fill(tmp_path, {"part_1": 4, "part_2": 4})
    for n in range(4):
        (tmp_path / "part_1" / f"{n:04d}.png").rename(tmp_path / "part_1" / f"p{n}.png")
    rows = [(f"{'p' if part == 1 else '000'}{n}", "xy"[n % 2]) for part in (1, 2) for n in range(4)]
    write_csv(tmp_path / "t.csv", [("id", "dx"), *rows])
    code, _, err = told(str(tmp_path), "--modality", "mri")
    assert code == 0
    assert "--data.labels t.csv:id:dx" in err
    reading = ("--data.labels", "t.csv:id:dx", "--force")
    assert told(str(tmp_path), "--classes", "x,z", *reading)[0] == 2
    assert told(str(tmp_path), "--classes", "y,x", *reading)[0] == 0
    assert written(tmp_path)["classes"] == ["y", "x"]


@pytest.mark.skipif(os.name == "nt", reason="there is no pseudo-terminal on Windows")
@pytest.mark.parametrize("ended", [True, False])
def test_on_a_terminal_it_asks_with_a_suggestion(folder, ended):
    import pty

    ours, theirs = pty.openpty()
    command = [sys.executable, "-m", "agent", "datasets", "init", str(folder)]
    process = subprocess.Popen(
        command, stdin=theirs, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, cwd=ROOT, text=True
    )
    os.close(theirs)
    # Title; kind (the suggestion); description; metric (the suggestion); licence.
    os.write(ours, b"Nodules\n\nB-mode images.\n" + (b"\nCC0\n" if ended else b"\x04\x04"))
    out, _ = process.communicate(timeout=120)
    os.close(ours)
    if not ended:
        assert process.returncode == 2, out
        assert "nothing was written" in out
        assert not (folder / "dataset.yaml").exists()
        return
    assert process.returncode == 0, out
    assert written(folder) == {
        "title": "Nodules",
        "modality": "ultrasound",
        "description": "B-mode images.",
        "metric": "validation_macro_f1",
        "licence": "CC0",
    }
