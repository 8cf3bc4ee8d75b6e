"""`agent simulate`: rules of choosing on a table, for people and for programs."""

import json
from pathlib import Path

import pytest

from agent.cli import main
from tests.evaluators.made_tables import names_of, rows_of, write_table

GAINS = [-0.06, 0.0, *(-0.005 * number for number in range(1, 15))]


@pytest.fixture
def table(tmp_path: Path) -> Path:
    return write_table(tmp_path, rows_of(GAINS) + rows_of(GAINS[:8], epochs=8), names_of(len(GAINS)))


def test_json_has_every_rule_and_nothing_else(table: Path, capsys: pytest.CaptureFixture[str]) -> None:
    words = ["--candidates", "12", "--seeds", "3", "--epochs", "30", "--repeats", "20", "--json"]
    assert main(["simulate", str(table), *words]) == 0
    printed = capsys.readouterr()
    found = json.loads(printed.out)
    for rule in ("rule", "highest_accuracy", "lowest_loss", "default"):
        assert {"gain_over_default", "q05_over_default", "gain_over_none"} <= found[rule].keys()
    assert 0 <= found["false_better"] <= found["false_recommended"] <= 1
    assert 0 <= found["planted"] <= 1
    assert (found["candidates"], found["seeds"], found["epochs"], found["repeats"]) == (12, 3, 30, 20)
    assert not printed.err


def test_people_read_a_table_and_a_sentence(
    table: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "160")
    assert main(["simulate", str(table), "--repeats", "20"]) == 0
    shown = " ".join(capsys.readouterr().out.split())
    assert (
        "20 studies: 12 of 14 policies beside the default (flip+affine-mild) and no augmentation, 30 epochs"
        in shown
    )
    for title in ("what a study recommends", "highest validation accuracy", "lowest validation loss"):
        assert title in shown
    assert "A policy planted 3 points above the default is recommended in" in shown


def test_another_length_and_another_default(table: Path, capsys: pytest.CaptureFixture[str]) -> None:
    words = ["--epochs", "8", "--default", "other 0", "--candidates", "5", "--repeats", "5", "--json"]
    assert main(["simulate", str(table), *words]) == 0
    found = json.loads(capsys.readouterr().out)
    assert (found["default_entry"], found["epochs"], found["entries"]) == ("other 0", 8, 8)


def test_what_is_left_out_or_not_known_is_said(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    rows = rows_of(GAINS)[:-1]
    rows[0].pop("val_bits")
    path = write_table(tmp_path, rows, names_of(len(GAINS)))
    assert main(["simulate", str(path), "--repeats", "5", "--json"]) == 0
    printed = capsys.readouterr()
    json.loads(printed.out)
    said = " ".join(printed.err.split())
    assert "left out, because they lack seeds that the default has: 1 (other 13)" in said
    assert "the noise of the images is not counted" in said


@pytest.mark.parametrize(
    ("words", "code", "message"),
    [
        ([], 2, "agent simulate needs a TABLE"),
        (["no-such-table"], 1, "no-such-table.policies.json is missing"),
        (["TABLE", "--candidates", "99"], 2, "--candidates 99: the table has 14 complete entries"),
        (["TABLE", "--seeds", "9"], 2, "--seeds 9: the table has 4"),
        (["TABLE", "--repeats", "0"], 2, "--repeats 0"),
        (["TABLE", "--random-seed", "-1"], 2, "--random-seed -1"),
        (
            ["TABLE", "--default", "flip"],
            1,
            "no entry 'flip' of 30 epochs to be the default (--default NAME)",
        ),
        (["TABLE", "--epochs", "9"], 1, "--epochs can be 8, 30"),
    ],
)
def test_errors_say_what_to_do(
    table: Path, words: list[str], code: int, message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["simulate", *(str(table) if word == "TABLE" else word for word in words)]) == code
    assert message in " ".join(capsys.readouterr().err.split())
