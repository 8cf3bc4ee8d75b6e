"""`agent generate`: images without a study, from the command line."""

import csv
import hashlib
import json
import math
import os
import shutil
import signal
import time
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest
import yaml
from PIL import Image

from agent.cli import main
from tests.agent.studies import Ended, agent, environment
from tests.loopback.replies import Answer
from tests.loopback.server import LoopbackServer

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
    assert not list((runs / "aga").rglob("*.png")), "neither masks nor backgrounds nor the contact sheet stay"


def test_flags_that_only_mean_something_together_or_apart_are_refused(told, tmp_path):
    place = ("--runs-dir", str(tmp_path))
    for words, fault in (
        (("--status", "--prune"), "--status only lists, and --prune removes"),
        (("--keep", "abc"), "--keep abc says what --prune leaves"),
        (("--status", "--keep", "abc"), "--keep abc says what --prune leaves"),
    ):
        code, _, err = told(*words, *place)
        assert code == 2
        assert fault in " ".join(err.split())
    assert list(tmp_path.iterdir()) == []


def test_prompts_of_ones_own_are_read_and_refused_with_reasons(told, tmp_path):
    prompts = tmp_path / "prompts.yaml"
    words = [*DIGITS.split(), "--runs-dir", str(tmp_path), "--prompts", str(prompts)]
    prompts.write_text("instructions: [a photo of]\nsettings: [the digit 7 on a wall]\ntimes: [at noon]\n")
    code, _, err = told(*words)
    assert code == 2
    assert "'7'" in err
    assert f"The background prompts of {prompts} are refused" in err.replace("\n", "")
    prompts.write_text("# later\n")
    code, _, err = told(*words)
    assert code == 2
    assert "is empty: give it lists of instructions, settings and times" in " ".join(err.split())
    prompts.write_text("instruction: [a photo of]\n")
    code, _, err = told(*words)
    assert code == 2
    assert "instruction" in err
    assert "Fields: subject, scale, instructions" in err


def test_prompts_of_ours_of_which_nothing_is_left_are_told(told, tmp_path):
    data = photographs(tmp_path / "data")
    for name, new in (("moth", "photograph"), ("wasp", "view")):
        (data / name).rename(data / new)
    words = ("--data", str(data), "--data.modality", "natural", "--runs-dir", str(tmp_path / "runs"))
    code, _, err = told(*words, "--domain", "neutral")
    assert code == 2
    said = " ".join(err.split())
    assert (
        "all instructions of our prompts neutral name a class or the subject (photograph, view, object)"
        in said
    )


@pytest.mark.parametrize(
    ("flags", "named"),
    [
        ("--scale 0", "scale is 0"),
        ("--segmenter sam --aga.segmenter.checkpoint no/sam.pth", "no/sam.pth"),
        ("--background folder --aga.background.folder no/photos", "no/photos"),
        ("--detector dataset", "boxes"),
        ("--aga.caption.kind llm --background textures", "no model is configured"),
        ("--aga.caption.kind llm --background diffusion", "no model is configured"),
        ("--prompts=", "it is empty"),
        ("--background diffusion --aga.background.model a-painter/of-pictures", "--yes"),
        ("--domain moon", "'moon'"),
    ],
    ids=["scale", "sam", "photos", "boxes", "llm", "llm first", "empty", "weights", "domain"],
)
def test_what_is_missing_is_named(told, tmp_path, flags, named):
    code, _, err = told(*DIGITS.split(), "--runs-dir", str(tmp_path), *flags.split())
    assert code == 2, err
    assert named in err
    assert "Traceback" not in err


def photographs(folder: Path, count: int = 8) -> Path:
    """Bright discs on dark ground, wider than high, in a folder for each class."""
    draw = np.random.default_rng(0)
    for label in ("moth", "wasp"):
        for number in range(count):
            coarse = Image.fromarray(draw.integers(0, 120, (5, 7, 3), dtype=np.uint8))
            pixels = np.asarray(coarse.resize((90, 60), Image.Resampling.BICUBIC)).copy()
            y, x = np.mgrid[:60, :90]
            left, top = draw.integers((36, 24), (54, 36)).tolist()
            pixels[(x - left) ** 2 + (y - top) ** 2 < 300] = (230, 220 - 100 * (label == "wasp"), 90)
            file = folder / label / f"trap {number}.png"
            file.parent.mkdir(parents=True, exist_ok=True)
            Image.fromarray(pixels).save(file)
    return folder


