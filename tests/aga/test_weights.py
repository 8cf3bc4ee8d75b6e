"""What running a trained model takes: memory that may run out, files that must be told apart."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch

from tools.aga.weights import Batches, digest_of
from tools.errors import AugurError


class TestBatches:
    @staticmethod
    def fits(most: int, seen: list[int]) -> Callable[..., list[int]]:
        def double(batch: list[int]) -> list[int]:
            seen.append(len(batch))
            if len(batch) > most:
                torch.empty(1 << 50)  # a petabyte, which the allocator refuses for real
            return [2 * item for item in batch]

        return double

    def test_are_halved_until_they_fit_and_lose_nothing(self) -> None:
        seen: list[int] = []
        batches = Batches(8, "an image", "Use the CPU.")
        assert batches.run(list(range(10)), self.fits(3, seen)) == [2 * item for item in range(10)]
        assert seen == [8, 4, 2, 2, 2, 2, 2]

    def test_what_does_not_fit_alone_is_an_error_with_its_remedy(self) -> None:
        with pytest.raises(AugurError, match=r"out of memory: an image does not fit.*Use the CPU\."):
            Batches(4, "an image", "Use the CPU.").run([1, 2], self.fits(0, []))


def test_digest_tells_large_files_apart_by_their_last_byte(tmp_path: Path) -> None:
    content = bytearray(np.random.default_rng(0).bytes(9 << 20))
    (tmp_path / "a").write_bytes(content)
    content[-1] ^= 1
    (tmp_path / "b").write_bytes(content)
    assert digest_of(tmp_path / "a") != digest_of(tmp_path / "b")
