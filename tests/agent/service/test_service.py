"""The API over a real connection: what a service answers, and what it refuses."""

import json
import socket
import stat
import time
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from agent.service.config import ServiceConfig, token_file
from agent.service.queue import Queue
from agent.service.server import serve
from agent.service.submission import as_stored, settings_of
from agent.service.token import pass_name
from agent.service.types import Submission
from tests.agent.service.services import SETTINGS, Service
from tests.agent.studies import agent
from tools.errors import ConfigurationError

BOMB = "data:\n  exclude: &a [x, x, x, x, x, x, x, x]\n" + "".join(
    f"  {key}: &{after} [{', '.join([f'*{before}'] * 8)}]\n"
    for key, before, after in zip(
        ("shifts", "always", "labels", "splits", "path"), "abcde", "bcdef", strict=True
    )
)
"""Half a thousand characters that stand for a quarter of a million."""


def test_a_finished_study_tells_its_result_its_report_its_log_and_its_files(served: Service) -> None:
    status, found = served.ask("GET", "/api/studies/s")
    assert (status, found["state"], found["message"]) == (200, "finished", "")
    assert found["progress"]["sentence"].startswith("Use no augmentation")
    assert [each["name"] for each in found["progress"]["candidates"]] == ["no augmentation"]
    assert found["settings"]["training"]["epochs"] == 2
    status, result = served.ask("GET", found["links"]["result"])
    assert (status, result["state"], result["study"]) == (200, "finished", "s")
    status, page = served.ask("GET", found["links"]["report"])
    assert status == 200
    assert b"<!doctype html>" in page[:200].lower()
    status, log = served.ask("GET", found["links"]["log"])
    assert b"study: s" in log
    files = {each["path"]: each["size"] for each in served.ask("GET", found["links"]["artifacts"])[1]}
    assert served.ask("GET", "/api/studies/s/artifacts/policy.txt")[0] == 404
    status, text = served.ask("GET", "/api/studies/s/artifacts/report.md")
    assert (status, len(text)) == (200, files["report.md"])
    assert found["links"]["mlflow"].startswith("http://mlflow.example:5000/#/experiments/1/runs")


@pytest.mark.parametrize(
    "path",
    ["..%2f..%2fmlflow.db", "%2fetc%2fpasswd", "checkpoint.db", "lock", "a%00b", "outside", "plots", ".."],
)
def test_no_file_outside_a_study_can_be_read(served: Service, path: str) -> None:
    link = served.runs / "studies/s/outside"
    if not link.is_symlink():
        link.symlink_to(served.runs / "mlflow.db")
    assert served.ask("GET", f"/api/studies/s/artifacts/{path}")[0] == 404
    assert "outside" not in str(served.ask("GET", "/api/studies/s/artifacts")[1])


def test_without_the_token_nothing_is_told(served: Service) -> None:
    addresses = ["/api/studies", "/api/studies/s", "/api/studies/s/events", "/api/studies/s/report"]
    for header in ({}, {"Authorization": "Bearer wrong"}, {"Authorization": served.token}):
        for address in addresses:
            status, answer = served.ask("GET", address, headers=header)
            assert (status, "no augmentation" in str(answer)) == (401, False)
    for open_to_all in ("/health", "/", "/docs", "/openapi.json", "/page/service.js"):
        status, answer = served.ask("GET", open_to_all, headers={})
        assert (status, served.token in str(answer)) == (200, False)


def test_the_cookie_of_the_page_reads_and_changes_nothing(served: Service) -> None:
    with_cookie = {"Cookie": f'of-another-program={{"a": "b"}}; {_cookie(served)}'}
    assert served.token not in with_cookie["Cookie"]
    assert served.ask("GET", "/api/studies/s/log", headers=with_cookie)[0] == 200
    assert served.ask("POST", "/api/studies/waits/cancel", headers=with_cookie)[0] == 401
    assert served.state("waits") == "paused"


def _cookie(service: Service) -> str:
    place = urlsplit(service.address)
    with socket.create_connection((place.hostname, place.port), timeout=30) as raw:
        raw.sendall(
            f"POST /api/page-pass HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {service.token}\r\n"
            "Content-Length: 0\r\nConnection: close\r\n\r\n".encode()
        )
        answer = b"".join(iter(lambda: raw.recv(4096), b"")).decode()
    (line,) = (line for line in answer.splitlines() if line.lower().startswith("set-cookie:"))
    assert "httponly" in line.lower()
    assert "samesite=strict" in line.lower()
    return line.partition(":")[2].strip().split(";")[0]


def test_services_on_one_host_do_not_take_each_other_s_cookie() -> None:
    assert pass_name("a-token-of-a-service") != pass_name("the-token-of-another")


