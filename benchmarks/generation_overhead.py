"""What our maker of backgrounds adds to calling diffusers directly, with the tiny SDXL of the tests.

Both make the same pictures of the same captions and seeds, in turns within one process and with a pipeline each,
loaded from the same folder: 4 pictures at a time, 10 steps, then RGB bytes. The model is so small that a call takes
milliseconds a step; with real weights the same overhead is spread over seconds.
"""

import json
import statistics
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

TARGET = 1.05
REPEATS = 41
PICTURES = 16
BATCH = 4
STEPS = 10


def run() -> dict[str, Any]:
    """Measure; takes about a minute on one core, half of it loading.

    Returns:
        name, ratio (our seconds over those of diffusers, median of the pairs), target, met, details.
    """
    import torch

    from tests.tools.aga.tiny_sdxl import SIDE, build_tiny_sdxl
    from tools.aga.backgrounds.diffusion import DiffusionMaker
    from tools.aga.config import BackgroundConfig

    captions = [f"a quiet place at the edge of town, number {number}" for number in range(PICTURES)]
    seeds = list(range(PICTURES))
    threads = torch.get_num_threads()
    torch.set_num_threads(1)  # with two threads, a model this small gives noise only
    try:
        with tempfile.TemporaryDirectory() as place:
            folder = build_tiny_sdxl(Path(place) / "sdxl")
            config = BackgroundConfig(
                kind="diffusion", model=str(folder), steps=STEPS, batch_size=BATCH, devices="cpu"
            )
            maker = DiffusionMaker(config, "cpu")
            direct = _direct(folder)

            def ours() -> list[np.ndarray]:
                return maker.make(captions, seeds, SIDE)

            def theirs() -> list[np.ndarray]:
                return direct(captions, seeds)

            # a warm-up, and a check that both do the same
            for mine, plain in zip(ours(), theirs(), strict=True):
                if np.abs(mine.astype(int) - plain).max() > 1:
                    raise RuntimeError("our maker and diffusers make different pictures")
            pairs = [_pair(ours, theirs, ours_first=bool(number % 2)) for number in range(REPEATS)]
    finally:
        torch.set_num_threads(threads)
    ratios = _quartiles([mine / plain for mine, plain in pairs])
    return {
        "name": "generation_overhead",
        "ratio": ratios["median"],
        "target": f"≤ {TARGET:g}×",
        "met": ratios["median"] <= TARGET,
        "details": {
            "ratio": ratios,
            "our_seconds": _quartiles([mine for mine, _ in pairs]),
            "diffusers_seconds": _quartiles([plain for _, plain in pairs]),
            "pictures": PICTURES,
            "batch_size": BATCH,
            "steps": STEPS,
            "side": SIDE,
            "repeats": REPEATS,
        },
    }


def _direct(folder: Path) -> Callable[[Sequence[str], Sequence[int]], list[np.ndarray]]:
    """Calls of diffusers as written by hand."""
    import torch
    from diffusers.pipelines.auto_pipeline import AutoPipelineForText2Image

    pipeline: Any = AutoPipelineForText2Image.from_pretrained(str(folder), torch_dtype=torch.float32)
    pipeline.set_progress_bar_config(disable=True)

    def make(captions: Sequence[str], seeds: Sequence[int]) -> list[np.ndarray]:
        pictures = []
        for start in range(0, len(captions), BATCH):
            batch = slice(start, start + BATCH)
            generators = [torch.Generator("cpu").manual_seed(seed) for seed in seeds[batch]]
            images = pipeline(
                prompt=list(captions[batch]), generator=generators, num_inference_steps=STEPS
            ).images
            pictures += [np.array(image) for image in images]
        return pictures

    return make


def _pair(ours: Callable[[], Any], theirs: Callable[[], Any], ours_first: bool) -> tuple[float, float]:
    """Seconds of both, one right after the other, so that a busy moment of the machine affects both."""
    seconds = {}
    for work in (ours, theirs) if ours_first else (theirs, ours):
        start = time.perf_counter()
        work()
        seconds[work] = time.perf_counter() - start
    return seconds[ours], seconds[theirs]


def _quartiles(values: list[float]) -> dict[str, float]:
    low, middle, high = statistics.quantiles(values, n=4)
    return {"median": round(middle, 4), "q1": round(low, 4), "q3": round(high, 4)}


if __name__ == "__main__":
    print(json.dumps(run(), indent=2))
