"""Where the studies of a `--runs-dir` are stored. Light: MLflow is imported only when the store is opened."""

import os
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal
from urllib.parse import quote, unquote, urlsplit

from agent.settings.config import TrackingConfig
from tools.errors import ConfigurationError

VARIABLE = "MLFLOW_TRACKING_URI"
DATABASE = "mlflow.db"
"""The file in a runs folder that holds its studies, unless they are kept elsewhere."""
ARTIFACTS = "artifacts"

Kind = Literal["own", "sqlite", "server", "database", "folder", "other"]
_DATABASES = ("postgresql", "postgres", "mysql", "mssql")
_ALLOWED = "http(s)://HOST of an MLflow server, postgresql://, mysql://, mssql:// or sqlite:///FILE"


@dataclass(frozen=True)
class Address:
    """Where one MLflow store is."""

    kind: Kind
    """'own': the file in the runs folder; 'sqlite': another file; 'server': http(s); 'other': left to MLflow."""
    uri: str
    """For MLflow. It may hold a password, so that it is never shown or stored."""
    bare: str | None
    """Without user, password and query: what is shown, and stored with a study; None for the runs folder's own."""
    runs_dir: Path
    username: str = ""
    password: str = ""
    """Of a server; MLflow reads them from its own variables."""

    @property
    def shown(self) -> str:
        """The address as a person may read it."""
        return self.bare or str(self.file)

    @property
    def file(self) -> Path | None:
        """The sqlite file, if that is what the store is."""
        if self.kind == "own":
            return (self.runs_dir / DATABASE).resolve()
        return sqlite_file(self.uri) if self.kind == "sqlite" else None

    @property
    def artifacts(self) -> Path | None:
        """Folder for the artifacts of new experiments; None where a server decides that."""
        return (self.runs_dir / ARTIFACTS).resolve() if self.kind in ("own", "sqlite", "database") else None

    @property
    def exists(self) -> bool:
        """Whether a store may be there: a file has to exist, anything else is found out by asking."""
        return self.file is None or self.file.exists()


def experiment_of(tracking: TrackingConfig, data: str, model: str) -> str:
    """The name of the experiment that a study of this data set and this model is kept in."""
    return tracking.experiment or f"{data}/{model}"


def sqlite_uri(file: Path) -> str:
    """The address of a sqlite file.

    Only what ends or escapes a path in an address is escaped: MLflow makes the folder of the path as it is written.
    """
    return f"sqlite:///{quote(str(file), safe=_UNRESERVED)}"


_UNRESERVED = "".join(chr(code) for code in range(32, 127) if chr(code) not in "%?")


def sqlite_file(uri: str) -> Path | None:
    """The absolute path of the file that a `sqlite:` address names, or None if it names none."""
    path = re.match(r"sqlite(?:\+\w+)?:///([^?]*)", uri)
    if path is None or path[1] in ("", ":memory:") or path[1].startswith("file:"):
        return None
    return Path(unquote(path[1])).resolve()


def find_store(tracking: TrackingConfig, runs_dir: Path, environ: Mapping[str, str] = os.environ) -> Address:
    """Where a new study is stored: as set, else as MLFLOW_TRACKING_URI says, else in a file under `runs_dir`.

    Raises:
        ConfigurationError: it is no address that a store can have.
    """
    return parse_address(tracking.uri or environ.get(VARIABLE), runs_dir, environ)


def find_recorded_store(bare: str | None, runs_dir: Path, environ: Mapping[str, str] = os.environ) -> Address:
    """Where a study is stored whose settings name the address `bare`, which holds no password.

    The full address comes from MLFLOW_TRACKING_URI or AGENT_TRACKING__URI if one of them is the same place.
    """
    for variable in ("AGENT_TRACKING__URI", VARIABLE):
        if bare and (full := environ.get(variable)):
            try:
                known = parse_address(full, runs_dir, environ)
            except ConfigurationError:
                continue
            if known.bare == bare:
                return known
    return parse_address(bare, runs_dir, environ)


def parse_address(uri: str | None, runs_dir: Path, environ: Mapping[str, str] = os.environ) -> Address:
    """What `uri` says; None means the file in `runs_dir`.

    Raises:
        ConfigurationError: as `find_store`. The text never repeats the address, which may hold a password.
    """
    if not uri or uri.strip() == "":
        return Address("own", sqlite_uri((runs_dir / DATABASE).resolve()), None, runs_dir)
    uri = uri.strip()
    scheme = uri.partition(":")[0].lower() if ":" in uri else ""
    family = scheme.partition("+")[0]
    if family == "sqlite":
        return _sqlite(uri, runs_dir)
    if scheme in ("http", "https") or family in _DATABASES:
        return _remote(uri, scheme in ("http", "https"), runs_dir, environ)
    if scheme in ("", "file"):
        if uri in ("databricks", "uc", "databricks-uc"):
            return Address("other", uri, uri, runs_dir)
        path = Path(unquote(urlsplit(uri).path)) if scheme else Path(uri)
        bare = path.expanduser().resolve().as_uri()
        return Address("folder", bare, bare, runs_dir)
    return Address("other", uri, f"{scheme}:…", runs_dir)


def _sqlite(uri: str, runs_dir: Path) -> Address:
    file = sqlite_file(uri)
    if file is None:
        raise ConfigurationError(
            f"tracking.uri (or {VARIABLE}): a sqlite address needs a file, such as "
            f"sqlite:////home/me/mlflow.db: what is "
            "kept in memory would be gone at the end of the study."
        )
    if file == (runs_dir / DATABASE).resolve():
        return parse_address(None, runs_dir)
    return Address("sqlite", sqlite_uri(file), sqlite_uri(file), runs_dir)


def _remote(uri: str, server: bool, runs_dir: Path, environ: Mapping[str, str]) -> Address:
    fault = _fault(uri, server)
    if fault:
        raise ConfigurationError(f"tracking.uri (or {VARIABLE}): {fault}. It is {_ALLOWED}.")
    parts = urlsplit(uri)
    _, _, place = parts.netloc.rpartition("@")
    bare = f"{parts.scheme}://{place}{parts.path}".rstrip("/")
    user, password = unquote(parts.username or ""), unquote(parts.password or "")
    if server:
        # Without a password, the name itself is the secret, and MLflow takes it only from the address.
        kept = uri if user and not password else bare
        return Address("server", kept, bare, runs_dir, user, password)
    name, key = environ.get("MLFLOW_TRACKING_USERNAME", ""), environ.get("MLFLOW_TRACKING_PASSWORD", "")
    if not user and name:
        signed = f"{quote(name, safe='')}:{quote(key, safe='')}@" if key else f"{quote(name, safe='')}@"
        uri = uri.replace("://", f"://{signed}", 1)
    return Address("database", uri, bare, runs_dir)


def _fault(uri: str, server: bool) -> str:
    """What is wrong with the address of a server or a database, in words that repeat nothing of it."""
    if re.search(r"\s", uri):
        return "the address holds a space"
    try:
        parts = urlsplit(uri)
        if "@" in parts.path + parts.query + parts.fragment:
            return (
                "there is an '@' behind the host: write /, ?, # and @ in a password as %2F, %3F, %23 and %40"
            )
        host, _ = parts.hostname, parts.port
    except ValueError:
        return "the address cannot be read (is its port a number?)"
    if not host and (server or parts.netloc):
        return "the address names no host"
    if server and (parts.query or parts.fragment):
        return "the address of a server cannot have a query ('?…' or '#…')"
    return ""
