"""Dockerfile and compose.yaml: linted, and every command in them run, without Docker."""

import json
import os
import re
import shlex
import shutil
import socket
import subprocess
import sys
import time
import tomllib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import yaml

from agent.memory.checkpoints.team import VARIABLE as CHECKPOINTS_VARIABLE
from agent.service.config import DEFAULT_PORT, SERVER_VARIABLE, TOKEN_VARIABLE
from agent.settings.sources import check_variables
from tests.agent.service.services import SETTINGS, Service, until
from tests.postgres import PASSWORD, Postgres, running_postgres
from tests.repository import ROOT

_BIN = Path(sys.executable).parent
HADOLINT = shutil.which("hadolint", path=f"{_BIN}{os.pathsep}{os.environ['PATH']}")
DOCKERFILE = (ROOT / "Dockerfile").read_text()
COMPOSE = (ROOT / "compose.yaml").read_text()


def instructions() -> list[tuple[str, str]]:
    """(instruction, rest) of the Dockerfile, in order."""
    text = re.sub(r"^\s*#.*\n", "", DOCKERFILE, flags=re.MULTILINE)
    lines = re.sub(r"\\\n", " ", text).splitlines()
    return [(word, rest.strip()) for word, _, rest in (line.partition(" ") for line in lines if line.strip())]


def of(kind: str) -> list[str]:
    return [rest for word, rest in instructions() if word == kind]


def services(**variables: str) -> dict[str, Any]:
    """The services of compose.yaml, with its variables replaced as Docker does."""

    def value(found: re.Match[str]) -> str:
        name, default = found["name"], found["default"]
        assert name in variables or default is not None, f"{name}: {found['fault']}"
        return variables.get(name, default)

    pattern = r"\$\{(?P<name>\w+)(?:-(?P<default>[^}]*)|:\?(?P<fault>[^}]*))\}"
    return yaml.safe_load(re.sub(pattern, value, COMPOSE))["services"]


def given(password: str = "a-password") -> dict[str, Any]:
    return services(POSTGRES_PASSWORD=password, AGENT_SERVICE_TOKEN="a-token-of-a-test")


@pytest.mark.skipif(HADOLINT is None, reason="hadolint is not installed")
def test_the_dockerfile_is_free_of_the_usual_mistakes() -> None:
    assert HADOLINT is not None
    done = subprocess.run([HADOLINT, str(ROOT / "Dockerfile")], capture_output=True, text=True)
    assert (done.returncode, done.stdout) == (0, "")


def test_what_is_copied_exists_and_is_not_ignored() -> None:
    kept = {line[1:] for line in (ROOT / ".dockerignore").read_text().splitlines() if line.startswith("!")}
    copied = {source for rest in of("COPY") for source in rest.split()[:-1]}
    assert copied == kept
    assert all((ROOT / source).exists() for source in copied)
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    assert set(project["tool"]["hatch"]["build"]["targets"]["wheel"]["packages"]) <= copied


def test_passwords_and_tokens_have_no_default() -> None:
    for missing in ({"POSTGRES_PASSWORD": "x"}, {"AGENT_SERVICE_TOKEN": "x"}):
        with pytest.raises(AssertionError, match="set it to"):
            services(**missing)
    for name, service in given().items():
        for port in service.get("ports", []):
            assert port.startswith("127.0.0.1:"), name


def test_services_wait_for_services_that_tell_when_they_are_ready() -> None:
    known = given()
    for name, service in known.items():
        for other, condition in service.get("depends_on", {}).items():
            assert condition == {"condition": "service_healthy"}, name
            assert "healthcheck" in known[other], other
        named = {volume.partition(":")[0] for volume in service.get("volumes", []) if volume[0] not in "./"}
        assert named <= set(yaml.safe_load(COMPOSE)["volumes"]), name


def test_every_variable_is_one_that_is_read() -> None:
    environment = {**dict(pair.split("=", 1) for rest in of("ENV") for pair in shlex.split(rest))}
    for service in given().values():
        environment |= service.get("environment", {})
    check_variables(environment)
    known = {SERVER_VARIABLE, TOKEN_VARIABLE, "AGENT_RUNS_DIR", CHECKPOINTS_VARIABLE}
    assert {name for name in environment if name.startswith("AGENT_")} <= known


def test_the_service_and_its_health_check_run_as_they_are_written(runs: Path) -> None:
    command = json.loads(of("CMD")[-1])
    assert command[:2] == ["agent", "serve"]
    assert given()["augur"]["command"][: len(command)] == command
    token = given()["augur"]["environment"]["AGENT_SERVICE_TOKEN"]
    service = Service(runs, *given()["augur"]["command"][2:], env={"AGENT_SERVICE_TOKEN": token}).start()
    try:
        (check,) = of("HEALTHCHECK")
        words = json.loads(check[check.index("[") :])
        port = service.address.rpartition(":")[2]
        words = [sys.executable, *(word.replace(str(DEFAULT_PORT), port) for word in words[1:])]
        assert subprocess.run(words, timeout=60).returncode == 0
        assert service.ask("GET", "/api/studies", headers={"Authorization": f"Bearer {token}"}) == (200, [])
        assert not (runs / "service/token").exists()
    finally:
        assert service.stop() == 143  # as `docker stop` ends it
    assert subprocess.run(words, timeout=60, stderr=subprocess.DEVNULL).returncode != 0


