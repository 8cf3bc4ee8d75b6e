"""How often a test set has been opened, by the runs folder and by the MLflow store."""

from pathlib import Path

import pytest

from agent.memory import Tracking
from agent.memory.openings import FILE, Opening, Openings, describe_openings
from tools.errors import AugurError

ONE, OTHER = "1" * 64, "2" * 64


@pytest.fixture(scope="module")
def store(tmp_path_factory, empty_store) -> Path:
    folder = tmp_path_factory.mktemp("store")
    (folder / "mlflow.db").write_bytes(empty_store.read_bytes())
    return folder


@pytest.fixture
def study(store, request):
    """`study(name, **tags)` is a study of that name, in an experiment of its own, which is another test's no more."""

    def open_study(name: str, **tags: str) -> Tracking:
        tracking = Tracking(f"sqlite:///{store / 'mlflow.db'}", store / "artifacts")
        name = f"{request.node.name}-{name}"
        tracking.open_study(f"demo/{name}", name, {"data_fingerprint": "f", **tags}, {})
        return tracking

    return open_study


def names(openings: list[Opening]) -> list[str]:
    return [each.study.rpartition("-")[2] for each in openings]


@pytest.fixture
def digest(request) -> str:
    """A test set that no other test opens."""
    import hashlib

    return hashlib.sha256(request.node.name.encode()).hexdigest()


def test_a_study_is_told_who_opened_the_same_test_set_before(study, tmp_path, digest):
    assert Openings(tmp_path, study("a")).open(digest, "f") == []
    assert Openings(tmp_path, study("x")).open(OTHER, "g") == []
    assert names(Openings(tmp_path, study("b")).open(digest, "f2")) == ["a"]
    assert names(Openings(tmp_path, study("c")).open(digest, "f")) == ["a", "b"]


def test_a_resumed_study_neither_counts_itself_nor_those_that_came_after(study, tmp_path, digest):
    assert Openings(tmp_path, study("a")).open(digest, "f") == []
    assert names(Openings(tmp_path, study("b")).open(digest, "f")) == ["a"]
    assert Openings(tmp_path, study("a")).open(digest, "f") == []
    assert names(Openings(tmp_path, study("c")).open(digest, "f")) == ["a", "b"]
    assert len((tmp_path / FILE).read_text().splitlines()) == 3


def test_what_mlflow_forgot_the_runs_folder_remembers(study, tmp_path, digest):
    first = study("a")
    Openings(tmp_path, first).open(digest, "f")
    first.client.delete_experiment(first.experiment_id)
    assert names(Openings(tmp_path, study("b")).open(digest, "f")) == ["a"]


def test_studies_of_other_folders_are_known_by_a_shared_store(study, tmp_path, digest):
    Openings(tmp_path / "here", study("a")).open(digest, "f")
    assert names(Openings(tmp_path / "there", study("b")).open(digest, "f")) == ["a"]


def test_studies_of_earlier_versions_count_by_their_data(study, tmp_path, digest):
    """They recorded when they opened a test set, and the fingerprint of their data."""
    when = {"test_opened": "2025-01-01T00:00:00Z"}
    study("same", data_fingerprint="same-data", **when)
    study("larger", data_fingerprint="larger-images", **when)
    study("gone", data_fingerprint="gone", **when)
    study("unopened", data_fingerprint="same-data")
    known = {"larger-images": digest}.get
    found = Openings(tmp_path, study("new")).open(digest, "same-data", known)
    assert sorted(names(found)) == ["larger", "same"]


def test_a_line_that_a_killed_process_tore_is_no_opening(study, tmp_path, digest):
    Openings(tmp_path, study("a")).open(digest, "f")
    with (tmp_path / FILE).open("a") as file:
        file.write('{"test_set": "' + digest)
    assert names(Openings(tmp_path, study("b")).open(digest, "f")) == ["a"]
    assert names(Openings(tmp_path, study("c")).open(digest, "f")) == ["a", "b"]


def test_a_line_that_a_kill_robbed_of_its_line_break_stays_an_opening(study, tmp_path, digest):
    """Its study finds it when it is resumed, does not record itself again, and looks."""
    first = study("a")
    Openings(tmp_path, first).open(digest, "f")
    (tmp_path / FILE).write_text((tmp_path / FILE).read_text().removesuffix("\n"))
    assert Openings(tmp_path, first).open(digest, "f") == []
    first.client.delete_experiment(first.experiment_id)
    assert names(Openings(tmp_path, study("b")).open(digest, "f")) == ["a"]
    assert names(Openings(tmp_path, study("c")).open(digest, "f")) == ["a", "b"]


def test_a_damaged_line_is_named(study, tmp_path, digest):
    (tmp_path / FILE).write_text("{}\nnot json\n{}\n")
    with pytest.raises(AugurError, match="line 2"):
        Openings(tmp_path, study("a")).open(digest, "f")


def test_the_sentence_counts_and_names():
    openings = [Opening(f"s{number}", f"2026-01-0{number}T00:00:00", "r") for number in range(1, 8)]
    assert describe_openings([]) == ""
    assert describe_openings(openings[:1]).startswith(
        "this test set has been opened by 1 earlier study: s1 (2026-01-01)."
    )
    several = describe_openings(openings)
    assert "by 7 earlier studies: s3 (2026-01-03)" in several
    assert "and 2 before" in several
