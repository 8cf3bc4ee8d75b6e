"""The sentence of a race, and what is stored of it."""

import json
from dataclasses import replace

import numpy as np
import pytest
from pydantic import TypeAdapter

from evaluators.race.contrasts import contrasts
from evaluators.race.power import Noise
from evaluators.race.result import ArmResult, RaceResult, read_result, sentence_of
from evaluators.statistics import Interval
from tests.evaluators.race.simulated import race


@pytest.fixture(scope="module")
def raced() -> RaceResult:
    """An arm that is no better, on 200 test images in 40 groups."""
    default, other = race(np.random.default_rng(1), [0.0])
    [over] = contrasts({"a": [other], "default": [default]}, [("a", "default")], None, 200)
    arms = (
        ArmResult("default", ("x",), Interval(0.7, 0.6, 0.8, 5), default.values),
        ArmResult("a", ("y",), Interval(0.7, 0.6, 0.8, 5), other.values, over),
    )
    noise = Noise(0.01, 0.1, 0.2, "as measured in r", of_groups=True)
    found = RaceResult(
        "r", "", (), "accuracy", arms, (), (), noise, 0.092, 5, 200, 24, 2, "no search", test_groups=40
    )
    return replace(found, sentence=sentence_of(found))


def stored(result: RaceResult) -> dict:
    """As race.json holds it."""
    return {"version": 1, **TypeAdapter(RaceResult).dump_python(result, mode="json")}


def test_the_sentence_names_the_groups(raced: RaceResult) -> None:
    assert (
        "5 paired fresh seeds and 200 test images in 40 groups. A race like this one finds" in raced.sentence
    )
    assert "gains from 9.2 points on (80% power)." in raced.sentence
    alone = sentence_of(replace(raced, test_groups=200))
    assert "and 200 test images. A race" in alone


def test_a_race_is_read_as_it_was_stored(raced: RaceResult) -> None:
    assert stored(read_result(json.dumps(stored(raced)))) == stored(raced)


def test_a_race_of_an_earlier_version_is_read(raced: RaceResult) -> None:
    """It did not say how many groups there are, and measured the noise by image."""
    content = stored(raced)
    del content["test_groups"], content["noise"]["of_groups"]
    found = read_result(json.dumps(content))
    assert found.test_groups is None
    assert found.noise is not None
    assert not found.noise.of_groups
    assert found.sentence == raced.sentence
    assert "and 200 test images. A race" in sentence_of(found)
