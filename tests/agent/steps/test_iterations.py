"""How many iterations a limit in time has room for."""

import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from agent.memory.candidate import baseline_count
from agent.memory.length_file import Lengths, Tried
from agent.settings.config import BudgetConfig, SearchConfig, StudyConfig
from agent.settings.sources import load_config
from agent.steps.finish_plan import (
    UNTIL_KNOWN,
    iteration_count,
    iterations_in_words,
    plan_finish,
    trials_of_iteration,
)
from agent.steps.iterations import iterations_within, settle_iterations, with_time_as_count
from tools.errors import ConfigurationError
from tools.files import read_yaml


@pytest.fixture(autouse=True)
def no_usual_trial(monkeypatch: pytest.MonkeyPatch) -> None:
    """The speed is written down: none is measured."""
    monkeypatch.setattr("agent.steps.iterations.usual_trial", lambda context, epochs: None)


def config_of(**search: object) -> StudyConfig:
    settings = {"proposer": "random", "iterations": "auto", **search}
    return StudyConfig(search=SearchConfig.model_validate(settings), budget=BudgetConfig(wall_clock=900))


def trainings(config: StudyConfig, iterations: int) -> int:
    search = config.search.model_copy(update={"iterations": iterations})
    plan = plan_finish(search)
    before = (1 + baseline_count(search)) * search.seeds
    return before + iterations * trials_of_iteration(search) + plan.choice + plan.test


def test_as_many_as_fit_beside_the_reference_the_baselines_and_the_finish():
    for search in ({}, {"seeds": 2, "candidates": 4}, {"baselines": []}):
        config = config_of(**search)
        for time in (300.0, 900.0, 7200.0):
            count = iterations_within(config, time, 2.0)
            assert trainings(config, count) * 2.0 <= time
            assert trainings(config, count) * 2.0 >= 0.6 * time, "most of the time is used"
            assert iterations_within(config, time, 1.0) > count


def test_there_is_one_at_least_and_calls_of_a_language_model_take_time():
    assert iterations_within(config_of(), 10.0, 100.0) == 1
    quick = iterations_within(config_of(), 900.0, 0.1)
    assert quick > 100
    assert iterations_within(config_of(proposer="llm"), 900.0, 0.1) < quick / 3
    assert iterations_within(config_of(), 1e9, 0.001) == 10_000


def test_until_it_is_settled_a_study_plans_with_the_usual_number():
    assert iteration_count(config_of().search) == UNTIL_KNOWN == SearchConfig().iterations
    assert iterations_in_words(config_of().search) == "as many iterations as fit into the time"
    fixed = config_of(proposer="fixed", baselines=["rand_augment", "trivial_augment_wide"]).search
    assert iteration_count(fixed) == iteration_count(fixed.model_copy(update={"iterations": 50}))


def test_the_number_is_settled_by_the_speed_that_was_written_down_and_stays(
    tmp_path: Path,
):
    for images_per_second, said in ((500.0, "in 15m: "), (0.5, "15m is too short for one iteration")):
        speed = {"images_per_second": images_per_second, "workers": 2, "first": True, "begun": 0.0}
        (tmp_path / "speed.json").write_text(json.dumps(speed))
        told: list[str] = []
        context: Any = SimpleNamespace(
            config=config_of(),
            folder=tmp_path,
            lengths=None,
            recipe=SimpleNamespace(epochs=10),
            data=SimpleNamespace(size={"train": 100}.__getitem__),
            machines=[{}, {}],
            terminal=SimpleNamespace(note=told.append, warn=told.append),
        )
        settle_iterations(context)
        count = context.config.search.iterations
        assert count == iterations_within(config_of(), 900.0, 1000 / images_per_second / 2)
        assert said in told[0]
        assert read_yaml(tmp_path / "config.yaml")["search"]["iterations"] == count
        settle_iterations(context)
        assert (context.config.search.iterations, len(told)) == (count, 1)


def settled_after_length(
    folder: Path, samples: int, budget: dict[str, float], **search: object
) -> StudyConfig:
    """Trained by 2 workers, 500 images a second each, 1,000 images and 16 epochs; the length took so many images."""
    (folder / "speed.json").write_text(
        json.dumps({"images_per_second": 500.0, "workers": 2, "first": True, "begun": 0.0})
    )
    tried = [
        Tried(arm, epochs, 1, 0.7, 0.5) for epochs in (4, 8, 16, 32) for arm in ("no augmentation", "default")
    ]
    config = config_of(**search)
    training = config.training.model_copy(update={"epochs": "auto"})
    context: Any = SimpleNamespace(
        config=config.model_copy(
            update={"training": training, "budget": BudgetConfig.model_validate(budget)}
        ),
        folder=folder,
        lengths=Lengths(16, 8, True, "", seeds=2, tried=tuple(tried), samples=samples),
        recipe=SimpleNamespace(epochs=16),
        data=SimpleNamespace(size={"train": 1000}.__getitem__),
        machines=[{}, {}],
        terminal=SimpleNamespace(note=lambda _: None, warn=lambda _: None),
    )
    settle_iterations(context)
    return context.config


@pytest.mark.parametrize(("limit", "seconds"), [("wall_clock", 3600.0), ("training_seconds", 7200.0)])
def test_finding_the_length_takes_of_the_time_what_the_study_does_not_need_anyway(
    tmp_path: Path, limit: str, seconds: float
):
    taken = 2 * 2 * (4 + 8 + 16 + 32) * 1000 * 4
    """Images: of two seeds and two policies, four times as many for a clear difference."""
    config = settled_after_length(tmp_path, taken, {limit: seconds})
    needed = 2 * (8 + 16) * 1000
    left = 3600 - (taken - needed) / 500 / 2
    count = iteration_count(config.search)
    assert count == iterations_within(config, left, 16.0) < iterations_within(config, 3600.0, 16.0)
    whole = trainings(config, count) * 16.0 + (taken - needed) / 1000
    assert 0.8 * 3600 < whole <= 3600


def test_a_length_that_is_trained_anyway_takes_nothing_and_the_default_is_where_it_is_a_baseline(
    tmp_path: Path,
):
    needed = 2 * (8 + 16) * 1000
    config = settled_after_length(tmp_path, needed, {"wall_clock": 900.0})
    assert config.search.iterations == iterations_within(config, 900.0, 16.0)
    alone = settled_after_length(tmp_path, needed, {"wall_clock": 900.0}, baselines=[])
    assert alone.search.iterations == iterations_within(alone, 900.0 - 2 * 16.0, 16.0)


def test_without_a_limit_in_time_nothing_follows():
    with pytest.raises(ConfigurationError, match=r"search\.iterations auto.*--budget\.wall_clock 15m"):
        load_config(["--iterations", "auto"], {})


def test_on_a_gpu_a_limit_on_the_clock_is_used_up_unless_a_number_is_given(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    def settled(*flags: str) -> object:
        config, _ = load_config(["--data", str(tmp_path), *flags], {})
        return with_time_as_count(config).search.iterations

    limit = ("--budget.wall_clock", "15m")
    assert settled(*limit, "--execution.device", "cpu") == 8
    monkeypatch.setattr("tools.execution.devices.torch_devices", lambda wanted, setting: ["cuda:0"])
    assert settled(*limit) == "auto"
    assert settled(*limit, "--iterations", "8") == 8
    assert settled() == 8
