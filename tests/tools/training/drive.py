"""A process that trains one trial and is killed: `python drive.py SPEC.json [epoch at which it kills itself]`."""

import os
import signal
import sys
from pathlib import Path

import torch

from tools.training.config import TrialSpec
from tools.training.loop import train_trial
from tools.training.types import EpochReport


def main() -> None:
    torch.set_num_threads(1)
    spec = TrialSpec.model_validate_json(Path(sys.argv[1]).read_text())
    deadly = int(sys.argv[2]) if len(sys.argv) > 2 else None

    def on_epoch(report: EpochReport) -> None:
        print(report.epoch, flush=True)
        if report.epoch == deadly:
            os.kill(os.getpid(), signal.SIGKILL)

    train_trial(spec, "cpu", on_epoch)


if __name__ == "__main__":
    main()