@contextmanager
def mlflow_as_written(environment: dict[str, str], artifacts: Path) -> Iterator[int]:
    """The port of MLflow, started by the command of compose.yaml and found healthy by its health check."""
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port = probe.getsockname()[1]
    known = given()["mlflow"]
    words = [str(_BIN / known["command"][0]), *known["command"][1:]]
    words = [word.replace("5000", str(port)).replace("/artifacts", str(artifacts)) for word in words]
    own = {name: text.replace("5000", str(port)) for name, text in known["environment"].items()} | environment
    server = subprocess.Popen(words, env={**os.environ, **own}, start_new_session=True)
    try:
        check = [word.replace("5000", str(port)) for word in known["healthcheck"]["test"][1:]]
        for _ in range(60):
            if subprocess.run([sys.executable, *check[1:]], stderr=subprocess.DEVNULL).returncode == 0:
                break
            time.sleep(0.5)
        else:
            pytest.fail("MLflow does not answer")
        yield port
    finally:
        os.killpg(server.pid, 15)
        server.wait(30)


@pytest.mark.slow
def test_mlflow_runs_as_it_is_written_and_answers_the_others_by_name(tmp_path: Path) -> None:
    store = {"MLFLOW_BACKEND_STORE_URI": f"sqlite:///{tmp_path / 'mlflow.db'}"}
    with mlflow_as_written(store, tmp_path / "a") as port:
        search = f"http://127.0.0.1:{port}/api/2.0/mlflow/experiments/get-by-name?experiment_name=Default"
        for host, expected in ((f"mlflow:{port}", "200"), ("evil.example", "403")):
            ask = ["curl", "-s", "-o", os.devnull, "-w", "%{http_code}", "-H", f"Host: {host}", search]
            assert subprocess.run(ask, capture_output=True, text=True).stdout == expected, host


def in_place(name: str, database: Postgres) -> dict[str, str]:
    """The environment of a service as it is written, with the database where it is in this test."""
    known = given(PASSWORD)[name]["environment"]
    here = f"127.0.0.1:{database.port}"
    return {key: str(text or "").replace("postgres:5432", here) for key, text in known.items()}


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_a_study_of_the_containers_is_in_their_database_whatever_the_password_holds(
    runs: Path, tmp_path: Path
) -> None:
    token = given()["augur"]["environment"][TOKEN_VARIABLE]
    authorised = {"Authorization": f"Bearer {token}"}
    with running_postgres() as database:
        written = in_place("mlflow", database)
        stored = {name: written[name] for name in ("MLFLOW_BACKEND_STORE_URI", "PGUSER", "PGPASSWORD")}
        with mlflow_as_written(stored, tmp_path / "a") as port:
            address = f"http://127.0.0.1:{port}"
            environment = {**in_place("augur", database), "MLFLOW_TRACKING_URI": address}
            service = Service(runs, *given()["augur"]["command"][2:], env=environment).start()
            try:
                body = {"name": "written", "settings": SETTINGS}
                assert service.ask("POST", "/api/studies", body, headers=authorised)[0] in (200, 201)

                def ended() -> bool:
                    state = service.ask("GET", "/api/studies/written", headers=authorised)[1]["state"]
                    assert state != "failed", service.output
                    return state == "finished"

                until(ended, "the study does not finish")
            finally:
                service.stop()
        ((checkpoints,),) = database.sql("augur", "SELECT count(*) FROM checkpoints")
        ((mlflow_runs,),) = database.sql("augur", "SELECT count(*) FROM runs")
    assert isinstance(checkpoints, int)
    assert checkpoints > 3
    assert isinstance(mlflow_runs, int)
    assert mlflow_runs > 2
    assert not (runs / "written/checkpoint.db").exists()
    texts = [file.read_bytes() for file in runs.rglob("*") if file.is_file()]
    assert not any(PASSWORD.encode() in text for text in texts), "no file has the password"
    assert PASSWORD not in service.output


@pytest.mark.skipif(not (_BIN / "ray").exists(), reason="Ray is not installed")
def test_the_flags_of_rays_commands_are_rays() -> None:
    known = given()["ray-head"]
    for words in (known["command"], known["healthcheck"]["test"][1:]):
        verbs = [word for word in words if not word.startswith("--")][:2]
        told = subprocess.run(
            [str(_BIN / "ray"), verbs[1], "--help"], capture_output=True, text=True, timeout=120
        )
        for flag in (word.partition("=")[0] for word in words if word.startswith("--")):
            assert flag in told.stdout, flag


@pytest.mark.skipif(shutil.which("pg_isready") is None, reason="PostgreSQL is not installed")
def test_the_health_check_of_postgresql_has_its_flags() -> None:
    words = given()["postgres"]["healthcheck"]["test"][1:]
    told = subprocess.run([words[0], "--help"], capture_output=True, text=True)
    assert all(word in told.stdout for word in words if word.startswith("--"))


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_what_the_image_copies_is_enough_to_build_and_install_the_product(tmp_path: Path) -> None:
    """The commands of the image's RUN lines that need no root, without the dependencies, which are gigabytes."""
    for rest in of("COPY"):
        *sources, target = rest.split()
        for source in sources:
            place = tmp_path / "src" / (source if target == "./" else target)
            place.parent.mkdir(parents=True, exist_ok=True)
            copy = shutil.copytree if (ROOT / source).is_dir() else shutil.copy
            copy(ROOT / source, place)
    install = of("RUN")[0].split("&&")[1]
    assert "uv pip install --system" in install
    subprocess.run(["uv", "venv", "--quiet", str(tmp_path / "venv")], check=True)
    command = install.replace("--system", f"--no-deps --python {tmp_path / 'venv'}")
    command = f"EXTRAS='' TORCH=cpu; {command}"
    subprocess.run(["bash", "-o", "pipefail", "-c", command], cwd=tmp_path / "src", check=True)
    installed = next((tmp_path / "venv").glob("lib/*/site-packages"))
    assert (installed / "agent/service/page/index.html.j2").is_file()
