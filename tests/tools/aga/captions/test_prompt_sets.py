"""The sets that captions are combined from: the modality sets, how combinations are drawn, what is refused."""

import math
from typing import Any, get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st

from prompts.modality_sets import modality_set, modality_set_for, modality_set_names
from tools.aga.captions.combinations import combinations
from tools.aga.captions.forbidden_words import forbidden_words, named_in
from tools.aga.captions.prompt_sets import MOST_ENTRIES, vet_prompts
from tools.aga.config import PromptSet
from tools.datasets.types import Modality
from tools.errors import ConfigurationError

SUBJECTS = {
    "wildlife": [
        "animal",
        "mammal",
        "elephant",
        "impala",
        "cattle",
        "zebra",
        "dik-dik",
        "giraffe",
        "background",
    ],
    "birds": ["bird", "chickadee", "water ouzel", "ptarmigan", "prairie chicken", "heron", "albatross"],
    "insects": [
        "insect",
        "spider",
        "ant",
        "bee",
        "tick",
        "black and gold garden spider",
        "butterfly",
        "beetle",
    ],
    "natural": [
        "animal",
        "bird",
        "insect",
        "snake",
        "turtle",
        "dog",
        "cat",
        "horse",
        "car",
        "ship",
        "airplane",
    ],
    "indoor": ["object", "cup", "bottle", "toy", "keyboard", "phone", "shoe"],
    "street": ["car", "truck", "bicycle", "motorcycle", "bus", "vehicle", "person"],
    "neutral": ["animal", "bird", "object", "person", "car", "plant"],
    "medical": [
        "no DR",
        "mild",
        "moderate",
        "severe",
        "proliferative DR",
        "retina",
        "tumour",
        "lung",
        "polyp",
    ],
    "skin": ["benign", "malignant", "lesion", "skin lesion", "melanoma", "nevus", "mole"],
    "microscopy": ["cell", "bacterium", "neutrophil", "tissue", "nucleus", "parasite"],
    "abstract": [*"0123456789", "digit", "letter", "number", "symbol"],
}
"""Set → what may be its subject or classes."""

entries = st.lists(st.text(alphabet="abcdef", min_size=1, max_size=4), min_size=1, max_size=6)


@pytest.mark.parametrize("name", modality_set_names())
def test_a_modality_set_has_thousands_of_combinations_and_would_be_accepted_as_a_proposal(name: str) -> None:
    found = modality_set(name)
    assert len(found.instructions) * len(found.settings) * len(found.times) >= 4000
    for each in (found.instructions, found.settings, found.times):
        assert len({entry.casefold() for entry in each}) == len(each) <= MOST_ENTRIES
    told = [*found.instructions, *found.settings, *found.times]
    assert {entry: words for entry in told if (words := named_in(entry, SUBJECTS[name]))} == {}
    given = {part: list(getattr(found, part)) for part in ("instructions", "settings", "times")}
    assert vet_prompts(proposed(subject="thing", **given), SUBJECTS[name]) == []


class TestLoader:
    def test_every_kind_of_images_has_exactly_one_default(self) -> None:
        claimed = [kind for name in modality_set_names() for kind in modality_set(name).modalities]
        assert sorted(claimed) == sorted(get_args(Modality))
        assert modality_set_for("digits").name == "abstract"

    def test_an_unknown_name_is_answered_with_the_known_ones(self) -> None:
        with pytest.raises(ValueError, match=r"'bird'.*abstract, birds, "):
            modality_set("bird")


