"""Memory that runs out, for real."""

from collections.abc import Callable

import pytest
import torch

from tools.errors import AugurError
from tools.machine import Batches


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
        batches = Batches(8, "out of memory: an image")
        assert batches.run(list(range(10)), self.fits(3, seen)) == [2 * item for item in range(10)]
        assert seen == [8, 4, 2, 2, 2, 2, 2]

    def test_what_does_not_fit_alone_is_an_error_with_its_remedy(self) -> None:
        with pytest.raises(AugurError, match="out of memory: an image"):
            Batches(4, "out of memory: an image").run([1, 2], self.fits(0, []))
