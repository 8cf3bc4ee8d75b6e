"""How well subjects are cut out, and how fast: U²-Netp and GrabCut on 100 photographs of ants and bees.

The masks to compare with are polygons in `data/antsbees2_masks.json`, by the file's name in antsbees2, for 100 of its
336 training and validation photographs, drawn at random. Each says how it came about: `drawn` by hand; `corrected` by
hand from an outline of U²-Netp; `automatic` where nothing was to be corrected in the mean of two looks of U²-Netp
(at the whole picture, and where it found something); `automatic in a drawn box`. All but the first favour U²-Netp, so
the result is given by origin as well. `none`: a crowd, or an insect that cannot be made out; whatever is cut out
there is invalid. The subject is the insect, or the insects in focus; never its flower, leaf or shadow.

The limits of the gates were chosen on one half of the photographs, drawn at random, but the last: when the share that
must be recognised was fixed, the results of both halves had been seen.
"""

import json
import os
import random
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from statistics import median
from typing import Any

import cv2
import numpy as np
import onnxruntime
from PIL import Image

from tools.aga.config import GatesConfig
from tools.aga.detectors.simple import CentreDetector
from tools.aga.gates.gates import detector_score, mask_area
from tools.aga.gates.recognised import RecognisedGate
from tools.aga.gates_config import RECOGNISED
from tools.aga.segmenters.grabcut import GrabCutSegmenter
from tools.aga.segmenters.u2netp.network import WEIGHTS, U2Netp
from tools.aga.segmenters.u2netp.segmenter import U2NetpSegmenter
from tools.aga.types import Box, SourceImage
from tools.machine import usable_cores

TRUTH = Path(__file__).parent / "data" / "antsbees2_masks.json"
PHOTOS = "AUGUR_ANTSBEES2"
"""The variable that names the folder of antsbees2, with train/ants, val/bees and so on."""

GOOD, INVALID = 0.85, 0.5
"""IoU from which on a mask is good, and below which a composite is invalid: it shows less subject than other things."""
WHOLE = 0.8
"""Share of the subject; a mask that has less is cut."""
SPEED_SAMPLE = 24
"""Photographs on which speed is measured."""
TARGET = 0.7

Cut = Callable[[SourceImage], tuple[np.ndarray, Box | None]]


def photos() -> Path:
    """The folder of antsbees2."""
    folder = Path(os.environ.get(PHOTOS, "antsbees2"))
    if not folder.is_dir():
        raise SystemExit(f"the photographs of antsbees2 are needed: {folder} is no folder, set {PHOTOS}")
    return folder


def truths() -> dict[str, dict[str, Any]]:
    """File → how its mask came about, its size (width, height) and the rings of its polygons, x and y in turn."""
    return json.loads(TRUTH.read_text())


def truth_of(file: str) -> np.ndarray:
    """The subject in a photograph, bool (H, W); all False where it has none."""
    entry = truths()[file]
    width, height = entry["size"]
    mask = np.zeros((height, width), np.uint8)
    if entry["rings"]:
        cv2.fillPoly(mask, [np.array(ring, np.int32).reshape(-1, 2) for ring in entry["rings"]], (1,))
    return mask > 0


