"""Studies that are killed or interrupted, in any place, and resumed: the end is that of one that was left alone."""

import json
import signal
import zlib
from pathlib import Path

import numpy as np
import pytest

from tests.agent.studies import NODES, agent, conclusions, copy_trials, outcome, resume, run, tracking

KILLED, INTERRUPTED, TERMINATED = -signal.SIGKILL, 130, 143
# The epochs are those of one session: finished trials report none again.
STOPS = [
    ("epoch:1", KILLED),  # in the first trial
    ("interrupt:4", INTERRUPTED),  # in reference and baseline
    ("epoch:6", KILLED),  # in the first iteration
    ("after:train", KILLED),
    ("terminate:3", TERMINATED),  # in the second iteration
    ("epoch:4", KILLED),  # in the seeds of the choice
    ("epoch:9", KILLED),  # in the fresh seeds
]


@pytest.mark.slow
def test_stopped_in_the_middle_of_trials_it_ends_like_the_uninterrupted_study(finished, runs):
    """kill -9, Ctrl-C and SIGTERM while a trial runs, in one study."""
    stopped = run(runs, "--proposer", "tpe", moment=STOPS[0][0])
    for (_, code), (moment, _) in zip(STOPS, [*STOPS[1:], ("none", 0)], strict=True):
        assert stopped.returncode == code, stopped.stderr + stopped.stdout
        if code != KILLED:
            assert f"agent resume s --runs-dir {runs}" in stopped.stderr
            assert "Traceback" not in stopped.stderr
            assert tracking(runs).client.get_run(tracking(runs).study_run).info.status == "KILLED"
            assert "interrupted" in agent("list", "--runs-dir", str(runs)).stdout
        if moment == "none":
            assert "final" in {identity[1] for identity in outcome(runs)}
        stopped = resume(runs, moment=moment)
    assert stopped.returncode == 0, stopped.stderr
    assert outcome(runs) == outcome(finished)
    assert conclusions(runs) == conclusions(finished)


def test_killed_in_every_node_it_ends_like_the_uninterrupted_study(finished, runs):
    """kill -9 when each node has done its work but is not checkpointed, one after the other, in one study.

    The trials are there already: what is tested is the loop and the store.
    """
    copy_trials(finished, runs)
    killed = run(runs, "--proposer", "tpe", moment=f"after:{NODES[0]}")
    for node in NODES[1:]:
        assert killed.returncode == KILLED, killed.stderr + killed.stdout
        killed = resume(runs, moment=f"after:{node}")
    assert killed.returncode == KILLED, killed.stderr + killed.stdout
    last = resume(runs)
    assert last.returncode == 0, last.stderr
    assert outcome(runs) == outcome(finished)
    assert conclusions(runs) == conclusions(finished)


def test_killed_between_what_a_node_returned_and_the_end_of_its_step_it_ends_alike(finished, runs):
    """LangGraph writes the two down one after the other: in between, nothing comes next, and yet nothing has ended."""
    copy_trials(finished, runs)
    killed = run(runs, "--proposer", "tpe", moment="between:__start__")
    for node in NODES:
        assert killed.returncode == KILLED, killed.stderr + killed.stdout
        killed = resume(runs, moment=f"between:{node}")
    assert killed.returncode == KILLED, killed.stderr + killed.stdout
    last = resume(runs)
    assert last.returncode == 0, last.stderr
    assert outcome(runs) == outcome(finished)
    assert conclusions(runs) == conclusions(finished)


def test_the_search_never_reads_the_test_images(finished, runs):
    """With a file that does not say which images are for testing, and with noise in their place, the search runs
    unchanged; only the finish misses them."""
    assert run(runs, "--proposer", "tpe", moment="before:prepare").returncode == KILLED
    (sealed,) = (runs / "cache").rglob("test.json")
    (pixels,) = (runs / "cache").rglob("pixels.npy")
    book = pixels.with_name("book.npy")
    contents = {file: file.read_bytes() for file in (sealed, pixels, book)}
    put_noise(pixels, book, json.loads(sealed.read_text())["rows"])
    sealed.write_text("{}")
    assert resume(runs, moment="before:finalise").returncode == KILLED
    assert sealed.read_text() == "{}"
    searched = {k: v for k, v in outcome(runs).items() if k[1] in ("reference", "search") and k[0] != "study"}
    assert len(searched) == 4 + 8
    whole = outcome(finished)
    assert searched == {k: whole[k] for k in searched}
    for file, content in contents.items():
        file.write_bytes(content)
    assert resume(runs).returncode == 0
    assert conclusions(runs) == conclusions(finished)


def put_noise(pixels: Path, book: Path, rows: list[int]) -> None:
    """Other images in these rows, with checksums to match, lest they be decoded again."""
    images, entries = np.load(pixels, mmap_mode="r+"), np.load(book, mmap_mode="r+")
    noise = np.random.default_rng(0).integers(0, 256, (len(rows), *images.shape[1:]), dtype=np.uint8)
    images[rows] = noise
    entries["checksum"][rows] = [zlib.crc32(image.tobytes()) for image in noise]
