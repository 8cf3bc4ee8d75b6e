"""Where a study stands, in a real PostgreSQL that is killed."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any, TypedDict

import pytest
from langgraph.graph import END, START, StateGraph
from pydantic import ValidationError

from agent.memory.checkpoints.place import checkpointer, place_of
from agent.memory.checkpoints.team import VARIABLE, delete_checkpoints
from agent.memory.study_file import StudyFileGone
from agent.settings import addresses
from agent.settings.config import StudyConfig, TrackingConfig
from agent.settings.sources import dump_config
from tests.postgres import PASSWORD, Postgres, running_postgres
from tools.errors import AugurError, ConfigurationError


@pytest.fixture(scope="module")
def server() -> Iterator[Postgres]:
    with running_postgres() as found:
        yield found


class Count(TypedDict):
    steps: int


def step(state: Count) -> dict[str, int]:
    return {"steps": state["steps"] + 1}


def graph_of(saver: Any, *, interrupted: bool = False) -> Any:
    """Two steps; `interrupted` stops between them."""
    graph = StateGraph(Count)
    for name in ("first", "second"):
        graph.add_node(name, step)
    graph.add_edge(START, "first")
    graph.add_edge("first", "second")
    graph.add_edge("second", END)
    return graph.compile(checkpointer=saver, interrupt_before=["second"] if interrupted else None)


THREAD: Any = {"configurable": {"thread_id": "s"}}


def test_a_study_stands_in_the_database_and_outlives_its_death_without_showing_a_password(
    server: Postgres, tmp_path: Path
):
    tracking = TrackingConfig(checkpoints=server.address(), retries=6)
    one, other = tmp_path / "one" / "s", tmp_path / "other" / "s"
    told: list[str] = []
    for folder in (one, other):
        folder.mkdir(parents=True)
    with checkpointer(one, tmp_path, "s", tracking, told.append) as saver:
        graph_of(saver, interrupted=True).invoke({"steps": 0}, THREAD, durability="sync")
        server.kill()

        def tell(text: str) -> None:
            if not told:
                server.start()
            told.append(text)

        saver._tell = tell
        assert graph_of(saver).get_state(THREAD).next == ("second",)
    assert f"The database {server.bare}" in told[0]
    assert "Trying again in" in told[0]
    assert "(1 of 6)" in told[0]
    assert told[-1] == "The database answers again."
    with checkpointer(other, tmp_path, "s", tracking, told.append) as saver:
        assert graph_of(saver).get_state(THREAD).values == {}, "a study of the same name elsewhere"
    with checkpointer(one, tmp_path, "s", TrackingConfig(), told.append) as saver:
        graph = graph_of(saver)
        assert graph.invoke(None, THREAD, durability="sync") == {"steps": 2}, "it goes on where it stood"
    assert place_of(one) == server.bare
    assert not (one / "checkpoint.db").exists()
    kept = json.dumps(dump_config(StudyConfig(tracking=tracking))) + (one / "checkpoint.json").read_text()
    for text in (kept, repr(tracking), "".join(told)):
        assert PASSWORD not in text
        assert "that-nobody-shows" not in text
    delete_checkpoints(one / "checkpoint.json", "s", TrackingConfig())
    assert server.sql("augur", "SELECT count(*) FROM checkpoints") == [(0,)]


def test_a_password_that_is_not_known_or_wrong_is_asked_for_where_it_belongs(
    server: Postgres, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(addresses, "_full", {})  # another process
    for name in ("PGUSER", "PGPASSWORD", VARIABLE):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("PGPASSFILE", str(tmp_path / "none"))
    (tmp_path / "checkpoint.json").write_text(json.dumps({"database": server.bare, "thread": "s-1"}))

    def opened() -> None:
        with checkpointer(tmp_path, tmp_path, "s", TrackingConfig(), lambda text: None):
            pass

    with pytest.raises(AugurError, match=r"PGPASSWORD and ~/\.pgpass") as missing:
        opened()
    assert missing.value.resumable
    monkeypatch.setenv(VARIABLE, server.address(password="wrong-one"))
    with pytest.raises(AugurError, match="authentication failed") as refused:
        opened()
    assert "wrong-one" not in str(refused.value)
    monkeypatch.setenv(VARIABLE, server.address())
    opened()
    monkeypatch.delenv(VARIABLE)
    monkeypatch.setenv("PGUSER", "augur")
    monkeypatch.setenv("PGPASSWORD", PASSWORD)
    opened()
    (tmp_path / "checkpoint.json").write_text("{}")
    with pytest.raises(StudyFileGone, match=r"checkpoint\.json.*is damaged"):
        opened()


@pytest.mark.parametrize(
    ("address", "bare"),
    [
        ("postgres://u:p@DB.example:5433/augur", "postgresql://db.example:5433/augur"),
        ("postgresql://u@[::1]/a?sslmode=require&password=p", "postgresql://[::1]/a?sslmode=require"),
        ("postgresql:///augur?host=/run/postgresql", "postgresql:///augur?host=/run/postgresql"),
    ],
)
def test_what_is_kept_of_an_address(address: str, bare: str):
    assert TrackingConfig(checkpoints=address).checkpoints == bare
    assert TrackingConfig(checkpoints=bare).checkpoints == bare


@pytest.mark.parametrize(
    ("address", "fault"),
    [
        ("mysql://u:hidden-word@db/a", "postgresql://HOST"),
        ("postgresql://u:hidden-word@db:port/a", "port a number"),
        ("postgresql://u:hidden-w@ord@db/a?x=@", "%40"),
        ("postgresql://u:hidden-word@/a", "no host"),
        ("postgresql://u:hidden word@db/a", "space"),
    ],
)
def test_an_address_that_cannot_be_is_refused_without_repeating_it(address: str, fault: str):
    with pytest.raises(ValidationError) as caught:
        TrackingConfig(checkpoints=address)
    (error,) = caught.value.errors(include_input=False)
    assert fault in error["msg"]
    assert "hidden" not in error["msg"]


def test_a_database_of_another_encoding_is_refused_with_how_to_create_one(server: Postgres, tmp_path: Path):
    how = "ENCODING 'LATIN1' LC_COLLATE 'C' LC_CTYPE 'C' TEMPLATE template0"
    server.sql("postgres", f"CREATE DATABASE latin {how}")
    folder = tmp_path / "s"
    folder.mkdir()
    tracking = TrackingConfig(checkpoints=server.address("latin"), retries=6)
    with (
        pytest.raises(
            ConfigurationError, match=r"/latin .*LATIN1.*ENCODING 'UTF8' TEMPLATE template0"
        ) as raised,
        checkpointer(folder, tmp_path, "s", tracking, lambda text: None),
    ):
        pass
    assert PASSWORD not in str(raised.value)
