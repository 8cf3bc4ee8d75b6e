"""Captions: joined by a template, or asked of a chat model through its real client over real HTTP."""

import json
import subprocess
import sys
from collections.abc import Callable, Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st
from langchain_core.messages import HumanMessage, SystemMessage

from agent.llm import CallRecord, ContentFault, Meter, TransportError, connect
from tests.loopback.clients import llm_config
from tests.loopback.protocols import Ask
from tests.loopback.replies import Answer, Failure, Reply
from tests.loopback.server import LoopbackServer
from tools.aga.captions.captioners import LlmCaptioner
from tools.aga.captions.fitting import approximate_tokens
from tools.aga.captions.forbidden_words import named_in
from tools.aga.captions.template import TemplateCaptioner
from tools.aga.types import Caption
from tools.errors import ConfigurationError

WALL = ("a photograph of", "a stone wall", "at dusk")
POND = ("a close-up of", "a still pond", "in fog")
REEDS = ("a wide view of", "a reed bed", "in winter")


def numbered(*captions: str) -> Answer:
    return Answer(json.dumps([{"number": n, "caption": text} for n, text in enumerate(captions, start=1)]))


class Run:
    """Captions asked of a scripted model; `requests` is what it was asked."""

    def __init__(
        self,
        *replies: Reply,
        combinations: Sequence[tuple[str, str, str]] = (WALL, POND),
        avoid: Sequence[str] = ("bird",),
        attempts: int = 3,
        batch_size: int = 8,
        provider: str = "openai",
        brain: Callable[[Ask], Reply] | None = None,
    ) -> None:
        with LoopbackServer(replies, brain) as server:
            captioner = LlmCaptioner(asking(server, provider), f"{provider}:loopback", attempts, batch_size)
            self.captions = captioner.caption(combinations, avoid)
            self.requests = server.requests
        self.texts = [caption.text for caption in self.captions]
        self.origins = [caption.origin for caption in self.captions]
        self.attempts = [caption.attempts for caption in self.captions]


def asking(server: LoopbackServer, provider: str = "openai") -> Callable[[str, str], str]:
    config = llm_config(provider, server)
    chat = connect(config)
    records: list[CallRecord] = []
    meter = Meter(config, records.append)

    def ask(system: str, user: str) -> str:
        try:
            return meter.call(chat, [SystemMessage(system), HumanMessage(user)], "caption").text
        except ContentFault as fault:
            return fault.answer

    return ask


