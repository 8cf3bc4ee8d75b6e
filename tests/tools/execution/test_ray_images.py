"""Synthetic images that workers of a real Ray cluster make, which are killed for real."""

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
import psutil
import pytest
from PIL import Image

from tests.repository import ROOT
from tests.tools.aga.drive_generation import PROMPTS, World, contents, open_world, splits, write_photos
from tests.tools.execution.ray_processes import actors_of
from tools.aga.backgrounds.make import make_background_maker
from tools.aga.captions.template import TemplateCaptioner
from tools.aga.config import AgaConfig
from tools.aga.finders import make_finders
from tools.aga.making.chain import Tools
from tools.aga.types import Box, FindsSubjects, SourceImage
from tools.errors import AugurError, ConfigurationError
from tools.execution.config import ExecutionConfig

pytest.importorskip("ray", reason="the extra augur-vision[ray] is not installed")

from tools.execution.on_ray.images import (
    ImageWorkers,
    RaySubjectFinder,
    image_workers,
    maker_on_nodes,
    needs_gpu,
    on_nodes,
)
from tools.execution.on_ray.plans import IMAGES_SHARE, share_of_gpu

pytestmark = pytest.mark.timeout(300)

_KINDS = {"background": {"kind": "scenes"}, "detector": {"kind": "none"}}
_TWO = {"workers": 2, "threads": 1, "device": "cpu"}


@pytest.fixture(scope="module")
def two() -> Iterator[ExecutionConfig]:
    """Two workers of a cluster of this machine, which ends with the tests of this file."""
    import ray

    with pytest.MonkeyPatch.context() as patch:
        patch.delenv("RAY_ADDRESS", raising=False)
        yield ExecutionConfig.model_validate({"kind": "ray", **_TWO})
    ray.shutdown()


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    """A folder with 80 training images: two shards of masks."""
    write_photos(tmp_path / "photos", splits(40))
    return tmp_path


def settings(**more: Any) -> AgaConfig:
    return AgaConfig.model_validate({**_KINDS, **more})


def tools_here(config: AgaConfig) -> Tools:
    return Tools(*make_finders(config), TemplateCaptioner(), make_background_maker(config.background))


def tools_there(config: AgaConfig, workers: ImageWorkers) -> Tools:
    tools = Tools(*make_finders(config), TemplateCaptioner(), maker_on_nodes(workers))
    return on_nodes(tools, workers)


def world_in(folder: Path, photos: Path) -> World:
    """The same photos with a store of their own."""
    folder.mkdir()
    (folder / "photos").symlink_to(photos / "photos")
    return open_world(folder)


def actors(of: psutil.Process | None = None) -> list[psutil.Process]:
    """Processes of Ray that make images for a process, which is this one if unset."""
    return actors_of(of or psutil.Process(), "ImageHost")


@pytest.mark.parametrize(
    "chain",
    [
        {"segmenter": {"kind": "otsu"}},
        {
            "segmenter": {"kind": "grabcut"},
            "background": {"kind": "textures"},
            "compose": {"size": "source", "max_side": 64, "light": "match", "format": "jpeg"},
        },
    ],
    ids=["otsu, scenes, training size", "grabcut, textures, size of the source"],
)
def test_two_workers_make_the_same_set_to_the_last_byte(
    two: ExecutionConfig, photos: Path, tmp_path: Path, chain: dict[str, Any]
):
    config = settings(**chain)
    workers = image_workers(two, config)
    told: dict[str, list[tuple[str, int, int]]] = {"here": [], "there": []}
    for place, tools in (("here", tools_here(config)), ("there", tools_there(config, workers))):
        world = world_in(tmp_path / place, photos)
        world.generate(
            PROMPTS,
            tools,
            lambda *each, told=told[place]: told.append(each),
            **config.model_dump(include={"segmenter", "background", "detector", "compose"}),
        )
    assert len(actors()) == 2
    workers.close()
    assert psutil.wait_procs(actors(), timeout=30)[1] == []
    made = contents(tmp_path / "there" / "aga")
    assert made == contents(tmp_path / "here" / "aga")
    assert sum(name.startswith("masks/") for name in made) == 80
    assert sum(name.startswith("sets/") and "/images/" in name for name in made) == 120
    assert [each for each in told["there"] if each[0] != "composites"] == [
        each for each in told["here"] if each[0] != "composites"
    ]
    composites = [done for stage, done, _ in told["there"] if stage == "composites"]
    assert composites[0] == 0
    assert composites[-1] == 120
    assert composites == sorted(composites)


