"""What a study trains besides no augmentation: `search.baselines`."""

from dataclasses import replace

import pytest

from agent.memory.candidate import (
    Candidate,
    baseline_count,
    baselines,
    check_changes,
    named_baselines,
    proposed_by_fixed,
    reference,
)
from agent.memory.proposal import Proposal
from agent.memory.run_names import epochs_of
from agent.settings.config import SearchConfig
from tests.agent.settings.settings_of import settings_of
from tools.errors import ConfigurationError
from tools.policy.named import named_policy
from tools.policy.starts import default_policy

BY_EPOCH = "rotate(p=0.5, degrees=9) | from epoch 8: no augmentation"


@pytest.mark.parametrize(
    ("epochs", "length", "told"),
    [
        (8, 1, ""),
        (4, 2, ""),
        (7, 1, "changes at epoch 8, but its training has 7 epochs"),
        (None, 1, "--epochs N"),
    ],
)
def test_a_policy_by_epoch_has_to_reach_its_last_phase(epochs, length, told) -> None:
    policy = named_policy(BY_EPOCH, "digits").policy
    proposal = Proposal.of(policy, "").model_copy(update={"length": length})
    candidates = [reference(), Candidate("by epoch", 1, "given", proposal)]
    if not told:
        check_changes(candidates, epochs, "--policy")
        return
    with pytest.raises(ConfigurationError, match=f"--policy 'by epoch'.*{told}"):
        check_changes(candidates, epochs, "--policy")


def test_what_is_trained_for_another_length_needs_the_length_of_the_others() -> None:
    longer = replace(reference(), name="default, 30 epochs", epochs=30)
    check_changes([longer], 15, "--arms")
    with pytest.raises(ConfigurationError, match=r"is trained for 30 epochs.*--epochs N"):
        check_changes([longer], None, "--arms")


@pytest.mark.parametrize(
    ("tags", "epochs"),
    [
        ({"candidate": "iteration 3"}, None),
        ({"candidate": "iteration 3", "epochs": "15"}, 15),
        ({"candidate": "default, 1,200 epochs"}, 1200),  # as earlier versions wrote it
        ({"candidate": "iteration 3, 1 epoch"}, 1),
    ],
)
def test_a_length_of_its_own_is_read_again(tags, epochs) -> None:
    assert epochs_of(tags) == epochs


def names(search: SearchConfig, modality: str = "digits") -> list[str]:
    return [each.name for each in baselines(search, modality)]


def test_the_default_policy_of_the_modality_comes_first() -> None:
    search = SearchConfig(baselines=["rand_augment", "default"])
    assert names(search) == ["default", "rand_augment"]
    for modality in ("digits", "xray", "unknown"):
        first = baselines(search, modality)[0]
        assert first.proposal.policy == default_policy(modality).policy.operations
        assert default_policy(modality).source in first.proposal.hypothesis


def test_it_is_a_baseline_unless_it_is_switched_off() -> None:
    assert names(SearchConfig())[0] == "default"
    assert names(SearchConfig(baselines=["rand_augment"])) == ["rand_augment"]
    assert names(SearchConfig(baselines=[])) == []


def test_an_operation_at_given_values_is_a_baseline() -> None:
    (found,) = baselines(SearchConfig(baselines=["rand_augment(num_ops=3)"]), "natural")
    assert found.name == "rand_augment(num_ops=3)"
    assert found.proposal.in_one_line() == "rand_augment(p=1, magnitude=9, num_ops=3)"


def test_the_arm_fixed_proposes_all_but_the_default() -> None:
    search = SearchConfig(proposer="fixed")
    assert names(search) == ["default"]
    assert proposed_by_fixed(search) == ["trivial_augment_wide", "rand_augment"]


@pytest.mark.parametrize("proposer", ["tpe", "fixed"])
@pytest.mark.parametrize("given", [[], ["default"], ["default", "aug_mix"], ["aug_mix"]])
def test_their_number_is_known_without_the_images(proposer: str, given: list[str]) -> None:
    search = SearchConfig.model_validate({"proposer": proposer, "baselines": given})
    assert baseline_count(search) == len(baselines(search, "digits"))


@pytest.mark.parametrize(
    ("given", "words"),
    [
        (["rand_augmnt"], ["search.baselines", "rand_augmnt", "rand_augment"]),
        (["rand_augment(magnitude=90)"], ["search.baselines", "magnitude", "90"]),
        (["aug_mix", "aug_mix"], ["'aug_mix'", "same policy"]),
        (["default", "translate(p=0.8, fraction=0.08) > rotate(p=0.8, degrees=12)"], ["'default'", "same"]),
        (["no augmentation"], ["no augmentation", "same policy"]),
    ],
)
def test_what_cannot_be_a_baseline_is_named(given: list[str], words: list[str]) -> None:
    with pytest.raises(ConfigurationError) as caught:
        named_baselines(SearchConfig(baselines=given), "digits")
    for word in words:
        assert word in str(caught.value)


LINE = "default, rand_augment(num_ops=3, magnitude=5), horizontal_flip > rotate(p=0.5,  degrees=9)"
LISTED = ["default", "rand_augment(num_ops=3, magnitude=5)", "horizontal_flip > rotate(p=0.5, degrees=9)"]


def test_they_can_be_written_in_one_line_in_every_source(tmp_path) -> None:
    file = tmp_path / "settings.yaml"
    for text in (LINE, str(LISTED).replace("'", '"')):
        assert settings_of(["--search.baselines", text]).search.baselines == LISTED
        assert settings_of([], {"AGENT_SEARCH__BASELINES": text}).search.baselines == LISTED
        file.write_text(f"search:\n  baselines: {text if text[0] == '[' else repr(text)}\n", encoding="utf-8")
        assert settings_of(["--config", str(file)]).search.baselines == LISTED
    file.write_text(
        "search:\n  baselines:\n" + "".join(f"    - {each}\n" for each in LISTED), encoding="utf-8"
    )
    assert settings_of(["--config", str(file)]).search.baselines == LISTED