class TestCombinations:
    @given(entries, entries, entries, st.integers(0, 400), st.integers())
    def test_none_comes_again_before_all_have_come(
        self, instructions: list[str], settings: list[str], times: list[str], count: int, seed: int
    ) -> None:
        drawn = combinations(instructions, settings, times, count, seed)
        size = len(set(instructions)) * len(set(settings)) * len(set(times))
        assert len(drawn) == count
        for start in range(0, count, size):
            one_round = drawn[start : start + size]
            assert len(set(one_round)) == len(one_round)

    @given(entries, entries, entries, st.integers(0, 60), st.integers(0, 60), st.integers())
    def test_the_same_seed_draws_the_same_and_a_larger_count_goes_on(
        self, instructions: list[str], settings: list[str], times: list[str], count: int, more: int, seed: int
    ) -> None:
        drawn = combinations(instructions, settings, times, count, seed)
        assert combinations(instructions, settings, times, count + more, seed)[:count] == drawn

    def test_other_seeds_and_other_rounds_draw_in_another_order(self) -> None:
        letters = list("abcdefgh")
        first, second = (
            combinations(letters, letters, letters, 512, 0),
            combinations(letters, letters, letters, 512, 1),
        )
        both = combinations(letters, letters, letters, 1024, 0)
        assert first != second
        assert sorted(first) == sorted(second) == sorted(both[512:])
        assert both[512:] != first

    def test_all_parts_of_the_product_are_drawn_from(self) -> None:
        hundred = [str(number) for number in range(100)]
        drawn = combinations(hundred, hundred, hundred, 2000, 7)
        for part in zip(*drawn, strict=True):
            assert set(part) == set(hundred)

    def test_the_order_is_the_one_that_earlier_sets_were_made_by(self) -> None:
        drawn = combinations(["a", "b"], ["c", "d", "e"], ["f", "g"], 14, 7)
        assert " ".join("".join(each) for each in drawn) == (
            "beg bcf acf adg aeg bef bcg adf acg aef bdf bdg acf bdg"
        )

    @pytest.mark.parametrize(("content", "told"), [([], "empty"), (["a", " "], "blank")])
    def test_a_set_with_nothing_in_it_is_named(self, content: list[str], told: str) -> None:
        for at, name in enumerate(["instructions", "settings", "times"]):
            sets = [["a"], ["a"], ["a"]]
            sets[at] = content
            with pytest.raises(ConfigurationError, match=f"{name} .*{told}"):
                combinations(*sets, count=1, seed=0)


def proposed(**changes: Any) -> PromptSet:
    good: dict[str, Any] = {
        "subject": "bird",
        "scale": 2.0,
        "instructions": ["a photograph of"],
        "settings": ["a stone wall", "a reed bed"],
        "times": ["at dusk"],
        "avoid": ["feather"],
        "flip_probability": 0.5,
        "max_rotation": 15.0,
        "min_scale": 0.8,
        "max_scale": 1.2,
    }
    return PromptSet(**{**good, **changes})


