"""Words that a caption must not have, in every form; and captions fitted to what a text encoder reads."""

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tools.aga.captions.fitting import CLIP_TOKENS, approximate_tokens, clip_token_counter, fit
from tools.aga.captions.forbidden_words import allowed, named_in
from tools.errors import ConfigurationError

LONG = (
    "A wide meadow under a pale sky with thin clouds, seen from a low hill in the early morning. "
    "The grass is wet with dew and bends in a soft wind, and far away a line of poplars stands in the mist. "
    "In the foreground there are stones covered with lichen, a broken fence and the track of a cart that leads to the"
)


class TestForms:
    def test_singular_and_plural_are_one(self) -> None:
        for name, text in (
            ("bird", "a flock of birds"),
            ("ants", "an ant on a leaf"),
            ("bees", "Bee hives"),
            ("fox", "two foxes"),
            ("finch", "finches at dawn"),
            ("butterfly", "a cloud of butterflies"),
            ("flies", "a fly"),
            ("monkey", "monkeys"),
            ("wolf", "wolves in snow"),
            ("leaves", "one leaf"),
            ("mouse", "field mice"),
            ("snowman", "three snowmen"),
            ("people", "a person"),
            ("octopus", "octopi"),
            ("larvae", "a larva"),
            ("bacterium", "bacteria"),
            ("mitosis", "many mitoses"),
            ("nevus", "nevi"),
            ("potato", "potatoes"),
            ("glasses", "a glass"),
        ):
            assert named_in(text, [name]) == (name,)

    @pytest.mark.parametrize(
        "name", ["garter snake", "garter_snake", "Garter-Snake", "GarterSnake", "013.garter_snake"]
    )
    def test_a_name_of_two_words_is_found_in_every_spelling(self, name: str) -> None:
        for text in (
            "a garter snake",
            "GARTER SNAKES",
            "garter-snake habitat",
            "garter_snake",
            "gartersnakes",
            "garter\u2011snake",
            "the garter  snake's den",
        ):
            assert named_in(text, [name]) == (name,)

    def test_only_whole_words_count(self) -> None:
        for name, text in (
            ("ant", "an elephant, plants and an antenna"),
            ("bee", "a beech forest beside a beet field"),
            ("cat", "a cathedral; a catalogue"),
            ("gas", "a petrol pump"),
            ("news", "a new wall"),
            ("grass", "a gras mowing"),
            ("garter snake", "a garter and, elsewhere, a snake"),
            ("garter snake", "a snake"),
            ("1", "10 stones"),
        ):
            assert named_in(text, [name]) == ()

    def test_accents_and_typographic_signs_make_no_difference(self) -> None:
        assert named_in("a pin\u0303ata; the brewer\u2019s blackbird", ["piñata", "Brewer_Blackbird"]) == (
            "piñata",
            "Brewer_Blackbird",
        )

    def test_a_list_of_synonyms_stands_for_each_of_them(self) -> None:
        assert named_in("box tortoises on sand", ["box turtle, box tortoise"]) == (
            "box turtle, box tortoise",
        )

    @pytest.mark.parametrize(
        "name", ["bees & wasps", "bees&wasps", "bees + wasps", "bees and wasps", "wasps or bees"]
    )
    def test_two_nouns_in_one_name_stand_for_each_of_them(self, name: str) -> None:
        assert named_in("a beehive", [name]) == named_in("one wasp", [name]) == (name,)

    def test_what_describes_is_not_parted_from_its_noun(self) -> None:
        name = "black and white warbler"
        assert named_in("a black rock", [name]) == ()
        assert named_in("black-and-white warblers", [name]) == (name,)

    @pytest.mark.parametrize(
        ("text", "name"),
        [
            ("一只猫在草地上", "猫"),
            ("草の上の猫", "猫"),
            ("ガレージのネコ", "ネコ"),
            ("สุนัขบนหญ้า", "สุนัข"),
            ("घास पर बिल्ली", "बिल्ली"),
            ("두 마리의 고양이", "고양이"),
        ],
    )
    def test_other_scripts_are_read_also_where_no_space_parts_the_words(self, text: str, name: str) -> None:
        assert named_in(text, [name]) == (name,)
        assert named_in("a meadow", [name]) == named_in(text, ["bee", "马"]) == ()

    def test_a_number_is_a_name_only_where_it_is_all_there_is(self) -> None:
        assert named_in("7 lamps", ["7"]) == ("7",)
        assert named_in("7 lamps", ["7.heron"]) == ()

    def test_blank_names_and_mere_signs_are_found_nowhere(self) -> None:
        assert named_in("anything - at all", ["", "  ", "-", "_"]) == ()

    def test_entries_that_name_something_are_omitted(self) -> None:
        assert allowed(["a bird bath", "a stone wall"], ["birds"]) == ["a stone wall"]

    @given(st.text(alphabet="abcdefxyz -_'", min_size=1, max_size=20))
    def test_every_name_with_letters_is_found_in_itself(self, name: str) -> None:
        assert bool(named_in(f"before, {name}, after", [name])) == any(c.isalpha() for c in name)


