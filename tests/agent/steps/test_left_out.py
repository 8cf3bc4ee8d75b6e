"""Whose errors a model may see: training images that no seed of the search is judged by."""

from types import SimpleNamespace
from typing import Any, cast

import pytest

from agent.settings.config import SearchConfig
from agent.steps.left_out import PARTS, _fold_to_show
from tools.training.config import Fold


def fold(count: int | None, **search: Any) -> Fold | None:
    config = SimpleNamespace(search=SearchConfig(**search))
    return _fold_to_show(cast(Any, SimpleNamespace(fold_count=count, config=config)))


def test_without_folds_a_part_of_the_training_images_is_left_out() -> None:
    assert fold(None) == Fold(number=0, count=PARTS, of="train")


@pytest.mark.parametrize("count", range(2, 11))
@pytest.mark.parametrize("seed", [0, 1, 6])
@pytest.mark.parametrize("seeds", [1, 2, 3, 5])
def test_with_folds_it_is_never_one_that_a_seed_of_the_search_is_validated_on(
    count: int, seed: int, seeds: int
) -> None:
    """Nor fold 0, the validation split itself. Where there is no other, nothing is shown."""
    search = SearchConfig(seeds=seeds, seed=seed)
    taken = {0, *(each % count for each in search.search_seeds)}
    found = fold(count, seeds=seeds, seed=seed)
    if found is None:
        assert taken == set(range(count))
    else:
        assert (found.count, found.of) == (count, "both")
        assert found.number not in taken


def test_if_there_is_one_it_is_not_a_fold_of_the_choice_either() -> None:
    found = fold(7, seeds=3, choosing_seeds=5)
    assert found is not None
    assert found.number in (5, 6)
    assert fold(5, seeds=3, choosing_seeds=5) == Fold(number=4, count=5)
