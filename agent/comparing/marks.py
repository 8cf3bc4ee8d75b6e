"""How the studies of a race are known. Light: imports nothing heavy."""

from pathlib import Path

from agent.study_folder import RACE_MARK as MARK
from agent.study_folder import RACE_PLAN as PLAN
from tools.errors import ConfigurationError
from tools.files import read_json

__all__ = ["MARK", "PLAN", "refuse_search"]


def refuse_search(name: str, runs_dir: Path) -> None:
    """Refuse to resume a search of a race, or a race, by its name: alone it would open the test set too early.

    Raises:
        ConfigurationError: it is one; says which command continues it.
    """
    for file in (runs_dir / "studies" / name / MARK, runs_dir / "compares" / name / PLAN):
        known = read_json(file)
        if isinstance(known, dict) and "command" in known:
            what = f"is a search of the race {known['race']}" if "race" in known else "is a race"
            raise ConfigurationError(
                f"{name} {what}, which opens the test set when all arms have chosen. Continue it with its own command: "
                f"{known['command']}"
            )
