"""Which seeds share the draws of an augmentation, where a study's recipe has them shared."""

import pytest

from agent.settings.config import SearchConfig
from tools.training.seeds import draws_of


@pytest.mark.parametrize("seed", [0, 1, 47, 99, 2**31 - 1])
def test_seeds_of_the_search_never_share_draws_with_the_fresh_seeds_of_a_test(seed: int):
    config = SearchConfig(seed=seed, seeds=3, choosing_seeds=100, final_seeds=10)
    searched = {draws_of(each)[0] for each in config.choice_seeds}
    for other in (0, 1, 47, 99, 2**31 - 1):
        fresh = SearchConfig(seed=other, final_seeds=10).fresh_seeds
        assert not searched & {draws_of(each)[0] for each in fresh}


def test_seeds_of_a_search_share_a_block_and_begin_one_after_the_other():
    assert [draws_of(seed) for seed in SearchConfig(seeds=3).search_seeds] == [(0, 0), (0, 1), (0, 2)]
