"""Where a store is: what a tracking address means, and what of it may be seen."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
from sqlalchemy.engine import make_url

from agent.memory.tracking.store import (
    find_recorded_store,
    find_store,
    parse_address,
    sqlite_file,
    sqlite_uri,
)
from agent.settings.config import TrackingConfig
from tools.errors import ConfigurationError

NAMES = [
    "a%25b",
    "100%",
    "a?q=1",
    "a#h",
    "a b",
    "Bücher",
    "it's",
    'say "x"',
    "a&b=c",
    "me@home",
    "[x]",
    "a+b",
]


@pytest.mark.parametrize("name", NAMES)
def test_any_folder_can_hold_the_database(name: str, tmp_path: Path) -> None:
    file = tmp_path / name / "mlflow.db"
    assert make_url(sqlite_uri(file)).database == str(file)
    assert sqlite_file(sqlite_uri(file)) == file


def test_without_a_setting_the_store_is_a_file_of_the_runs_folder(tmp_path: Path) -> None:
    address = find_store(TrackingConfig(), tmp_path, {})
    assert (address.kind, address.bare, address.file) == ("own", None, tmp_path / "mlflow.db")


def test_the_setting_overrides_the_variable(tmp_path: Path) -> None:
    environ = {"MLFLOW_TRACKING_URI": "http://elsewhere:5000"}
    assert find_store(TrackingConfig(), tmp_path, environ).bare == "http://elsewhere:5000"
    setting = TrackingConfig(uri="https://mlflow.example.org/team")
    assert find_store(setting, tmp_path, environ).bare == "https://mlflow.example.org/team"


def test_the_runs_folders_own_file_is_recognised_however_it_is_written(tmp_path: Path) -> None:
    address = parse_address(f"sqlite:///{tmp_path}/x/../mlflow.db", tmp_path)
    assert (address.kind, address.bare) == ("own", None)


def test_a_relative_file_is_found_from_any_folder_later(tmp_path: Path, monkeypatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert parse_address("sqlite:///here.db", Path("runs")).bare == f"sqlite:///{tmp_path}/here.db"


@pytest.mark.parametrize(
    ("uri", "bare"),
    [
        ("https://me:se%40same@mlflow.example.org:8443/team/", "https://mlflow.example.org:8443/team"),
        ("http://token@host", "http://host"),
        ("postgresql://me:sesame@db:5432/mlflow?sslpassword=sesame", "postgresql://db:5432/mlflow"),
        ("mysql+pymysql://me:sesame@db/mlflow", "mysql+pymysql://db/mlflow"),
    ],
)
def test_credentials_are_neither_shown_nor_stored(uri: str, bare: str) -> None:
    address = parse_address(uri, Path("runs"), {})
    assert (address.bare, address.shown) == (bare, bare)


def test_a_server_gets_its_credentials_through_mlflows_variables(tmp_path: Path) -> None:
    address = parse_address("https://me:se%40same@host", tmp_path, {})
    assert (address.uri, address.username, address.password) == ("https://host", "me", "se@same")


def test_a_database_takes_them_from_the_same_variables() -> None:
    environ = {"MLFLOW_TRACKING_USERNAME": "me", "MLFLOW_TRACKING_PASSWORD": "s/same"}
    url = make_url(parse_address("postgresql://db/mlflow", Path("runs"), environ).uri)
    assert (url.username, url.password, url.host) == ("me", "s/same", "db")


def test_a_recorded_address_gets_its_password_from_the_variable_of_the_same_place() -> None:
    environ = {"MLFLOW_TRACKING_URI": "postgresql://me:sesame@db/mlflow?sslmode=require"}
    found = find_recorded_store("postgresql://db/mlflow", Path("runs"), environ)
    assert found.uri == environ["MLFLOW_TRACKING_URI"]
    other = find_recorded_store("postgresql://other/mlflow", Path("runs"), environ)
    assert other.uri == "postgresql://other/mlflow"


def test_a_study_of_the_runs_folder_stays_there_whatever_the_variable_says(tmp_path: Path) -> None:
    environ = {"MLFLOW_TRACKING_URI": "http://elsewhere:5000"}
    assert find_recorded_store(None, tmp_path, environ).kind == "own"


@pytest.mark.parametrize(
    ("uri", "reason"),
    [
        ("https://me:ses/ame@host", "%2F"),
        ("https://me:ses?ame@host", "%2F"),
        ("https://me:ses#ame@host", "%2F"),
        ("https://me:sesame@host:port", "port"),
        ("https://me:sesame@host/?key=sesame", "query"),
        ("https://me:sesame@ho st", "space"),
        ("https://", "host"),
        ("sqlite://", "file"),
        ("sqlite:///:memory:", "file"),
    ],
)
def test_an_address_that_cannot_be_right_is_refused_without_repeating_it(uri: str, reason: str) -> None:
    with pytest.raises(ConfigurationError, match=reason) as error:
        parse_address(uri, Path("runs"), {})
    assert "ame" not in str(error.value).replace("name", "")


def test_mlflow_does_not_report_its_use_unless_it_is_asked_to() -> None:
    line = (
        "import agent.memory, os, sys; print(os.environ['MLFLOW_DISABLE_TELEMETRY'], 'mlflow' in sys.modules)"
    )
    clean = {name: value for name, value in os.environ.items() if name != "MLFLOW_DISABLE_TELEMETRY"}
    for given, expected in [({}, "true"), ({"MLFLOW_DISABLE_TELEMETRY": "false"}, "false")]:
        ended = subprocess.run(
            [sys.executable, "-c", line], env=clean | given, capture_output=True, text=True
        )
        assert ended.stdout.split() == [expected, "False"], (
            "set before MLflow is imported, which reads it once"
        )
