"""How much faster two Ray workers make synthetic images than one, and that they come to the same set.

    python -m benchmarks.ray_images --out benchmarks/results/ray_images.json

Photos of coloured blots, of which masks are cut, backgrounds drawn (scenes) and composites pasted, in a
cluster of this machine: alternately one worker and two, several times, each into a store of its own. What is timed is
the generation, with workers that have started and have the network loaded. The first round of each is not counted.
"""

import argparse
import json
import os
import statistics
import tempfile
import time
from collections import defaultdict
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
from PIL import Image

from tests.tools.aga.drive_generation import PROMPTS, World, contents, open_world, splits
from tools.aga.captions.template import TemplateCaptioner
from tools.aga.config import AgaConfig
from tools.aga.finders import make_finders
from tools.aga.making.chain import Tools
from tools.aga.types import Box
from tools.execution.config import ExecutionConfig
from tools.execution.on_ray.images import ImageWorkers, image_workers, maker_on_nodes, on_nodes

KINDS = {"background": {"kind": "scenes"}, "detector": {"kind": "none"}}


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--rounds", type=int, default=3, help="of one worker and of two, that count")
    parser.add_argument(
        "--images", type=int, default=128, help="training images; as many and a half are made"
    )
    parser.add_argument("--size", type=int, default=64, help="of the training images, in pixels")
    parser.add_argument("--segmenter", default="u2netp", help="u2netp, grabcut or otsu")
    parser.add_argument("--out", type=Path)
    options = parser.parse_args()
    config = AgaConfig.model_validate({**KINDS, "segmenter": {"kind": options.segmenter}})
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        _write_photos(root / "photos", options.images // 2)
        world = open_world(root, options.size)
        seconds: dict[int, list[float]] = {1: [], 2: []}
        stages: dict[int, dict[str, list[float]]] = {1: defaultdict(list), 2: defaultdict(list)}
        expected: dict[str, str] | None = None
        for number in range(options.rounds + 1):
            for workers in seconds:
                store = root / f"{workers}-{number}"
                took = _generate(world, config, store, workers)
                made = contents(store)
                expected = expected or made
                assert made == expected, "the sets differ"
                if number:
                    seconds[workers].append(round(sum(took.values()), 2))
                    for stage, each in took.items():
                        stages[workers][stage].append(each)
                print(f"{workers} workers: {sum(took.values()):.1f} s", flush=True)
    one, two = (statistics.median(seconds[workers]) for workers in (1, 2))
    medians = {
        workers: {stage: round(statistics.median(each), 2) for stage, each in found.items()}
        for workers, found in stages.items()
    }
    found = {
        "training_images": options.images,
        "segmenter": options.segmenter,
        "size": options.size,
        "seconds_of_one_worker": seconds[1],
        "seconds_of_two_workers": seconds[2],
        "median_seconds_by_stage": medians,
        "times_as_fast": round(one / two, 2),
        "equal_to_the_byte": True,
        "cores": os.cpu_count(),
        "load_at_the_end": round(os.getloadavg()[0], 1),
    }
    print(json.dumps(found, indent=1))
    if options.out:
        options.out.write_text(json.dumps(found, indent=1) + "\n")


def _write_photos(root: Path, count: int) -> None:
    """So many training photos of each of two classes: soft blots of random colours."""
    for number, (folder, images) in enumerate(splits(count).items()):
        (root / folder).mkdir(parents=True)
        for image in range(images):
            blots = np.random.default_rng([number, image]).integers(0, 256, (6, 8, 3), dtype=np.uint8)
            photo = Image.fromarray(blots).resize((256, 192), Image.Resampling.BICUBIC)
            photo.save(root / folder / f"{image}.png")


def _generate(world: World, config: AgaConfig, store: Path, count: int) -> dict[str, float]:
    """Stage → seconds; what comes after the last composite belongs to 'finish'."""
    execution = ExecutionConfig(kind="ray", workers=count, threads=1, device="cpu")
    workers = image_workers(execution, config)
    tools = on_nodes(Tools(*make_finders(config), TemplateCaptioner(), maker_on_nodes(workers)), workers)
    _warm_up(workers, tools, world)
    seconds: dict[str, float] = defaultdict(float)
    last = time.monotonic()

    def told(stage: str, done: int, total: int) -> None:
        nonlocal last
        now = time.monotonic()
        seconds[stage] += now - last
        last = now

    kinds = config.model_dump(include={"segmenter", "background", "detector"})
    world.generate(PROMPTS, tools, told, root=store, **kinds)
    told("finish", 1, 1)
    workers.close()
    return dict(seconds)


def _warm_up(workers: ImageWorkers, tools: Tools, world: World) -> None:
    """Every worker has started, and has loaded what cuts out."""
    image = world.sources()[0]
    box = Box(0, 0, image.pixels.shape[1], image.pixels.shape[0], 1)
    with ThreadPoolExecutor(2 * workers.at_once) as pool:
        list(pool.map(lambda _: tools.segmenter.segment(image, [box]), range(4 * workers.at_once)))


if __name__ == "__main__":
    main()
