"""What one GPU does with packs of trials: `python -m benchmarks.gpu [SECTION …] [--out FOLDER]`; `make bench-gpu`.

Sections: constant, augmented, single, study, correctness, sizes, captures. Each writes one JSON; together they take
five minutes at most. Data are generated. Without a CUDA device nothing is measured, and the exit code is 2.
"""

import argparse
import json
import sys
import tempfile
import time
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch
from scipy.stats import ks_2samp

from benchmarks.gpu_data import blobs, trial
from benchmarks.gpu_parts import DEVICE, constant, packed, processes, seeds, single
from tools.datasets.cache.read import CachedDataset
from tools.execution.config import ExecutionConfig
from tools.execution.devices import WorkerPlan
from tools.execution.make import make_executor
from tools.training.packed.graphs import CannotCapture
from tools.training.packed.measure import USUAL

RESULTS = Path(__file__).parent / "results"

MODELS = (
    "resnet18",
    "mobilenet_v2",
    "densenet121",
    "efficientnet_b0",
    "shufflenet_v2_x1_0",
    "mobilenet_v3_small",
    "squeezenet1_1",
    "regnet_y_400mf",
    "googlenet",
    "vgg11_bn",
    "convnext_tiny",
    "mnasnet1_0",
    "resnext50_32x4d",
    "vit_b_16",
    "swin_t",
    "efficientnet_v2_s",
)
"""One of each family, to see which can be captured."""

CASES = (("resnet18", 32), ("resnet18", 64), ("resnet18", 224), ("resnet50", 224), ("mobilenet_v2", 64))


class Bench:
    """The data of the measurements, made when they are first needed."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self._data: dict[tuple[int, int], CachedDataset] = {}

    def data(self, size: int, train: int = 1024) -> CachedDataset:
        """Generated images."""
        if (size, train) not in self._data:
            self._data[size, train] = blobs(self.root / f"blobs-{size}-{train}", size, train)
        return self._data[size, train]

    def folder(self) -> Path:
        """A new one, for trials."""
        return Path(tempfile.mkdtemp(dir=self.root))


def told(measured: Any) -> Any:
    """Printed at once, in case the rest takes too long."""
    print(json.dumps(measured), flush=True)
    return measured


def section_constant(bench: Bench) -> Any:
    """ResNet18 at 64 px on one constant batch: packs of 1 to 16."""
    spec = trial(bench.data(64), bench.folder())
    return {str(pack): told(constant(spec, pack, 2.5)) for pack in (1, 2, 4, 8, 16)}


def section_augmented(bench: Bench) -> Any:
    """The same on 1,024 images, augmented by a policy of three operations."""
    found: dict[str, Any] = {"processes": processes()}
    for pack, draws in ((8, "shared"), (8, "own"), (16, "shared")):
        specs = seeds(bench.data(64), bench.folder(), 2 * pack, epochs=15, draws=draws)
        found[f"{pack}, {draws} draws"] = told(packed(specs, pack, 12))
    return found


def section_single(bench: Bench) -> Any:
    """The single trainer, as it is by default, and with eight loader processes."""
    plain = trial(bench.data(64), bench.folder(), epochs=5)
    loaders = trial(bench.data(64), bench.folder(), epochs=8).model_copy(update={"loader_workers": 8})
    return {"default": single(plain), "eight loader processes": single(loaders, warm_up=3)}


def section_captures(bench: Bench) -> Any:
    """Which models can be captured, and what a slot of each takes."""
    found: dict[str, Any] = {}
    for model in MODELS:
        size = 224 if model.startswith(("vit", "swin")) else 64
        try:
            found[model] = constant(
                trial(bench.data(64), bench.folder(), model=model).model_copy(update={"image_size": size}),
                1,
                0.5,
            )
        except CannotCapture as error:
            found[model] = f"cannot be captured: {error}"
        except Exception as error:
            found[model] = f"{type(error).__name__}: {error}"
        told({model: found[model]})
    return found


def section_sizes(bench: Bench) -> Any:
    """Other models and image sizes: the graph on constant data, and fed with augmented epochs."""
    found: dict[str, Any] = {}
    for model, size in CASES:
        large = size > 100
        cached = bench.data(size, 512 if large else 1024)
        spec = trial(cached, bench.folder(), model=model)
        pack = 4 if large else 8
        limit = constant(spec, pack, 2.5)
        fed = packed(
            seeds(cached, bench.folder(), 2 * pack, model=model, epochs=4 if large else 12, draws="shared"),
            pack,
            10,
        )
        share = fed["images_per_second"] / max(1, limit["images_per_second"])
        found[f"{model} {size} px"] = told({"constant": limit, "augmented": fed, "share": round(share, 3)})
    return found


STUDY = (
    "horizontal_flip(p=0.5)",
    USUAL,
    "rotate(p=0.5, degrees=15)",
    "trivial_augment_wide(p=1)",
    "horizontal_flip(p=0.5) > mixup(p=0.5, alpha=0.4)",
    "brightness(p=0.5, strength=0.2) > cutmix(p=0.5, alpha=1.0)",
    "",
)
"""The policies of a study's trials."""