def test_a_network_finds_the_same_subjects_on_nodes(two: ExecutionConfig, photos: Path):
    config, sources = settings(segmenter={"kind": "u2netp"}), open_world(photos).sources()
    workers = image_workers(two, config)
    here, there = tools_here(config).segmenter, tools_there(config, workers).segmenter
    assert isinstance(here, FindsSubjects)
    assert isinstance(there, FindsSubjects)
    for row in (0, 1, 41):
        (mask, box), (expected, expected_box) = there.find(sources[row]), here.find(sources[row])
        assert np.array_equal(mask, expected)
        assert mask.any()
        assert box == expected_box
    workers.close()


def test_workers_that_are_killed_in_every_step_change_nothing(
    two: ExecutionConfig, photos: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
):
    config = settings(segmenter={"kind": "grabcut"})
    workers = image_workers(two, config)
    kinds = config.model_dump(include={"segmenter", "background", "detector"})
    world_in(tmp_path / "here", photos).generate(PROMPTS, tools_here(config), **kinds)
    killed: set[str] = set()

    def kill(step: str, done: int, total: int) -> None:
        if step not in killed and done < total and actors():
            killed.add(step)
            actors()[0].kill()

    world_in(tmp_path / "there", photos).generate(PROMPTS, tools_there(config, workers), kill, **kinds)
    workers.close()
    assert {"masks", "composites"} <= killed
    assert "done again (try 2 of 3)" in caplog.text
    assert contents(tmp_path / "there" / "aga") == contents(tmp_path / "here" / "aga")


def test_what_kills_its_worker_three_times_is_an_error_that_says_so(two: ExecutionConfig, photos: Path):
    config, box = settings(segmenter={"kind": "otsu"}), Box(4, 4, 40, 36, 1)
    workers = image_workers(two.model_copy(update={"workers": 1}), config)
    source = open_world(photos).sources()[0]
    ended = threading.Event()

    def kill_all() -> None:
        while not ended.wait(0.02):
            for actor in actors():
                with suppress(psutil.NoSuchProcess):  # it has ended meanwhile
                    actor.kill()

    workers.call("segment", source, [box])  # it works
    killer = threading.Thread(target=kill_all)
    killer.start()
    try:
        with pytest.raises(AugurError, match=r"cluster makes no images|workers were lost at the same step"):
            _until_it_fails(workers, source, box)
    finally:
        ended.set()
        killer.join()
        workers.close()


def _until_it_fails(workers: ImageWorkers, source: SourceImage, box: Box) -> None:
    for _ in range(100_000):
        workers.call("segment", source, [box])


def test_an_error_on_a_node_is_told_with_the_node(two: ExecutionConfig, tmp_path: Path):
    model = tmp_path / "model"
    model.mkdir()
    (model / "model_index.json").write_text("{}")
    config = settings(background={"kind": "diffusion", "model": str(model), "devices": "cpu"})
    workers = image_workers(two, config)
    maker = maker_on_nodes(workers)
    (model / "model_index.json").unlink()
    with pytest.raises(ConfigurationError, match=r"model_index\.json.*on the Ray node"):
        maker.make(["a meadow"], [1], 32)
    workers.close()


