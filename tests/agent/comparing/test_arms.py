"""What `--arms` may be, and what is trained for the test."""

import pytest

from agent.comparing.arms import GRID_POLICIES, parse_arms
from agent.comparing.cells import Found
from agent.comparing.entrants import entrants_of
from agent.comparing.plan import Race, cost_of, iterations_of, search_config
from agent.memory.candidate import Candidate, reference
from agent.memory.proposal import Proposal
from agent.settings.config import StudyConfig
from tools.errors import ConfigurationError
from tools.policy.named import named_policy


def names(*texts: str) -> list[str]:
    return [arm.name for arm in parse_arms(texts)]


def test_none_and_default_come_first_and_calls_keep_their_commas():
    found = names("tpe,rand_augment(num_ops=3, magnitude=9)", "default,cutmix")
    assert found == ["none", "default", "tpe", "rand_augment(num_ops=3, magnitude=9)", "cutmix"]


def test_models_race_against_each_other():
    arms = parse_arms(["llm@openai:gpt-5-mini,llm@ollama:llama3,best_of_n"])[2:]
    assert [(arm.proposer, arm.model) for arm in arms] == [
        ("llm", "openai:gpt-5-mini"),
        ("llm", "ollama:llama3"),
        ("best_of_n", None),
    ]
    assert len({arm.slug for arm in arms}) == 3


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("tpe,tpe", "tpe is there twice"),
        ("none,default", "nothing to compare"),
        ("llm@gpt-5", "write provider:model, such as llm@openai:gpt-5-mini"),
        ("fixed", "fixed is no arm of a race"),
    ],
)
def test_wrong_arms_are_told(text, told):
    with pytest.raises(ConfigurationError, match=told):
        parse_arms([text])


def race(arms: str, **more) -> Race:
    return Race(StudyConfig(), parse_arms([arms]), **more)


def test_all_searches_have_the_trainings_of_the_default_and_their_own():
    found = race("tpe,rand_augment_grid", trials=20)  # 3 seeds: the default and five proposals
    for cell in found.cells:
        config = search_config(found, cell)
        assert config.search.iterations == 5
        assert config.search.choice_seeds == config.search.search_seeds == [0, 1, 2]
    assert cost_of(found).searches == 2 * 3 + 2 * 15


def test_the_grid_is_no_longer_than_it_is():
    found = race("rand_augment_grid", trials=500)
    assert iterations_of(found, found.arms[-1]) == len(GRID_POLICIES)
    lines = [named_policy(text, "natural").policy.model_dump_json() for text in GRID_POLICIES]
    assert len(set(lines)) == len(GRID_POLICIES)


def test_too_small_a_budget_is_told_with_what_it_takes():
    found = race("tpe", trials=5)
    with pytest.raises(ConfigurationError, match="give at least 6 trainings"):
        iterations_of(found, found.arms[-1])


def test_repeats_share_no_seed_of_a_search_but_all_of_the_test():
    found = race("tpe", repeats=2)
    first, second = (search_config(found, cell).search for cell in found.cells)
    assert not set(first.search_seeds) & set(second.search_seeds)


def found_by(arm: str, candidate: Candidate, repeat: int = 0) -> Found:
    return Found(arm, repeat, "s", candidate, "", {}, (), "", 0, 0.0, 0, 0, 0.0)


def test_what_several_arms_chose_is_trained_once():
    def candidate(text: str, name: str, number: int) -> Candidate:
        policy = named_policy(text, "digits").policy.operations
        return Candidate(name, number, "tpe", Proposal(hypothesis="", expected_gain=0.0, policy=policy))

    default, other = candidate("default", "default", 0), candidate("rotate", "iteration 4", 4)
    given = {"none": reference(), "default": default}
    found = [found_by("tpe", default), found_by("random", other), found_by("llm", other)]
    entrants = entrants_of(given, found)
    assert [(each.name, each.number) for each in entrants.candidates] == [
        ("no augmentation", 0),
        ("default", 0),
        ("random", 1),
    ]
    assert entrants.of_arm["tpe"] == ("default",)
    assert entrants.of_arm["llm"] == entrants.of_arm["random"] == ("random",)