class TestFit:
    def test_what_fits_stays_as_it_is_without_a_warning(self) -> None:
        assert fit("A stone  wall\nat dusk.") == ("A stone wall at dusk.", "")

    def test_a_long_text_ends_with_a_sentence_and_says_what_was_omitted(self) -> None:
        text, warning = fit(LONG)
        assert text.endswith("stands in the mist.")
        assert approximate_tokens(text) <= CLIP_TOKENS
        assert "'mist.'" in warning
        assert "'In the foreground" in warning

    def test_without_a_late_sentence_it_ends_with_a_word_that_can_end_a_phrase(self) -> None:
        text, warning = fit("moss, stones and the old wall of a ruin " * 9, limit=30)
        assert text.split()[-1] in {"moss", "stones", "wall", "ruin", "old"}
        assert warning

    def test_a_first_word_that_is_too_long_is_an_error(self) -> None:
        with pytest.raises(ConfigurationError, match=r"aga\.caption\.max_tokens"):
            fit("x" * 900)

    @given(
        st.lists(st.text(alphabet="abc.,", min_size=1, max_size=12), min_size=1, max_size=60),
        st.integers(16, 90),
    )
    def test_the_result_is_the_beginning_and_fits(self, words: list[str], limit: int) -> None:
        whole = " ".join(words)
        text, warning = fit(whole, limit=limit)
        assert approximate_tokens(text) <= limit
        assert whole.startswith(text)
        assert bool(warning) == (approximate_tokens(whole) > limit)


def a_diffusers_folder(folder: Path) -> Path:
    """With CLIP's own kind of tokenizer, of letters alone: it knows no longer pieces."""
    letters = "abcdefghijklmnopqrstuvwxyz"
    pieces = [*letters, *(f"{letter}</w>" for letter in letters), "<|startoftext|>", "<|endoftext|>"]
    target = folder / "tokenizer"
    target.mkdir(parents=True)
    (target / "vocab.json").write_text(json.dumps({piece: number for number, piece in enumerate(pieces)}))
    (target / "merges.txt").write_text("#version: 0.2\n")
    (target / "tokenizer_config.json").write_text(
        json.dumps({"tokenizer_class": "CLIPTokenizer", "model_max_length": 77, "do_lower_case": True})
    )
    (target / "special_tokens_map.json").write_text(
        json.dumps(
            {"bos_token": "<|startoftext|>", "eos_token": "<|endoftext|>", "unk_token": "<|endoftext|>"}
        )
    )
    return folder


class TestTokenizer:
    def test_a_model_is_counted_with_its_own_tokenizer(self, tmp_path: Path) -> None:
        count = clip_token_counter(str(a_diffusers_folder(tmp_path)))
        assert count("moss on stone") == len("mossonstone") + 2
        assert fit("moss on stone and sand", count, 16) == (
            "moss on stone",
            "the caption had 20 tokens and the text encoder reads 16: shortened after 'stone', without 'and sand'",
        )

    def test_its_identity_is_of_its_content_wherever_it_lies(self, tmp_path: Path) -> None:
        first, second = (clip_token_counter(str(a_diffusers_folder(tmp_path / name))) for name in "ab")
        assert first.identity == second.identity

    def test_a_folder_without_a_tokenizer_is_an_error_with_its_setting(self, tmp_path: Path) -> None:
        with pytest.raises(ConfigurationError, match=r"aga\.background\.model"):
            clip_token_counter(str(tmp_path))

    def test_a_hub_id_that_cannot_be_had_is_an_error_with_its_setting(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
        with pytest.raises(ConfigurationError, match=r"nobody/nothing.*aga\.background\.model"):
            clip_token_counter("nobody/nothing")
