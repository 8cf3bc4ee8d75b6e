"""Weights that must be told apart, and named as in stores made before; downloads that go wrong."""

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from tests.repository import ROOT
from tools.hub import digest_of, source_identity


def test_digest_tells_large_files_apart_by_their_last_byte(tmp_path: Path) -> None:
    content = bytearray(np.random.default_rng(0).bytes(9 << 20))
    (tmp_path / "a").write_bytes(content)
    content[-1] ^= 1
    (tmp_path / "b").write_bytes(content)
    assert digest_of(tmp_path / "a") != digest_of(tmp_path / "b")


def test_names_are_those_of_stores_made_before(tmp_path: Path) -> None:
    (tmp_path / "model" / "unet").mkdir(parents=True)
    (tmp_path / "model" / "index.json").write_bytes(b"{}")
    (tmp_path / "model" / ".hidden").write_bytes(b"x")
    (tmp_path / "model" / "unet" / "weights").write_bytes(bytes(range(256)) * 40_000)
    weights = tmp_path / "model" / "unet" / "weights"
    assert digest_of(tmp_path / "model") == "c70cc82b3a0b7b4af0c8b66d95c6b8b9ad936944f48f6621e01e6aab0c366d04"
    assert digest_of(weights) == "08652a1f8437b0a840d0a8c328511913162bbdb7d6ebb4f04d5c555f664bd81a"
    assert source_identity(str(tmp_path / "model")) == "sha256:9b8493f4eb325226264218e2f661eabe"
    assert source_identity(str(weights)) == "sha256:b7379bd226fb4d1d9836980bb8487793"
    assert source_identity("owner/model") == "owner/model"


@pytest.fixture(scope="module")
def said(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """What is said of each answer of a hub on the loopback, by case."""
    cache = tmp_path_factory.mktemp("hub")
    clean = {
        k: v for k, v in os.environ.items() if not k.lower().endswith("_proxy") and not k.startswith("HF_")
    }
    ran = subprocess.run(
        [sys.executable, "-m", "tests.tools.hub_server", str(cache)],
        capture_output=True,
        text=True,
        cwd=ROOT,
        env=clean,
        check=False,
    )
    assert ran.returncode == 0, ran.stderr
    assert "Retrying" not in ran.stderr
    return json.loads(ran.stdout)


def test_a_file_is_downloaded_once(said: dict[str, str]) -> None:
    assert said["good"] == said["good again"] == "8000 bytes"


def test_a_download_with_another_content_is_deleted_and_named_each_time(said: dict[str, str]) -> None:
    for case in ("wrong", "wrong again"):
        assert "SHA-256 differs" in said[case]
        assert "run again" in said[case]


@pytest.mark.parametrize(
    ("case", "told"),
    [
        ("401", "HF_TOKEN"),
        ("gated", "accept its terms"),
        ("404", "there is no such repository: check the name"),
        ("entry", "the repository has no such file"),
        ("407", "HTTPS_PROXY"),
        ("read-only", "HF_HUB_CACHE"),
        ("away", "check the network"),
    ],
)
def test_what_a_download_meets_is_one_sentence_with_a_remedy(
    said: dict[str, str], case: str, told: str
) -> None:
    assert told in said[case]
    assert "aga.detector.checkpoint" in said[case]
    assert "give a local file" in said[case]
    assert "\n" not in said[case]
