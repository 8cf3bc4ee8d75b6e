"""What a finished set says of its prompts: captions, verdicts by entry, what was not understood, leaks."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest

from agent.images.set_in_words import describe_unread
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
from tools.aga.captions.captioners import LlmCaptioner
from tools.aga.making.set_facts import background_leak, facts_of, told_in_a_line
from tools.aga.store.pieces import piece_file


@pytest.fixture
def world(tmp_path: Path) -> World:
    write_photos(tmp_path / "photos", splits(6))
    return open_world(tmp_path)


def test_the_entry_whose_pictures_are_blank_is_named_with_its_counts_and_why(world: World) -> None:
    street = next(entry for entry in PROMPTS.settings if "street" in entry)
    made = world.generate(tools=real_tools(Waves(blank=frozenset({"street"}))))
    tried = [row for row in rows(made, "backgrounds") if row["caption_setting"] == street]
    facts = facts_of(made.folder)
    (verdict,) = [each for each in facts.of("settings") if each.refused == each.tried]
    assert (verdict.entry, verdict.tried, verdict.refused) == (street, len(tried), len(tried))
    assert verdict.reasons == (tried[0]["refused_because"],)
    assert {each.entry for each in facts.of("times")} <= set(PROMPTS.times)
    told = told_in_a_line(facts)
    assert f"'{street}' ({len(tried)} of {len(tried)})" in told
    assert f"{len(facts.of('settings')) - 1} of {len(facts.of('settings'))} settings passed whole" in told


def test_captions_are_samples_of_the_pool_and_the_prompts_are_all_there(world: World) -> None:
    made = world.generate()
    facts = facts_of(made.folder, captions=2)
    pool = [row["caption"] for row in rows(made, "backgrounds") if row["accepted"]]
    assert facts.prompts == PROMPTS
    assert facts.caption_count == len(set(pool))
    assert len(facts.captions) == min(2, len(set(pool)))
    assert set(facts.captions) <= set(pool)
    assert all(not each.refused for each in facts.verdicts)
    assert "refused" not in told_in_a_line(facts)
    assert facts.read is None, "these backgrounds are not drawn from words"


def test_what_scenes_did_not_understand_is_counted(world: World) -> None:
    from tools.aga.backgrounds.scenes.maker import ScenesMaker

    prompts = PROMPTS.model_copy(
        update={"settings": ["a zeppelin", "a meadow"], "times": ["at noon"], "instructions": ["a photo of"]}
    )
    made = world.generate(prompts=prompts, tools=real_tools(ScenesMaker()))
    facts = facts_of(made.folder)
    assert facts.read is not None
    assert (facts.read.captions, facts.read.plain) == (2, 1)
    assert facts.read.unknown == (("zeppelin", 1),)
    told = told_in_a_line(facts)
    assert "1 of 2 captions name nothing that can be drawn" in told
    assert "zeppelin (1)" in told


def test_captions_that_the_model_did_not_write_are_told(world: World) -> None:
    answers = iter([json.dumps([{"number": 1, "caption": "An empty meadow"}]), *["No."] * 100])
    captioner = LlmCaptioner(lambda *_: next(answers), "openai:a", attempts=2, batch_size=3)
    made = world.generate(tools=replace(real_tools(), captioner=captioner))
    facts = facts_of(made.folder)
    captions = {row["caption"] for row in rows(made, "backgrounds")}
    assert facts.unwritten is not None
    assert (facts.unwritten.captions, facts.unwritten.of) == (len(captions) - 1, len(captions))
    told = f"{len(captions) - 1} of {len(captions)} captions are the template's, without a word of the model (joined "
    assert told in told_in_a_line(facts)
    assert told in describe_unread(made)
    assert "after 2 answers of the model, the answer was not JSON" in told_in_a_line(facts)
    assert facts_of(world.generate().folder).unwritten is None, "nobody asked a model"


@pytest.mark.parametrize("leaks", [True, False])
def test_backgrounds_that_belong_to_a_class_are_found_out(tmp_path: Path, leaks: bool) -> None:
    """Forty backgrounds of two colours, for the classes in turn or at random."""
    from PIL import Image

    draw = np.random.default_rng(0)
    names, table = [], []
    for number in range(40):
        red = number % 2 == 0
        pixels = draw.integers(0, 90, (12, 12, 3), dtype=np.uint8)
        pixels[..., 0 if red else 2] += 120
        file = piece_file(Path(), "backgrounds", f"{number:064d}").as_posix()
        (tmp_path / file).parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(pixels).save(tmp_path / file)
        names.append(file)
        for _ in range(4):
            label = int(red) if leaks else int(draw.integers(2))
            table.append({"label": label, "background": file, "accepted": True})
    import pyarrow as pa

    pq.write_table(pa.Table.from_pylist(table), tmp_path / "provenance.parquet")
    found = background_leak(tmp_path, tmp_path)
    assert found is not None
    assert found.images == 160
    assert (found.accuracy > 0.95) if leaks else (abs(found.accuracy - 0.5) < 0.15)
    (tmp_path / names[0]).unlink()
    assert background_leak(tmp_path, tmp_path) is None, "pruned: not told"