def chosen_on(files: Sequence[str]) -> set[str]:
    """The half of the files on which limits were chosen."""
    shuffled = sorted(files)
    random.Random(0).shuffle(shuffled)
    return set(shuffled[: len(shuffled) // 2])


def with_grabcut() -> Cut:
    segmenter, detector = GrabCutSegmenter(), CentreDetector()

    def cut(image: SourceImage) -> tuple[np.ndarray, Box | None]:
        [[box]] = detector.detect([image], "")
        return segmenter.segment(image, [box])[0], box

    return cut


def with_onnxruntime() -> Callable[[SourceImage], None]:
    """The loop that one writes by hand: one look at a photograph, by all cores."""
    session = onnxruntime.InferenceSession(str(WEIGHTS), providers=["CPUExecutionProvider"])
    mean, deviation = np.array([0.485, 0.456, 0.406]), np.array([0.229, 0.224, 0.225])
    name, output = session.get_inputs()[0].name, session.get_outputs()[0].name

    def cut(image: SourceImage) -> None:
        height, width = image.pixels.shape[:2]
        small = np.asarray(Image.fromarray(image.pixels).resize((320, 320), Image.Resampling.BILINEAR))
        values = ((small / 255 - mean) / deviation).transpose(2, 0, 1)[None].astype(np.float32)
        found = np.asarray(session.run([output], {name: values})[0])[0, 0]
        _ = np.asarray(Image.fromarray(found).resize((width, height))) > 0.5

    return cut


def quality(
    files: Sequence[str], images: Sequence[SourceImage], cut: Cut, by_segmenter: bool
) -> dict[str, Any]:
    """What a method makes of all photographs, before and after the gates; shares of those with a subject."""
    known, gates, tuned = truths(), GatesConfig(), chosen_on(files)
    recognised = RecognisedGate(("ants", "bees"), ("", ""), RECOGNISED, gates.recognised_share)
    with ThreadPoolExecutor(usable_cores()) as pool:
        found = list(pool.map(cut, images))
    rows = []
    for file, image, (mask, box) in zip(files, images, found, strict=True):
        truth = truth_of(file)
        common = float((mask & truth).sum())
        passed = detector_score(box, gates, by_segmenter).passed and mask_area(mask, gates).passed
        verdicts = recognised.judge(recognised.look(image.pixels, mask)) if passed else []
        rows.append(
            {
                "tuned_on": file in tuned,
                "recognised": passed and verdicts[0].passed,
                "whole": passed and verdicts[-1].passed,
                "how": known[file]["how"],
                "iou": common / max(1, (mask | truth).sum()),
                "seen": common / max(1, truth.sum()),
                "empty": not mask.any(),
                "passed": passed,
            }
        )
    subjects = [row for row in rows if row["how"] != "none"]
    return {
        "good": _share(row["iou"] >= GOOD for row in subjects),
        "iou_0.7": _share(row["iou"] >= 0.7 for row in subjects),
        "mean_iou": round(float(np.mean([row["iou"] for row in subjects])), 3),
        "empty": _share(row["empty"] for row in subjects),
        "cut": _share(not row["empty"] and row["seen"] < WHOLE for row in subjects),
        "good_by_origin": {
            how: f"{sum(row['iou'] >= GOOD for row in subjects if row['how'] == how)} of "
            f"{sum(row['how'] == how for row in subjects)}"
            for how in sorted({row["how"] for row in subjects})
        },
        "where_looks_agree": _after(rows, "passed"),
        "and_recognised": _after(rows, "recognised"),
        "and_most_of_it_recognised": _after(rows, "whole"),
    }


def _after(rows: Sequence[dict[str, Any]], gate: str) -> dict[str, Any]:
    """What a gate leaves: of the half that no limit was chosen on, of the other, and of all."""
    halves = {
        "unseen_half": [row for row in rows if not row["tuned_on"]],
        "half_chosen_on": [row for row in rows if row["tuned_on"]],
        "all": rows,
    }
    return {
        name: {
            "kept": f"{len(kept)} of {len(half)}",
            "good": _share(row["iou"] >= GOOD for row in kept),
            "iou_0.8": _share(row["iou"] >= 0.8 for row in kept),
            "invalid": _share(row["iou"] < INVALID for row in kept),
        }
        for name, half in halves.items()
        if (kept := [row for row in half if row[gate]])
    }


def masks_per_second(images: Sequence[SourceImage], cut: Callable[[SourceImage], Any], threads: int) -> float:
    """How many a method cuts out, in as many threads."""
    with ThreadPoolExecutor(threads) as pool:
        list(pool.map(cut, images[: 2 * threads]))  # the network is loaded
        started = time.perf_counter()
        list(pool.map(cut, images))
        return round(len(images) / (time.perf_counter() - started), 2)


def seconds_a_look(pixels: np.ndarray) -> dict[str, float]:
    """Of one core, with what runs the network here and with OpenCV's reader of the same file; medians of seven."""
    network, other = U2Netp(), cv2.dnn.readNetFromONNX(str(WEIGHTS))
    name = other.getUnconnectedOutLayersNames()[0]
    small = np.zeros((1, 3, 320, 320), np.float32)

    def by_opencv() -> None:
        other.setInput(small)
        other.forward(name)

    def seconds(look: Callable[[], Any]) -> float:
        look()
        took = []
        for _ in range(7):
            started = time.process_time()
            look()
            took.append(time.process_time() - started)
        return round(median(took), 3)

    threads = cv2.getNumThreads()
    cv2.setNumThreads(1)
    try:
        return {"onnxruntime": seconds(lambda: network.saliency(pixels)), "opencv": seconds(by_opencv)}
    finally:
        cv2.setNumThreads(threads)


def run() -> dict[str, Any]:
    """Measure; takes about four minutes on two cores.

    Returns:
        name, share (good masks of U²-Netp among those that all gates let through), target, met, details.
    """
    folder, files = photos(), sorted(truths())
    images = [
        SourceImage(row, file, np.asarray(Image.open(folder / file).convert("RGB")), 0, file, "")
        for row, file in enumerate(files)
    ]
    network, grabcut, plain = U2NetpSegmenter().find, with_grabcut(), with_onnxruntime()
    found = quality(files, images, network, by_segmenter=True)
    sample, cores = images[:: len(images) // SPEED_SAMPLE], usable_cores()
    speed = {
        "u2netp": masks_per_second(sample, network, cores),
        "grabcut": masks_per_second(sample, grabcut, cores),
        "onnxruntime_loop": masks_per_second(sample, plain, 1),
    }
    good = found["and_most_of_it_recognised"]["all"]["good"]
    return {
        "name": "mask_quality",
        "share": good,
        "target": TARGET,
        "met": good >= TARGET,
        "details": {
            "photographs": len(files),
            "origins": {
                how: sum(each["how"] == how for each in truths().values())
                for how in sorted({each["how"] for each in truths().values()})
            },
            "u2netp": found,
            "grabcut": quality(files, images, grabcut, by_segmenter=False),
            "masks_per_second": speed,
            "seconds_a_look": seconds_a_look(images[0].pixels),
            "cores": cores,
        },
    }


def _share(flags: Any) -> float:
    return round(float(np.mean(list(flags))), 3)


if __name__ == "__main__":
    print(json.dumps(run(), indent=2))
