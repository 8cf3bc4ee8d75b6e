"""Whatever a model proposes: refused with reasons, or stored, shown, built and applied without a fault."""

import json
from typing import Any

import numpy as np
import torch
from hypothesis import given
from hypothesis import strategies as st

from agent.memory.proposal import Proposal, parse_proposal
from agent.proposers import Malformed
from agent.proposers.answers import read_arguments
from agent.settings.config import SearchConfig
from agent.steps.search.vetting import refuse
from tests.fuzz.settings import fuzzed
from tools.datasets.types import Card, Modality
from tools.policy.built_policy import build
from tools.policy.catalogue import CATALOGUE
from tools.policy.export import as_python

CARDS = {
    modality: Card("made", "Made", modality, "Made by a test.", ("left hand", "right hand"))
    for modality in ("natural", "xray", "digits", "unknown")
}
ANY_TEXT = st.text(st.characters(exclude_categories=()), max_size=30)
ODD = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-(10**20), 10**20),
    st.floats(),
    ANY_TEXT,
    st.lists(st.integers(), max_size=3),
    st.dictionaries(ANY_TEXT, ANY_TEXT, max_size=2),
)
NUMBERS = st.one_of(st.floats(), st.integers(-3, 400), st.sampled_from([0.0, 0.5, 1.0, 1e-12, 1e300]))


@st.composite
def operations(draw: st.DrawFn) -> dict[str, Any]:
    """An operation: mostly one of the catalogue within or around its ranges, sometimes anything."""
    name = draw(st.sampled_from(list(CATALOGUE)))
    parameters = [
        {"name": spec.name, "value": draw(st.one_of(st.floats(spec.low, spec.high), NUMBERS))}
        for spec in CATALOGUE[name].parameters
    ]
    made: dict[str, Any] = {
        "name": draw(st.one_of(st.just(name), ANY_TEXT)) if draw(st.integers(0, 9)) == 0 else name,
        "probability": draw(st.one_of(st.floats(0, 1), NUMBERS)),
        "parameters": draw(st.permutations(parameters)),
    }
    if draw(st.integers(0, 9)) == 0:
        made[draw(st.sampled_from(["name", "probability", "parameters", "extra"]))] = draw(ODD)
    return made


PROMPTS = st.lists(ANY_TEXT, max_size=3)
BACKGROUNDS = st.fixed_dictionaries(
    {
        "subject": st.one_of(st.sampled_from(["hand", "bird"]), ANY_TEXT),
        "scale": NUMBERS,
        "instructions": PROMPTS,
        "settings": PROMPTS,
        "times": PROMPTS,
        "avoid": PROMPTS,
        "flip_probability": NUMBERS,
        "max_rotation": NUMBERS,
        "min_scale": NUMBERS,
        "max_scale": NUMBERS,
    }
)


@st.composite
def answers(draw: st.DrawFn) -> Any:
    """The arguments of a proposal, nearly right."""
    if draw(st.integers(0, 19)) == 0:
        return draw(ODD)
    made: dict[str, Any] = {
        "hypothesis": draw(ANY_TEXT),
        "expected_gain": draw(st.one_of(st.floats(-5, 5), NUMBERS)),
        "policy": draw(st.lists(operations(), max_size=4)),
        "backgrounds": draw(st.lists(BACKGROUNDS, max_size=2)) if draw(st.booleans()) else [],
    }
    if draw(st.integers(0, 9)) == 0:
        made[draw(st.sampled_from([*made, "extra"]))] = draw(ODD)
    return made


@fuzzed(1)
@given(
    answers(),
    st.sampled_from(list(CARDS)),
    st.sampled_from(["off", "optional", "always"]),
    st.integers(8, 40),
)
def test_any_proposal(answer: Any, modality: Modality, backgrounds: Any, size: int) -> None:
    read = read_arguments(answer)
    if isinstance(read, Malformed):
        assert read.reason.strip()
        read.reason.encode()
        return
    assert isinstance(read, Proposal)
    stored = json.dumps(read.model_dump())
    stored.encode()
    reasons, warnings = refuse(
        read, SearchConfig(augmentations="1-3"), CARDS[modality], [], backgrounds=backgrounds
    )
    assert all(line.strip() for line in (*reasons, *warnings))
    if reasons:
        return
    assert parse_proposal(stored) == read
    assert Proposal.model_validate_json(read.model_dump_json()).identity == read.identity
    read.in_one_line().encode()
    _apply(read, size)


def _apply(accepted: Proposal, size: int) -> None:
    """A policy that is accepted runs on any image, and so does its export."""
    torch.manual_seed(0)
    built = build(accepted.as_policy(), size, classes=2)
    image = np.random.default_rng(0).integers(0, 256, (size, size, 3), dtype=np.uint8)
    augmented = built.augment(image)
    assert augmented.shape == (3, size, size)
    assert augmented.dtype == torch.uint8
    if built.has_mix:
        mixed, labels = built.mix(torch.rand(4, 3, size, size), torch.tensor([0, 1, 0, 1]))
        assert torch.isfinite(mixed).all()
        assert torch.allclose(labels.sum(dim=1), torch.ones(4))
    compile(as_python(accepted.as_policy(), size), "policy.py", "exec")
