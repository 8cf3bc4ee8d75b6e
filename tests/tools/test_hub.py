"""Weights that must be told apart, and named as in stores made before."""

from pathlib import Path

import numpy as np

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