@pytest.mark.parametrize(
    ("body", "told"),
    [
        ({"settings": {"search.iterations": "many"}}, "must be a whole number, 0 to 10,000"),
        ({"settings": {"traning": {"epochs": 3}}}, "did you mean 'training'?"),
        ({"yaml": "search:\n  iterations: -1\n"}, "(the submitted settings, line 2)"),
        ({"yaml": "search: ["}, "the submitted settings, line 1, column 10: invalid YAML"),
        (
            {"settings": {"data.path": "no/such/folder"}},
            "there is nothing there on the machine of the service",
        ),
        ({"settings": {"runs_dir": "/elsewhere"}}, "leave runs_dir out"),
        ({"yaml": BOMB}, "*a (the submitted settings, line 3): aliases are not taken here"),
        ({"settings": {}, "yaml": ""}, "either `yaml`"),
        ({}, "either `yaml`"),
        ({"settings": {}, "name": "../up"}, "name: must be up to 80 letters"),
        ({"settings": {}, "iterations": 3}, "iterations: is not known here"),
        ({"settings": []}, "settings: must be an object"),
        (b"{", "the body is no JSON: "),
        (b"[]", "the body: must be an object"),
        ({"settings": json.loads('{"a":' * 600 + "1" + "}" * 600)}, "too many sections within sections"),
        ({"yaml": "{a: " * 3_000 + "1" + "}" * 3_000}, "too many sections within sections"),
        ({"settings": {"search.seeds": 2, "search": {"seeds": 3}}}, "search.seeds is set twice"),
        ({"settings": {"search": {"seeds": 3}, "search.seeds": 2}}, "search.seeds is set twice"),
        ({"settings": {"search": 3, "search.seeds": 2}}, "a value and a section at once"),
    ],
)
def test_what_is_wrong_with_a_submission_is_said_in_plain_words(
    served: Service, body: dict | bytes, told: str
) -> None:
    status, answer = served.ask("POST", "/api/studies", body)
    assert status == 422
    assert told in answer["error"]
    assert "/tmp" not in answer["error"]


def test_settings_of_a_section_may_be_given_in_several_ways_at_once(tmp_path: Path) -> None:
    given = {"aga.compose.edge": 2, "aga": {"compose": {"light": "match"}}, "aga.subjects": {"a.b": "cat"}}
    config = settings_of(Submission(settings=given), tmp_path, {})
    assert (config.aga.compose.edge, config.aga.compose.light) == (2, "match")
    assert config.aga.subjects == {"a.b": "cat"}


def test_the_service_s_own_folder_and_name_are_no_defaults_of_a_submission(tmp_path: Path) -> None:
    variables = {"AGENT_RUNS_DIR": "elsewhere", "AGENT_STUDY": "one", "AGENT_TRAINING__EPOCHS": "7"}
    config = settings_of(Submission(settings={}), tmp_path, variables)
    assert (config.runs_dir, config.study, config.training.epochs) == (tmp_path, None, 7)


def test_the_same_submission_twice_is_one_study(served: Service) -> None:
    body = {"name": "waits", "settings": {**SETTINGS, "search.seed": 7}}
    assert served.ask("POST", "/api/studies", body)[0] == 200
    status, answer = served.ask("POST", "/api/studies", {"name": "waits", "settings": SETTINGS})
    assert (status, "with other settings" in answer["error"]) == (409, True)


@pytest.mark.parametrize(
    ("method", "path", "status", "told"),
    [
        ("POST", "/api/studies/s/pause", 409, "'s' is finished and cannot be paused"),
        ("POST", "/api/studies/nobody/pause", 404, "the queue holds none of that name"),
        ("GET", "/api/studies/waits/report", 404, "has not begun"),
        ("GET", "/api/studies?state=finishd", 422, "state = 'finishd': must be one of queued, running"),
        ("GET", "/nowhere", 404, "there is nothing at this address"),
        ("DELETE", "/api/studies/s", 405, "does not take this method"),
    ],
)
def test_what_cannot_be_done_is_refused_with_the_reason(
    served: Service, method: str, path: str, status: int, told: str
) -> None:
    found, answer = served.ask(method, path)
    assert (found, told in answer["error"]) == (status, True)


def test_too_long_a_request_is_refused_with_or_without_its_length(served: Service) -> None:
    assert served.ask("POST", "/api/studies", b"x" * 2_000_000)[0] == 413
    place = urlsplit(served.address)
    chunk = b"8000\r\n" + b" " * 0x8000 + b"\r\n"
    with socket.create_connection((place.hostname, place.port), timeout=30) as raw:
        raw.sendall(
            f"POST /api/studies HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {served.token}\r\n"
            "Content-Type: application/json\r\nTransfer-Encoding: chunked\r\nConnection: close\r\n\r\n".encode()
        )
        try:
            for _ in range(80):  # 2.6 MB
                raw.sendall(chunk)
        except OSError:  # the service has closed the connection
            pass
        answer = raw.recv(4096)
    assert answer.startswith(b"HTTP/1.1 400")
    assert served.ask("GET", "/health")[0] == 200


