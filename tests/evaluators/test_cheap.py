"""When a cheap measure is trusted: only where it is shown to rank like the full one, at a cost that is worth while."""

from dataclasses import replace

import numpy as np
import pytest

from evaluators.cheap import Agreement, Pair, Trust, agreement_of, cheap_share


def study(count: int, noise: float, seed: int = 0) -> list[Pair]:
    """Candidates whose two results differ by so much noise, in units of how much the candidates differ."""
    draw = np.random.default_rng(seed)
    true = draw.normal(size=count)
    cheap, full = (true + noise * draw.normal(size=count) for _ in range(2))
    return [Pair(str(i), float(cheap[i]), float(full[i])) for i in range(count)]


def bounds(found: Agreement) -> tuple[float, float]:
    assert found.low is not None
    assert found.high is not None
    return found.low, found.high


def test_twelve_candidates_in_equal_order_are_enough():
    trust = Trust(agreement_of([study(12, 0.0)]), 0.28)
    assert trust.is_given
    assert 0.8 < bounds(trust.agreement)[0] < 1
    assert "at 28% of the cost" in trust.sentence


def test_four_candidates_are_not_whatever_they_say():
    trust = Trust(agreement_of([study(4, 0.0)]), 0.28)
    assert not trust.is_given
    assert "too few were measured in both ways" in trust.sentence


def test_studies_are_pooled_and_never_compared_with_each_other():
    # Within each study the order is reversed; over both together it would look right.
    low = [Pair(str(i), float(i), float(-i)) for i in range(8)]
    high = [Pair(str(i), 100.0 + i, 100.0 - i) for i in range(8)]
    found = agreement_of([low, high])
    assert (found.candidates, found.studies) == (16, 2)
    assert bounds(found)[1] < 0


def test_more_studies_that_agree_narrow_the_interval():
    one, four = (agreement_of([study(10, 0.5, seed) for seed in range(count)]) for count in (1, 4))
    width_of_one, width_of_four = (float(np.ptp(bounds(each))) for each in (one, four))
    assert width_of_four < 0.6 * width_of_one


def test_unrelated_rankings_are_trusted_in_fewer_than_one_of_forty():
    draw = np.random.default_rng(1)
    trusted = 0
    for _ in range(600):
        pairs = [Pair(str(i), float(draw.normal()), float(draw.normal())) for i in range(9)]
        trusted += Trust(agreement_of([pairs]), 0.3).is_given
    assert trusted / 600 < 0.025


def test_a_dear_measure_is_not_used_however_well_it_ranks():
    trust = Trust(agreement_of([study(12, 0.0)]), cheap_share(6, 0.25))
    assert not trust.is_given
    assert "would take 42% of the full trainings that it replaces, more than 35%" in trust.sentence


def test_the_trunk_is_shared_by_all_candidates():
    assert cheap_share(10, 0.25) == pytest.approx(0.35)
    assert cheap_share(0, 0.25) == float("inf")


def test_candidates_that_are_all_equal_say_nothing():
    found = agreement_of([[Pair(str(i), 0.5, float(i)) for i in range(6)]])
    assert (found.tau, found.studies) == (None, 0)


def keyed(pairs: list[Pair], data: str = "data", renamed: str = "") -> list[Pair]:
    """The same pairs, with the keys of trials on `data`."""
    return [
        replace(each, candidate=renamed + each.candidate, trials=(f"{data} c{i}", f"{data} f{i}"))
        for i, each in enumerate(pairs)
    ]


@pytest.mark.parametrize("copies", [2, 6])
@pytest.mark.parametrize("with_keys", [True, False])
def test_the_same_trials_seen_by_several_studies_count_once(copies: int, with_keys: bool):
    own = study(12, 0.6, seed=3)
    seen = [keyed(own, renamed=f"{number}: ") if with_keys else own for number in range(copies)]
    assert agreement_of(seen) == agreement_of([own])


def test_studies_that_share_some_trials_are_one_with_the_candidates_of_both():
    every = keyed(study(14, 0.6, seed=4))
    first, second = every[:9], every[6:]
    assert agreement_of([first, second]) == agreement_of([every])
    assert agreement_of([second, first]) == agreement_of([every])
    alone, apart = keyed(study(7, 0.6, seed=5), data="other"), [every[:3], every[11:], every[2:12]]
    found = agreement_of([*apart, alone])
    assert (found.candidates, found.studies) == (21, 2), "a third study joins two that had nothing in common"


def test_trials_that_were_judged_by_another_metric_are_copies_and_are_not_compared():
    own = keyed(study(8, 0.3, seed=6))
    by_another = [replace(each, cheap=100 - each.cheap, full=100 - each.full) for each in own[:4]]
    more = [replace(each, trials=("more c", each.candidate)) for each in study(6, 0.3, seed=7)]
    assert agreement_of([own, by_another]) == agreement_of([own])
    assert agreement_of([own, [*by_another, *more]]) == agreement_of([own, more])


def test_pairs_without_keys_are_copies_where_name_and_results_are_equal():
    """Earlier versions wrote no keys down; two small data sets may agree by chance in a pair, and stay two."""
    old = study(8, 0.3, seed=8)
    assert agreement_of([old, keyed(old)]) == agreement_of([keyed(old), old]) == agreement_of([old])
    other = [old[0], *study(8, 0.3, seed=9)[1:]]
    assert agreement_of([old, other]) == agreement_of([old, other[1:]])
    assert agreement_of([old, other]).studies == 2
    alike = keyed([old[0], *other[1:]], data="other")
    assert agreement_of([keyed(old), alike]).candidates == 16, "the keys say that they are different trials"