class TestVetting:
    def test_a_good_set_is_accepted(self) -> None:
        assert vet_prompts(proposed(), ["heron", "coot"]) == []

    def test_an_empty_set_is_refused(self) -> None:
        for name in ("instructions", "settings", "times"):
            (reason,) = vet_prompts(proposed(**{name: []}), [])
            assert f"{name} is empty" in reason

    def test_nothing_to_avoid_is_allowed(self) -> None:
        assert vet_prompts(proposed(avoid=[]), ["heron"]) == []

    @pytest.mark.parametrize(
        ("changes", "reason"),
        [
            ({"settings": ["a wall", " ", ""]}, "settings has 2 blank entries: remove or fill in"),
            ({"avoid": [""]}, "avoid has 1 blank entry: remove or fill in"),
            (
                {"times": [f"in year {n}" for n in range(41)]},
                "times has 41 entries: keep the best 40 or fewer",
            ),
            (
                {"settings": ["a wall", "A  Wall"]},
                "settings has the entry 'A Wall' more than once: remove the others",
            ),
            ({"times": ["x " * 61]}, "of times is 121 characters long: write it in at most 120"),
            ({"avoid": ["--"]}, "the entry '--' of avoid is not a word: remove it"),
            (
                {"subject": " "},
                "the subject is ' ': name what the images show in a word or two, such as bird",
            ),
            ({"subject": "b" * 61}, "the detector needs a plain noun of at most 60 characters"),
            ({"subject": "bird. dog"}, "the subject 'bird. dog' names several things: give one superclass"),
        ],
    )
    def test_what_is_wrong_is_told_with_its_remedy(self, changes: dict[str, Any], reason: str) -> None:
        found = vet_prompts(proposed(**changes), [])
        assert len(found) == 1
        assert reason in found[0]

    def test_a_number_out_of_range_is_refused(self) -> None:
        for name, outside in (
            ("scale", [0, -1, 10.1]),
            ("flip_probability", [-0.1, 1.1]),
            ("max_rotation", [-1, 181]),
            ("min_scale", [0.1, 1.1]),
            ("max_scale", [0.9, 2.1]),
        ):
            for value in [*outside, math.nan, math.inf, -math.inf]:
                (reason,) = vet_prompts(proposed(**{name: value}), [])
                assert reason.startswith(f"{name} is {value:g}: ")

    def test_the_ends_of_the_ranges_are_allowed(self) -> None:
        for name, ends in (
            ("scale", [0.01, 10]),
            ("flip_probability", [0, 1]),
            ("max_rotation", [0, 180]),
            ("min_scale", [0.2, 1]),
            ("max_scale", [1, 2]),
        ):
            assert [vet_prompts(proposed(**{name: value}), []) for value in ends] == [[], []]

    def test_compounds_are_refused_and_told(self) -> None:
        (reason,) = vet_prompts(proposed(settings=["a wall", "an old anthill"]), ["ants", "bees"])
        assert "'an old anthill' of settings names 'ants' by 'anthill', which is a class" in reason

    def test_an_entry_that_names_what_it_must_not_is_refused(self) -> None:
        for entry, told in (
            ("a bird bath", "'bird', the subject"),
            ("a pool with grey herons", "'Grey_Heron', which is a class"),
            ("a heap of feathers", "'feather', which is a word to avoid"),
        ):
            (reason,) = vet_prompts(proposed(settings=["a wall", entry]), ["Grey_Heron"])
            assert f"{entry!r} of settings names {told}" in reason

    def test_all_that_is_wrong_is_told_at_once(self) -> None:
        assert (
            len(vet_prompts(proposed(subject="", settings=[], times=["with a heron"], scale=0), ["heron"]))
            == 4
        )

    def test_captions_avoid_the_words_the_subject_and_the_classes(self) -> None:
        assert forbidden_words(proposed(avoid=["feather", " "]), ["bird", "owl"], ["owl", "coot"]) == [
            "feather",
            "bird",
            "owl",
            "coot",
        ]


class TestCompounds:
    @pytest.mark.parametrize(
        ("text", "name"),
        [
            ("an anthill", "ants"),
            ("old Ant-hills", "ant"),
            ("a honeybee on a petal", "bees"),
            ("two beehives", "bee"),
            ("bumblebees", "Bee"),
            ("a dewy spiderweb", "spiders"),
            ("a birdhouse", "bird"),
            ("a hawkmoth", "moth"),
            ("an empty carpark", "car"),
            ("two carports", "cars"),
            ("in the dragonfly's pond", "fly"),
        ],
    )
    def test_a_compound_names_what_it_is_made_of(self, text: str, name: str) -> None:
        assert named_in(text, [name]) == (name,)

    @pytest.mark.parametrize(
        ("text", "name"),
        [
            ("an elegant plant with antique, giant antlers", "ants"),
            ("beech trees that have been there", "bee"),
            ("a bowl, a growl", "owl"),
            ("a catalogue of cattle", "cat"),
            ("a dogma", "dog"),
            ("a planet", "plane"),
            ("early, nearly", "ear"),
            ("a vegetable on a stable table", "cable"),
        ],
    )
    def test_a_word_that_only_holds_the_letters_does_not(self, text: str, name: str) -> None:
        assert named_in(text, [name]) == ()
