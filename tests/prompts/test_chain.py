"""How a model is told what makes the backgrounds, and what its words can do there."""

from dataclasses import replace
from pathlib import Path

import pytest

from agent.memory.history import History
from tests.prompts.told import chain, first_message, history, system_message
from tests.tools.datasets.images import fill
from tools.aga.backgrounds.scenes.vocabulary import ASPECTS, vocabulary
from tools.aga.chain_facts import ChainFacts


def told(facts: ChainFacts, superclasses: tuple[str, ...] = ()) -> History:
    made = history()
    card = replace(made.card, superclasses=superclasses)
    return replace(made, card=card, backgrounds="optional", chain=facts)


def section(facts: ChainFacts, superclasses: tuple[str, ...] = ()) -> str:
    text = first_message(told(facts, superclasses))
    return text.partition("# How synthetic images are made")[2].partition("# Catalogue")[0]


class TestBackgrounds:
    def test_scenes_are_told_with_the_words_that_they_know(self) -> None:
        text = section(chain())
        for shown in (
            "Every other word changes nothing",
            "- a brick wall: brick,",
            "- time: dawn / sunrise",
            "- weather: overcast",
            "- camera: macro",
            "- colours: white, black",
        ):
            assert shown in text
        assert text.count("\n  - ") == len(vocabulary().families) + len(ASPECTS) + 1
        assert "Choose places where the subject could plausibly be" in system_message(told(chain()))
        assert len(text) < 9000

    def test_textures_do_not_understand_words(self) -> None:
        facts = chain(background={"kind": "textures"})
        assert "their meaning has no effect" in section(facts)
        assert "Choose places" not in system_message(told(facts))

    def test_a_diffusion_model_follows_them_and_is_named(self) -> None:
        facts = chain(background={"kind": "diffusion", "negative_prompt": "people"})
        text = section(facts)
        assert "stabilityai/stable-diffusion-xl-base-1.0 paints each caption" in text
        assert "by a negative prompt: people." in text
        assert "Choose places where the subject could plausibly be" in system_message(told(facts))

    def test_alia_edits_whole_images_and_its_prompt_is_shown(self) -> None:
        background = {"kind": "diffusion", "model": "stable-diffusion-v1-5/stable-diffusion-v1-5"}
        text = section(chain(generator="alia", background=background, edit={"strength": 0.4}))
        assert (
            "edited whole by the image-to-image model stable-diffusion-v1-5/stable-diffusion-v1-5, at strength "
            "0.4" in text
        )
        assert 'asked for "a photo of {class}, {caption}"' in text
        for of_composites in ("Cutting it out", "paints each caption", "cut-out that is far too small"):
            assert of_composites not in text
        assert "Cutting it out" in section(chain(background=background))

    def test_photographs_without_words_in_their_names_are_taken_without_reading_captions(
        self, tmp_path: Path
    ) -> None:
        fill(tmp_path, {"1": 3})
        text = section(chain(background={"kind": "folder", "folder": tmp_path}))
        assert "the user's own photographs (3)" in text
        assert "The captions are not read" in text

    def test_photographs_are_chosen_by_the_words_in_their_names(self, tmp_path: Path) -> None:
        fill(tmp_path, {"forest": 3, "beach": 2, "1": 1})
        facts = chain(background={"kind": "folder", "folder": tmp_path})
        text = section(facts)
        assert "the user's own photographs (6)" in text
        assert "5 of the names have words: forest, beach" in text
        assert "The captions are not read" not in text
        assert "Choose places" in system_message(told(facts))

    def test_a_path_on_this_machine_is_not_told(self, tmp_path: Path) -> None:
        model = tmp_path / "private" / "my-sdxl"
        model.mkdir(parents=True)
        checkpoint = tmp_path / "private" / "dino.pth"
        facts = chain(
            background={"kind": "diffusion", "model": str(model)},
            detector={"kind": "groundingdino", "checkpoint": str(checkpoint)},
        )
        text = section(facts)
        assert "the text-to-image model my-sdxl paints" in text
        assert "Grounding DINO (dino.pth)" in text
        assert "private" not in text


class TestSubjects:
    def test_without_a_detector_the_subject_is_not_looked_for(self) -> None:
        text = section(chain())
        assert "no detector is used: what stands out most in each image" in text
        text = section(chain(segmenter={"kind": "grabcut"}))
        assert "no detector is used. The middle of each image (80% of its width and height)" in text
        assert "Asked for in place" not in section(chain(), ("bird", "bird"))

    def test_given_boxes_are_named(self) -> None:
        assert "the boxes that come with the data set" in section(chain(detector={"kind": "dataset"}))

    @pytest.mark.parametrize("kind", ["groundingdino", "transformers"])
    def test_a_detector_looks_for_the_words(self, kind: str) -> None:
        text = section(chain(detector={"kind": kind}))
        assert "Grounding DINO looks for the words of `subject`" in text
        assert "with a score of 0.35 or more" in text
        assert "a background on which the detector sees the subject" in text

    def test_what_is_asked_for_instead_is_told_for_whom_it_holds(self) -> None:
        detector = {"kind": "transformers"}
        text = section(chain(detector=detector), ("bird", ""))
        assert "- Asked for in place of your `subject`: bird." in text
        assert "no synthetic images are made: light." in text
        text = section(chain(detector=detector, subjects={"light": "lamp"}))
        assert "- Asked for in place of your `subject`, for some classes: lamp." in text

    def test_many_superclasses_are_cut(self) -> None:
        names = tuple(f"class {number}" for number in range(200))
        made = told(chain(detector={"kind": "transformers"}), tuple(f"thing {n}" for n in range(200)))
        made = replace(made, card=replace(made.card, classes=names))
        assert "thing 29 and 170 more." in first_message(made)


class TestTheRest:
    @pytest.mark.parametrize(
        ("kind", "words"),
        [
            ("u2netp", "a small network for salient objects draws the outline"),
            ("sam", "Segment Anything draws the outline"),
            ("grabcut", "outlines are rough"),
            ("otsu", "one thing on a plain ground"),
            ("dataset", "the masks that come with the data set"),
        ],
    )
    def test_the_segmenter_is_named(self, kind: str, words: str) -> None:
        assert words in section(chain(segmenter={"kind": kind}))

    def test_the_captioner_is_named(self) -> None:
        assert "joined to one phrase, word for word" in section(chain())
        text = section(chain(caption={"kind": "llm", "max_tokens": 60}, background={"kind": "diffusion"}))
        assert "openai:gpt-5-mini writes each caption" in text
        assert "At most 60 tokens" in text

    def test_how_the_images_enter_training_is_told(self) -> None:
        assert "added to the real ones in every epoch" in section(chain())
        text = section(chain(mixing={"mode": "replace", "probability": 0.25}))
        assert "gives way to one of its synthetic ones with a chance of 0.25" in text
        assert "as many images as there are real ones" in section(chain(mixing={"step_matched": True}))

    def test_without_backgrounds_nothing_of_it_is_told(self) -> None:
        assert "# How synthetic images are made" not in first_message(history())
