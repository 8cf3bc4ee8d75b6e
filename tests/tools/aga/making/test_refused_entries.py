"""Which entries of a prompt set the gates refused most."""

from pathlib import Path

import pytest

from agent.steps.synthesis import describe_refusals
from tests.tools.aga.drive_generation import (
    PROMPTS,
    Waves,
    World,
    open_world,
    real_tools,
    rows,
    splits,
    write_photos,
)
from tools.aga.making.refused_entries import refused_entries


@pytest.fixture
def world(tmp_path: Path) -> World:
    write_photos(tmp_path / "photos", splits(6))
    return open_world(tmp_path)


def test_the_entry_whose_pictures_are_blank_is_named_with_its_counts(world: World) -> None:
    street = next(entry for entry in PROMPTS.settings if "street" in entry)
    made = world.generate(tools=real_tools(Waves(blank=frozenset({"street"}))))
    tried = [row for row in rows(made, "backgrounds") if row["caption_setting"] == street]
    first = refused_entries(made.folder)[0]
    assert (first.set, first.entry, first.refused, first.tried) == (
        "settings",
        street,
        len(tried),
        len(tried),
    )
    assert f"'{street}' of settings ({len(tried)} of {len(tried)})" in describe_refusals(made)
    assert len(refused_entries(made.folder, most=1)) == 1


def test_where_nothing_is_refused_nothing_is_named(world: World) -> None:
    made = world.generate()
    assert refused_entries(made.folder) == []
    assert describe_refusals(made) == ""
