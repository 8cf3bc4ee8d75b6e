"""The phase `length` on real images: which lengths it finds, what it says, and what it costs.

`python -m benchmarks.length_phase NAME[=FOLDER:MODALITY] …` begins a study of the planned size below for each data set,
ends it when its length is found, and writes benchmarks/results/length_phase.json (rows of other data sets are kept).
"""

import argparse
import json
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

STUDY = (
    "--epochs auto --model shufflenet_v2_x0_5 --model.stem imagenet --search.backgrounds off --seeds 2 --iterations 6 "
    "--proposer random"
)
"""Planned trainings: see `planned` in the results."""


def measure(name: str, data: list[str], more: list[str]) -> dict[str, Any]:
    """What the phase came to on one data set.

    Raises:
        RuntimeError: the study ended before its length was found; with what it printed.
    """
    with tempfile.TemporaryDirectory() as runs:
        file = Path(runs) / "studies" / name / "length.json"
        command = [sys.executable, "-m", "agent", "run", *data, *STUDY.split(), *more]
        started = time.perf_counter()
        process = subprocess.Popen(
            [*command, "--study", name, "--runs-dir", runs], stdout=subprocess.PIPE, text=True
        )
        while process.poll() is None and not file.exists():
            time.sleep(0.5)
        seconds = time.perf_counter() - started
        process.send_signal(signal.SIGINT)
        said, _ = process.communicate()
        if not file.exists():
            raise RuntimeError(f"{name}: no length was found:\n{said}")
        return {"data": name, "seconds": round(seconds), **json.loads(file.read_text())}


def main() -> int:
    """The command line."""
    parser = argparse.ArgumentParser(description="the phase length on real images")
    parser.add_argument("sets", nargs="+", help="demo, or NAME=FOLDER:MODALITY")
    options, more = parser.parse_known_args()
    from benchmarks.__main__ import RESULTS, metadata

    file = RESULTS / "length_phase.json"
    for each in options.sets:
        name, _, place = each.partition("=")
        folder, _, modality = place.rpartition(":")
        data = ["--data", folder, "--modality", modality] if place else ["--dataset", name]
        row = measure(name, data, more)
        known = json.loads(file.read_text())["sets"] if file.exists() else []
        every = [other for other in known if other["data"] != name] + [{**row, "settings": more}]
        file.write_text(json.dumps({"sets": every, "metadata": metadata()}, indent=2) + "\n")
        share = f"{row['samples'] / row['planned']:.0%} of the study"
        print(f"{name}: {row['sentence']} ({'; '.join(filter(None, (share, row['note'])))})")
    return 0


if __name__ == "__main__":
    sys.exit(main())
