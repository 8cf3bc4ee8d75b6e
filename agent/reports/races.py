"""The races (`agent compare`) that a study is an arm of: as one of their searches, or by `--arms study:NAME`."""

from collections.abc import Iterator
from pathlib import Path

from agent.study_folder import RACE_MARK as MARK
from agent.study_folder import RACE_PLAN as PLAN
from evaluators.report.sections import RaceSection
from tools.errors import AugurError
from tools.files import read_json

_RESULT, _REPORT = "race.json", "report.md"
_GIVEN = "study:"


def races_of(folder: Path) -> list[RaceSection]:
    """What the report says of each race, the oldest first; of those that have not ended, that they have not.

    Args:
        folder: of the study, in the runs folder.

    Raises:
        AugurError: the result of one is damaged.
    """
    return [_section(race, arms, folder.name) for race, arms in _races(folder)]


def search_sentence(folder: Path, chosen: str) -> str:
    """The first sentence of a report on a search of a race; empty for any other study.

    Args:
        folder: of the study.
        chosen: what the search has chosen; empty where it has not.
    """
    if (race := _race_of(folder)) is None:
        return ""
    has = f"It has chosen {chosen}." if chosen else "It has not chosen yet."
    return f"A search of the race {race.name}. {has} {_ended(race) or _not_ended(race)}"


def _race_of(folder: Path) -> Path | None:
    marked = read_json(folder / MARK)
    if not isinstance(marked, dict) or "race" not in marked:
        return None
    race = folder.parent.parent / "compares" / str(marked["race"])
    return race if race.is_dir() else None


def _races(folder: Path) -> Iterator[tuple[Path, list[str]]]:
    """(folder of a race, its arms that this study is; empty for a search, whose arm the result names)."""
    if (own := _race_of(folder)) is not None:
        yield own, []
        return
    plans = sorted(folder.parent.parent.glob(f"compares/*/{PLAN}"), key=lambda file: file.stat().st_mtime)
    for file in plans:
        plan = read_json(file)
        arms = plan.get("arms", []) if isinstance(plan, dict) else []
        if mine := [arm for arm in arms if _is_given(arm, folder.name)]:
            yield file.parent, mine


def _is_given(arm: object, study: str) -> bool:
    return isinstance(arm, str) and (arm == f"{_GIVEN}{study}" or arm.startswith(f"{_GIVEN}{study}:"))


def _section(race: Path, arms: list[str], study: str) -> RaceSection:
    if not (race / _RESULT).is_file():
        return RaceSection(race.name, _not_ended(race), str(race))
    from evaluators.race.page import arms_table
    from evaluators.race.result import read_result

    file = race / _RESULT
    try:
        found = read_result(file.read_text(encoding="utf-8"))
    except ValueError as error:
        raise AugurError(
            f"{file} cannot be read ({str(error).splitlines()[0]}). Delete it and give the command of the race again: "
            "what was trained is reused."
        ) from error
    heads, rows = arms_table(found)
    own = [arm.name for arm in found.arms if any(search.study == study for search in arm.searches)]
    return RaceSection(
        race.name,
        found.sentence,
        str(race / _REPORT),
        (*arms, *own),
        tuple(heads),
        tuple(map(tuple, rows)),
    )


def _ended(race: Path) -> str:
    return _section(race, [], "").sentence if (race / _RESULT).is_file() else ""


def _not_ended(race: Path) -> str:
    plan = read_json(race / PLAN)
    command = plan.get("command", "") if isinstance(plan, dict) else ""
    return "The race has not ended: the test set is opened when all its arms have chosen." + (
        f" Continue it with: {command}" if command else ""
    )
