"""The queue: what each state allows, and that no change is lost or made twice."""

import sqlite3
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from agent.service.queue import Conflict, NoSuchStudy, Queue
from tools.errors import AugurError


@pytest.fixture
def queue(tmp_path: Path) -> Queue:
    return Queue(tmp_path / "queue.db")


def test_the_same_study_is_queued_once_and_a_name_is_never_taken_twice(queue: Queue) -> None:
    assert queue.add("a", "{}")[1] is True
    assert queue.add("a", "{}")[1] is False
    with pytest.raises(Conflict, match="name = 'a'"):
        queue.add("a", '{"other": 1}')
    assert [entry.name for entry in queue.entries()] == ["a"]


def test_many_who_submit_and_claim_at_once_get_each_study_once(queue: Queue) -> None:
    with ThreadPoolExecutor(8) as threads:
        list(threads.map(lambda number: queue.add(f"s{number % 20}", "{}"), range(60)))
        claimed = [entry.name for entry in threads.map(lambda _: queue.claim(20), range(40)) if entry]
    assert sorted(claimed) == sorted({f"s{number}" for number in range(20)})


def test_the_order_is_that_of_submission_also_after_a_pause(queue: Queue) -> None:
    for name in ("a", "b", "c"):
        queue.add(name, "{}")
    queue.pause("a")
    assert queue.waiting() == ["b", "c"]
    queue.resume("a")
    assert queue.waiting() == ["a", "b", "c"]
    assert [queue.claim(3).name for _ in range(3)] == ["a", "b", "c"]  # type: ignore[union-attr]
    assert queue.claim(3) is None


@pytest.mark.parametrize("ended", ["finished", "cancelled"])
def test_what_has_ended_is_neither_paused_nor_resumed(queue: Queue, ended) -> None:
    queue.add("a", "{}")
    queue.claim(1)
    queue.end("a", ended)
    for step in (queue.pause, queue.resume):
        with pytest.raises(Conflict, match=f"is {ended} and cannot be"):
            step("a")
    assert queue.get("a").state == ended


def test_asking_twice_is_asking_once(queue: Queue) -> None:
    queue.add("a", "{}")
    assert [queue.pause("a").state for _ in range(2)] == ["paused", "paused"]
    assert [queue.resume("a").state for _ in range(2)] == ["queued", "queued"]
    queue.claim(1)
    assert [queue.pause("a").state for _ in range(2)] == ["pausing", "pausing"]
    assert [queue.cancel("a").state for _ in range(2)] == ["cancelling", "cancelling"]


@pytest.mark.parametrize(
    ("asked", "left"), [(["pause"], "paused"), (["cancel"], "cancelled"), (["pause", "cancel"], "cancelled")]
)
@pytest.mark.parametrize("ends", ["try again", "paused", "failed"])
def test_what_was_asked_while_a_study_stopped_is_not_lost(queue: Queue, ends, asked, left) -> None:
    queue.add("a", "{}")
    queue.claim(1)
    for step in asked:
        getattr(queue, step)("a")
    if ends == "try again":
        queue.try_again("a", "the store does not answer", 1, 0.0)
    else:
        queue.end("a", ends)
    expected = "failed" if (ends, left) == ("failed", "paused") else left
    assert (queue.get("a").state, queue.claim(1)) == (expected, None)


def test_notes_are_kept_in_order_until_they_are_delivered(queue: Queue) -> None:
    queue.add("a", "{}")
    first, second = queue.add_note("a", "one"), queue.add_note("a", "two")
    assert queue.notes(delivered=False) == [first, second]
    queue.deliver(first)
    assert [note.text for note in queue.notes(delivered=False)] == ["two"]
    assert [(note.text, note.delivered) for note in queue.notes("a")] == [("one", True), ("two", False)]
    with pytest.raises(NoSuchStudy):
        queue.add_note("b", "lost")


def test_a_queue_that_cannot_be_read_says_so(tmp_path: Path) -> None:
    file = tmp_path / "queue.db"
    file.write_text("no database")
    with pytest.raises(AugurError, match="cannot be read or written"):
        Queue(file)
    file.unlink()
    sqlite3.connect(file).execute("PRAGMA user_version = 99")
    with pytest.raises(AugurError, match="a later version of Augur"):
        Queue(file)