def test_models_get_the_share_of_a_gpu_that_trials_leave(two: ExecutionConfig):
    from tools.execution.devices import WorkerPlan
    from tools.execution.on_ray.cluster import Cluster, Node

    plans = [WorkerPlan("cuda:0", 4)] * 2
    cluster = Cluster((Node("one", 8, 2),), is_own=False)
    assert share_of_gpu(plans, cluster) + IMAGES_SHARE == pytest.approx(1)
    assert not needs_gpu(settings(segmenter={"kind": "u2netp"}))
    for chain in (
        {"background": {"kind": "diffusion", "model": "a/b"}},
        {"detector": {"kind": "transformers"}},
    ):
        config = settings(**chain)
        assert needs_gpu(config)
        assert ImageWorkers(two, config, plans)._gpus == IMAGES_SHARE
    assert ImageWorkers(two, settings(), plans)._gpus == 0


def test_a_segmenter_that_needs_no_box_needs_none_on_nodes(two: ExecutionConfig):
    config = settings(segmenter={"kind": "u2netp"})
    tools = tools_there(config, image_workers(two, config))
    assert isinstance(tools.segmenter, RaySubjectFinder)
    assert tools.identities == tools_here(config).identities
    boxes = settings(segmenter={"kind": "dataset"}, detector={"kind": "dataset"})
    here = Tools(tools.detector, tools.segmenter, tools.captioner, tools.maker)
    assert on_nodes(here, image_workers(two, boxes)).segmenter is here.segmenter, "files are read here"


@pytest.mark.slow
def test_agent_generate_that_is_killed_resumes_with_nothing_made_twice(tmp_path: Path):
    photos = tmp_path
    for number, (folder, count) in enumerate(splits(40).items()):
        (photos / "photos" / folder).mkdir(parents=True)
        for each in range(count):
            blocks = np.random.default_rng([number, each]).integers(0, 256, (6, 8, 3), dtype=np.uint8)
            picture = Image.fromarray(blocks).resize((320, 240), Image.Resampling.BICUBIC)
            picture.save(photos / "photos" / folder / f"{each}.png")

    def command(runs: str, *more: str) -> list[str]:
        flags = ["--data", str(photos / "photos"), "--subject", "disc", "--background", "scenes"]
        flags += ["--aga.segmenter.kind", "grabcut"]
        size = ["--data.image_size", "32", "--runs-dir", str(tmp_path / runs)]
        return [sys.executable, "-m", "agent", "generate", *flags, *size, *more]

    ray = ("--execution.kind", "ray", "--execution.workers", "2", "--execution.device", "cpu")
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    environment.pop("RAY_ADDRESS", None)
    subprocess.run(command("here"), cwd=tmp_path, env=environment, check=True, timeout=200)
    masks = tmp_path / "there" / "aga" / "masks"
    first = subprocess.Popen(command("there", *ray), cwd=tmp_path, env=environment)
    deadline = time.monotonic() + 120
    while len(list(masks.glob("*/*.png"))) < 20 and time.monotonic() < deadline:
        time.sleep(0.02)
    children = actors(psutil.Process(first.pid))
    assert len(children) == 2
    first.send_signal(signal.SIGKILL)
    first.wait()
    kept = {file: file.stat().st_mtime_ns for file in masks.glob("*/*.png")}
    assert 20 <= len(kept) < 80, "it was killed in the middle"
    assert psutil.wait_procs(children, timeout=60)[1] == [], "its workers end with it"
    subprocess.run(command("there", *ray), cwd=tmp_path, env=environment, check=True, timeout=200)
    assert {file: file.stat().st_mtime_ns for file in kept} == kept, "none was made twice"
    for part in ("aga/masks", "aga/backgrounds", "aga/sets"):
        made = {
            name: each for name, each in contents(tmp_path / "there" / part).items() if "known" not in name
        }
        assert made == contents(tmp_path / "here" / part)
        assert made
