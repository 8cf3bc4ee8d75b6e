"""How long `agent --help` takes, from starting the process to its end, as a person at the terminal waits for it."""

import statistics
import subprocess
import sys
import time
from typing import Any

TARGET = 0.5
REPEATS = 15
COMMANDS = {
    "agent --help": ["--help"],
    "agent run --help": ["run", "--help"],
    "a wrong flag": ["run", "--epoch", "3"],
}
BARE = "python -c pass"


def run() -> dict[str, Any]:
    """Median seconds of `agent --help`; beside it a bare interpreter and the commands that load the settings."""
    words = {BARE: ["-c", "pass"], **{name: ["-m", "agent", *rest] for name, rest in COMMANDS.items()}}
    seconds: dict[str, list[float]] = {name: [] for name in words}
    for repeat in range(REPEATS + 1):
        # In turn, so that a busy moment of the machine affects all; the first round is a warm-up.
        for name, arguments in words.items():
            start = time.perf_counter()
            done = subprocess.run([sys.executable, *arguments], capture_output=True, check=False)
            if repeat:
                seconds[name].append(time.perf_counter() - start)
            expected = 2 if name == "a wrong flag" else 0
            if done.returncode != expected:
                raise RuntimeError(f"{name} ended with {done.returncode}: {done.stderr.decode()}")
    summary = {name: _summary(values) for name, values in seconds.items()}
    median = summary["agent --help"]["median"]
    return {
        "name": "agent --help",
        "seconds": median,
        "target": f"≤ {TARGET:g} s",
        "met": median <= TARGET,
        "details": {"seconds": summary, "repeats": REPEATS},
    }


def _summary(values: list[float]) -> dict[str, float]:
    low, middle, high = statistics.quantiles(values, n=4)
    return {"median": middle, "quartile_1": low, "quartile_3": high, "maximum": max(values)}


if __name__ == "__main__":
    print(run())
