"""Run every benchmark, or those named, and write what they measured: `python -m benchmarks [NAME …]`.

Each module beside this one has a `run()` that returns its name, the measured figure, the target and the details.
Losses are written and printed like wins; the exit code is 1 if a target is missed.
"""

import importlib
import json
import os
import platform
import sys
import time
from importlib.metadata import version
from pathlib import Path
from typing import Any

import psutil
from rich.console import Console
from rich.table import Table

from tools.machine import usable_cores

NAMES = [
    "cli_startup",
    "training_throughput",
    "cache_build",
    "cache_epoch",
    "cache_memory",
    # Only Linux says how much memory is shared.
    *(["cache_readers"] if sys.platform == "linux" else []),
    "loop_overhead",
    "service_status",
    "scale",
    "leak_recall",
    "choice_rule",
    "augmentation",
    "composites",
    "edges",
    # Needs photographs that are not ours to hand on.
    *(["mask_quality", "label_leak"] if os.environ.get("AUGUR_ANTSBEES2") else []),
    "attribution",
    "generation_overhead",
    "generation_pool",
    "generation_memory",
]
RESULTS = Path(__file__).parent / "results"


def metadata() -> dict[str, Any]:
    """What a figure depends on, apart from the code."""
    return {
        "time": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
        "platform": platform.platform(),
        "processor": platform.processor() or platform.machine(),
        "cores": usable_cores(),
        "memory_gib": round(psutil.virtual_memory().total / 2**30, 1),
        "python": platform.python_version(),
        **{package: version(package) for package in ("torch", "torchvision", "numpy", "pillow", "mlflow")},
    }


def main(names: list[str]) -> int:
    """Run the benchmarks `names` (all where empty); the exit code."""
    unknown = sorted(set(names) - set(NAMES))
    if unknown:
        print(f"unknown benchmark {', '.join(unknown)}; choose from: {', '.join(NAMES)}", file=sys.stderr)
        return 2
    RESULTS.mkdir(exist_ok=True)
    table = Table("benchmark", "measured", "target", "")
    missed = 0
    for name in names or NAMES:
        result = importlib.import_module(f"benchmarks.{name}").run()
        (RESULTS / f"{name}.json").write_text(json.dumps({**result, "metadata": metadata()}, indent=2) + "\n")
        measured = _measured(result)
        table.add_row(result["name"], measured, str(result["target"]), "met" if result["met"] else "MISSED")
        missed += not result["met"]
    Console().print(table)
    return 1 if missed else 0


def _measured(result: dict[str, Any]) -> str:
    if "share" in result:
        return f"{result['share']:.0%}"
    return f"{result['ratio']:.2f}×" if "ratio" in result else f"{result['seconds']:.2f} s"


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
