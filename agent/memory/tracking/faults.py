"""What MLflow, its database or its server raises, told as one sentence with the place and the remedy.

Every call of MLflow goes through `calls.py`, which asks `as_store_error` here. What kind of fault it is follows from
exception types, error numbers and HTTP statuses; words of a message decide only where MLflow gives no more.
"""

import errno
import re
import sqlite3
from collections.abc import Iterator

from agent.memory.tracking.store import Address
from agent.settings.secrets import mask
from tools.disk import FULL, explain, is_explainable
from tools.errors import AugurError, first_line

_BUGS = (TypeError, AttributeError, NameError, AssertionError, KeyboardInterrupt)
"""Raised by a wrong call of MLflow, and by nothing that a person could change."""
_SETTING = "--tracking.uri (or MLFLOW_TRACKING_URI)"
_TRANSIENT_STATUS = (408, 425, 429, 500, 502, 503, 504)


class StoreError(AugurError):
    """The MLflow store cannot be used.

    `transient` says that the same call may succeed later. A study that is stopped by it can be resumed.
    """

    resumable = True

    def __init__(self, text: str, transient: bool = False) -> None:
        super().__init__(text)
        self.transient = transient


def as_store_error(error: BaseException, address: Address, doing: str) -> StoreError | None:
    """`error`, raised by MLflow, as a sentence; None where it is a bug of the caller.

    Args:
        error: what was raised.
        address: the store.
        doing: what failed, such as "log_batch".
    """
    if isinstance(error, StoreError):
        return error
    if isinstance(error, _BUGS):
        return None
    chain = list(_chain(error))
    for tell in (_missing_package, _sqlite, _network, _system, _status, _schema, _lifecycle, _rejected):
        if found := tell(chain, address):
            text, transient = found
            return StoreError(mask(text), transient)
    reason = first_line(error, limit=300)
    return StoreError(mask(f"{_store(address)} failed ({doing}): {reason}. {_check(address)}"))


def _chain(error: BaseException) -> Iterator[BaseException]:
    """`error`, what it holds, and what it came from."""
    seen: set[int] = set()
    queue: list[object] = [error]
    while queue:
        item = queue.pop(0)
        if not isinstance(item, BaseException) or id(item) in seen:
            continue
        seen.add(id(item))
        yield item
        queue += [getattr(item, "orig", None), getattr(item, "reason", None), *item.args]
        queue += [item.__cause__, item.__context__]


def _store(address: Address) -> str:
    kinds = {"server": "the MLflow server", "database": "the MLflow database"}
    return f"{kinds.get(address.kind, 'the MLflow store')} {address.shown}"


def _check(address: Address) -> str:
    return "Restore the file from a backup, or move it away." if address.file else f"Check {_SETTING}."


Found = tuple[str, bool] | None


def _missing_package(chain: list[BaseException], address: Address) -> Found:
    names = {type(item).__name__ for item in chain}
    for item in chain:
        if isinstance(item, ImportError) and (name := item.name or ""):
            package = {
                "psycopg": "'psycopg[binary]'",
                "psycopg2": "psycopg2-binary",
                "MySQLdb": "mysqlclient",
                "botocore": "boto3",
            }.get(name, name)
            return (
                f"{_store(address)} needs the Python package {name}, which is not installed: "
                f"uv pip install {package}",
                False,
            )
    if names & {"UnsupportedModelRegistryStoreURIException", "UnsupportedTrackingStoreURIException"} or (
        "NoSuchModuleError" in names
    ):
        return (
            f"MLflow knows no store of the kind {address.shown.partition(':')[0]!r}. {_SETTING} is an "
            f"http(s) address, a "
            "database (postgresql://, mysql://, mssql://) or sqlite:///FILE.",
            False,
        )
    return None


def _sqlite(chain: list[BaseException], address: Address) -> Found:
    error = next((item for item in chain if isinstance(item, sqlite3.Error)), None)
    if error is None:
        return None
    # Python 3.11: the primary code is in the low byte.
    code = getattr(error, "sqlite_errorcode", 0) & 0xFF
    file = address.file or address.shown
    if code in (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED):
        return f"{file} is locked by another process; end it, or wait until it is done.", True
    if code == sqlite3.SQLITE_FULL:
        return explain(OSError(errno.ENOSPC, "No space left on device", str(file))), False
    if code == sqlite3.SQLITE_READONLY:
        return f"{file} cannot be written to: change the permissions of the file and its folder.", False
    if code == sqlite3.SQLITE_CANTOPEN:
        return f"{file} cannot be opened: check that its folder exists and can be written to.", False
    if code == sqlite3.SQLITE_IOERR:
        return f"{file} cannot be read or written ({error}): check the disk and its free space.", False
    if code in (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB):
        return (
            f"{file} is damaged, or is no database ({error}). Restore it from a backup, or move it "
            f"away; a new study then "
            "begins a new one, and reuses the trials in the runs folder.",
            False,
        )
    if "no such table" in str(error) or "no such column" in str(error):
        return (
            f"{file} is not a complete MLflow database ({error}). Restore it from a backup, or move it away.",
            False,
        )
    return None


