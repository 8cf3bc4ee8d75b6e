"""Whole studies whose proposals carry backgrounds: made, trained on, told to the arm, taken apart at the end."""

import json
import shutil
import signal
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest

from tests.agent import studies
from tests.agent.studies import SHORT, conclusions, copy_trials, ledger, outcome, resume, tracking
from tests.loopback.autopilot import autopilot
from tests.loopback.replies import Answer
from tests.loopback.server import LoopbackServer


def run(runs: Path, *more: str, moment: str = "none"):
    return studies.run(runs, "--search.backgrounds", "always", *more, size=SHORT, moment=moment)


@pytest.fixture(scope="module")
def with_backgrounds(once, finished, empty_store) -> Path:
    """A study that ran through."""

    def make(runs: Path) -> None:
        copy_trials(finished, runs)
        shutil.copy(empty_store, runs)
        done = run(runs, "--proposer", "tpe")
        assert done.returncode == 0, done.stderr + done.stdout

    return once("with-backgrounds", make)


def test_the_report_takes_the_choice_apart(with_backgrounds):
    report = (with_backgrounds / "studies/s/report.md").read_text()
    table = report[report.index("## The test") : report.index("## The search")]
    lines = [line for line in table.splitlines() if line.startswith("| ")]
    rows = {line.split("|")[1].strip(): line for line in reversed(lines)}  # the first table wins
    best = tracking(with_backgrounds).study_tags()["best_proposal"]
    both = next(line for line in lines if best in line.split("|")[1])
    assert " + backgrounds(" in both
    assert "backgrounds(" not in rows["policy only"]
    assert ">" not in rows["backgrounds only"].split("|")[2]
    assert "backgrounds(" in rows["backgrounds only"]


def test_what_the_gates_did_and_a_contact_sheet_are_in_mlflow_and_told_to_the_arm(with_backgrounds):
    store = tracking(with_backgrounds)  # what it downloads is there as long as it is
    first = next(record for record in store.records() if record.number == 1)
    assert "synthetic images" in first.generated
    assert "mask area" in first.generated
    assert first.sheet is not None
    assert first.sheet.read_bytes().startswith(b"\x89PNG")


def test_synthetic_images_come_from_the_training_split_alone(with_backgrounds):
    for folder in sets(with_backgrounds):
        table = pq.read_table(folder / "provenance.parquet", columns=["split", "training_row", "label"])
        assert set(table["split"].to_pylist()) == {"train"}
        assert len(np.load(folder / "labels.npy")) == json.loads((folder / "set.json").read_text())["images"]


def test_killed_while_or_after_making_images_it_ends_like_the_uninterrupted_study(with_backgrounds, runs):
    """The trials are there already, and found only where the images are the same."""
    copy_trials(with_backgrounds, runs)
    killed = run(runs, "--proposer", "tpe", moment="after:realise")
    for moment in ("generate:composites", "after:train", "before:finalise"):
        assert killed.returncode == -signal.SIGKILL, killed.stderr + killed.stdout
        killed = resume(runs, moment=moment)
    assert killed.returncode == -signal.SIGKILL, killed.stderr + killed.stdout
    assert resume(runs).returncode == 0
    assert outcome(runs) == outcome(with_backgrounds)
    assert conclusions(runs) == conclusions(with_backgrounds)
    assert pixels(runs) == pixels(with_backgrounds)


def sets(runs: Path) -> list[Path]:
    return [file.parent for file in (runs / "aga/sets").glob("*/set.json")]


def pixels(runs: Path) -> dict[str, bytes]:
    return {folder.name: (folder / "pixels.npy").read_bytes() for folder in sets(runs)}


def test_a_language_model_proposes_backgrounds_and_writes_captions(runs):
    def brain(ask):
        if "text-to-image model" in ask.system:
            numbers = range(1, 1 + ask.conversation.count("how: "))
            return Answer(
                text=json.dumps([{"number": n, "caption": f"a quiet place, number {n}"} for n in numbers])
            )
        return autopilot(ask)

    with LoopbackServer(brain=brain) as server:
        llm = ("--llm", "openai:loopback", "--llm-base-url", server.openai_url)
        # Kind `textures` reads whole captions, as diffusion does; `scenes` would not pay for them.
        reads = ("--aga.background.kind", "textures", "--aga.caption.kind", "llm")
        small = ("--iterations", "1", "--aga.pool", "0.1", *reads)
        done = run(runs, *llm, *small)
        requests = server.requests
    assert done.returncode == 0, done.stderr + done.stdout
    assert "backgrounds" in (runs / "studies/s/report.md").read_text()
    captions = [r for r in requests if "text-to-image model" in r.ask.system]
    assert captions
    assert len(requests) == sum(event["kind"] == "llm" for event in ledger(runs))


def test_images_without_a_subject_fail_the_iteration_and_the_study_goes_on(runs):
    done = run(runs, "--proposer", "random", "--iterations", "1", "--aga.gates.min_area", "0.99")
    assert done.returncode == 0, done.stderr + done.stdout
    first = next(record for record in tracking(runs).records() if record.number == 1)
    assert first.mean is None
    assert first.generated.startswith("failed:")
    assert "no proposal finished a trial" in (runs / "studies/s/report.md").read_text()


def test_missing_weights_are_named_before_anything_is_trained(runs):
    done = run(runs, "--aga.segmenter.kind", "sam", "--aga.segmenter.checkpoint", "nowhere/sam.pth")
    assert done.returncode == 2
    assert "nowhere/sam.pth" in done.stderr
    assert not (runs / "studies/s/config.yaml").exists()
