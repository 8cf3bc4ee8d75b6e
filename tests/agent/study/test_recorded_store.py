"""A store made by an earlier version is found again: the keys of trials and of synthetic sets have not changed.

`tests/recorded/trials` holds four trials of the study below (results and predictions on the test set, no weights) as
version 0.1.0 left them. Where a key changes on purpose, raise the schema version or the format of the
set, and record these again.
"""

import json
import shutil
import subprocess
import sys
from pathlib import Path

from tests.repository import ROOT

RECORDED = ROOT / "tests" / "recorded" / "trials"
RECORDED_SET = "1e67cf5d473d657f5d50dffc3916d979d1778dce208baef7489aa4aa74e2bef7"


def agent(*arguments: str) -> None:
    subprocess.run([sys.executable, "-m", "agent", *arguments], cwd=ROOT, check=True, capture_output=True)


def copy_store(runs: Path) -> None:
    """The recorded trials as if this machine had made them."""
    shutil.copytree(RECORDED, runs / "trials")
    of_this_machine(runs)


def of_this_machine(runs: Path) -> None:
    """Only results of a machine's own environment are reused."""
    import torch
    import torchvision

    for file in (runs / "trials").glob("*/result.json"):
        result = json.loads(file.read_text())
        result["environment"] |= {"torch": torch.__version__, "torchvision": torchvision.__version__}
        file.write_text(json.dumps(result))


def test_trials_of_an_earlier_version_are_found_and_none_is_trained_again(tmp_path: Path) -> None:
    copy_store(tmp_path)
    agent(
        *("run", "--dataset", "demo", "--study", "recorded", "--runs-dir", str(tmp_path)),
        *("--model.name", "shufflenet_v2_x0_5", "--training.epochs", "1", "--search.seeds", "2"),
        *("--image-size", "32", "--training.batch_size", "16"),
        *("--search.final_seeds", "2", "--search.top_k", "1", "--search.backgrounds", "off"),
        *("--search.proposer", "fixed", "--search.baselines", "rand_augment"),
        *("--execution.device", "cpu", "--execution.workers", "1", "--execution.threads", "1"),
    )
    recorded = {folder.name for folder in RECORDED.iterdir()}
    ledger = (tmp_path / "studies" / "recorded" / "ledger.jsonl").read_text().splitlines()
    trials = {event["id"]: event for event in map(json.loads, ledger) if event["kind"] == "trial"}
    reused = {name.removeprefix("trial:") for name, event in trials.items() if event["reused"]}
    assert reused == recorded, "a recorded trial was trained again"
    assert len(trials) == len(recorded) + 4, "two fresh seeds of the reference and of the choice"
    assert (tmp_path / "studies" / "recorded" / "report.md").is_file()


def test_a_synthetic_set_has_the_key_that_it_had(tmp_path: Path) -> None:
    agent(
        *(
            "generate",
            "--dataset",
            "demo",
            "--scale",
            "0.2",
            "--subject",
            "digit",
            "--image-size",
            "32",
            # The default of the version that made it.
            "--aga.compose.colours",
            "source",
            "--runs-dir",
            str(tmp_path),
        ),
        # Our prompts for digits as they were, and what a study of that time had in its config.yaml.
        *("--prompts", str(ROOT / "tests" / "recorded" / "prompts-of-0.1.0.yaml")),
        *("--background", "textures", "--aga.compose.size", "training"),
    )
    assert (tmp_path / "aga" / "sets" / RECORDED_SET / "set.json").is_file()