def _network(chain: list[BaseException], address: Address) -> Found:
    names = {type(item).__name__ for item in chain}
    text = " ".join(str(item) for item in chain)
    where = _store(address)
    if names & {"gaierror", "NameResolutionError"}:
        return f"{where}: the name of the host cannot be resolved. Check the network and {_SETTING}.", True
    if names & {"SSLError", "SSLCertVerificationError", "CertificateError"}:
        return (
            f"{where}: no secure connection ({first_line(chain[-1])}). Check that the address begins as "
            f"the server expects "
            "(http or https); MLFLOW_TRACKING_SERVER_CERT_PATH names the certificate of your own authority.",
            False,
        )
    if names & {"ProxyError"}:
        return (
            f"{where} cannot be reached through the proxy. Check HTTP_PROXY, HTTPS_PROXY and NO_PROXY.",
            True,
        )
    if names & {"InvalidURL", "InvalidSchema", "MissingSchema", "LocationParseError", "InvalidUrlException"}:
        return f"{where}: this is no address of a server. Check {_SETTING}.", False
    if names & {"ConnectionRefusedError"} or "Connection refused" in text:
        return f"{where}: nothing listens there (connection refused). Start it, or check {_SETTING}.", True
    timeouts = {"TimeoutError", "ConnectTimeout", "ReadTimeout", "ConnectTimeoutError", "ReadTimeoutError"}
    if names & timeouts:
        return f"{where} does not answer in time. Check that it runs and can be reached.", True
    broken = {
        "ConnectionError",
        "ConnectionResetError",
        "BrokenPipeError",
        "ProtocolError",
        "RemoteDisconnected",
    }
    if names & {*broken, "NewConnectionError", "IncompleteRead", "ChunkedEncodingError", "NetworkError"}:
        return f"{where} cannot be reached ({_reason(chain)}). Check that it runs and can be reached.", True
    return None


def _reason(chain: list[BaseException]) -> str:
    """The system's own words for a broken connection."""
    system = next((e for e in chain if isinstance(e, OSError) and e.strerror), None)
    return str(system.strerror) if system else "the connection broke off"


def _system(chain: list[BaseException], address: Address) -> Found:
    error = next((item for item in chain if isinstance(item, OSError) and is_explainable(item)), None)
    if error is None:
        return None
    place = address.artifacts or address.file
    if error.errno == errno.ENOENT and error.filename is None:
        return None
    return explain(error, None if error.errno not in FULL else place), False


def _status(chain: list[BaseException], address: Address) -> Found:
    """An HTTP status, of a server or of MLflow's own error codes; and what a web page in place of an answer means."""
    if address.kind == "own" or address.kind == "sqlite":
        return None
    text = " ".join(str(item) for item in chain)
    where = _store(address)
    status = _http_status(chain, text)
    if status in (401, 407):
        return (
            f"{where} does not accept the credentials ({status}). Set MLFLOW_TRACKING_USERNAME and "
            "MLFLOW_TRACKING_PASSWORD, or MLFLOW_TRACKING_TOKEN.",
            False,
        )
    if status == 403:
        return (
            f"{where} forbids this (403): its administrator has to allow your account to read and write "
            f"experiments; or "
            "set MLFLOW_TRACKING_USERNAME and MLFLOW_TRACKING_PASSWORD, or MLFLOW_TRACKING_TOKEN, to another account.",
            False,
        )
    if "not in a valid JSON format" in text or re.search(r"<!doctype html|<html", text, re.IGNORECASE):
        if status in (404, 405, None) or 300 <= status < 400 or status == 200:
            return (
                f"{where} answers with a web page instead of MLflow's API: it may be another program, or a login page. "
                f"Check {_SETTING}.",
                False,
            )
        return (
            f"{where} answers with an error page ({status}). Check the server.",
            status in _TRANSIENT_STATUS,
        )
    if status in (404, 405) and _is_unknown_endpoint(chain):
        return f"{where} has no MLflow API at this address ({status}). Check {_SETTING}.", False
    if status == 413:
        return (
            f"{where} refuses a file of this size (413): raise the limit of the server or its proxy.",
            False,
        )
    if status == 429 or status == 408:
        return f"{where} is busy ({status}).", True
    if status is not None and status >= 500 and not _is_deliberate(chain):
        return f"{where} has an internal fault ({status}). Look at its log.", True
    return None


