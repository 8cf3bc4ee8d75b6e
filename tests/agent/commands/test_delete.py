"""`agent delete`, and what programs read of it and of the other commands."""

import json
import shutil
import socket
from pathlib import Path

import pytest
from filelock import FileLock

from tests.agent.studies import agent, copy_trials, ledger, run


@pytest.fixture(scope="module")
def two(finished: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A runs folder with two studies: s, and `other`, which has the ledger of s without its last trial."""
    runs = tmp_path_factory.mktemp("two") / "runs"
    shutil.copytree(finished, runs)
    other = runs / "studies/other"
    shutil.copytree(runs / "studies/s", other)
    events = [event for event in ledger(runs) if str(event.get("id", "")).startswith("trial:")]
    kept = [event for event in events if event["id"] != events[-1]["id"]]
    (other / "ledger.jsonl").write_text("".join(json.dumps(event) + "\n" for event in kept))
    return runs


def test_a_study_goes_with_what_only_it_uses(two: Path):
    keys = {
        event["id"].removeprefix("trial:")
        for event in ledger(two)
        if str(event.get("id", "")).startswith("trial:")
    }
    before = {path.name for path in (two / "trials").iterdir() if path.is_dir()}

    asked = agent("delete", "s", "--runs-dir", str(two))
    assert asked.returncode == 2
    assert "--yes deletes without asking" in asked.stderr
    assert (
        f"1 trial that no other study uses; {len(keys) - 1} more that other studies use stay" in asked.stdout
    )
    with FileLock(two / "studies/s/lock"):
        running = agent("delete", "s", "--runs-dir", str(two), "--yes")
    assert running.returncode == 1
    assert "is being run by another process" in running.stderr
    assert (two / "studies/s/config.yaml").exists()

    done = agent("delete", "s", "--runs-dir", str(two), "--yes", "--json")
    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout)
    assert told["deleted"]
    assert (told["trials"], told["trials_kept"]) == (1, len(keys) - 1)
    assert not (two / "studies/s").exists()
    assert len(before - {path.name for path in (two / "trials").iterdir() if path.is_dir()}) == 1
    assert not [path for path in (two / "artifacts").rglob("*") if path.is_file()]
    assert [
        each["study"]
        for each in json.loads(agent("list", "--runs-dir", str(two), "--json").stdout)["studies"]
    ] == ["other"]


def test_show_and_run_print_one_document(finished: Path, runs: Path):
    copy_trials(finished, runs)
    done = run(runs, "--proposer", "tpe", "--json")
    assert done.returncode == 0, done.stderr
    made = json.loads(done.stdout)
    shown = json.loads(agent("show", "s", "--runs-dir", str(finished), "--json").stdout)
    assert made["state"] == shown["state"] == "finished"
    assert made["sentence"] == shown["sentence"] != ""
    assert [each["name"] for each in shown["candidates"]][:1] == ["no augmentation"]
    assert made["candidates"] == shown["candidates"]
    (recommended,) = [each for each in shown["test"] if each["recommended"]]
    assert recommended["test"]["mean"] > 0
    assert Path(shown["files"]["page"]).is_file()
    assert made["spent"]["reused_trials"] > 0


def test_an_error_is_in_the_document(tmp_path: Path):
    done = agent("show", "nothing", "--runs-dir", str(tmp_path), "--json")
    told = json.loads(done.stdout)
    assert told["exit_code"] == done.returncode == 2
    assert "There is no study 'nothing'" in told["error"]
    wrong = agent("list", "--nothing", "--json")
    assert json.loads(wrong.stdout)["exit_code"] == wrong.returncode == 2


def test_doctor_exits_with_1_where_something_is_wrong(tmp_path: Path):
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        away = f"http://127.0.0.1:{free.getsockname()[1]}/v1"
    done = agent(
        "doctor",
        "--runs-dir",
        str(tmp_path),
        "--llm",
        "openai:any",
        "--llm-base-url",
        away,
        "--proposer",
        "tpe",
        "--json",
    )
    told = json.loads(done.stdout)
    assert done.returncode == told["exit_code"] == 1
    assert told["can_run"]
    assert told["failed"] == ["LLM"]
