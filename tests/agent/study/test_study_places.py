"""Where a study lives: folders with any name, moved in the middle, several at once, a server with a password."""

import subprocess
import sys
from pathlib import Path

import pytest

from tests.agent.studies import (
    SHORT,
    agent,
    conclusions,
    copy_trials,
    environment,
    outcome,
    resume,
    run,
    tracking,
)
from tests.agent.study.test_study_kills import KILLED
from tests.repository import ROOT

BARE = f"{SHORT} --search.backgrounds off --proposer random"


def test_a_runs_folder_that_is_moved_in_the_middle_ends_like_one_that_stayed(
    finished, runs, tmp_path
) -> None:
    copy_trials(finished, runs)
    assert run(runs, "--proposer", "tpe", moment="after:train").returncode == KILLED
    moved = tmp_path / "My%20Data" / "what's new?"
    moved.parent.mkdir()
    runs.rename(moved)
    done = resume(moved)
    assert done.returncode == 0, done.stderr
    assert f"moved from {runs}" in done.stderr
    assert not runs.exists(), "something was written to the earlier place"
    assert outcome(moved) == outcome(finished)
    assert conclusions(moved) == conclusions(finished)
    shown = agent("show", "s", "--runs-dir", str(moved))
    assert (shown.returncode, "iteration 2" in shown.stdout) == (0, True), shown.stderr
    assert [path.name for path in moved.parent.iterdir()] == [moved.name]


def together(count: int, folder: Path) -> None:
    """`count` studies, each started as a user starts it, in a folder that holds nothing."""
    command = [sys.executable, "-m", "agent", "run", *BARE.split(), "--runs-dir", str(folder)]
    processes = [
        subprocess.Popen(
            command, cwd=ROOT, env=environment(), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        )
        for _ in range(count)
    ]
    for process in processes:
        out, err = process.communicate(timeout=280)
        assert process.returncode == 0, err + out
        assert "Traceback" not in err
    listed = agent("list", "--runs-dir", str(folder)).stdout
    assert listed.count("finished") == count, listed


def test_two_studies_that_start_at_once_in_a_new_folder_both_finish(tmp_path) -> None:
    together(2, tmp_path / "runs")


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_eight_studies_that_start_at_once_all_finish(tmp_path) -> None:
    together(8, tmp_path / "runs")


def test_a_runs_folder_that_cannot_be_made_is_told_in_a_sentence(tmp_path) -> None:
    (tmp_path / "file").write_text("")
    for path, reason in (
        (tmp_path / "file" / "runs", "something else stands in its place"),
        (tmp_path / ("x" * 300), "shorter"),
    ):
        done = agent("run", *BARE.split(), "--runs-dir", str(path))
        assert done.returncode == 1, done.stderr
        assert reason in done.stderr
        assert str(path)[:60] in done.stderr
        assert "Traceback" not in done.stderr


def test_data_that_moved_are_asked_for_and_a_resumed_study_takes_their_new_place(runs, tmp_path) -> None:
    data = tmp_path / "data"
    make_pictures(data)
    size = BARE.replace("--dataset demo", f"--data {data}")
    assert run(runs, size=size, moment="before:propose").returncode == KILLED
    data.rename(tmp_path / "elsewhere")
    asked = resume(runs)
    assert asked.returncode == 2, asked.stderr
    assert f"were in {data}, which is not there any more" in asked.stderr
    command = f"agent resume s --runs-dir {runs} --data PATH"
    assert command in asked.stderr
    done = agent(*command.split()[1:-1], str(tmp_path / "elsewhere"))
    assert done.returncode == 0, done.stderr
    assert "data.path" in tracking(runs).study_tags()["changed_settings"]
    (tmp_path / "elsewhere").rename(tmp_path / "again")
    told = agent("evaluate", "s", "--runs-dir", str(runs))
    assert told.returncode == 2, "of a finished study as well"
    assert command in told.stderr
    assert agent(*command.split()[1:-1], str(tmp_path / "again")).returncode == 0
    found = agent("evaluate", "s", "--runs-dir", str(runs))
    assert found.returncode == 0, found.stderr


def test_relative_paths_are_found_again_from_another_folder(runs, tmp_path) -> None:
    for name in ("images", "others"):
        make_pictures(tmp_path / name)
    rows = [f"{name}/{number}.png,{name}" for name in ("a", "b") for number in range(12)]
    (tmp_path / "labels.csv").write_text("\n".join(["file,kind", *rows]))
    data = "--data images --data.labels labels.csv:file:kind --data.shifts there=others"
    words = (*BARE.replace("--dataset demo", data).split(), "--study", "s", "--runs-dir", str(runs))
    assert agent("run", *words, moment="before:propose", within=tmp_path).returncode == KILLED
    done = resume(runs)
    assert done.returncode == 0, done.stderr
    assert "from now on" not in done.stdout, "nothing was changed"


def test_an_image_that_can_be_read_again_is_named_and_the_study_goes_on_without_it(runs, tmp_path) -> None:
    data = tmp_path / "data"
    make_pictures(data)
    broken, whole = data / "a" / "3.png", (data / "a" / "3.png").read_bytes()
    broken.write_bytes(b"torn")
    size = BARE.replace("--dataset demo", f"--data {data} --data.on_corrupt skip")
    assert run(runs, size=size, moment="before:propose").returncode == KILLED
    broken.write_bytes(whole)
    refused = resume(runs)
    assert refused.returncode == 1, refused.stderr
    changed = f"read from {data}, have changed since it began (1 image is new, or can be read now: a/3.png;"
    assert changed in refused.stderr
    broken.write_bytes(b"torn")
    done = resume(runs)
    assert done.returncode == 0, done.stderr


def make_pictures(folder: Path) -> None:
    """A folder of classes with pictures of noise."""
    import numpy as np
    from PIL import Image

    random = np.random.default_rng(0)
    for name in ("a", "b"):
        (folder / name).mkdir(parents=True)
        for number in range(12):
            pixels = random.integers(0, 256, (16, 16, 3), dtype=np.uint8)
            Image.fromarray(pixels).save(folder / name / f"{number}.png")


def test_what_a_resumed_study_may_not_change_is_refused_with_the_reason(runs) -> None:
    refused = agent("resume", "s", "--epochs", "3", "--tracking.experiment", "x", "--runs-dir", str(runs))
    assert refused.returncode == 2
    assert "--epochs, --tracking.experiment: cannot change within a study" in refused.stderr


def test_a_study_that_could_not_start_leaves_its_name_free(runs, tmp_path) -> None:
    size = BARE.replace("--dataset demo", f"--data {tmp_path / 'gone'}")
    failed = run(runs, size=size)
    assert failed.returncode != 0
    assert "agent resume" not in failed.stderr
    assert not (runs / "studies/s").exists()


def test_a_study_that_was_killed_before_it_began_is_started_by_resume(runs) -> None:
    """Its folder holds settings and an empty checkpoint, MLflow nothing: nothing of it is lost."""
    assert run(runs, size=BARE, moment="decoding").returncode == KILLED
    assert "not begun" in agent("list", "--runs-dir", str(runs)).stdout
    assert resume(runs, moment="before:prepare").returncode == KILLED
    assert tracking(runs).study_run
    refused = run(runs, size=BARE)
    assert refused.returncode == 2
    assert "already a study of that name" in refused.stderr
