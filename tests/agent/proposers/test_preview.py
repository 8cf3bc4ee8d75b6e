"""What the tool `preview_policy` says under settings that leave advice or whole policies out."""

from dataclasses import replace
from pathlib import Path
from typing import Any

from agent.proposers.inspection.runner import ToolRunner
from agent.proposers.schema import PREVIEW
from tests.agent.proposers.arms import history
from tools.policy.catalogue import default_operation


def preview(cache: Path, *names: str, **settings: Any) -> str:
    told = replace(history(cache, modality="fundus"), **settings)
    operations = [default_operation(name).model_dump() for name in names]
    return ToolRunner(told, vision=False, feedback=True).run(PREVIEW, {"operations": operations}).text


def test_risks_are_advice_and_refusals_are_not(cache: Path) -> None:
    assert "Risk: erasing: " in preview(cache, "erasing")
    assert "Risk" not in preview(cache, "erasing", advice=False)
    assert "Would be refused: invert: " in preview(cache, "invert", advice=False)


def test_a_whole_policy_would_be_refused_where_the_study_leaves_it_out(cache: Path) -> None:
    assert "This policy would be refused" not in preview(cache, "rand_augment")
    text = preview(cache, "rand_augment", whole_policies=False)
    assert "This policy would be refused" in text
    assert "'rand_augment') is a whole policy" in text
