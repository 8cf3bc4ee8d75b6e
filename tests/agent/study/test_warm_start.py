"""`--warm-start`: the best proposals of earlier studies are tried first, and told with their origin."""

import json
import shutil
from dataclasses import replace
from pathlib import Path

import pytest

from agent.memory.earlier import Earlier, read_earlier, write_earlier
from agent.proposers.conversation import initial_messages
from tests.agent.proposers.arms import history, operation, proposal
from tests.agent.studies import MODEL, SHORT, agent, tracking
from tools.errors import AugurError
from tools.policy.canonical import one_line
from tools.policy.policy import Change

FOUND = proposal(operation("rotate", degrees=12.0), operation("gamma", gamma=1.4), hypothesis="Light varies.")


def earlier(gain: float, name: str = "iteration 3", made=FOUND, study: str = "old") -> Earlier:
    return Earlier(study, name, False, "resnet18", made, gain, (0.002, 0.02), "the default policy", 0.03, 3)


def test_what_is_written_down_is_read_again(tmp_path):
    assert read_earlier(tmp_path) is None
    write_earlier(tmp_path, [earlier(0.012)])
    assert read_earlier(tmp_path) == (earlier(0.012),)
    (tmp_path / "warm_start.json").write_text("[{]")
    with pytest.raises(AugurError, match=r"warm_start\.json"):
        read_earlier(tmp_path)


def test_a_model_is_told_what_was_found_where():
    known = replace(history(), earlier=(earlier(0.012),))
    task = str(initial_messages(known, "text", 0, feedback=True)[1].content)
    assert "# What earlier studies found" in task
    assert (
        "rotate(p=0.5, degrees=12) > gamma(p=0.5, gamma=1.4): +1.2 [+0.2, +2.0] points over the default policy"
        in task
    )
    assert "other images, resnet18; iteration 3 of study old" in task
    assert "earlier studies" not in str(initial_messages(history(), "text", 0, feedback=True)[1].content)


def planted(finished: Path, runs: Path, *found: Earlier) -> Path:
    """The finished study s, and a folder of a new study that has read already what earlier ones found."""
    shutil.copytree(finished, runs, dirs_exist_ok=True)
    folder = runs / "studies" / "new"
    folder.mkdir()
    write_earlier(folder, list(found))
    return folder


def test_the_best_of_an_earlier_study_is_tried_first_and_marked(finished, runs):
    """One that endangers the labels of these images, and one that was worse than the default, are passed over."""
    unsafe = proposal(operation("horizontal_flip"), operation("vertical_flip"))
    worse = proposal(operation("gamma", gamma=1.2), operation("jpeg", quality=50))
    planted(
        finished,
        runs,
        earlier(0.03, "iteration 1", unsafe),
        earlier(0.012),
        earlier(-0.02, "iteration 5", worse),
    )
    size = SHORT.replace("--iterations 2", "--iterations 3")
    words = (
        *size.split(),
        "--proposer",
        "tpe",
        "--warm-start",
        "s",
        "--study",
        "new",
        "--runs-dir",
        str(runs),
    )
    done = agent("run", *words)
    assert done.returncode == 0, done.stderr + done.stdout
    store = tracking(runs)
    assert store.find_study("new")
    records = {record.name: record for record in store.records()}
    first = records["iteration 1"].proposal
    assert first.identity == FOUND.identity
    assert first.hypothesis.startswith(
        "From iteration 3 of study old (other images, resnet18), where it gained +1.2"
    )
    assert "From " not in records["iteration 2"].proposal.hypothesis


def test_a_policy_by_epoch_changes_at_the_same_share_of_a_training_of_another_length(finished, runs):
    """From epoch 7 of 12 there; a training has 2 epochs here."""
    change = Change(epoch=7, operations=[operation("jpeg", quality=50), operation("erasing", area=0.1)])
    by_epoch = FOUND.model_copy(update={"changes": [change]})
    planted(finished, runs, replace(earlier(0.012, made=by_epoch), epochs=12))
    words = (*SHORT.split(), "--proposer", "tpe", "--warm-start", "s", "--study", "new")
    done = agent("run", *words, "--runs-dir", str(runs))
    assert done.returncode == 0, done.stderr + done.stdout
    store = tracking(runs)
    assert store.find_study("new")
    tried = {record.name: record.proposal for record in store.records()}["iteration 1"]
    assert [each.epoch for each in tried.changes] == [2]
    assert one_line(tried.as_policy()).endswith(
        "| from epoch 2: jpeg(p=0.5, quality=50) > erasing(p=0.5, area=0.1)"
    )


def test_studies_are_read_once_and_only_what_validation_said(finished, runs):
    shutil.copytree(finished, runs, dirs_exist_ok=True)
    words = (
        *SHORT.split(),
        "--proposer",
        "random",
        "--warm-start",
        "s",
        "--study",
        "w",
        "--runs-dir",
        str(runs),
    )
    done = agent("run", *words, moment="before:train")
    assert done.returncode == -9
    found = json.loads((runs / "studies" / "w" / "warm_start.json").read_text())
    assert found
    assert {each["study"] for each in found} == {"s"}
    assert all(each["same_data"] for each in found)
    assert {each["epochs"] for each in found} == {2}
    assert {each["over"] for each in found} == {"no augmentation"}  # that study did not train the default
    assert "test" not in json.dumps(found).replace(MODEL, "")


def test_an_earlier_study_that_is_not_there_is_told_at_once(runs):
    done = agent("run", *SHORT.split(), "--warm-start", "nosuch", "--runs-dir", str(runs))
    assert done.returncode == 2
    assert "--warm-start nosuch: There is no study 'nosuch'" in done.stderr
