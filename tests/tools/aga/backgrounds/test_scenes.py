"""Backgrounds of kind `scenes` show what their captions say: which family, which colours, how light, how sharp."""

import colorsys
import itertools
import time

import cv2
import numpy as np
import pytest

from prompts.modality_sets import modality_set
from tests.repository import ROOT
from tools.aga.backgrounds.scenes.maker import SURFACES, ScenesMaker, draw
from tools.aga.backgrounds.scenes.page import PICTURE, page
from tools.aga.backgrounds.scenes.reading import Scene, read, understanding
from tools.aga.backgrounds.scenes.vocabulary import plain_words, vocabulary
from tools.aga.captions.phrases import joined

RED, YELLOW, GREEN, BLUE, PURPLE = (340, 25), (25, 60), (65, 160), (175, 260), (260, 345)
"""Ranges of hue in degrees; one that passes 360 begins above its end."""
ANY = (0, 360)

CAPTIONS: tuple[tuple[str, str, tuple[int, int]], ...] = (
    ("A macro photograph of fine dry sand at noon", "sand", YELLOW),
    ("A photograph of a sandy beach in the morning", "sand", ANY),
    ("The open sea on a cloudless day", "water", BLUE),
    ("A lake with a wooden jetty at dawn", "water", ANY),
    ("A meadow, late spring, noon", "grass", GREEN),
    ("A mown lawn in a park", "grass", GREEN),
    ("A field of ripe barley in high summer", "grass", YELLOW),
    ("A hedge in full leaf", "foliage", GREEN),
    ("A hedge in late autumn", "foliage", YELLOW),
    ("A broad green leaf with fine veins", "leaf", GREEN),
    ("A curled brown leaf in autumn", "leaf", YELLOW),
    ("White daisy, noon", "flowers", GREEN),
    ("Purple thistle blossoms in dappled shade", "flowers", ANY),
    ("A meadow with wild flowers", "flowers", ANY),
    ("A cushion of moss on an overcast day", "moss", GREEN),
    ("Leaf litter on a woodland floor", "litter", YELLOW),
    ("Pine needles on the ground", "litter", YELLOW),
    ("Dark garden soil after rain", "soil", ANY),
    ("Red clay with small cracks", "soil", RED),
    ("Rough oak bark in warm evening light", "bark", YELLOW),
    ("Peeling birch bark", "bark", ANY),
    ("A pine wood with straight trunks", "forest", ANY),
    ("A mossy stone", "rock", ANY),
    ("A sandstone wall with crevices", "rock", YELLOW),
    ("A gravel path between hedges", "pebbles", ANY),
    ("A mountain pass in summer", "hills", ANY),
    ("A snow-covered slope", "snow", BLUE),
    ("An empty sky with clouds at noon", "sky", BLUE),
    ("Wet asphalt at night", "asphalt", BLUE),
    ("A concrete paving slab", "asphalt", ANY),
    ("A city at night", "city", ANY),
    ("Out-of-focus spots of colour", "lights", ANY),
    ("A red brick wall at noon", "brick", RED),
    ("A weathered wooden plank", "wood", ANY),
    ("A linen tablecloth by daylight", "cloth", YELLOW),
    ("Dark blue velvet", "cloth", BLUE),
    ("A seamless grey paper roll", "paper", ANY),
    ("A pale green painted wall", "plaster", GREEN),
    ("A living room by lamplight", "indoor", YELLOW),
    ("A laboratory bench in cold light", "bench", BLUE),
    ("Small mosaic tiles", "tiles", ANY),
    ("White marble with grey veins", "marble", ANY),
    ("A rusty metal sheet", "metal", RED),
)


def hue_of(picture: np.ndarray) -> float:
    """Of the mean colour, in degrees."""
    red, green, blue = (picture.reshape(-1, 3).mean(axis=0) / 255).tolist()
    return 360 * colorsys.rgb_to_hsv(red, green, blue)[0]


def brightness(caption: str) -> float:
    return float(np.mean([draw(caption, seed, 32).mean() for seed in range(3)]))


def detail(caption: str, size: int = 64) -> float:
    """How much differs between neighbouring pixels, for the contrast that there is."""
    found = []
    for seed in range(3):
        grey = cv2.cvtColor(draw(caption, seed, size), cv2.COLOR_RGB2GRAY).astype(np.float32)
        found.append(cv2.Laplacian(grey, cv2.CV_32F).std() / (grey.std() + 1))
    return float(np.mean(found))


def differ(left: np.ndarray, right: np.ndarray) -> int:
    return int(np.abs(left.astype(int) - right.astype(int)).max())


