"""What `agent compare --plan` says before anything is trained."""

import json
from pathlib import Path

import pytest

from agent.comparing import planning
from agent.comparing.arms import parse_arms
from agent.comparing.plan import Race
from agent.settings.config import StudyConfig


@pytest.fixture
def race(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Race:
    monkeypatch.setattr(planning, "load_file", lambda _: StudyConfig())
    return Race(StudyConfig.model_validate({"runs_dir": tmp_path}), tuple(parse_arms(["cutmix"])))


def store(race: Race, **noise: object) -> None:
    file = race.config.runs_dir / "compares" / "earlier" / "race.json"
    file.parent.mkdir(parents=True, exist_ok=True)
    content = {
        "between_seeds": 0.01,
        "of_images": 0.1,
        "left": 0.2,
        "words": "as measured in earlier",
        **noise,
    }
    file.write_text(json.dumps({"noise": content}))


def test_the_noise_of_an_earlier_race_is_taken_where_it_was_measured_alike(race: Race) -> None:
    store(race, of_groups=True)
    assert (found := planning._noise(race, grouped=True)) is not None
    assert found.of_images == 0.1
    assert planning._noise(race, grouped=False) is None


def test_noise_that_an_earlier_version_measured_by_image_says_nothing_of_groups(race: Race) -> None:
    store(race)
    assert planning._noise(race, grouped=True) is None
    assert (found := planning._noise(race, grouped=False)) is not None
    assert not found.of_groups
