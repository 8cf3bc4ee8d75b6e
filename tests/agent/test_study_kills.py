"""Studies that are killed or interrupted, in any place, and resumed: the end is that of one that was left alone."""

import signal

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
    """With the test split's files deleted, the search goes its way unchanged; only the finish misses them."""
    assert run(tmp_path, "--proposer", "tpe", moment="before:prepare").returncode == -signal.SIGKILL
    sealed = [path for path in (tmp_path / "cache").rglob("*") if path.is_file() and "test" in path.name]
    assert sealed, "the test split lies in files of its own"
    contents = {path: path.read_bytes() for path in sealed}
    for path in sealed:
        path.unlink()
    assert resume(tmp_path, moment="before:finalise").returncode == -signal.SIGKILL
    searched = {k: v for k, v in outcome(tmp_path).items() if k[1] != "final" and k[0] != "study"}
    assert searched == {k: v for k, v in outcome(finished).items() if k[1] != "final" and k[0] != "study"}
    for path, content in contents.items():
        path.write_bytes(content)
    assert resume(tmp_path).returncode == 0
    assert conclusions(tmp_path) == conclusions(finished)


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