class TestCaptions:
    @pytest.mark.parametrize(("caption", "family", "hues"), CAPTIONS, ids=[each[0] for each in CAPTIONS])
    def test_the_family_is_what_the_caption_says_and_so_is_the_hue(
        self, caption: str, family: str, hues: tuple[int, int]
    ) -> None:
        found = read(caption)
        assert found.understood
        assert found.scene.family == family
        low, high = hues
        for seed in range(2):
            hue = hue_of(draw(caption, seed, 48))
            assert (low <= hue <= high) if low <= high else (hue >= low or hue <= high), hue

    def test_they_are_of_every_family(self) -> None:
        assert {family for _, family, _ in CAPTIONS} == set(vocabulary().families)

    @pytest.mark.parametrize("place", ["a meadow", "oak bark", "a forest", "sand", "the sea", "a room"])
    def test_night_is_darker_than_an_overcast_day_and_that_than_noon(self, place: str) -> None:
        night, dusk, overcast, noon = (
            brightness(f"{place} {when}") for when in ("at night", "at dusk", "on an overcast day", "at noon")
        )
        assert night < dusk < overcast < noon
        assert night < 0.5 * noon

    @pytest.mark.parametrize("place", ["oak bark", "sand", "a brick wall", "pebbles"])
    def test_the_nearer_the_camera_the_more_is_out_of_focus(self, place: str) -> None:
        macro, close, plain = (
            detail(f"{camera} {place}")
            for camera in ("a macro photograph of", "a close-up of", "a photograph of")
        )
        assert macro < 0.7 * close < close < plain
        assert detail(f"a blurred view of {place}") < 0.6 * plain

    def test_the_golden_hour_is_warm_and_night_is_blue(self) -> None:
        def warmth(caption: str) -> float:
            red, _, blue = draw(caption, 0, 48).reshape(-1, 3).mean(axis=0)
            return float(red / blue)

        for place in ("granite", "concrete", "a plaster wall"):
            assert warmth(f"{place} in the golden hour") > 1.4 * warmth(f"{place} at noon")
            assert warmth(f"{place} at night") < 0.9 * warmth(f"{place} at noon")

    def test_autumn_turns_green_leaves_and_winter_takes_their_colour(self) -> None:
        def green(caption: str) -> float:
            red, green, blue = draw(caption, 1, 64).reshape(-1, 3).mean(axis=0)
            return float(green - max(red, blue))

        for plant in ("a hedge", "a meadow", "a leaf"):
            assert green(f"{plant} in autumn") < 0 < green(f"{plant} in winter") < green(f"{plant} in summer")

    def test_a_place_has_a_sky_above_its_ground(self) -> None:
        for place in ("a meadow", "a beach", "a wide-angle view of grass", "a street"):
            picture = draw(f"{place} at noon", 0, 64).astype(int)
            top, bottom = picture[:10].mean((0, 1)), picture[-10:].mean((0, 1))
            assert top[2] > top[0] + 20, "a blue sky"
            assert top[2] - top[0] > bottom[2] - bottom[0]

    def test_fog_takes_contrast(self) -> None:
        assert draw("a forest in fog", 0, 64).std() < 0.6 * draw("a forest", 0, 64).std()

    @pytest.mark.parametrize(
        "light", ["", "at noon", "in the golden hour", "at dusk", "by lamplight", "at night"]
    )
    def test_a_word_for_a_colour_gives_it_in_every_light(self, light: str) -> None:
        for colour, hues in (("red", RED), ("blue", BLUE), ("green", GREEN)):
            for thing in ("painted wall", "linen", "paper"):
                hue = hue_of(draw(f"a {colour} {thing} {light}", 0, 48))
                low, high = hues
                assert (low <= hue <= high) if low < high else (hue >= low or hue <= high), (
                    f"{colour} {thing}: hue {hue:.0f}"
                )
        pale = draw(f"a pale blue painted wall {light}", 0, 48).mean(axis=(0, 1))
        assert pale[2] >= pale[0], "paleness leaves little for the light to take"


