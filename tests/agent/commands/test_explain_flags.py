"""The flags of `agent explain` name what there is."""

from agent.commands.explain import _METHODS, _SECTIONS
from agent.explanation.sections import SECTIONS
from evaluators.attribution.maps import METHODS


def test_they_name_every_section_and_every_method():
    assert tuple(SECTIONS) == _SECTIONS
    assert tuple(METHODS) == _METHODS
