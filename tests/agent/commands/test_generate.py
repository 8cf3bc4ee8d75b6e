"""`agent generate`: images without a study, from the command line."""

import hashlib
import os
import shutil
import signal
import time
from pathlib import Path

import pytest

from agent.cli import main
from tests.agent.studies import Ended, agent, environment

DIGITS = "--dataset demo --scale 1.5 --rotation 10 --flip 0 --search.seed 3"


def generate(runs: Path, *more: str, moment: str = "none") -> Ended:
    """In its own process, which dies at `moment`."""
    return agent(
        "generate", *DIGITS.split(), "--runs-dir", str(runs), *more, moment=moment, env=environment()
    )


@pytest.fixture
def told(monkeypatch, capsys):
    """Run the command in this process: (exit code, standard output, standard error)."""
    for name in set(os.environ) - set(environment()):
        monkeypatch.delenv(name)

    def run(*words: str) -> tuple[int, str, str]:
        code = main(["generate", *words])
        out, err = capsys.readouterr()
        return code, out, err

    return run


def contents(runs: Path) -> dict[str, str]:
    """Every file of the finished sets by its hash; parquet apart, whose bytes hold no promise but are equal too."""
    (folder,) = {file.parent for file in (runs / "aga/sets").glob("*/set.json")}
    files = [file for file in sorted(folder.rglob("*")) if file.is_file()]
    return {str(file.relative_to(folder)): hashlib.sha256(file.read_bytes()).hexdigest() for file in files}


@pytest.fixture(scope="module")
def made(tmp_path_factory) -> Path:
    runs = tmp_path_factory.mktemp("made")
    done = generate(runs)
    assert done.returncode == 0, done.stderr + done.stdout
    assert "150 synthetic images" in done.stdout
    return runs


def test_it_writes_images_by_class_with_their_provenance_and_a_sheet(made):
    import pyarrow.parquet as pq

    names = contents(made)
    images = [name for name in names if name.startswith("images/")]
    assert len(images) == 150
    assert {Path(name).parts[1] for name in images} == set("0123456789")
    (folder,) = {file.parent for file in (made / "aga/sets").glob("*/set.json")}
    table = pq.read_table(folder / "provenance.parquet").to_pylist()
    assert {row["file"] for row in table} == set(images)
    assert all(names[row["file"]] == row["sha256"] for row in table)
    assert folder.with_suffix(".png").read_bytes().startswith(b"\x89PNG")


@pytest.mark.parametrize("moment", ["generate:masks", "generate:backgrounds", "generate:composites"])
def test_killed_it_resumes_and_makes_the_same(made, tmp_path, moment):
    killed = generate(tmp_path, moment=moment)
    assert killed.returncode == -signal.SIGKILL, killed.stderr + killed.stdout
    assert generate(tmp_path).returncode == 0
    assert contents(tmp_path) == contents(made)


def test_a_second_run_does_nothing(made):
    before = {path: path.stat().st_mtime_ns for path in (made / "aga/sets").rglob("*.npy")}
    started = time.monotonic()
    again = generate(made)
    assert again.returncode == 0
    assert time.monotonic() - started < 10
    assert "composites" not in again.stdout
    assert before == {path: path.stat().st_mtime_ns for path in (made / "aga/sets").rglob("*.npy")}


def test_the_images_are_copied_where_they_are_wanted_but_nothing_is_overwritten(made, told, tmp_path):
    out = tmp_path / "images"
    words = [*DIGITS.split(), "--runs-dir", str(made), "--out", str(out)]
    assert told(*words)[0] == 0
    assert len(list(out.glob("?/*.png"))) == 150
    assert (out / "provenance.parquet").is_file()
    code, _, err = told(*words)
    assert code == 2
    assert f"--out {out}" in err


def test_status_lists_the_sets_and_prune_removes_them(made, told, tmp_path):
    runs = tmp_path / "runs"
    shutil.copytree(made, runs)
    key = next((runs / "aga/sets").glob("*/set.json")).parent.name
    place = ("--runs-dir", str(runs))
    assert key[:12] in told("--status", *place)[1]
    assert told("--prune", "--keep", key[:8], *place)[0] == 0
    assert (runs / "aga/sets" / key / "set.json").exists()
    code, _, err = told("--prune", "--keep", "nothing", *place)
    assert code == 2
    assert "--keep nothing" in err
    assert told("--prune", *place)[0] == 0
    assert not (runs / "aga/sets" / key).exists()
    assert key[:12] not in told("--status", *place)[1]


def test_prompts_of_ones_own_are_read_and_refused_with_reasons(told, tmp_path):
    prompts = tmp_path / "prompts.yaml"
    words = [*DIGITS.split(), "--runs-dir", str(tmp_path), "--prompts", str(prompts)]
    prompts.write_text("instructions: [a photo of]\nsettings: [the digit 7 on a wall]\ntimes: [at noon]\n")
    code, _, err = told(*words)
    assert code == 2
    assert "'7'" in err
    prompts.write_text("instruction: [a photo of]\n")
    code, _, err = told(*words)
    assert code == 2
    assert "instruction" in err
    assert "Fields: subject, scale, instructions" in err


@pytest.mark.parametrize(
    ("flags", "named"),
    [
        ("--scale 0", "scale is 0"),
        ("--segmenter sam --aga.segmenter.checkpoint no/sam.pth", "no/sam.pth"),
        ("--background folder --aga.background.folder no/photos", "no/photos"),
        ("--detector dataset", "boxes"),
        ("--aga.caption.kind llm", "model"),
        ("--domain moon", "'moon'"),
    ],
    ids=["scale", "sam", "photos", "boxes", "llm", "domain"],
)
def test_what_is_missing_is_named(told, tmp_path, flags, named):
    code, _, err = told(*DIGITS.split(), "--runs-dir", str(tmp_path), *flags.split())
    assert code == 2, err
    assert named in err
    assert "Traceback" not in err
