"""Peak memory of generating 276 and 2,760 synthetic images, each in a process of its own.

Resident memory is compared; the part that the system cannot reclaim (without shared and file-backed pages) is reported
too. Everything is generated again each time, in one process. Ten times as many images are made from ten times as many
photographs, so that sources, masks and backgrounds grow as well.
"""

import json
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import psutil

from benchmarks.photos import write_photos

COUNTS = (276, 2_760)
"""Synthetic images: one for each photograph."""
SIDE = 256
SIZE = 64
INTERVAL = 0.005
"""Seconds between two measurements."""
TARGET = 1.1

CHILD = """
import sys
from pathlib import Path
from tools.aga.backgrounds.make import make_background_maker
from tools.aga.captions.template import TemplateCaptioner
from tools.aga.making.chain import Tools
from tools.aga.config import AgaConfig, PromptSet
from tools.aga.detectors.make import make_detector
from tools.aga.pipeline import generate
from tools.aga.segmenters.make import make_segmenter
from tools.aga.making.request import Request
from tools.aga.making.source_images import training_sources
from tools.datasets.cache.read import open_cache
from tools.datasets.folder.source import FolderSource
from tools.datasets.types import Dataset
root = Path(sys.argv[1])
cached = open_cache(Path(sys.argv[2]))
dataset = Dataset(cached.card, (), FolderSource(root / "photos"))
config = AgaConfig(segmenter={"kind": "otsu"}, compose={"workers": 1}, gates={"max_area": 1.0, "min_area": 0.0})
prompts = PromptSet(
    subject="thing", scale=float(sys.argv[3]), instructions=["a photo of", "a view of"],
    settings=["a meadow", "a street", "a shore", "a forest", "a desk"], times=["at dawn", "in winter", "at night"],
    avoid=[], flip_probability=0.5, max_rotation=20, min_scale=0.8, max_scale=1.2,
)
tools = Tools(
    make_detector(config.detector), make_segmenter(config.segmenter), TemplateCaptioner(),
    make_background_maker(config.background),
)
request = Request(
    training_sources(dataset, cached, 512), prompts, config, root / "aga", "stretch", 0, ("first", "second"),
    cached.fingerprint,
)
made = generate(request, tools, lambda stage, done, total: None)
print(made.images)
"""


def _peaks(count: int) -> dict[str, float]:
    from tools.datasets.cache.build import build_cache
    from tools.datasets.config import DataConfig

    with tempfile.TemporaryDirectory() as place:
        root = Path(place)
        dataset = write_photos(root / "photos", count, SIDE, SIDE)
        config = DataConfig(path=root / "photos")
        cached = build_cache(dataset, config, SIZE, root / "cache")
        command = [sys.executable, "-c", CHILD, place, str(cached.folder), "1.0"]
        private = resident = 0
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as child:
            process = psutil.Process(child.pid)
            while child.poll() is None:
                try:
                    memory = process.memory_info()
                except (psutil.NoSuchProcess, psutil.ZombieProcess):
                    break
                # Only Linux says how much of it is shared or file-backed.
                private = max(private, memory.rss - getattr(memory, "shared", 0))
                resident = max(resident, memory.rss)
                try:
                    child.wait(INTERVAL)
                except subprocess.TimeoutExpired:
                    continue
            output = child.communicate()[0].split()
        if child.returncode != 0 or int(output[-1]) != count:
            raise RuntimeError(f"generating {count} images ended with {child.returncode}: {output}")
    return {"private_mib": round(private / 2**20, 1), "resident_mib": round(resident / 2**20, 1)}


def run() -> dict[str, Any]:
    """Measure; takes about a minute on one core.

    Returns:
        name, ratio (peak with 2,760 images over that with 276; below the target is good), target, met, details.
    """
    peaks = {count: _peaks(count) for count in COUNTS}
    few, many = (peaks[count]["resident_mib"] for count in COUNTS)
    ratio = round(many / few, 3)
    return {
        "name": "generation_memory",
        "ratio": ratio,
        "target": TARGET,
        "met": ratio <= TARGET,
        "details": {"peaks": {str(count): peak for count, peak in peaks.items()}, "image_size": SIZE},
    }


if __name__ == "__main__":
    print(json.dumps(run(), indent=2))
