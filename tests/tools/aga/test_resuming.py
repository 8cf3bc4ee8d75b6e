"""A set comes out the same however it is made: killed, by several processes, warm or cold; and is made only once."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import psutil
import pytest

from tests.repository import ROOT
from tests.tools.aga.drive_generation import (
    PROMPTS,
    BrightDetector,
    Waves,
    World,
    contents,
    drive,
    open_world,
    real_tools,
    splits,
    write_photos,
)

DRIVE = Path(__file__).with_name("drive_generation.py")
TRAIN = 6
MOMENTS = [
    "plan.json=1",
    "masks/=4",
    "subjects-=1",
    "aga/backgrounds/=5",
    "work/backgrounds-=1",
    "images/light=3",
    "composites-=1",
    "provenance.parquet=1",
    "pieces.json=1",
    "set.json=1",
]
"""Which file the process is writing when it is killed: in every step, and between them."""


@pytest.fixture
def world(tmp_path: Path) -> World:
    write_photos(tmp_path / "photos", splits(TRAIN))
    return open_world(tmp_path)


def test_killed_at_ten_moments_it_comes_out_the_same_to_the_last_byte(tmp_path: Path) -> None:
    write_photos(tmp_path / "whole" / "photos", splits(TRAIN))
    open_world(tmp_path / "whole").generate()
    write_photos(tmp_path / "killed" / "photos", splits(TRAIN))
    ended = drive(tmp_path / "killed", PROMPTS.scale, 1, *MOMENTS, "whole")
    assert ended == [-signal.SIGKILL] * len(MOMENTS) + [0]
    assert contents(tmp_path / "killed" / "aga") == contents(tmp_path / "whole" / "aga")


def test_killed_with_workers_none_is_left_behind_and_one_process_ends_in_the_same_set(tmp_path: Path) -> None:
    write_photos(tmp_path / "photos", splits(15))
    command = [sys.executable, str(DRIVE), str(tmp_path), "10", "2"]
    started = subprocess.Popen(command, cwd=ROOT, env={**os.environ, "PYTHONPATH": str(ROOT)})
    deadline = time.monotonic() + 60
    while not list(tmp_path.glob("aga/sets/*/work/composites-*.json")) and time.monotonic() < deadline:
        time.sleep(0.01)
    workers = psutil.Process(started.pid).children()
    started.kill()
    started.wait()
    assert len(workers) >= 2
    assert psutil.wait_procs(workers, timeout=30)[1] == []
    large = PROMPTS.model_copy(update={"scale": 10.0})
    resumed = open_world(tmp_path).generate(large)
    write_photos(tmp_path / "again" / "photos", splits(15))
    again = open_world(tmp_path / "again").generate(large)
    assert contents(again.folder) == contents(resumed.folder)


def test_the_key_of_a_set_is_the_one_that_earlier_versions_gave_it(world: World) -> None:
    # What is the default now came later.
    then = {"compose": {"workers": 1, "colours": "source"}, "segmenter": {"kind": "otsu"}}
    made = world.generate(fingerprint="f" * 64, seed=3, **then)
    assert made.key == "4b785da3a148d89b896f53d1f07f6d31a00136d3902519c26f2a3befed472a77"


def test_a_second_run_answers_at_once_and_asks_for_no_tools(world: World) -> None:
    first = world.generate(tools=real_tools)

    def never() -> Any:
        raise AssertionError("the tools were asked for")

    start = time.perf_counter()
    second = world.generate(tools=never)
    assert time.perf_counter() - start < 2
    assert second == first


def test_what_a_kill_after_the_last_write_leaves_is_cleared(world: World) -> None:
    made = world.generate()
    before = contents(made.folder)
    (made.folder / "work").mkdir()
    (made.folder / "work" / "pixels.npy").write_bytes(b"left")
    world.generate()
    assert contents(made.folder) == before


def test_whatever_changes_the_images_makes_another_set(world: World) -> None:
    changes: tuple[dict[str, Any], ...] = (
        {},
        {"seed": 1},
        {"fingerprint": "another"},
        {"pool": 0.5},
        {"gates": {"min_area": 0.02}},
    )
    assert len({world.generate(tools=real_tools, **change).key for change in changes}) == len(changes)


def test_a_second_study_makes_no_mask_and_no_background_again(world: World) -> None:
    world.generate(tools=real_tools(Waves(), BrightDetector()))
    maker, detector = Waves(), BrightDetector()
    world.generate(PROMPTS.model_copy(update={"max_rotation": 90.0}), real_tools(maker, detector))
    assert maker.made == []
    assert detector.asked == []


def test_a_damaged_mask_and_a_damaged_background_are_made_again(world: World) -> None:
    before = contents(world.generate().folder)
    for kind in ("masks", "backgrounds"):
        file = next((world.root / kind).glob("*/*.png"))
        file.write_bytes(file.read_bytes()[:40])
    after = world.generate(PROMPTS.model_copy(update={"scale": 1.4999}))
    assert {name: digest for name, digest in contents(after.folder).items() if "images/" in name} == {
        name: digest for name, digest in before.items() if "images/" in name
    }


def test_progress_reaches_the_end_of_every_stage(world: World) -> None:
    said: dict[str, tuple[int, int]] = {}
    world.generate(on_progress=lambda stage, done, total: said.update({stage: (done, total)}))
    assert said == {"masks": (12, 12), "captions": (12, 12), "backgrounds": (12, 12), "composites": (18, 18)}