def _http_status(chain: list[BaseException], text: str) -> int | None:
    # The retries of urllib3 keep the status only in their words; a page that is no JSON only in MLflow's.
    found = re.search(r"too many (\d{3}) error responses|failed with error code (\d{3}) ", text)
    if found:
        return int(found[1] or found[2])
    if "not in a valid JSON format" in text:
        return 200
    for item in chain:
        if hasattr(item, "error_code") and hasattr(item, "get_http_status_code"):
            if item.error_code == "TEMPORARILY_UNAVAILABLE":  # type: ignore[attr-defined]
                return 503
            return int(item.get_http_status_code())  # type: ignore[attr-defined]
    return None


def _is_unknown_endpoint(chain: list[BaseException]) -> bool:
    codes = {getattr(item, "error_code", None) for item in chain}
    return (
        bool(codes & {"ENDPOINT_NOT_FOUND", "NOT_FOUND", "INTERNAL_ERROR"})
        and "RESOURCE_DOES_NOT_EXIST" not in codes
    )


def _is_deliberate(chain: list[BaseException]) -> bool:
    """MLflow raises its own refusals as internal errors where it was given no better code."""
    return any("schema" in str(item) or "must be in" in str(item) for item in chain) or all(
        type(item).__name__ == "MlflowException" and not item.__context__ and "API request" not in str(item)
        for item in chain
    )


def _schema(chain: list[BaseException], address: Address) -> Found:
    text = " ".join(str(item) for item in chain)
    if "out-of-date database schema" in text:
        from mlflow import __version__

        versions = re.search(r"found version (\w+), but expected (\w+)", text)
        found = versions[1] if versions else "unknown"
        return (
            f"{_store(address)} was written by another version of MLflow (schema {found}; here is "
            f"MLflow {__version__}). If "
            "it is older: take a backup, then run `mlflow db upgrade ADDRESS`. If it is newer, install that version of "
            "MLflow here.",
            False,
        )
    if any(type(item).__name__ in ("CommandError", "ResolutionError") for item in chain):
        return f"the tables of {_store(address)} cannot be brought up to date: {first_line(chain[0])}", False
    database = {"OperationalError", "ProgrammingError", "InterfaceError", "DatabaseError"}
    named = next((item for item in chain if type(item).__name__ in database), None)
    if named is not None:
        reason = first_line(getattr(named, "orig", None) or named, limit=300)
        lost = type(named).__name__ in ("OperationalError", "InterfaceError")
        return f"{_store(address)}: {reason}. Check {_SETTING} and the database.", lost
    return None


def _lifecycle(chain: list[BaseException], address: Address) -> Found:
    text = " ".join(str(item) for item in chain)
    gone = re.search(r"The (run|experiment) (\S+) must be in (?:the )?'active'", text)
    if gone:
        kind, number = gone[1], gone[2]
        return f"The {kind} {number} was deleted in MLflow. {how_to_restore(address, kind, [number])}", False
    missing = re.search(r"(Run|Experiment) with id[= ]'?([\w-]+)'? (?:not found|does not exist)", text)
    missing = missing or re.search(r"No (Run|Experiment) with id[= ]'?([\w-]+)'? exists", text, re.IGNORECASE)
    if missing:
        return (
            f"{_store(address)} no longer holds the {missing[1].lower()} {missing[2]}. Restore a backup.",
            False,
        )
    return None


_WRITTEN_TWICE = re.compile(
    r"UNIQUE constraint failed: [\w., ]*\w|duplicate key value violates unique constraint \S+"
    r"|Duplicate entry .{1,200} for key \S+"
)
"""SQLite, PostgreSQL and MySQL. MLflow looks whether a data set is there, and adds it if not: two studies that begin at
once both add it. The second of them finds it when it looks again."""


def _rejected(chain: list[BaseException], address: Address) -> Found:
    """A value that MLflow refuses: nothing that is tried again, or that another address would change."""
    codes = {getattr(item, "error_code", None) for item in chain}
    if "BAD_REQUEST" in codes and (same := _WRITTEN_TWICE.search(str(chain[0]))):
        return f"{_store(address)}: another process wrote the same at the same moment ({same[0]}).", True
    if codes & {"INVALID_PARAMETER_VALUE", "BAD_REQUEST"}:
        return f"{_store(address)} refuses a value: {first_line(chain[0], limit=300)}", False
    return None


def how_to_restore(address: Address, kind: str, ids: list[str]) -> str:
    """The command that brings deleted runs or experiments back, as a sentence."""
    import shlex

    flag = {"run": "--run-id", "experiment": "--experiment-id"}[kind]
    uri = address.uri if address.file else address.shown
    commands = [f"mlflow {kind}s restore {flag} {number}" for number in ids]
    return (
        f"Restore it with: MLFLOW_TRACKING_URI={shlex.quote(uri)} sh -c {shlex.quote(' && '.join(commands))}"
    )
