"""The Ray cluster that this process is connected to: found or started, once, in silence and without secrets.

Ray keeps one connection for a process, so this module does too. What Ray would do beside its task is switched off:
usage statistics, its dashboard, copying workers' output to the terminal, uploading the working folder of `uv run`, its
own handler of SIGTERM. Processes of a cluster that is started here ask whoever speaks to them for Ray's token, which
Ray keeps in this user's home, and are not given the keys of this process's environment.
"""

import atexit
import logging
import os
import re
import shutil
import signal
import socket
import sys
import tempfile
import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil

from tools.errors import AugurError, ConfigurationError, first_line
from tools.execution.config import ExecutionConfig
from tools.machine import usable_cores
from tools.text import counted

VARIABLE = "RAY_ADDRESS"
_EXTRA = "uv pip install 'augur-vision[ray]'"
_SWITCHES = {
    "RAY_USAGE_STATS_ENABLED": "0",
    "RAY_ENABLE_UV_RUN_RUNTIME_ENV": "0",
    "RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO": "0",
    # or workers would get what other programs leave of a core, unlike those of execution.kind local
    "RAY_worker_niceness": "0",
}
_SECRET = re.compile(r"(KEY|SECRET|TOKEN|PASSWORD|PASSWD|CREDENTIALS?|PGPASSFILE)$", re.IGNORECASE)
"""Names of variables that hold one."""
_HOST_AND_PORT = re.compile(r"\[?(?P<host>[^\s/\]]+)\]?:(?P<port>\d{1,5})")
_PATIENCE = 10.0
"""Seconds for a connection to the head."""
_ADDRESS_WITH_PASSWORD = re.compile(r"://[^/\s@]+@")
_OBJECT_STORE = 256 * 2**20
"""Bytes of shared memory of a cluster that is started here, where workers read the runs folder itself."""
_FOLDER = "augur-ray-"
_LOOPBACK = "127.0.0.2" if sys.platform == "linux" else "127.0.0.1"
"""By which processes of a cluster that is started here know each other, so that a network that changes stops nothing.
On Linux, Ray takes 127.0.0.1 for the address of the network card."""


class ClusterFault(AugurError):
    """The Ray cluster cannot be reached, or is gone; the study can be resumed."""

    resumable = True


@dataclass(frozen=True)
class Node:
    """A node that is alive."""

    name: str
    cpus: int
    gpus: int


@dataclass(frozen=True)
class Cluster:
    """What this process is connected to."""

    nodes: tuple[Node, ...]
    is_own: bool
    """Whether it was started by this process, for this machine alone; it ends with the process."""

    def in_words(self) -> str:
        """For the person at the terminal; no addresses."""
        if self.is_own:
            return "Ray on this machine"
        return f"Ray, {counted(len(self.nodes), 'node')}"


_connection_lock = threading.Lock()
_started_here = False


def address_of(config: ExecutionConfig) -> str | None:
    """Of the cluster that `config` or RAY_ADDRESS names; None where one is started here."""
    return config.ray_address or os.environ.get(VARIABLE) or None


def connect(config: ExecutionConfig) -> Cluster:
    """The cluster that the settings mean; connected, or started, with the first call.

    Raises:
        ConfigurationError: Ray is not installed.
        ClusterFault: there is no such cluster, or it has another version of Ray or Python.
    """
    global _started_here
    ray = import_ray()
    with _connection_lock:
        if not ray.is_initialized():
            address = address_of(config)
            _started_here = address is None
            with _kept_sigterm(), _without_secrets(), _silenced():
                try:
                    _start(ray) if address is None else _join(ray, address)
                except Exception as error:  # Ray raises many kinds
                    with suppress(Exception):
                        ray.shutdown()
                    raise _fault(error, address) from error
        return Cluster(_nodes(ray), _started_here)


def import_ray() -> Any:
    """Ray, with its switches set, which it reads when it is imported.

    Raises:
        ConfigurationError: it is not installed.
    """
    for name, value in _SWITCHES.items():
        os.environ.setdefault(name, value)
    try:
        import ray
    except ImportError as error:
        raise ConfigurationError(
            f"execution.kind ray needs the Python package ray, which cannot be imported ({first_line(error)}): {_EXTRA}"
        ) from error
    _quieten(ray)
    return ray


def _quieten(ray: Any) -> None:
    """Ray's own words about workers that die, with addresses in them, are for its log files.

    They would stand in the middle of the bars, and in what `--json` prints. Only an inner function of Ray prints them;
    a test sees that it is still this one.
    """
    logging.getLogger("ray").setLevel(logging.CRITICAL)
    inner = ray._private.worker
    if hasattr(inner, "print_to_stdstream"):
        inner.print_to_stdstream = _ignore


def _ignore(*arguments: Any, **named: Any) -> None:
    pass