class TestForPhotographs:
    """One short run in each test, on two classes of eight photographs."""

    @pytest.fixture
    def words(self, tmp_path) -> list[str]:
        data = photographs(tmp_path / "night traps")
        folder = ("--data", str(data), "--runs-dir", str(tmp_path / "runs"), "--domain", "insects")
        return [*folder, "--segmenter", "otsu", "--image-size", "32", "--data.modality", "natural"]

    def test_images_keep_size_and_proportions_and_the_names_of_their_sources(self, told, tmp_path, words):
        code, out, err = told(*words)
        assert code == 0, err
        folder = tmp_path / "runs/generated/night-traps-insects"
        assert str(folder) in out.replace("\n", "")
        table = pq.read_table(folder / "provenance.parquet").to_pylist()
        assert table
        for row in table:
            with Image.open(folder / row["copied_to"]) as image:
                assert image.size == (90, 60)
            assert row["copied_to"].startswith(f"{row['class']}/{Path(row['source_file']).stem}-0")
        assert "find: none, the middle of each image, no detector (rule)" in out
        assert (
            "background: scenes, drawn by a program as its words ask (docs/scenes.md) (drawn); better:" in out
        )
        assert yaml.safe_load((folder / "prompts.yaml").read_text())["subject"] == "object"
        before = sorted(folder.parent.iterdir())
        assert told(*words)[0] == 0
        assert sorted(folder.parent.iterdir()) == before, "the same command, repeated, finds the images"
        assert told(*words, "--scale", "0.5")[0] == 0
        (other,) = set(folder.parent.iterdir()) - set(before)
        assert other.name.startswith("night-traps-insects-")

    def test_a_file_is_no_folder_and_neither_is_one_of_the_data(self, told, tmp_path, words):
        (tmp_path / "file").touch()
        for out, fault in (("file", "is a file"), ("night traps/new/images", "lies within the data")):
            code, _, err = told(*words, "--out", str(tmp_path / out))
            assert code == 2
            assert f"--out {tmp_path / out} {fault}" in " ".join(err.split())
        assert not (tmp_path / "night traps/new").exists()
        assert not (tmp_path / "runs/cache").exists(), "before anything is decoded"

    def test_the_training_size_can_be_asked_for(self, told, tmp_path, words):
        assert told(*words, "--aga.compose.size", "training")[0] == 0
        folder = tmp_path / "runs/generated/night-traps-insects"
        assert {Image.open(each).size for each in folder.glob("*/*.png")} == {(32, 32)}

    def test_names_that_are_not_utf_8_or_as_long_as_a_name_can_be_are_no_fault(self, told, tmp_path, words):
        folder = tmp_path / "night traps" / "moth"
        for number, name in enumerate((b"trap \xe9.png", b"trap \xe8.png", b"n" * 251 + b".png")):
            os.rename(folder / f"trap {number}.png", os.path.join(os.fsencode(folder), name))
        code, _, err = told(*words)
        assert code == 0, err
        out = tmp_path / "runs/generated/night-traps-insects"
        table = pq.read_table(out / "provenance.parquet").to_pylist()
        names = [row["copied_to"] for row in table]
        assert len(set(names)) == len(names) == len(list(out.glob("*/*.png")))
        assert {"moth/trap \\xe9.png", "moth/trap \\xe8.png"} & {row["source_file"] for row in table}

    def test_only_sources_that_are_needed_are_cut_out(self, told, tmp_path, words):
        code, _, err = told(*words, "--scale", "0.2")
        assert code == 0, err
        (file,) = (tmp_path / "runs/aga/sets").glob("*/sources.parquet")
        images = json.loads((file.parent / "set.json").read_text())["images"]
        sources = pq.read_table(file).to_pylist()
        training = len(list((tmp_path / "night traps").glob("*/*")))
        assert images < len(sources) <= math.ceil(1.5 * images) < training
        assert {row["class"] for row in sources} == {"moth", "wasp"}

    def test_photos_of_ones_own_need_one_flag(self, told, tmp_path, words):
        for name, colour in (("meadow", "green"), ("sky", "blue")):
            Image.new("RGB", (64, 64), colour).save(tmp_path / f"{name}.bmp")
            backdrop = np.asarray(Image.open(tmp_path / f"{name}.bmp")).copy()
            backdrop[::2] = backdrop[::2] // 2
            (tmp_path / "own").mkdir(exist_ok=True)
            Image.fromarray(backdrop).save(tmp_path / "own" / f"{name}.png")
        code, out, err = told(*words, "--background", "folder", str(tmp_path / "own"))
        assert code == 0, err
        assert "background: folder, your photos (given)" in out

    @pytest.mark.parametrize("split", ["validation", "test"])
    def test_what_is_held_out_never_becomes_a_background(self, told, tmp_path, words, split):
        place = ("--aga.background.folder", str(tmp_path / "own"), "--background", "folder")
        (tmp_path / "own").mkdir()
        assert told(*words)[0] == 0
        (table,) = (tmp_path / "runs/cache").rglob("splits.csv")
        with table.open() as opened:
            files = {row["split"]: row["file"] for row in csv.DictReader(opened)}
        with Image.open(tmp_path / "night traps" / files["train"]) as trained:
            trained.save(tmp_path / "own" / "trained on.png")
        code, _, err = told(*words, *place)
        assert code == 0, err
        with Image.open(tmp_path / "night traps" / files[split]) as held_out:
            held_out.resize((180, 120)).save(tmp_path / "own" / "beach.jpg", quality=90)
        code, _, err = told(*words, *place)
        assert code == 2
        err = " ".join(err.split())
        assert "has 1 validation or test image" in err
        assert f"{tmp_path / 'own' / 'beach.jpg'} = {files[split]}" in err

    def test_settings_are_described_from_the_training_images_where_asked(
        self, told, tmp_path, words, monkeypatch
    ):
        with LoopbackServer([Answer(json.dumps(["a mossy forest floor", "a moth trap"]))]) as server:
            monkeypatch.setenv("OPENAI_API_KEY", "sk-test")
            llm = ("--describe", "--llm", "openai:loopback", "--llm-base-url", server.openai_url)
            code, out, err = told(*words, *llm, "--scale", "0.3")
        assert code == 0, err
        assert "described from the training images: a mossy forest floor" in " ".join(out.split())
        (prompts,) = (tmp_path / "runs/generated").glob("*/prompts.yaml")
        assert yaml.safe_load(prompts.read_text())["settings"] == ["a mossy forest floor"]

    def test_words_that_changed_nothing_are_told(self, told, tmp_path, words):
        prompts = tmp_path / "own.yaml"
        prompts.write_text("instructions: [a photo of]\nsettings: [a zeppelin, a meadow]\ntimes: [at noon]\n")
        code, _, err = told(*words, "--prompts", str(prompts))
        assert code == 0
        assert "1 of 2 captions name nothing that can be drawn" in " ".join(err.split())
        assert "zeppelin (1)" in " ".join(err.split())


def test_the_model_that_writes_captions_is_asked_at_the_start_whether_it_is_there(
    told, tmp_path, monkeypatch
):
    monkeypatch.setenv("OPENAI_API_KEY", "sk-test")
    llm = ("--aga.llm", "openai:none", "--aga.llm_base_url", "http://127.0.0.1:9/v1")
    words = [*DIGITS.split(), "--runs-dir", str(tmp_path), "--aga.caption.kind", "llm", *llm]
    code, _, err = told(*words, "--background", "textures")
    assert code == 1
    assert "cannot be asked" in " ".join(err.split())
    assert not (tmp_path / "cache").exists(), "before anything is decoded"