class TestReading:
    def test_what_is_not_known_is_kept_and_what_is_not_understood_is_a_plain_backdrop(self) -> None:
        found = read("A photograph of a zeppelin over a hovercraft at noon")
        assert found.unknown == ("zeppelin", "hovercraft")
        assert not found.understood
        assert found.scene == Scene("paper", "white", time="noon")
        apple = read("a ripe apple in the grass")
        assert apple.understood
        assert apple.unknown == ("ripe", "apple")

    @pytest.mark.parametrize(
        ("caption", "family", "palette"),
        [
            ("a stone wall covered with ivy", "rock", "grey"),
            ("a mountain lake", "water", "blue"),
            ("a wooden table on a beach", "wood", "brown"),
            ("a table on a beach", "sand", "yellow"),
            ("brown leaves", "litter", "brown"),
            ("dark walnut boards", "wood", "dark"),
            ("LICHEN-covered GRANITE", "rock", "grey"),
            ("a street photograph of a hedge", "foliage", "green"),
            ("the woods", "forest", "green"),
            ("rough wood", "wood", "brown"),
        ],
    )
    def test_the_first_noun_phrase_decides_by_its_last_word(
        self, caption: str, family: str, palette: str
    ) -> None:
        scene = read(caption).scene
        assert (scene.family, scene.palette) == (family, palette)

    def test_colours_of_other_things_are_left_to_them(self) -> None:
        assert read("white marble with grey veins").scene.colour == ""
        assert read("a red cloth beside green leaves").scene.colour == "red"
        assert read("linen in blue").scene.colour == "blue"

    def test_times_weather_season_camera_and_style_are_found_anywhere(self) -> None:
        scene = read(
            "A muted macro photograph of a misty meadow at dawn in early autumn, shallow depth of field"
        ).scene
        assert (scene.time, scene.weather, scene.season, scene.camera, scene.focus, scene.style) == (
            *("dawn", "fog", "autumn", "macro", "soft"),
            ("muted",),
        )

    def test_understanding_counts_captions_and_words(self) -> None:
        found = understanding(["a zeppelin", "a zeppelin", "a zeppelin at dusk", "moss on a kettle"])
        assert (found.captions, found.plain) == (3, 2)
        assert found.unknown == (("zeppelin", 2), ("kettle", 1))

    def test_no_word_has_two_meanings_and_every_word_is_read_as_it_is_listed(self) -> None:
        known = vocabulary()  # raises where one has two
        for phrase, meaning in known.meanings.items():
            if meaning.kind == "family":
                found = read(" ".join(phrase)).scene
                assert (found.family, found.palette, found.place) == (
                    meaning.name,
                    meaning.palette,
                    meaning.place,
                )

    @pytest.mark.parametrize(
        "name", ["natural", "insects", "neutral", "birds", "indoor", "street", "wildlife", "abstract"]
    )
    def test_every_setting_of_our_own_prompts_is_understood(self, name: str) -> None:
        entries = modality_set(name)
        assert [each for each in entries.settings if not read(each).understood] == []
        for setting in entries.settings:
            meant = read(setting).scene
            for instruction, when in itertools.zip_longest(entries.instructions, entries.times, fillvalue=""):
                found = read(joined(instruction, setting, when)).scene
                assert (found.family, found.colour) == (meant.family, meant.colour), (
                    instruction,
                    setting,
                    when,
                )

    def test_digits_stand_on_surfaces_and_not_in_landscapes_and_every_word_is_read(self) -> None:
        found = {each: read(each) for each in modality_set("abstract").settings}
        assert {each: reading.unknown for each, reading in found.items() if reading.unknown} == {}
        scenes = {each: reading.scene for each, reading in found.items()}
        assert [each for each, scene in scenes.items() if scene.place or scene.family == "city"] == []

    def test_plurals_accents_and_typography_do_not_matter(self) -> None:
        assert plain_words("Bücherstapel’s  “brushes” by the café") == [
            "bucherstapel",
            "brush",
            "by",
            "the",
            "cafe",
        ]


class TestPictures:
    def test_every_family_and_palette_draws_any_size_and_every_seed_looks_different(self) -> None:
        words = {
            (each.name, each.palette): " ".join(key)
            for key, each in vocabulary().meanings.items()
            if each.kind == "family"
        }
        assert set(SURFACES) <= {name for name, _ in words} | {f"{name}/{palette}" for name, palette in words}
        for caption in words.values():
            pictures = [draw(caption, seed, 24) for seed in range(3)]
            assert min(each.std() for each in pictures) > 3, caption
            assert min(differ(pictures[0], each) for each in pictures[1:]) > 8, caption
            assert [draw(caption, 0, size).shape for size in (1, 2, 7)] == [(1, 1, 3), (2, 2, 3), (7, 7, 3)]

    @pytest.mark.parametrize(
        "caption", ["a meadow", "oak bark", "a city at night", "a flower", "a forest in winter"]
    )
    def test_it_is_the_same_scene_at_every_size(self, caption: str) -> None:
        small, large, unlike = (
            cv2.resize(each, (8, 8), interpolation=cv2.INTER_AREA).astype(float)
            for each in (draw(caption, 3, 64), draw(caption, 3, 224), draw(caption, 4, 64))
        )
        assert np.abs(small - large).mean() < max(6, 0.7 * np.abs(small - unlike).mean())

    def test_it_draws_fifty_pictures_in_a_second_on_a_core(self) -> None:
        captions = [caption for caption, _, _ in CAPTIONS]
        ScenesMaker().make(captions, range(len(captions)), 128)
        seconds = []
        for _ in range(2):
            start = time.process_time()
            ScenesMaker().make(captions, range(len(captions)), 128)
            seconds.append(time.process_time() - start)
        assert min(seconds) < len(captions) / 50

    def test_refuses_a_picture_without_pixels(self) -> None:
        with pytest.raises(ValueError):
            draw("a forest", 0, 0)


def test_the_page_in_docs_is_what_the_lists_say() -> None:
    assert (ROOT / "docs/scenes.md").read_text(encoding="utf-8") == page(), (
        "run python -m tools.aga.backgrounds.scenes.page > docs/scenes.md"
    )
    assert (ROOT / PICTURE).stat().st_size < 400_000
