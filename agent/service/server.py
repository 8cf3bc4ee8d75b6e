"""The service as a whole: what `agent serve` starts, and stops in order."""

import ipaddress
import os
import socket
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from multiprocessing import forkserver, get_context
from types import FrameType
from typing import Any

import uvicorn
from fastapi import FastAPI

from agent.screen.terminal import Terminal
from agent.service.app import make_app
from agent.service.config import ServiceConfig, address_file, known_address, token_file
from agent.service.jobs import Jobs
from agent.service.queue import Queue
from agent.service.scheduler import Scheduler
from agent.service.submission import check_defaults
from agent.service.token import token_of
from agent.settings.listening import reached_at
from tools.errors import AugurError, ConfigurationError
from tools.files import make_folder, try_lock, write_json

_CLOSING = 5
"""Seconds that requests under way may take when the service ends."""
_CONNECTIONS = 512


def serve(config: ServiceConfig, terminal: Terminal, *, guarded: bool = True) -> int:
    """Run the service until it is interrupted.

    Args:
        config: what it was told.
        terminal: what says where it is.
        guarded: whether clients must show the token.

    Raises:
        ConfigurationError: it would be open to others without a token, or a variable is no setting.
        AugurError: another service has the folder of runs, or the port is taken.
    """
    if not guarded and not is_loopback(config.host):
        raise ConfigurationError(
            f"--host {config.host} --no-token: whoever reaches this machine could run studies. Leave --no-token out, "
            "or listen on 127.0.0.1"
        )
    check_defaults(os.environ)
    make_folder(config.folder)
    config.folder.chmod(0o700)
    with _only_one(config), _bound(config.host, config.port) as bound:
        token = token_of(token_file(config.runs_dir), os.environ) if guarded else None
        address = reached_at(config.host, bound.getsockname()[1])
        write_json(address_file(config.runs_dir), {"address": address, "pid": os.getpid()})
        try:
            _run(config, terminal, token, bound, address)
        finally:
            address_file(config.runs_dir).unlink(missing_ok=True)
    return 0


def is_loopback(host: str) -> bool:
    """Whether only this machine reaches an address."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _run(
    config: ServiceConfig, terminal: Terminal, token: str | None, bound: socket.socket, address: str
) -> None:
    queue, context = Queue(config.folder / "queue.db"), _warm_context()
    asked = Jobs(context)
    scheduler = Scheduler(queue, config, context, asked)
    app = make_app(config, queue, scheduler, asked, token)
    server = _Server(app)
    terminal.note(f"The service listens at {address} (stop with Ctrl-C)")
    if token is not None:
        terminal.note(f"its token: {token_file(config.runs_dir)}, or the variable AGENT_SERVICE_TOKEN")
    terminal.note(f"in a browser: {address}/ · what can be asked: {address}/docs")
    counts = queue.counts()
    if waiting := sum(counts.get(state, 0) for state in ("queued", "running", "pausing", "cancelling")):
        terminal.note(f"studies to run, from before: {waiting}")
    scheduler.start()
    try:
        server.run(sockets=[bound])
    finally:
        terminal.note("Stopping: studies that run are interrupted, and resume when the service starts again.")
        scheduler.stop()
        asked.close()


class _Server(uvicorn.Server):
    """Ends the streams of events first: they would keep it from ending."""

    def __init__(self, app: FastAPI) -> None:
        super().__init__(
            uvicorn.Config(
                app,
                log_level="warning",
                access_log=False,
                server_header=False,
                limit_concurrency=_CONNECTIONS,
                timeout_graceful_shutdown=_CLOSING,
                lifespan="off",
            )
        )
        self._streams = app.state.streams

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        """Called by the library when it is told to end."""
        self._streams.ending.set()
        super().handle_exit(sig, frame)


def _warm_context() -> Any:
    """How processes are started: forked, on Linux, from a server that imports everything while the service starts."""
    if sys.platform != "linux":
        return get_context("spawn")
    context = get_context("forkserver")
    context.set_forkserver_preload(["agent.service.warm"])
    forkserver.ensure_running()
    return context


@contextmanager
def _only_one(config: ServiceConfig) -> Iterator[None]:
    lock = try_lock(config.folder / "lock")
    if lock is None:
        found = known_address(config.runs_dir) or "an address of its own"
        raise AugurError(
            f"{config.runs_dir.resolve()} has a service already, at {found}: use that one, or another --runs-dir"
        )
    try:
        yield
    finally:
        lock.release()


@contextmanager
def _bound(host: str, port: int) -> Iterator[socket.socket]:
    """A socket that listens there.

    Raises:
        AugurError: it cannot.
    """
    with ExitStack() as open_until_the_end:
        try:
            family, _, _, _, place = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
            found = open_until_the_end.enter_context(socket.socket(family, socket.SOCK_STREAM))
            found.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            found.bind(place)
            found.listen(128)
            found.set_inheritable(False)
        except OSError as error:
            raise AugurError(
                f"cannot listen on {host}:{port} ({error.strerror or error}): choose another --port, or another --host"
            ) from None
        yield found
