"""`benchmarks/search_table.py`: a table of real trainings that can be interrupted, packed and searched."""

import json
from itertools import islice
from pathlib import Path
from typing import Any

import pytest

from agent.cli import main
from agent.simulating.trained import read_trained
from benchmarks.search_table import entries, make, pack
from tests.repository import ROOT
from tools.datasets.cache.build import build_cache
from tools.datasets.cache.read import CachedDataset
from tools.datasets.config import DataConfig
from tools.datasets.registry import open_dataset

TRAINING = {"batch_size": 50, "learning_rate": 1e-2}


@pytest.fixture(scope="module")
def digits(tmp_path_factory: pytest.TempPathFactory) -> CachedDataset:
    config = DataConfig(dataset="demo", decode_workers=1)
    return build_cache(open_dataset(config), config, 8, tmp_path_factory.mktemp("digits"))


def test_the_table_that_comes_with_the_source_is_complete() -> None:
    file = ROOT / "benchmarks" / "data" / "digits.jsonl.gz"
    assert file.stat().st_size < 2_000_000
    trained = read_trained(file, needs_short=True)
    names = [entry.name for entry in entries("digits", True, len(trained.full.names))]
    assert trained.full.names == names  # as the command makes them today
    assert not trained.full.incomplete
    assert (trained.full.epochs, trained.share, list(trained.full.seeds)) == (16, 0.25, [0, 1, 2, 3, 4])
    assert trained.full.test.correct is not None
    assert trained.full.test.correct.shape == (len(names), 5, 1000)


def lines_of(file: Path) -> list[dict[str, Any]]:
    rows = [json.loads(line) for line in file.read_text(encoding="utf-8").splitlines()]
    return [{key: value for key, value in row.items() if key != "seconds"} for row in rows]


def test_an_interrupted_table_is_continued_and_searched(
    digits: CachedDataset, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "made" / "few.jsonl"

    def rows(runs: str, to: Path, policies: int = 4) -> Any:
        return make(digits, "digits", tmp_path / runs, to, policies, 2, [1, 2], TRAINING)

    begun = list(islice(rows("runs", file), 5))
    assert [(row["policy"], row["seed"], row["epochs"]) for row in begun[:4]] == [
        (0, 0, 1),
        (0, 0, 2),
        (0, 1, 1),
        (0, 1, 2),
    ]
    whole = file.read_bytes()
    file.write_bytes(whole + b'{"policy": 1, "se')  # killed while it wrote
    packed = pack(file, tmp_path / "packed")
    assert [each["name"] for each in json.loads((tmp_path / "packed" / "few.policies.json").read_text())] == [
        "none"
    ]
    assert len(list(rows("runs", file))) == 4 * 2 * 2 - 5
    assert file.read_bytes().startswith(whole)

    again = tmp_path / "again" / "few.jsonl"
    list(rows("other", again, policies=2))
    assert lines_of(again) == lines_of(file)[:8]

    packed = pack(file, tmp_path / "packed")
    first = packed.read_bytes()
    assert pack(file, tmp_path / "packed").read_bytes() == first
    trained = read_trained(packed, needs_short=True)
    assert (trained.modality, trained.grey, trained.full.epochs, trained.share) == ("digits", True, 2, 0.5)
    assert trained.full.names[:2] == ["none", "default"]
    assert trained.full.test.correct is not None
    assert trained.full.test.correct.shape == (4, 2, 1000)
    words = [
        "--arms",
        "random,random+race",
        "--candidates",
        "2",
        "--seeds",
        "2",
        "--trials",
        "6",
        "--repeats",
        "2",
    ]
    assert main(["simulate", str(packed), *words, "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["arms"]["random"]["tried"] == 2
    assert found["arms"]["random+race"]["cost"] == 5
