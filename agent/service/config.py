"""What `agent serve` can be told, and where its files are. Light: imports no FastAPI."""

from pathlib import Path

from pydantic import BaseModel, ConfigDict, Field

from tools.files import read_json

DEFAULT_PORT = 8765
SERVER_VARIABLE, TOKEN_VARIABLE = "AGENT_SERVER", "AGENT_SERVICE_TOKEN"
"""Address of the service, for its clients; the token, for both."""
LONGEST_NOTE = 1_000
"""Characters."""
MIB = 2**20


class ServiceConfig(BaseModel):
    """One service, on one folder of runs."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    runs_dir: Path
    host: str = "127.0.0.1"
    port: int = Field(default=DEFAULT_PORT, ge=0, le=65_535)
    """0: one that is free."""
    at_once: int = Field(default=1, ge=1, le=64)
    """Studies that run at the same time."""
    requests_per_second: float = Field(default=50.0, gt=0, le=10_000)
    """Of one client, after a burst of twice as many."""
    largest_body: int = Field(default=MIB, ge=1_024, le=64 * MIB)
    """Bytes of a request."""
    mlflow: str = Field(default="", pattern=r"^(https?://\S+)?$")
    """Address of MLflow's pages, for links; empty: no links."""

    @property
    def folder(self) -> Path:
        """Of everything that the service keeps."""
        return service_folder(self.runs_dir)

    def own(self, study: str) -> Path:
        """The folder of what the service keeps of one study; the study itself is in the runs folder as always."""
        return self.folder / "studies" / study


def service_folder(runs_dir: Path) -> Path:
    """The service's folder in a folder of runs."""
    return runs_dir / "service"


def token_file(runs_dir: Path) -> Path:
    """The file that holds the token, which only its owner can read."""
    return service_folder(runs_dir) / "token"


def address_file(runs_dir: Path) -> Path:
    """The file in which a running service says where it listens."""
    return service_folder(runs_dir) / "address.json"


def known_address(runs_dir: Path) -> str | None:
    """Where the service of a folder of runs listens; None where its file is missing, damaged or not ours to read."""
    try:
        found = (read_json(address_file(runs_dir)) or {})["address"]
    except (OSError, LookupError, TypeError):
        return None
    return found if isinstance(found, str) else None
