"""`agent ui`: MLflow's own server on the store of the studies, until Ctrl-C."""

import errno
import json
import os
import signal
import socket
import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from agent.commands.stores import add_tracking_uri
from agent.screen.exits import perform
from agent.screen.terminal import Terminal
from agent.settings.arguments import FlagParser
from agent.settings.listening import given_host, reached_at
from tools.errors import AugurError

if TYPE_CHECKING:
    from agent.memory.tracking.store import Address

_POLL_SECONDS = 0.5
_CLOSING_SECONDS = 10.0
_LISTED = 6
"""Studies whose addresses are printed when the server is up."""


def main(words: Sequence[str]) -> int:
    """`agent ui …`; the exit code."""
    parser = FlagParser("ui", description="Open all studies and trials in MLflow's web interface.")
    parser.add_argument(
        "--host", type=given_host, default="127.0.0.1", help="address to listen on (default: %(default)s)"
    )
    parser.add_argument(
        "--port", type=int, default=5000, help="port; 0: one that is free (default: %(default)s)"
    )
    parser.add_runs_dir()
    add_tracking_uri(parser)
    parser.add_common_flags()
    options = parser.parse_all(words)
    return perform(
        lambda terminal: serve(options.runs_dir, options.host, options.port, terminal, options.tracking_uri),
        options,
        pages=True,
    )


def serve(runs_dir: Path, host: str, port: int, terminal: Terminal, uri: str | None = None) -> int:
    """Serve the store of `runs_dir` at `host`:`port` until interrupted; 0 if another server has it already.

    Raises:
        AugurError: there is no store yet, the port is taken, or the server ended.
    """
    address = _served(runs_dir, uri)
    if address.kind == "server":
        terminal.note(f"The studies are on an MLflow server already: {address.shown}")
        return 0
    if not address.exists:
        raise AugurError(
            f"There are no studies in {runs_dir.resolve()}: start one with `agent run`, or name another --runs-dir"
        )
    port = _free_port(host, port)
    from agent.memory.writing import open_store
    from agent.settings.config import TrackingConfig

    # Opened here first: what is wrong with it is said in our words, and the addresses of a moved folder are put right.
    open_store(address, TrackingConfig(retries=0, timeout=10), terminal.warn, writes=False).check()
    command = [sys.executable, "-m", "mlflow", "server"]
    if address.artifacts is not None:
        command += ["--default-artifact-root", address.artifacts.as_uri()]
    command += [
        "--host",
        host,
        "--port",
        str(port),
        "--workers",
        "1",
        "--uvicorn-opts",
        "--log-level warning",
    ]
    # A variable, not an argument: the address may hold a password, and everyone can see a process's arguments.
    # A file is named relative to the server's folder: MLflow would make the folder of an escaped path.
    file = address.file
    folder = file.parent if file else runs_dir
    stored = f"sqlite:///{quote(file.name)}" if file else address.uri
    environment = {**os.environ, "MLFLOW_BACKEND_STORE_URI": stored}
    # In its own session, so that Ctrl-C reaches only this process, which then ends the server with all its workers.
    server = subprocess.Popen(command, env=environment, cwd=folder, start_new_session=True)
    try:
        address = reached_at(host, port)
        terminal.note(f"MLflow is starting on {address} …")
        if _answers(address, server):
            terminal.note(f"MLflow shows the studies at {address} (stop with Ctrl-C)")
            for name, page in _pages(address):
                terminal.note(f"{name}: {page}")
        code = server.wait()
        raise AugurError(f"MLflow's server ended with code {code}; its output above says why")
    finally:
        _stop(server)


def _served(runs_dir: Path, uri: str | None) -> "Address":
    """The store to serve: the one that is set, else the runs folder's own, else the one that all its studies name."""
    from agent.memory.tracking.store import find_recorded_store, find_store
    from agent.settings.config import TrackingConfig
    from agent.study_folder import names, recorded_uri

    address = find_store(TrackingConfig(uri=uri), runs_dir)
    if address.kind == "own" and not address.exists:
        elsewhere = {recorded_uri(runs_dir / "studies" / name) for name in names(runs_dir)}
        if len(elsewhere) == 1 and (only := elsewhere.pop()):
            return find_recorded_store(only, runs_dir)
    return address


def _free_port(host: str, port: int) -> int:
    """The port to listen on: `port`, or, where that is 0, one that is free.

    Raises:
        AugurError: it is taken, or there is no such host or port.
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family, socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
            return probe.getsockname()[1]
        except (OSError, OverflowError) as error:
            other = f"port, such as --port {port + 1 if port < 65_535 else 5001}"
            if isinstance(error, socket.gaierror) or getattr(error, "errno", None) == errno.EADDRNOTAVAIL:
                other = "--host, such as 127.0.0.1: this machine has no such address"
            raise AugurError(f"cannot listen on {host}:{port} ({error}); choose another {other}") from None


def _answers(address: str, server: subprocess.Popen[bytes]) -> bool:
    """Wait until the server answers; False if it ended before."""
    while server.poll() is None:
        try:
            with urllib.request.urlopen(f"{address}/health", timeout=_POLL_SECONDS):
                return True
        except (urllib.error.URLError, OSError):
            try:
                server.wait(_POLL_SECONDS)
            except subprocess.TimeoutExpired:
                continue
    return False


def _pages(address: str) -> list[tuple[str, str]]:
    """(study, address of its table of candidates, the best first) of the latest studies.

    MLflow's own start page is the one for chat applications, which shows no runs. Experiments that hold no study with a
    table of its own (of earlier versions, or of other programs) are named with all their runs.
    """
    from agent.memory.views import PREFIX, view_address, view_key

    newest = {"max_results": _LISTED, "order_by": ["last_update_time DESC"]}
    found = [e for e in _ask(address, "experiments", newest) if e["name"] != "Default"]
    if not found:
        return []
    wanted = {
        "experiment_ids": [item["experiment_id"] for item in found],
        "filter": "tags.kind = 'study'",
        "max_results": _LISTED,
        "order_by": ["attributes.start_time DESC"],
    }
    tags = {item["experiment_id"]: {tag["key"] for tag in item.get("tags", [])} for item in found}
    pages, seen = [], set()
    for run in _ask(address, "runs", wanted):
        info = run["info"]
        experiment = info["experiment_id"]
        if PREFIX + view_key(info["run_id"]) in tags[experiment]:
            pages.append((info["run_name"], view_address(address, experiment, info["run_id"])))
            seen.add(experiment)
    plain = "{}/#/experiments/{}/runs?workflowType=machine_learning"
    others = [item for item in found if item["experiment_id"] not in seen]
    return [*pages, *((item["name"], plain.format(address, item["experiment_id"])) for item in others)]


def _ask(address: str, what: str, wanted: dict[str, Any]) -> list[dict[str, Any]]:
    """What a search of MLflow's REST interface finds; nothing where it does not answer."""
    request = urllib.request.Request(
        f"{address}/api/2.0/mlflow/{what}/search",
        data=json.dumps(wanted).encode(),
        headers={"Content-Type": "application/json"},
    )
    try:
        with urllib.request.urlopen(request, timeout=10) as answer:
            return json.load(answer).get(what, [])
    except (urllib.error.URLError, OSError, ValueError):
        return []


def _stop(server: subprocess.Popen[bytes]) -> None:
    """End the server and every process that it started."""
    for number in (signal.SIGTERM, signal.SIGKILL):
        try:
            os.killpg(server.pid, number)
        except ProcessLookupError:
            break
        try:
            server.wait(_CLOSING_SECONDS)
        except subprocess.TimeoutExpired:
            continue
