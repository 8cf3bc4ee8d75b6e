"""Studies that are killed or interrupted, in any place, and resumed: the end is that of one that was left alone."""

import json
import signal
import zlib
from pathlib import Path

import numpy as np

from tests.agent.studies import NODES, agent, conclusions, outcome, resume, run, tracking


def test_killed_in_every_node_it_ends_like_the_uninterrupted_study(finished, tmp_path):
    """kill -9 when each node has done its work but is not checkpointed, one after the other, in one study."""
    first = run(tmp_path, "--proposer", "tpe", moment=f"after:{NODES[0]}")
    assert first.returncode == -signal.SIGKILL, first.stderr
    for node in NODES[1:]:
        killed = resume(tmp_path, moment=f"after:{node}")
        assert killed.returncode == -signal.SIGKILL, killed.stderr + killed.stdout
    last = resume(tmp_path)
    assert last.returncode == 0, last.stderr
    assert outcome(tmp_path) == outcome(finished)
    assert conclusions(tmp_path) == conclusions(finished)


def test_the_search_never_reads_the_test_images(finished, tmp_path):
    """Without the file that says which images are for testing, and with noise in their place, the search goes its way
    unchanged; only the finish misses them."""
    assert run(tmp_path, "--proposer", "tpe", moment="before:prepare").returncode == -signal.SIGKILL
    (sealed,) = (tmp_path / "cache").rglob("test.json")
    (pixels,) = (tmp_path / "cache").rglob("pixels.npy")
    book = pixels.with_name("book.npy")
    contents = {file: file.read_bytes() for file in (sealed, pixels, book)}
    put_noise(pixels, book, json.loads(sealed.read_text())["rows"])
    sealed.unlink()
    assert resume(tmp_path, moment="before:finalise").returncode == -signal.SIGKILL
    assert not sealed.exists()
    searched = {k: v for k, v in outcome(tmp_path).items() if k[1] != "final" and k[0] != "study"}
    assert searched == {k: v for k, v in outcome(finished).items() if k[1] != "final" and k[0] != "study"}
    for file, content in contents.items():
        file.write_bytes(content)
    assert resume(tmp_path).returncode == 0
    assert conclusions(tmp_path) == conclusions(finished)


def put_noise(pixels: Path, book: Path, rows: list[int]) -> None:
    """Other images in these rows, with checksums to match, lest they be decoded again."""
    images, entries = np.load(pixels, mmap_mode="r+"), np.load(book, mmap_mode="r+")
    noise = np.random.default_rng(0).integers(0, 256, (len(rows), *images.shape[1:]), dtype=np.uint8)
    images[rows] = noise
    entries["checksum"][rows] = [zlib.crc32(image.tobytes()) for image in noise]


def test_killed_while_training_it_goes_on_from_where_it_was(finished, tmp_path):
    """In the reference; in an iteration; in the extra seeds; each time in the middle of a trial."""
    killed = run(tmp_path, "--proposer", "tpe", moment="epoch:1")
    for epoch in (9, 8):  # of that sitting: finished trials tell nothing again
        assert killed.returncode == -signal.SIGKILL, killed.stderr
        killed = resume(tmp_path, moment=f"epoch:{epoch}")
    assert killed.returncode == -signal.SIGKILL, killed.stderr
    phases = {identity[1] for identity in outcome(tmp_path)}
    assert "final" in phases
    assert resume(tmp_path).returncode == 0
    assert outcome(tmp_path) == outcome(finished)
    assert conclusions(tmp_path) == conclusions(finished)


def test_interrupted_it_says_how_to_go_on_and_goes_on(finished, tmp_path):
    """Ctrl-C, then SIGTERM, then left alone."""
    stopped = run(tmp_path, "--proposer", "tpe", moment="interrupt:3")
    for code in (130, 143):
        assert stopped.returncode == code, stopped.stderr
        assert f"agent resume s --runs-dir {tmp_path}" in stopped.stderr
        assert "Traceback" not in stopped.stderr
        assert tracking(tmp_path).client.get_run(tracking(tmp_path).study_run).info.status == "KILLED"
        assert "interrupted" in agent("list", "--runs-dir", str(tmp_path)).stdout
        stopped = resume(tmp_path, **({"moment": "terminate:3"} if code == 130 else {}))
    assert stopped.returncode == 0, stopped.stderr
    assert outcome(tmp_path) == outcome(finished)
    assert conclusions(tmp_path) == conclusions(finished)
