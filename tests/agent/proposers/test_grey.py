"""Grey images: no arm and no prompt has operations that change colours only."""

import json
from dataclasses import replace

from agent.proposers.conversation import initial_messages
from agent.proposers.schema import proposal_schema
from agent.proposers.space import space_of
from tests.agent.proposers.arms import history
from tools.policy.catalogue import CATALOGUE

COLOUR = {name for name, spec in CATALOGUE.items() if spec.needs_colour}


def test_the_arms_that_draw_do_not_draw_them() -> None:
    assert set(space_of(history()).names) >= COLOUR - {"channel_shuffle"}
    assert not set(space_of(replace(history(), grey=True)).names) & COLOUR


def test_a_language_model_is_neither_told_of_them_nor_may_it_name_them() -> None:
    for grey in (False, True):
        told = replace(history(), grey=grey)
        names = json.dumps(proposal_schema(told))
        (_, task) = initial_messages(told, "tools", 3, feedback=True)[:2]
        for name in COLOUR:
            assert (f'"{name}"' in names) is not grey
            assert (f"- {name}:" in str(task.content)) is not grey
