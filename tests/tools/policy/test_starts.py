"""Every kind of images has policies to start from, and they are safe for its labels."""

from importlib.resources import files
from typing import get_args

import pytest
import yaml

from tools.datasets.types import Card, Modality
from tools.policy.canonical import canonical_json, one_line, parse_one_line
from tools.policy.safety import lint
from tools.policy.starts import default_policy, starts_for
from tools.policy.validate import check_policy

MODALITIES = get_args(Modality)


@pytest.mark.parametrize("modality", MODALITIES)
def test_every_start_is_valid_and_safe(modality: Modality) -> None:
    card = Card("made", "Made", modality, "Made by a test.", ("a", "b"))
    starts = starts_for(modality)
    assert starts
    for start in starts:
        assert check_policy(start.policy, 2, 3) == []
        assert lint(start.policy, card) == []
        assert canonical_json(parse_one_line(one_line(start.policy))) == canonical_json(start.policy)
        assert start.source.strip()
    assert len({one_line(start.policy) for start in starts}) == len(starts)


def test_rows_have_exactly_the_known_fields() -> None:
    rows = yaml.safe_load((files("tools.policy") / "starts.yaml").read_text("utf-8"))
    for row in rows:
        assert set(row) == {"modalities", "name", "policy", "source"}
        assert set(row["modalities"].split()) <= set(MODALITIES)


def test_what_nobody_described_is_neither_mirrored_nor_turned_far() -> None:
    names = {operation.name for operation in default_policy("unknown").policy.operations}
    assert not names & {"horizontal_flip", "vertical_flip", "rotate"}


def test_a_scan_of_a_body_keeps_its_sides() -> None:
    for modality in ("xray", "ct"):
        used = {item.name for start in starts_for(modality) for item in start.policy.operations}
        assert not used & {"horizontal_flip", "vertical_flip"}
