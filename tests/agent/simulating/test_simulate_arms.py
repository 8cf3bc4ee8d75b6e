"""`agent simulate TABLE --arms`: for people, for programs, and what is wrong."""

import gzip
import json
from pathlib import Path

import pytest
from PIL import Image

from agent.cli import main
from tests.agent.simulating.worlds import write_world


@pytest.fixture(scope="module")
def table(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_world(tmp_path_factory.mktemp("world"))


def test_json_has_every_arm_with_its_curves(
    table: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    figure = tmp_path / "figures" / "curves.png"
    words = [
        "--arms",
        "random,random+short",
        "--repeats",
        "3",
        "--trials",
        "18",
        "--plot",
        str(figure),
        "--json",
    ]
    assert main(["simulate", str(table), *words]) == 0
    printed = capsys.readouterr()
    found = json.loads(printed.out)
    assert not printed.err
    assert (found["title"], found["epochs"], found["short_epochs"]) == ("Made digits", 24, 6)
    assert found["default_entry"] == "default"
    assert list(found["arms"]) == ["random", "random+short"]
    plain, short = found["arms"].values()
    assert plain["cost"] == plain["trainings"] == 18
    assert short["cost"] <= 18 < short["trainings"]
    assert short["tried"] > plain["tried"]
    for arm in (plain, short):
        curve = arm["by_cost"]
        assert curve["at"] == list(range(3, 19))
        assert curve["mean"][-1] == pytest.approx(arm["gain_over_default"]["mean"], abs=1e-3)
        assert all(low <= high for low, high in zip(curve["q05"], curve["q95"], strict=True))
    assert found["short_ranks_like_full"]["trusted"] is True
    with Image.open(figure) as picture:
        assert picture.size == (1104, 480)


def test_people_read_arms_and_duels(
    table: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "160")
    words = ["--arms", "random,hybrid", "--repeats", "2", "--trials", "12"]
    assert main(["simulate", str(table), *words]) == 0
    shown = " ".join(capsys.readouterr().out.split())
    assert (
        "Made digits: 2 searches of each arm on 60 entries, 24 epochs, 12 full trainings each, 3 of 4 seeds"
        in shown
    )
    assert "random minus hybrid" in shown
    assert "No augmentation" in shown


def test_a_compressed_table_is_read_alike(
    table: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for kind in ("policies", "about"):
        (tmp_path / f"world.{kind}.json").write_bytes(table.with_suffix(f".{kind}.json").read_bytes())
    packed = tmp_path / "world.jsonl.gz"
    packed.write_bytes(gzip.compress(table.read_bytes()))
    words = ["--arms", "random", "--repeats", "1", "--trials", "9", "--json"]
    found = []
    for path in (table, packed, tmp_path / "world"):
        assert main(["simulate", str(path), *words]) == 0
        found.append({**json.loads(capsys.readouterr().out), "table": ""})
    assert found[0] == found[1] == found[2]
    packed.write_bytes(packed.read_bytes()[:-20])
    assert main(["simulate", str(packed), *words]) == 1
    assert "cannot be read as a table" in " ".join(capsys.readouterr().err.split())


def test_an_unknown_kind_of_images_is_said(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    table = write_world(tmp_path, about=False)
    words = ["--arms", "random", "--repeats", "1", "--trials", "6", "--json"]
    assert main(["simulate", str(table), *words]) == 0
    assert "nobody says what its images show" in " ".join(capsys.readouterr().err.split())
    assert main(["simulate", str(table), *words, "--modality", "digits"]) == 0
    printed = capsys.readouterr()
    assert not printed.err
    assert json.loads(printed.out)["modality"] == "digits"


@pytest.mark.parametrize(
    ("words", "code", "message"),
    [
        (["--trials", "9"], 2, "--trials: only arms have that; name some with --arms"),
        (["--arms", "random", "--trials", "5"], 2, "take 6 full trainings with 3 seeds; give 6 or more"),
        (["--arms", "random+race", "--candidates", "1"], 2, "give 2 or more"),
        (
            ["--arms", "random+short", "--short-epochs", "12"],
            2,
            "--short-epochs 12: of 24 epochs, the table has 6",
        ),
        (["--arms", "random+short", "--epochs", "6"], 2, "needs trainings that are shorter than 6 epochs"),
        (["--arms", "random", "--candidates", "5"], 2, "--candidates 5: only arms with +short or +race"),
        (["--arms", "random+race", "--short-epochs", "6"], 2, "--short-epochs 6: only arms with +short"),
        (["--arms", "random", "--seeds", "5"], 2, "--seeds 5: the table has 4"),
        (["--arms", "random", "--modality", "digit"], 2, "did you mean 'digits'"),
        (
            ["--arms", "random", "--plot", "x.jpg"],
            2,
            "--plot x.jpg: expected a name that ends in .png, .svg, .pdf",
        ),
    ],
)
def test_errors_say_what_to_do(
    table: Path, words: list[str], code: int, message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["simulate", str(table), *words]) == code
    assert message in " ".join(capsys.readouterr().err.split())


def test_a_policy_that_the_catalogue_lacks_is_named(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    table = write_world(tmp_path)
    file = table.with_suffix(".policies.json")
    file.write_text(file.read_text(encoding="utf-8").replace('"rotate"', '"rotat"'), encoding="utf-8")
    assert main(["simulate", str(table), "--arms", "random", "--repeats", "1"]) == 1
    shown = " ".join(capsys.readouterr().err.split())
    assert "world.policies.json: the policy of 'default'" in shown
    assert "rotat" in shown
