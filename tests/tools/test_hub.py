"""Files of weights that must be told apart."""

from pathlib import Path

import numpy as np

from tools.hub import digest_of


def test_digest_tells_large_files_apart_by_their_last_byte(tmp_path: Path) -> None:
    content = bytearray(np.random.default_rng(0).bytes(9 << 20))
    (tmp_path / "a").write_bytes(content)
    content[-1] ^= 1
    (tmp_path / "b").write_bytes(content)
    assert digest_of(tmp_path / "a") != digest_of(tmp_path / "b")
