"""What counts as near, whose names of classes go out, and how names of files are kept from texts."""

import pytest

from agent.llm.privacy import FILE, host_of, is_near, tells_names, without_files
from tests.agent.proposers.arms import history
from tests.loopback.clients import llm
from tools.datasets.types import Card


def card(*private: str) -> Card:
    return Card("a", "A", "natural", "", ("b", "c"), private=private)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "url",
    [
        "http://localhost:11434/v1",
        "http://models.localhost/v1",
        "http://127.0.0.1:1/v1",
        "http://[::1]:8000/v1",
        "http://10.1.2.3/v1",
        "http://192.168.0.9:8000/v1",
        "http://172.31.0.1/v1",
        "http://[fd00::7]/v1",
        "http://[::ffff:10.0.0.1]/v1",
    ],
)
def test_this_machine_and_private_networks_are_near(url: str) -> None:
    assert is_near(llm(model="openai:m", base_url=url), {})


@pytest.mark.parametrize(
    "url",
    [
        "https://api.openai.com/v1",
        "http://8.8.8.8/v1",
        "http://172.32.0.1/v1",
        "http://203.0.113.7/v1",
        "http://[2001:db8::1]/v1",
        "http://localhost.example.invalid/v1",
        "http://10.0.0.1.example.invalid/v1",
    ],
)
def test_everything_else_is_not_nor_is_a_name_that_nobody_knows(url: str) -> None:
    assert not is_near(llm(model="openai:m", base_url=url), {})


def test_a_provider_without_another_address_is_not_near() -> None:
    for model, host in (
        ("openai:m", "api.openai.com"),
        ("google_genai:m", "generativelanguage.googleapis.com"),
        ("anthropic:m", "anthropic"),
    ):
        assert host_of(llm(model=model), {}) == host
        assert not is_near(llm(model=model), {})


def test_ollama_is_on_this_machine_unless_its_variable_says_otherwise() -> None:
    assert is_near(llm(model="ollama:m"), {})
    assert is_near(llm(model="ollama:m"), {"OLLAMA_HOST": "127.0.0.1:11434"})
    assert not is_near(llm(model="ollama:m"), {"OLLAMA_HOST": "http://8.8.8.8:11434"})


def test_a_variable_that_names_another_server_decides() -> None:
    assert is_near(llm(model="openai:m"), {"OPENAI_BASE_URL": "http://127.0.0.1:9/v1"})


def test_names_go_far_only_where_the_card_gives_them_or_the_user_allows_it() -> None:
    far, near = {"model": "openai:m"}, {"model": "openai:m", "base_url": "http://127.0.0.1:9/v1"}
    assert tells_names(llm(**far), card(), {})
    assert not tells_names(llm(**far), card("classes"), {})
    assert tells_names(llm(**near), card("classes"), {})
    assert tells_names(llm(**far, names="on"), card("classes"), {})
    assert not tells_names(llm(**near, names="off"), card(), {})


@pytest.mark.parametrize(
    "text",
    [
        "cannot read /data/clinic/smith/1.png: truncated",
        "cannot read /data/clinic/smith: no such folder",
        r"cannot read C:\clinic\smith\1.dcm: truncated",
        "John smith/img 1.PNG has no subject: 3 skipped",
        "the weights ~/clinic/smith are missing",
        "weights clinic/smith.safetensors: gone",
        "transform clinic/smith.py:augment failed",
    ],
)
def test_no_name_of_a_file_is_left_in_a_text(text: str) -> None:
    cleaned = without_files(text)
    assert FILE in cleaned
    assert "smith" not in cleaned
    assert "clinic" not in cleaned


@pytest.mark.parametrize(
    "text",
    [
        "rotate(p=0.5, degrees=15) > brightness(p=0.3, strength=0.2)",
        "48 synthetic images; 3 of 4 / 5 refused and/or skipped: see https://example.org/a/b",
        history().recipe,
        "out of memory (CUDA 12.4): 3/4 of the batch",
    ],
)
def test_other_texts_stay_as_they_are(text: str) -> None:
    assert without_files(text) == text


@pytest.mark.parametrize(("before", "now"), [(True, "on"), ("false", "off"), (None, "ask"), ("on", "on")])
def test_the_setting_of_earlier_versions_is_understood(before: object, now: str) -> None:
    assert llm(vision=before).vision == now
