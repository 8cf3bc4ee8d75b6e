"""Tables of trained policies are read as they are, or refused with the place and the remedy."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from evaluators.tables import read_table
from tests.evaluators.made_tables import DEFAULT, IMAGES, names_of, rows_of, write_table
from tools.errors import DataError

GAINS = [0.0, 0.05, 0.02, -0.01]


def made(folder: Path, change: Callable[[list[dict[str, Any]]], object] = len) -> Path:
    rows = rows_of(GAINS)
    change(rows)
    return write_table(folder, rows, names_of(4))


def test_a_table_is_read_with_its_bits(tmp_path: Path) -> None:
    table = read_table(made(tmp_path), DEFAULT)
    assert (table.default, table.none, list(table.seeds), table.epochs) == (1, 0, [0, 1, 2, 3], 30)
    assert table.validation.correct is not None
    assert table.validation.correct.shape == (4, 4, IMAGES)
    assert np.allclose(table.validation.correct.mean(2), table.validation.scores, atol=1e-5)
    assert not np.array_equal(table.validation.scores, table.test.scores)


def test_the_suffix_may_be_left_out_and_a_dot_in_the_name_is_no_suffix(tmp_path: Path) -> None:
    write_table(tmp_path, rows_of(GAINS), names_of(4), stem="skin-v1.5")
    assert len(read_table(tmp_path / "skin-v1.5", DEFAULT).names) == 4


def test_the_length_is_the_longest_unless_given(tmp_path: Path) -> None:
    path = write_table(tmp_path, rows_of(GAINS) + rows_of(GAINS[:3], epochs=8), names_of(4))
    assert read_table(path, DEFAULT).epochs == 30
    assert len(read_table(path, DEFAULT, 8).names) == 3
    with pytest.raises(DataError, match="no training of 9 epochs; --epochs can be 8, 30"):
        read_table(path, DEFAULT, 9)


def test_entries_without_all_seeds_are_named(tmp_path: Path) -> None:
    table = read_table(made(tmp_path, lambda rows: rows.pop()), DEFAULT)
    assert list(table.incomplete) == ["other 1"]
    assert list(table.names) == ["none", DEFAULT, "other 0"]


def test_without_bits_scores_and_losses_remain(tmp_path: Path) -> None:
    table = read_table(made(tmp_path, lambda rows: rows[0].pop("val_bits")), DEFAULT)
    assert table.validation.correct is None
    assert table.test.correct is not None


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda rows: rows[2].pop("val_loss"), "line 3: no val_loss; every training needs it"),
        (lambda rows: rows[2].update(val=75.2), "line 3: val is 75.2; expected an accuracy from 0 to 1"),
        (lambda rows: rows[2].update(test=True), "line 3: test is True; expected an accuracy"),
        (
            lambda rows: rows[2].update(val_loss=float("nan")),
            "line 3: val_loss is nan; expected a finite log loss",
        ),
        (lambda rows: rows[2].update(seed="0"), "line 3: seed is '0'; expected a whole number"),
        (lambda rows: rows[2].update(policy=9), "line 3: policy 9, but the policies are numbered 0 to 3"),
        (
            lambda rows: rows.append(dict(rows[0])),
            "line 17: policy 0, seed 0, 30 epochs is there already, in line 1",
        ),
        (lambda rows: rows[2].update(val_bits="zz"), "val_bits must be hexadecimal"),
        (lambda rows: rows[2].update(val_bits=rows[2]["val_bits"][2:]), "equally long in every line"),
        (lambda rows: rows[2].update(val=0.5), "val_bits do not agree with val"),
        (lambda rows: rows.clear(), "has no line"),
        (lambda rows: rows.__delitem__(slice(4, 8)), f"no entry '{DEFAULT}' of 30 epochs to be the default"),
        (lambda rows: rows.__delitem__(slice(0, 4)), "no entry of 30 epochs is without operations"),
        (lambda rows: rows.__delitem__(0), "'none' lacks seeds"),
    ],
)
def test_what_is_wrong_is_said(tmp_path: Path, change: Callable[[Any], object], message: str) -> None:
    with pytest.raises(DataError, match="made") as caught:
        read_table(made(tmp_path, change), DEFAULT)
    assert message in str(caught.value)


def test_a_misspelt_default_is_corrected(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"--default NAME.*did you mean 'flip\+affine-mild'"):
        read_table(made(tmp_path), "flip+afine-mild")


def test_missing_and_broken_files_are_named(tmp_path: Path) -> None:
    path = made(tmp_path)
    with pytest.raises(DataError, match=r"none\.policies\.json is missing: a table is two files"):
        read_table(tmp_path / "none.jsonl", DEFAULT)
    path.write_text("{", encoding="utf-8")
    with pytest.raises(DataError, match="line 1: not JSON"):
        read_table(path, DEFAULT)
    path.write_text("[1]\n", encoding="utf-8")
    with pytest.raises(DataError, match="line 1: expected an object"):
        read_table(path, DEFAULT)
    path.unlink()
    with pytest.raises(DataError, match=r"made\.jsonl is missing"):
        read_table(path, DEFAULT)


def test_policies_must_be_a_list_with_names_of_their_own(tmp_path: Path) -> None:
    path, policies = made(tmp_path), tmp_path / "made.policies.json"
    policies.write_text('{"none": []}', encoding="utf-8")
    with pytest.raises(DataError, match="expected a list of"):
        read_table(path, DEFAULT)
    entry = {"name": "none", "policy": {"operations": []}}
    policies.write_text(json.dumps([entry, entry]), encoding="utf-8")
    with pytest.raises(DataError, match="none is the name of several policies"):
        read_table(path, DEFAULT)