def _start(ray: Any) -> None:
    """A cluster of this machine alone, which ends with this process."""
    folder = _folder()
    atexit.register(_end, ray, folder)
    ray.init(
        address="local",
        num_cpus=usable_cores(),
        include_dashboard=False,
        log_to_driver=False,
        configure_logging=False,
        object_store_memory=_OBJECT_STORE,
        _node_ip_address=_LOOPBACK,
        _temp_dir=str(folder),
    )


def _end(ray: Any, folder: Path) -> None:
    ray.shutdown()
    shutil.rmtree(folder, ignore_errors=True)


def _join(ray: Any, address: str) -> None:
    if address.startswith("ray://"):
        _offer_token()
    elif found := _HOST_AND_PORT.fullmatch(address):
        socket.create_connection((found["host"], int(found["port"])), _PATIENCE).close()
        # Ray asks twenty times, 40 seconds each, also where it cannot get an answer
        os.environ.setdefault("RAY_gcs_server_port_wait_time_s", "1")
    ray.init(address=address, log_to_driver=False, configure_logging=False)


def _offer_token() -> None:
    """Ray's nodes ask for its token where there is one, and its own programs offer it, but its client does not.

    The client would then wait for half a minute, and say that nobody answers. Only an inner function of Ray changes
    that, besides RAY_AUTH_MODE, which wins; a test sees that it is still this one.
    """
    with suppress(ImportError):
        from ray._private.authentication.authentication_token_setup import (
            maybe_enable_token_auth_if_token_available,
        )

        maybe_enable_token_auth_if_token_available(warn_if_disabled=False)


def _folder() -> Path:
    """For the sockets and logs of a cluster that is started here; those of processes that have ended are deleted.

    The path is short, because the path of a socket may have no more than 107 characters.
    """
    parent = Path(tempfile.gettempdir())
    for left in parent.glob(f"{_FOLDER}*"):
        number = left.name.removeprefix(_FOLDER)
        if number.isdigit() and not psutil.pid_exists(int(number)):
            shutil.rmtree(left, ignore_errors=True)
    folder = parent / f"{_FOLDER}{os.getpid()}"
    folder.mkdir(mode=0o700, exist_ok=True)
    return folder


def _nodes(ray: Any) -> tuple[Node, ...]:
    try:
        found = [node for node in ray.nodes() if node["Alive"]]
    except Exception as error:
        raise _fault(error, None) from error
    return tuple(
        Node(
            str(node["NodeManagerHostname"]),
            int(node["Resources"].get("CPU", 0)),
            int(node["Resources"].get("GPU", 0)),
        )
        for node in found
    )


def _fault(error: BaseException, address: str | None) -> AugurError:
    if address is None:
        return ClusterFault(
            f"Ray could not be started on this machine: {_reason(error)}. Try execution.kind=local, which needs no Ray."
        )
    text = _reason(error)
    hint = f"Check execution.ray_address (or {VARIABLE}), and that the cluster runs: ray status"
    if "version" in text.lower():
        hint = "The nodes need the same versions of Ray, Python and Augur as this machine"
    elif "token" in text.lower() or "auth" in text.lower():
        hint = "The cluster asks for a token: set RAY_AUTH_MODE=token and RAY_AUTH_TOKEN_PATH"
    return ClusterFault(f"The Ray cluster {address} cannot be used: {text}. {hint}.")


def _reason(error: BaseException) -> str:
    return f"{type(error).__name__}: {first_line(error, limit=300)}".rstrip(".")


@contextmanager
def _without_secrets() -> Iterator[None]:
    """In this block the environment has no keys or passwords: what is started inherits it.

    Ray's own token stays, by which processes of a cluster know each other.
    """
    taken = {
        name: os.environ.pop(name)
        for name, value in tuple(os.environ.items())
        if not name.startswith("RAY_") and (_SECRET.search(name) or _ADDRESS_WITH_PASSWORD.search(value))
    }
    try:
        yield
    finally:
        os.environ.update(taken)


@contextmanager
def _kept_sigterm() -> Iterator[None]:
    """Ray puts a handler of its own in the place of the caller's."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = signal.getsignal(signal.SIGTERM)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


@contextmanager
def _silenced() -> Iterator[None]:
    """What Ray prints, addresses among it, does not reach the terminal; faults are raised, and say what is wrong."""
    with ExitStack() as stack:
        nowhere = os.open(os.devnull, os.O_WRONLY)
        stack.callback(os.close, nowhere)
        for number, stream in ((1, sys.stdout), (2, sys.stderr)):
            with suppress(Exception):
                stream.flush()
            kept = os.dup(number)
            stack.callback(os.close, kept)
            stack.callback(os.dup2, kept, number)
            os.dup2(nowhere, number)
        yield