def section_study(bench: Bench) -> Any:
    """21 trials of 15 epochs on 1,024 images at 64 px: seven policies, three seeds that share their draws."""
    cached, root, started = bench.data(64), bench.folder(), time.perf_counter()
    specs = [
        trial(cached, root, policy, seed, epochs=15, draws="shared") for policy in STUDY for seed in (0, 1, 2)
    ]
    with make_executor(ExecutionConfig(pack="auto"), [WorkerPlan(DEVICE, 2)]) as executor:
        executor.warm_up()
        ended, first = [], None
        for result in executor.train(specs, lambda event: None):
            first = first or time.perf_counter() - started
            ended.append(result)
        seconds = time.perf_counter() - started
        pace = executor.take_pace()
    return {
        "seconds_with_start": round(seconds, 1),
        "seconds_until_first_trial_ended": round(first or 0, 1),
        "finished": sum(result.status == "finished" for result in ended),
        "reasons": [result.reason for result in ended if result.reason],
        "pace": pace,
    }


def section_correctness(bench: Bench) -> Any:
    """Final accuracies of 16 packed and 16 single trials on 512 images, 8 epochs."""
    cached = bench.data(64, 512)
    fields: dict[str, Any] = {"epochs": 8}
    side_by_side = packed(seeds(cached, bench.folder(), 16, **fields), 8)["accuracies"]
    root = bench.folder()
    one_by_one = [single(trial(cached, root, seed=seed, **fields))["accuracy"] for seed in range(16)]
    test = ks_2samp(side_by_side, one_by_one)
    return {
        "packed": side_by_side,
        "single": one_by_one,
        "means": [round(float(np.mean(each)), 4) for each in (side_by_side, one_by_one)],
        "kolmogorov_smirnov_p": round(float(test.pvalue), 3),  # pyright: ignore[reportAttributeAccessIssue]
    }


SECTIONS: dict[str, Callable[[Bench], Any]] = {
    "constant": section_constant,
    "augmented": section_augmented,
    "single": section_single,
    "study": section_study,
    "correctness": section_correctness,
    "sizes": section_sizes,
    "captures": section_captures,
}


def main() -> int:
    """Measure the sections asked for (all, if none is)."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("sections", nargs="*", choices=[[], *SECTIONS], metavar="SECTION")
    parser.add_argument("--out", type=Path, default=RESULTS)
    options = parser.parse_args()
    if not torch.cuda.is_available():
        print("there is no CUDA device: nothing is measured", file=sys.stderr)
        return 2
    options.out.mkdir(parents=True, exist_ok=True)
    failures = 0
    with tempfile.TemporaryDirectory() as root:
        bench = Bench(Path(root))
        for name in options.sections or SECTIONS:
            started = time.perf_counter()
            try:
                found = SECTIONS[name](bench)
            except Exception:
                found = {"error": traceback.format_exc()}
                failures += 1
            about = {
                "section": name,
                "device": torch.cuda.get_device_name(DEVICE),
                "torch": torch.__version__,
                "cores": processes() + 2,
                "seconds": round(time.perf_counter() - started, 1),
            }
            text = json.dumps({**about, "found": found}, indent=2)
            (options.out / f"gpu_{name}.json").write_text(text + "\n")
            print(text, flush=True)
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main())
