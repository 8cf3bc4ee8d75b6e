"""How long an iteration takes besides training: proposing, vetting, drawing, logging, judging.

A real study on the embedded data set with the arm `tpe`, in a folder of its own; the loop itself measures the time
between an iteration's first step and its last, less the time in which trials ran, and logs it in MLflow.
"""

import statistics
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

TARGET = 1.0
ITERATIONS = 8


def run() -> dict[str, Any]:
    """Median seconds outside training per iteration, and every one of them."""
    with tempfile.TemporaryDirectory() as folder:
        arguments = (
            f"run --dataset demo --proposer tpe --iterations {ITERATIONS} --seeds 1 --epochs 1 --quiet"
        )
        more = f"--search.final_seeds 2 --search.baselines [] --study overhead --runs-dir {folder}"
        subprocess.run([sys.executable, "-m", "agent", *arguments.split(), *more.split()], check=True)
        from agent.tracking import Tracking

        tracking = Tracking(f"sqlite:///{Path(folder, 'mlflow.db')}", Path(folder, "artifacts"))
        tracking.find_study("overhead")
        history = tracking.client.get_metric_history(tracking.study_run, "seconds_outside_training")
    seconds = [metric.value for metric in sorted(history, key=lambda metric: metric.step)]
    median = statistics.median(seconds)
    return {
        "name": "time outside training per iteration, demo",
        "seconds": median,
        "target": f"≤ {TARGET:g} s",
        "met": median <= TARGET,
        "details": {"each_iteration": seconds, "maximum": max(seconds)},
    }


if __name__ == "__main__":
    print(run())