class TestTemplate:
    def test_the_parts_become_one_phrase(self) -> None:
        (caption,) = TemplateCaptioner().caption([WALL], [])
        assert caption == Caption("A photograph of a stone wall at dusk", *WALL, "template", 0)

    def test_commands_are_left_out_and_commas_put_where_they_belong(self) -> None:
        for combination, text in (
            (("Describe a quiet view of", "a pond.", "late autumn"), "A quiet view of a pond, late autumn"),
            (("an oil painting", "a pond", "late autumn"), "An oil painting, a pond, late autumn"),
            (("Write a short caption about", "a pond", "after rain"), "A pond after rain"),
            (("picture of", "a pond", "Winter"), "Picture of a pond, Winter"),
        ):
            assert TemplateCaptioner().caption([combination], [])[0].text == text

    def test_a_setting_that_names_a_word_is_replaced_and_that_is_told(self) -> None:
        (caption,) = TemplateCaptioner().caption([("a photograph of", "a bird bath", "at dusk")], ["birds"])
        assert caption.text == "A photograph of an empty place at dusk"
        assert caption.warning == "'a bird bath' was left out: it names 'birds'"
        assert caption.setting == "a bird bath"

    def test_an_instruction_or_a_time_that_names_a_word_is_left_out(self) -> None:
        (caption,) = TemplateCaptioner().caption(
            [("bird photograph of", "a wall", "when birds sing")], ["bird"]
        )
        assert caption.text == "A wall"

    def test_parts_that_make_a_name_when_joined_are_kept_apart(self) -> None:
        (caption,) = TemplateCaptioner().caption(
            [("view of", "a garden", "with spiders")], ["garden with spider"]
        )
        assert caption.text == "view of, a garden, with spiders"

    def test_where_nothing_is_left_the_words_are_named(self) -> None:
        with pytest.raises(ConfigurationError, match="'bird', 'egg'"):
            TemplateCaptioner().caption([("bird of", "an egg", "birds")], ["bird", "egg"])

    def test_a_text_too_long_for_the_encoder_is_shortened_with_a_warning(self) -> None:
        (caption,) = TemplateCaptioner(limit=20).caption(
            [("a photograph of", "moss and stones " * 9, "at dusk")], []
        )
        assert approximate_tokens(caption.text) <= 20
        assert "the text encoder reads 20" in caption.warning

    @given(
        st.tuples(
            *[
                st.lists(
                    st.sampled_from(["a", "red", "bird", "nest", "of", "birds", "at"]), min_size=1, max_size=5
                )
            ]
            * 3
        ),
        st.lists(st.sampled_from(["bird", "bird nest", "red stone", "an empty place", "scene"]), max_size=3),
    )
    def test_no_caption_ever_names_a_word_to_avoid(
        self, parts: tuple[list[str], list[str], list[str]], avoid: list[str]
    ) -> None:
        combination = (" ".join(parts[0]), " ".join(parts[1]), " ".join(parts[2]))
        if all(named_in(part, avoid) for part in combination):
            with pytest.raises(ConfigurationError):
                TemplateCaptioner().caption([combination], avoid)
        else:
            assert named_in(TemplateCaptioner().caption([combination], avoid)[0].text, avoid) == ()


