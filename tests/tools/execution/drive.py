"""A process that runs trials and is interrupted: `python drive.py SPEC.json`; prints its workers and its events."""

import sys
from pathlib import Path

import psutil

from tools.execution.devices import WorkerPlan
from tools.execution.local import LocalExecutor
from tools.training.config import TrialSpec
from tools.training.types import TrialEvent


def main() -> None:
    spec = TrialSpec.model_validate_json(Path(sys.argv[1]).read_text())

    def on_event(event: TrialEvent) -> None:
        children = [child.pid for child in psutil.Process().children(recursive=True)]
        print(event.kind, *children, flush=True)
        if event.text:
            print("note:", event.text, flush=True)

    with LocalExecutor([WorkerPlan("cpu", 1)], timeout=None) as executor:
        try:
            list(executor.train([spec], on_event))
        except KeyboardInterrupt:
            print("interrupted", flush=True)


if __name__ == "__main__":
    main()
