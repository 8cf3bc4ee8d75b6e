"""`agent export`: what a study recommends, or what an arm of a race chose, as code for other libraries.

Reads what they left in their folders, and nothing else: neither the data nor the MLflow store need to be there.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from agent.screen.exits import runs_dir_flag
from agent.study_folder import folder_of, race_folder
from tools.errors import AugurError, ConfigurationError, did_you_mean
from tools.files import read_json
from tools.policy.policy import Policy

Target = Literal["torchvision", "kornia", "albumentations", "yaml"]
TARGETS: tuple[Target, ...] = ("torchvision", "kornia", "albumentations", "yaml")


@dataclass(frozen=True)
class Exported:
    """A policy, and what is known of it."""

    policy: Policy
    about: Mapping[str, str]
    """Where it comes from and what was measured: gain with its interval, data, seeds, recipe."""
    image_size: int
    classes: int


def export(name: str, runs_dir: Path, target: Target, arm: str | None = None) -> str:
    """The text of the file: as `exported`, in `target`'s form.

    Raises:
        AugurError: as there, or the library has no equivalent of an operation.
    """
    return as_text(exported(name, runs_dir, arm), target)


def exported(name: str, runs_dir: Path, arm: str | None = None) -> Exported:
    """The policy of a study, or of an arm of a race, and what is known of it.

    Args:
        name: of a study, or of a race.
        runs_dir: where it is.
        arm: of a race, whose policy is exported.

    Raises:
        AugurError: it is not there, or is not finished.
    """
    race = race_folder(name, runs_dir)
    found = _of_study(name, runs_dir) if race is None else _of_race(name, race, arm)
    if race is None and arm is not None:
        raise ConfigurationError(f"--arm {arm}: {name} is a study; only races have arms")
    return found


def as_text(found: Exported, target: Target) -> str:
    """The text of the file for a library.

    Raises:
        AugurError: it has no equivalent of an operation.
    """
    if target == "yaml":
        from tools.policy.elsewhere import as_yaml

        return as_yaml(found.policy, found.about)
    lines = [f"{key}: {text}" for key, text in found.about.items()]
    if target == "torchvision":
        from tools.policy.export import as_python

        return as_python(found.policy, found.image_size, found.classes, lines)
    from tools.policy.elsewhere import as_code

    return as_code(found.policy, target, found.image_size, found.classes, lines)


def _of_study(study: str, runs_dir: Path) -> Exported:
    from tools.policy.export import ABOUT
    from tools.policy.export import read_json as read_policy

    folder = folder_of(study, runs_dir)
    file = folder / "policy.json"
    try:
        text = file.read_text(encoding="utf-8")
    except FileNotFoundError:
        raise ConfigurationError(
            f"{file} is not there: study {study} recommends nothing. If it has not finished: "
            f"agent resume {study}{runs_dir_flag(runs_dir)}"
        ) from None
    policy, content = read_policy(text), read_json(file)
    about = content.get(ABOUT, {}) if isinstance(content, dict) else {}
    return Exported(policy, {key: str(value) for key, value in about.items()}, *_size_of(folder))


def _size_of(folder: Path) -> tuple[int, int]:
    """(image side in pixels, classes), as the study's report says them."""
    report = read_json(folder / "report.json")
    try:
        facts = dict(report["report"]["facts"])  # type: ignore[index]
        # The name of the data comes first, and may hold anything.
        found = re.search(r".*, (\d+) (?:classes|labels)\b.*, (\d+) px$", facts["data"])
        assert found is not None
        return int(found[2]), int(found[1])
    except (TypeError, KeyError, ValueError, AssertionError):
        raise AugurError(
            f"{folder / 'report.json'}, which says the size of the images and the number of classes, is gone or "
            "damaged: restore it from a backup, or from the artifacts of the study's run (agent ui)"
        ) from None


def _of_race(name: str, folder: Path, arm: str | None) -> Exported:
    from tools.policy.named import parse_with_defaults

    result: Any = read_json(folder / "race.json")
    if not isinstance(result, dict):
        raise ConfigurationError(f"{folder / 'race.json'} is not there: the race {name} is not finished")
    arms = {each["name"]: each for each in result["arms"]}
    if arm is None:
        raise ConfigurationError(f"{name} is a race: say whose policy with --arm ({', '.join(arms)})")
    if arm not in arms:
        hint = did_you_mean(arm, list(arms)) or f"it has {', '.join(arms)}"
        raise ConfigurationError(f"--arm {arm}: the race {name} has no such arm: {hint}")
    lines = list(dict.fromkeys(arms[arm]["lines"]))
    line = _best_line(arms[arm], lines)
    if "backgrounds(" in line or "times the length" in line:
        raise ConfigurationError(
            f"--arm {arm}: {line} is more than a policy; train it with agent train --policy 'study:"
            f"{arms[arm]['searches'][0]['study']}'"
        )
    facts = dict(result["facts"])
    about = {"race": name, "arm": arm, "result": result["sentence"], "gain": _gain(arms[arm]), **facts}
    if len(lines) > 1:
        about["choice"] = (
            f"of {len(lines)} searches, the winner that was best on validation under the fresh seeds"
        )
    return Exported(parse_with_defaults(line), about, result["image_size"], result["classes"])


def _best_line(arm: Mapping[str, Any], lines: list[str]) -> str:
    """Of several repeats, the winner with the highest gain on validation under fresh seeds: not by the test set."""
    if not arm["searches"]:
        return lines[0]
    return max(arm["searches"], key=lambda each: -1.0 if each["fresh"] is None else each["fresh"])["line"]


def _gain(arm: Mapping[str, Any]) -> str:
    """Over the default policy on the test set, with its interval."""
    from evaluators.wording import gain

    contrast = arm["over_default"]
    if contrast is None:
        return "not compared with the default policy"
    both = contrast["verdict"]["over_both"]
    return (
        f"{gain(both['mean'], (both['low'], both['high']))} points of the test metric over the default policy"
    )
