"""A set comes out the same however it is made: killed, by several processes, warm or cold; and is made only once."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from tests.repository import ROOT
from tests.tools.aga.drive_generation import (
    PROMPTS,
    BrightDetector,
    Waves,
    World,
    contents,
    open_world,
    real_tools,
    splits,
    write_photos,
)

DRIVE = Path(__file__).with_name("drive_generation.py")
TRAIN = 6
MOMENTS = [
    ("plan.json", 1),
    ("masks/", 4),
    ("subjects-", 1),
    ("aga/backgrounds/", 5),
    ("work/backgrounds-", 1),
    ("images/light", 3),
    ("composites-", 1),
    ("labels.npy", 1),
    ("pieces.json", 1),
    ("set.json", 1),
]
"""Which file the process is writing when it is killed: in every step, and between them."""


@pytest.fixture
def world(tmp_path: Path) -> World:
    write_photos(tmp_path / "photos", splits(TRAIN))
    return open_world(tmp_path)


def drive(folder: Path, *arguments: object) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, str(DRIVE), str(folder), *map(str, arguments)]
    return subprocess.run(
        command,
        capture_output=True,
        text=True,
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        check=False,
    )


def test_another_number_of_processes_makes_the_same_set(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    large = PROMPTS.model_copy(update={"scale": 10})
    monkeypatch.setattr("tools.aga.making.pasting._IN_PROCESS", 1)
    monkeypatch.chdir(ROOT)
    several = world.generate(large, compose={"workers": 2})
    files = contents(several.folder)
    write_photos(world.folder / "again" / "photos", splits(TRAIN))
    alone = open_world(world.folder / "again").generate(large, compose={"workers": 1})
    assert alone.key == several.key
    assert contents(alone.folder) == files


def test_killed_at_ten_moments_it_comes_out_the_same_to_the_last_byte(tmp_path: Path) -> None:
    write_photos(tmp_path / "whole" / "photos", splits(TRAIN))
    open_world(tmp_path / "whole").generate()
    whole = contents(tmp_path / "whole" / "aga")

    folder = tmp_path / "killed"
    write_photos(folder / "photos", splits(TRAIN))
    for part, deadly in MOMENTS:
        ended = drive(folder, PROMPTS.scale, 1, part, deadly)
        assert ended.returncode == -signal.SIGKILL, ended.stderr
        assert not list(folder.glob("aga/sets/*/set.json"))
    ended = drive(folder, PROMPTS.scale, 1)
    assert ended.returncode == 0, ended.stderr
    assert contents(folder / "aga") == whole


def test_a_process_that_is_killed_with_workers_leaves_none_behind_and_is_resumed(tmp_path: Path) -> None:
    write_photos(tmp_path / "photos", splits(20))
    command = [sys.executable, str(DRIVE), str(tmp_path), "10", "2"]
    started = subprocess.Popen(command, cwd=ROOT, env={**os.environ, "PYTHONPATH": str(ROOT)})
    deadline = time.monotonic() + 30
    while not list(tmp_path.glob("aga/sets/*/work/composites-*.json")) and time.monotonic() < deadline:
        time.sleep(0.01)
    started.kill()
    started.wait()
    made = open_world(tmp_path).generate(PROMPTS.model_copy(update={"scale": 10.0}))
    assert made.images == 400
    assert len(list(made.folder.glob("images/*/*"))) == 400
    write_photos(tmp_path / "again" / "photos", splits(20))
    again = open_world(tmp_path / "again").generate(PROMPTS.model_copy(update={"scale": 10.0}))
    assert contents(again.folder) == contents(made.folder)


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


@pytest.mark.parametrize(
    "change", [{"seed": 1}, {"fingerprint": "another"}, {"pool": 0.5}, {"gates": {"min_area": 0.02}}]
)
def test_whatever_changes_the_images_makes_another_set(world: World, change: dict[str, Any]) -> None:
    assert world.generate(tools=real_tools, **change).key != world.generate(tools=real_tools).key


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