class TestModel:
    @pytest.mark.parametrize("provider", ["openai", "google_genai"])
    def test_good_answers_are_taken_as_they_are(self, provider: str) -> None:
        run = Run(numbered("An old wall in blue light.", "A pond in thick fog."), provider=provider)
        assert run.captions == [
            Caption("An old wall in blue light.", *WALL, "llm", 1),
            Caption("A pond in thick fog.", *POND, "llm", 1),
        ]

    def test_the_request_holds_the_combinations_and_the_words_to_avoid(self) -> None:
        (request,) = Run(numbered("a", "b"), avoid=["bird", "grey heron"]).requests
        assert "1. how: a photograph of | where: a stone wall | when: at dusk" in request.ask.last_user_text
        assert "2. how: a close-up of | where: a still pond | when: in fog" in request.ask.last_user_text
        assert "at most 46 words" in request.ask.system
        assert "bird; grey heron" in request.ask.system

    def test_many_captions_are_asked_for_in_batches(self) -> None:
        run = Run(numbered("a", "b"), numbered("c"), combinations=[WALL, POND, REEDS], batch_size=2)
        assert run.texts == ["a", "b", "c"]
        assert len(run.requests) == 2

    def test_one_that_names_the_class_is_asked_for_again_with_the_reason(self) -> None:
        run = Run(
            numbered("A wall with two Grey-Herons.", "A pond."), numbered("A wall."), avoid=["grey_heron"]
        )
        assert run.texts == ["A wall.", "A pond."]
        assert run.attempts == [2, 1]
        again = run.requests[1].ask.last_user_text
        assert "Not accepted: it names 'grey_heron'. It was: A wall with two Grey-Herons." in again
        assert "still pond" not in again

    @pytest.mark.parametrize(
        ("reply", "reason"),
        [
            (Answer(refusal="I cannot help with that."), "the answer was empty"),
            (Answer("I am sorry, I cannot do that."), "the answer was not JSON"),
        ],
        ids=["refusal", "prose"],
    )
    def test_a_useless_answer_is_asked_for_again_with_the_reason(self, reply: Reply, reason: str) -> None:
        run = Run(reply, numbered("A wall.", "A pond."))
        assert run.texts == ["A wall.", "A pond."]
        assert run.attempts == [2, 2]
        assert f"Not accepted: {reason}" in run.requests[1].ask.last_user_text

    def test_what_is_missing_is_asked_for_again_alone(self) -> None:
        run = Run(numbered("A wall."), numbered("A pond."))
        assert run.texts == ["A wall.", "A pond."]
        assert "1. how: a close-up of" in run.requests[1].ask.last_user_text
        assert "no caption with its number" in run.requests[1].ask.last_user_text

    def test_a_caption_that_broke_off_is_asked_for_again(self) -> None:
        broken = Answer(
            '[{"number": 1, "caption": "A wall."}, {"number": 2, "caption": "A po', finish="length"
        )
        run = Run(broken, numbered("A pond."))
        assert run.texts == ["A wall.", "A pond."]
        assert run.attempts == [1, 2]

    def test_a_caption_too_long_for_the_encoder_is_shortened_with_a_warning(self) -> None:
        run = Run(numbered("Moss grows on the stones of a wall. " * 20, "A pond."))
        assert approximate_tokens(run.texts[0]) <= 77
        assert run.texts[0].endswith("of a wall.")
        assert "the text encoder reads 77" in run.captions[0].warning

    def test_a_model_that_never_obeys_is_left_after_the_attempts_and_the_template_is_recorded(self) -> None:
        run = Run(brain=lambda ask: numbered("A bird on a wall.", "A bird on a pond."), attempts=2)
        assert run.texts == ["A photograph of a stone wall at dusk", "A close-up of a still pond in fog"]
        assert run.origins == ["template", "template"]
        assert run.attempts == [2, 2]
        assert (
            run.captions[0].warning == "joined from its parts: after 2 answers of the model, it names 'bird'"
        )
        assert len(run.requests) == 2

    def test_the_template_that_steps_in_avoids_the_words_too(self) -> None:
        run = Run(brain=lambda ask: Answer("no"), combinations=[("a view of", "a bird bath", "at dusk")])
        assert run.texts == ["A view of an empty place at dusk"]

    def test_a_model_that_cannot_be_reached_is_an_error_not_a_template(self) -> None:
        with pytest.raises(TransportError):
            Run(brain=lambda ask: Failure(503))

    def test_other_models_prompts_and_settings_have_other_identities(self) -> None:
        def ask(system: str, user: str) -> str:
            raise AssertionError("not to be called")

        made = [
            LlmCaptioner(ask, "openai:a"),
            LlmCaptioner(ask, "openai:b"),
            LlmCaptioner(ask, "openai:a", attempts=5),
            LlmCaptioner(ask, "openai:a", limit=40),
        ]
        assert len({captioner.identity for captioner in made}) == len(made)
        assert LlmCaptioner(ask, "openai:a", batch_size=2).identity == made[0].identity


def test_to_import_it_loads_nothing_heavy() -> None:
    heavy = ["torch", "transformers", "diffusers", "langchain", "jinja2", "yaml", "cv2"]
    script = (
        "import sys, tools.aga.captions.captioners, tools.aga.captions.prompt_sets, "
        "tools.aga.captions.combinations, prompts.modality_sets; "
        f"print([name for name in {heavy} if name in sys.modules])"
    )
    ran = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert ran.stdout.strip() == "[]"


def test_private_words_are_avoided_but_not_told() -> None:
    with LoopbackServer([numbered("a wall with a kestrel"), numbered("a wall in mist")]) as server:
        captioner = LlmCaptioner(asking(server), "openai:loopback", private=("kestrel",))
        assert captioner.caption([WALL], ["bird", "kestrel"])[0].text == "a wall in mist"
        first, second = (request.ask for request in server.requests)
    assert "bird" in first.system
    assert "kestrel" not in first.conversation + second.system
    assert "it names what must not be in the picture" in second.last_user_text