def test_a_client_that_asks_too_often_is_slowed_down(runs: Path) -> None:
    service = Service(runs, "--requests-per-second", "5").start()
    try:
        found = [service.ask("GET", "/api/studies")[0] for _ in range(30)]
        assert {200, 429} == set(found)
        time.sleep(1)
        assert service.ask("GET", "/api/studies")[0] == 200
    finally:
        service.stop()


def test_who_asks_too_often_is_answered_at_the_rate_that_is_allowed(runs: Path) -> None:
    service = Service(runs, "--requests-per-second", "0.4").start()
    try:
        began, answered = time.monotonic(), 0
        while answered < 3 and time.monotonic() - began < 60:
            answered += service.ask("GET", "/api/studies")[0] == 200
            time.sleep(0.2)
        assert (answered, time.monotonic() - began > 5) == (3, True)
    finally:
        service.stop()


def test_the_token_is_made_once_for_its_owner_alone(served: Service) -> None:
    file = token_file(served.runs)
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert stat.S_IMODE(file.parent.stat().st_mode) == 0o700
    assert len(served.token) >= 40
    assert served.token not in served.output


def test_one_folder_of_runs_has_one_service(served: Service) -> None:
    second = agent("serve", "--runs-dir", str(served.runs), "--port", "0")
    assert second.returncode == 1
    assert f"has a service already, at {served.address}" in second.stderr


def test_what_is_in_the_way_of_a_file_is_not_told_as_a_port_that_is_taken(tmp_path: Path) -> None:
    (tmp_path / "service/address.json").mkdir(parents=True)
    refused = agent("serve", "--runs-dir", str(tmp_path), "--port", "0")
    assert (refused.returncode, "cannot listen" in refused.stderr) == (1, False)
    assert "address.json" in refused.stderr


def test_an_address_of_mlflow_that_is_none_is_refused_in_words() -> None:
    refused = agent("serve", "--mlflow", "foo")
    assert (
        refused.returncode,
        "--mlflow foo: must be an address that begins with http://" in refused.stderr,
    ) == (
        2,
        True,
    )


def test_a_service_that_others_reach_must_have_a_token(tmp_path: Path) -> None:
    for host in ("0.0.0.0", "::", "192.168.1.1", "example.org"):
        with pytest.raises(ConfigurationError, match="Leave --no-token out"):
            serve(ServiceConfig(runs_dir=tmp_path, host=host), None, guarded=False)  # type: ignore[arg-type]


def test_secrets_are_stored_and_never_told(served: Service) -> None:
    secret = "https://user:hunter2secret@models.example/v1"
    served.ask("POST", "/api/studies/waits/pause")
    body = {"name": "keeps", "settings": {**SETTINGS, "llm.base_url": secret, "llm.model": "openai:x"}}
    status, found = served.ask("POST", "/api/studies", body)
    served.ask("POST", "/api/studies/keeps/cancel")
    told = json.dumps(
        [found, *served.ask("GET", "/api/studies")[1], served.ask("GET", "/api/studies/keeps")[1]]
    )
    assert (status, "hunter2" in told, "models.example" in told) == (201, False, True)


def test_a_note_waits_until_the_study_begins_and_then_is_with_it(served: Service) -> None:
    assert served.ask("POST", "/api/studies/waits/notes", {"text": "too early"})[0] == 201
    assert served.ask("GET", "/api/studies/waits/notes")[1][0]["delivered"] is False
    assert served.ask("POST", "/api/studies/s/notes", {"text": "The scanner\nblurs."})[0] == 201
    deadline = time.monotonic() + 60
    while not served.ask("GET", "/api/studies/s/notes")[1][0]["delivered"]:
        assert time.monotonic() < deadline, served.output
        time.sleep(0.1)
    assert served.ask("POST", "/api/studies/s/notes", {"text": "x" * 1001})[0] == 422


def test_a_finished_study_that_was_deleted_is_told_as_that(served: Service) -> None:
    queue = Queue(ServiceConfig(runs_dir=served.runs).folder / "queue.db")
    if "gone" not in {entry.name for entry in queue.entries()}:
        queue.add("gone", as_stored(settings_of(Submission(settings=SETTINGS), served.runs, {})))
        queue.end("gone", "finished")
    followed = agent("follow", "gone", "--runs-dir", str(served.runs))
    assert (followed.returncode, "bug" in followed.stderr) == (1, False)
    assert "it was deleted" in followed.stderr
    assert "or it was deleted" in served.ask("GET", "/api/studies/gone/result")[1]["error"]


def test_every_answer_is_described(served: Service) -> None:
    schema = served.ask("GET", "/openapi.json")[1]
    assert "/api/studies/{name}/events" in schema["paths"]
    for path, methods in schema["paths"].items():
        for method, described in methods.items():
            assert described.get("description") or described.get("summary"), (method, path)
            assert "401" in described["responses"]
    page = served.ask("GET", "/docs")[1].decode()
    assert all(path in page for path in schema["paths"])
    assert "http" not in page.replace("HTTP", "").split("<body>")[0]
