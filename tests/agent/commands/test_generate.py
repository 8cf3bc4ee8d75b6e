"""`agent generate`: images without a study, from the command line."""

import hashlib
import signal
import time
from pathlib import Path

import pytest

from tests.agent.studies import agent, environment

DIGITS = "--dataset demo --scale 1.5 --rotation 10 --flip 0 --search.seed 3"


def generate(runs: Path, *more: str, moment: str = "none"):
    return agent(
        "generate", *DIGITS.split(), "--runs-dir", str(runs), *more, moment=moment, env=environment()
    )


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
def test_killed_it_goes_on_and_comes_out_the_same(made, tmp_path, moment):
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


def test_the_images_are_copied_where_they_are_wanted_but_nothing_is_overwritten(made, tmp_path):
    out = tmp_path / "images"
    assert generate(made, "--out", str(out)).returncode == 0
    assert len(list(out.glob("?/*.png"))) == 150
    assert (out / "provenance.parquet").is_file()
    again = generate(made, "--out", str(out))
    assert again.returncode == 2
    assert "is not empty" in again.stderr


def test_status_lists_what_there_is_and_prune_makes_room(made, tmp_path):
    import shutil

    runs = tmp_path / "runs"
    shutil.copytree(made, runs)
    key = next((runs / "aga/sets").glob("*/set.json")).parent.name
    assert f"{key[:12]}" in agent("generate", "--status", "--runs-dir", str(runs)).stdout
    kept = agent("generate", "--prune", "--keep", key[:8], "--runs-dir", str(runs))
    assert kept.returncode == 0, kept.stderr
    assert (runs / "aga/sets" / key / "set.json").exists()
    wrong = agent("generate", "--prune", "--keep", "nothing", "--runs-dir", str(runs))
    assert wrong.returncode == 2
    assert "fits 0 sets" in wrong.stderr
    assert agent("generate", "--prune", "--runs-dir", str(runs)).returncode == 0
    assert not (runs / "aga/sets" / key).exists()
    assert "no synthetic images" in agent("generate", "--status", "--runs-dir", str(runs)).stdout


def test_prompts_of_ones_own_are_read_and_refused_with_reasons(tmp_path):
    prompts = tmp_path / "prompts.yaml"
    prompts.write_text("instructions: [a photo of]\nsettings: [the digit 7 on a wall]\ntimes: [at noon]\n")
    refused = generate(tmp_path, "--prompts", str(prompts))
    assert refused.returncode == 2
    assert "names '7'" in refused.stderr
    prompts.write_text("instruction: [a photo of]\n")
    unknown = generate(tmp_path, "--prompts", str(prompts))
    assert unknown.returncode == 2
    assert "instruction" in unknown.stderr
    assert "Fields: subject, scale, instructions" in unknown.stderr


@pytest.mark.parametrize(
    ("flags", "told"),
    [
        (("--scale", "0"), "scale is 0"),
        (("--segmenter", "sam", "--aga.segmenter.checkpoint", "no/sam.pth"), "no/sam.pth"),
        (("--background", "folder", "--aga.background.folder", "no/photos"), "no/photos"),
        (("--detector", "dataset"), "brings no boxes"),
        (("--aga.caption.kind", "llm"), "no model is configured"),
        (("--domain", "moon"), "no modality set 'moon'"),
    ],
    ids=["scale", "sam", "photos", "boxes", "llm", "domain"],
)
def test_what_is_missing_is_named(tmp_path, flags, told):
    done = generate(tmp_path, *flags)
    assert done.returncode == 2, done.stderr + done.stdout
    assert told in done.stderr
    assert "Traceback" not in done.stderr
