"""Opening a store: a file of ours is made or brought up to date; what is unusable is found before a study begins."""

import errno
import os
import socket
import tempfile
import threading
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from filelock import FileLock, Timeout
from mlflow import set_tracking_uri

from agent.memory.tracking.artifact_check import artifacts_of, try_artifacts
from agent.memory.tracking.calls import Calls, Tell, kept_variable, set_up
from agent.memory.tracking.database import prepare, register_engine
from agent.memory.tracking.faults import StoreError
from agent.memory.tracking.relocation import relocate
from agent.memory.tracking.store import VARIABLE, Address, parse_address
from agent.settings.config import TrackingConfig
from agent.settings.secrets import mask
from tools.disk import explain

_PROBE_SECONDS = 5.0
_CHECK_SECONDS = 15.0
_PORTS = {"postgresql": 5432, "postgres": 5432, "mysql": 3306, "mssql": 1433}


class Opened:
    """One MLflow store.

    Args:
        uri: where it is; a `sqlite:///` file is created here.
        artifacts: folder for artifacts of new experiments; the server's own where None.
        address: the same, if it was read from settings.
        settings: how long calls may take, and how often they are repeated.
        tell: is told of what is retried or changed.
        own: the study that this process runs; others that run keep the addresses of a moved folder from changing.
        writes: whether anything will be written, and not only read.

    Raises:
        StoreError: it cannot be opened; says why.
    """

    def __init__(
        self,
        uri: str,
        artifacts: Path | None = None,
        *,
        address: Address | None = None,
        settings: TrackingConfig | None = None,
        tell: Tell = lambda text: None,
        own: str = "",
        writes: bool = True,
    ) -> None:
        self.address = address or parse_address(uri, artifacts.parent if artifacts else Path("runs"))
        settings = settings or TrackingConfig()
        set_up(self.address, settings, tell)
        self.calls = Calls(self.address, settings, tell)
        self.tell, self._writes = tell, writes
        with self.calls.told("open"):
            self._prepare(own)
            with kept_variable(VARIABLE):
                set_tracking_uri(self.address.uri)  # the trace exporter reads nothing else
        self.client = self.calls.client()
        self._single = self.calls.client(retried=False)

    def _prepare(self, own: str) -> None:
        address = self.address
        if (file := address.file) is not None:
            assert address.artifacts is not None
            file.parent.mkdir(parents=True, exist_ok=True)
            prepare(file, address.artifacts, self.tell, ours=address.kind == "own", writes=self._writes)
            if address.kind == "own":
                self._relocate(file, address.artifacts, own)
            register_engine(address.uri)
        elif address.kind == "database":
            _probe(address)
            register_engine(address.uri)

    def _relocate(self, file: Path, artifacts: Path, own: str) -> None:
        try:
            relocate(file, artifacts, self.tell, lambda: running_studies(self.address.runs_dir, own))
        except OSError as error:
            if self._writes or error.errno not in (errno.EROFS, errno.EACCES, errno.EPERM):
                raise
            # An archive, say: scores and settings are in the file, and only pictures and tables cannot be opened.
            self.tell(
                f"{file.parent} was moved and cannot be written to: artifacts (pictures, tables) cannot be opened from "
                "here. A copy of the folder that can be written to has them."
            )

    def check(self) -> None:
        """Ask the store something, and see whether artifacts can be written, without waiting long.

        Raises:
            StoreError: it does not answer, or refuses; says why.
        """
        retries, self.calls.retries = self.calls.retries, 0
        timeout, name = os.environ["MLFLOW_HTTP_REQUEST_TIMEOUT"], "MLFLOW_HTTP_REQUEST_TIMEOUT"
        os.environ[name] = str(min(int(timeout), 10))
        try:
            what = f"The MLflow store {self.address.shown}"
            _within(_CHECK_SECONDS, lambda: self.client.search_experiments(max_results=1), what)
        finally:
            self.calls.retries = retries
            os.environ[name] = timeout
        if (folder := self.address.artifacts) is not None and self._writes:
            try:
                folder.mkdir(parents=True, exist_ok=True)
                with tempfile.TemporaryFile(dir=folder):
                    pass
            except OSError as error:
                raise StoreError(explain(error, folder)) from error

    def check_artifacts(self, experiment: str, run: str = "") -> None:
        """See whether files of a study can be stored, before it has any; not again where `check` has seen it.

        Args:
            experiment: name of the study's.
            run: of the study, if there is one.

        Raises:
            StoreError: they cannot, or the answer takes too long; says where, why and what to do.
        """
        retries, self.calls.retries = self.calls.retries, 0
        try:
            client, own = self.client, self.address.artifacts
            location = client.get_run(run).info.artifact_uri if run else artifacts_of(client, experiment)
            if location and not (own and location.startswith(own.as_uri())):
                what = f"The place of artifacts {mask(location)}"
                _within(_CHECK_SECONDS, lambda: try_artifacts(location, self.address), what)
        finally:
            self.calls.retries = retries


def running_studies(runs_dir: Path, own: str = "") -> Sequence[str]:
    """Names of the studies in `runs_dir` that other processes are running now; `own` is not counted."""
    names = []
    for lock in sorted((runs_dir / "studies").glob("*/lock")):
        try:
            if lock.parent.name != own:
                FileLock(lock).acquire(timeout=0).lock.release()
        except Timeout:
            names.append(lock.parent.name)
        except OSError:  # a folder that cannot be written to: nobody runs a study there
            continue
    return names


def _probe(address: Address) -> None:
    """Whether something listens at the host of a database, whose drivers may wait for minutes."""
    parts = urlsplit(address.bare or "")
    if parts.hostname:
        port = parts.port or _PORTS[parts.scheme.partition("+")[0]]
        socket.create_connection((parts.hostname, port), timeout=_PROBE_SECONDS).close()


def _within(seconds: float, call: Callable[[], Any], what: str) -> None:
    """Call in a thread, because a server that sends a byte now and then never exceeds a timeout of its own."""
    faults: list[BaseException] = []

    def run() -> None:
        try:
            call()
        except BaseException as error:
            faults.append(error)

    thread = threading.Thread(target=run, daemon=True)
    thread.start()
    thread.join(seconds)
    if thread.is_alive():
        raise StoreError(
            f"{what} does not answer within {seconds:.0f} s. Check that it runs and can be reached."
        )
    if faults:
        raise faults[0]
