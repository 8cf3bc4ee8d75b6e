"""What every arm promises, checked for each of them; the LLM arms talk to a real server on loopback."""

from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from agent.memory.history import History, Rejection, TrialRecord
from agent.memory.proposal import Proposal, Proposals
from agent.proposers import Proposer, ask_for
from agent.proposers.best_of_n import BestOfNProposer
from agent.proposers.fixed import FixedProposer
from agent.proposers.hybrid import HybridProposer
from agent.proposers.llm import LLMProposer
from agent.proposers.nearby import NearbyProposer
from agent.proposers.online import OnlineProposer
from agent.proposers.random import RandomProposer
from agent.proposers.tpe import TPEProposer, objective
from tests.agent.proposers.arms import REFERENCE, REFERENCE_MEAN, history, operation, proposal, record
from tests.loopback.autopilot import autopilot
from tests.loopback.clients import connected, llm_config
from tests.loopback.server import LoopbackServer
from tools.datasets.types import Modality
from tools.errors import ConfigurationError
from tools.policy.canonical import canonical_json
from tools.policy.catalogue import default_operation
from tools.policy.policy import Change, Operation
from tools.policy.safety import lint
from tools.policy.validate import check_policy

BASELINES = [
    "trivial_augment_wide",
    "rand_augment",
    "aug_mix",
    "auto_augment",
    "mixup",
    "cutmix",
    "rotate",
    "jpeg",
]
PAST = (
    record(
        1,
        proposal(operation("rotate", degrees=20), operation("perspective", distortion=0.3)),
        0.78,
        gain=0.03,
    ),
    record(
        2, proposal(operation("erasing", area=0.2), operation("jpeg", quality=50)), None, reason="NaN loss"
    ),
    record(
        3,
        proposal(operation("gamma", gamma=1.5), operation("clahe", clip_limit=3, tiles=4)),
        0.74,
        gain=-0.01,
    ),
)


@pytest.fixture(scope="module")
def model() -> Iterator[LoopbackServer]:
    """A model that answers as the conversation has it."""
    with LoopbackServer(brain=autopilot) as running:
        yield running


def llm(model: LoopbackServer, provider: str = "openai", mode: str = "tools") -> LLMProposer:
    config = llm_config(provider, model, mode=mode)
    return LLMProposer(connected(config), config, lambda record: None)


def best_of_n(model: LoopbackServer) -> BestOfNProposer:
    config = llm_config("openai", model, mode="structured")
    return BestOfNProposer(connected(config), config, lambda record: None)


def hybrid(model: LoopbackServer) -> HybridProposer:
    config = llm_config("openai", model, mode="tools")
    return HybridProposer(connected(config), config, lambda record: None)


def online(model: LoopbackServer) -> OnlineProposer:
    config = llm_config("openai", model, mode="tools")
    return OnlineProposer(connected(config), config, lambda record: None)


SEARCHING: dict[str, Callable[[LoopbackServer], Proposer]] = {
    "random": lambda model: RandomProposer(),
    "nearby": lambda model: NearbyProposer(),
    "tpe": lambda model: TPEProposer(),
    "llm by tools, OpenAI": llm,
    "llm by tools, Gemini": lambda model: llm(model, "google_genai"),
    "llm by schema, OpenAI": lambda model: llm(model, mode="structured"),
    "llm by schema, Gemini": lambda model: llm(model, "google_genai", "structured"),
    "best_of_n": best_of_n,
    "hybrid": hybrid,
    "online": online,
}
ARMS = {**SEARCHING, "fixed": lambda model: FixedProposer(BASELINES)}


@pytest.fixture
def arm(request: pytest.FixtureRequest, model: LoopbackServer) -> Proposer:
    return ARMS[request.param](model)


def asked(arm: Proposer, told: History) -> Proposal:
    answer = arm.ask(told)
    assert isinstance(answer, Proposal), answer
    return answer


@pytest.mark.parametrize("arm", ARMS, indirect=True)
class TestEveryArm:
    def test_the_same_history_gives_the_same_proposal_with_a_hypothesis(
        self, arm: Proposer, cache: Path
    ) -> None:
        told = history(cache, past=PAST)
        first = asked(arm, told)
        assert first == asked(arm, told)
        assert first.hypothesis

    def test_each_iteration_gives_another_proposal(self, arm: Proposer, cache: Path) -> None:
        told = history(cache, past=PAST)
        made = [canonical_json(asked(arm, replace(told, iteration=n)).as_policy()) for n in (4, 5, 6)]
        assert len(set(made)) == 3


@pytest.mark.parametrize("arm", SEARCHING, indirect=True)
class TestEveryArmThatSearches:
    """The arm `fixed` proposes single published policies as they are."""

    def test_proposals_are_valid_and_safe(self, arm: Proposer, cache: Path) -> None:
        modalities: tuple[Modality, ...] = ("digits", "fundus", "xray")
        for modality in modalities:
            told = history(cache, past=() if modality == "digits" else PAST, modality=modality)
            policy = asked(arm, told).as_policy()
            assert check_policy(policy, 2, 3) == []
            assert [item for item in lint(policy, told.card) if item.severity == "reject"] == []

    def test_the_number_of_operations_is_kept(self, arm: Proposer, cache: Path) -> None:
        for number in (1, 4):
            assert len(asked(arm, history(cache, operations=(number, number))).policy) == number

    def test_a_rejection_gives_another_proposal(self, arm: Proposer, cache: Path) -> None:
        told = history(cache, past=PAST)
        first = asked(arm, told)
        again = replace(told, rejections=(Rejection(first.model_dump_json(), ("tried before",)),))
        assert asked(arm, again).policy != first.policy


class TestRandom:
    def test_another_seed_of_the_study_gives_another_draw_which_expects_nothing(self) -> None:
        first, second = (asked(RandomProposer(), history(seed=seed)) for seed in (0, 1))
        assert first != second
        assert first.expected_gain == second.expected_gain == 0.0

    def test_it_draws_the_whole_catalogue_except_whole_policies(self) -> None:
        from tools.policy.catalogue import CATALOGUE

        drawn = {
            item.name
            for iteration in range(1, 200)
            for item in asked(RandomProposer(), history(iteration=iteration)).policy
        }
        assert drawn == {name for name, spec in CATALOGUE.items() if not spec.whole_policy}


class TestTPE:
    PARTNERS = ("shear", "contrast", "equalize", "jpeg", "hue", "grayscale", "erasing", "gamma")

    def told(self, good: Operation, bad: Operation) -> History:
        """Twelve policies with `good` and another operation that are good, and twelve with `bad` that are not."""
        past = []
        for number in range(1, 25):
            partner = default_operation(self.PARTNERS[number % len(self.PARTNERS)])
            mean = 0.85 + number / 1000 if number % 2 else 0.6
            made = proposal(good if number % 2 else bad, partner)
            past.append(record(number, made, mean, gain=mean - REFERENCE_MEAN))
        return history(past=past)

    def draws(self, arm: Proposer, told: History) -> list[Proposal]:
        return [asked(arm, replace(told, iteration=n)) for n in range(100, 130)]

    def test_it_goes_where_the_good_results_are(self) -> None:
        told = self.told(good=operation("rotate", degrees=30), bad=operation("gaussian_noise", sigma=0.1))
        by_tpe, by_chance = (
            sum(any(item.name == "rotate" for item in made.policy) for made in self.draws(arm, told))
            for arm in (TPEProposer(), RandomProposer())
        )
        assert by_tpe > 2 * by_chance
        assert by_tpe >= 10

    def test_it_goes_where_the_good_numbers_are(self) -> None:
        told = self.told(good=operation("rotate", degrees=30), bad=operation("rotate", degrees=150))
        degrees = [
            item.parameters[0].value
            for made in self.draws(TPEProposer(), told)
            for item in made.policy
            if item.name == "rotate"
        ]
        assert sum(abs(value - 30) < abs(value - 150) for value in degrees) > 0.8 * len(degrees)
        assert degrees

    def test_it_expects_what_the_good_ones_gained(self) -> None:
        told = self.told(good=operation("rotate", degrees=30), bad=operation("invert"))
        made = asked(TPEProposer(), told)
        assert made.expected_gain == pytest.approx(100 * (0.871 - REFERENCE_MEAN))
        assert "best 3 of 24" in made.hypothesis

    def test_what_is_good_is_told_by_log_loss_too_where_the_metric_is_noisy(self) -> None:
        """Policy n is better than policy n - 1; iteration 9 has the best score, by luck."""
        draw, past = np.random.default_rng(1), []
        for number in range(1, 13):
            skill = 0.7 + number / 100
            made = proposal(operation("rotate", degrees=10 + number), operation("jpeg", quality=50))
            trials = []
            for seed in range(3):
                score, loss = skill + draw.normal(0, 0.05), 1 - skill + draw.normal(0, 0.002)
                trials.append(TrialRecord(seed, "finished", score, loss=loss))
            mean = sum(trial.score or 0.0 for trial in trials) / len(trials)
            past.append(replace(record(number, made, mean, gain=0.0), trials=tuple(trials)))
        assert max(past, key=lambda each: each.mean or 0.0).number == 9
        plain = replace(REFERENCE, trials=tuple(replace(trial, loss=0.25) for trial in REFERENCE.trials))
        hypothesis = asked(TPEProposer(), replace(history(past=past), reference=plain)).hypothesis
        assert "near the best 2 of 12 policies so far (iteration 12, iteration 11)" in hypothesis

    def test_its_first_draws_say_that_they_are_random(self) -> None:
        assert "at random" in asked(TPEProposer(), history()).hypothesis

    def test_it_is_quiet(self, capfd: pytest.CaptureFixture[str]) -> None:
        asked(TPEProposer(), history(past=PAST))
        assert capfd.readouterr().err == ""

    def test_policies_that_it_cannot_express_are_skipped(self) -> None:
        strange = (
            record(1, proposal(operation("trivial_augment_wide", 1.0)), 0.9),
            record(2, proposal(operation("rotate", 0.01, degrees=20), operation("jpeg", quality=50)), 0.9),
        )
        assert asked(TPEProposer(), history(past=strange))

    def test_the_value_of_a_policy_by_epoch_is_not_that_of_its_first_epochs(self) -> None:
        past = [record(n, drawn, 0.7 + 0.01 * n) for n, drawn in enumerate(first_draws(6), start=1)]
        later = Change(epoch=2, operations=[operation("jpeg", quality=50)])
        by_epoch = [
            record(7 + n, drawn.model_copy(update={"changes": [later]}), 0.99)
            for n, drawn in enumerate(first_draws(9)[6:])
        ]
        with_them = history(past=[*past, *by_epoch])
        assert asked(TPEProposer(), with_them).policy == asked(TPEProposer(), without(with_them, 3)).policy


class TestFixed:
    def test_iteration_i_proposes_the_i_th_at_its_defaults(self) -> None:
        arm = FixedProposer(["aug_mix", "rand_augment"])
        made = [asked(arm, history(iteration=n)).policy for n in (1, 2)]
        assert [policy[0].name for policy in made] == ["aug_mix", "rand_augment"]
        assert {item.name: item.value for item in made[1][0].parameters} == {"num_ops": 2.0, "magnitude": 9.0}

    def test_more_iterations_than_policies_is_a_configuration_error(self) -> None:
        with pytest.raises(ConfigurationError, match=r"search\.iterations to 1"):
            FixedProposer(["aug_mix"]).ask(history(iteration=2))

    def test_an_unknown_name_is_refused(self) -> None:
        with pytest.raises(ConfigurationError, match=r"'nonsense'.*known are.*aug_mix"):
            FixedProposer(["nonsense"])


def test_more_operations_than_there_are_is_a_configuration_error() -> None:
    with pytest.raises(ConfigurationError, match=r"search\.augmentations.*99"):
        RandomProposer().ask(history(operations=(99, 99)))


class TestSeveralCandidates:
    @pytest.mark.parametrize("arm", [RandomProposer(), TPEProposer()])
    def test_an_arm_that_draws_draws_so_many_that_differ_and_the_same_again(self, arm: Proposer) -> None:
        past = [record(n, drawn, 0.7 + 0.01 * n) for n, drawn in enumerate(first_draws(6), start=1)]
        told = replace(history(past=past), candidates=5)
        drawn = ask_for(arm, told)
        assert isinstance(drawn, Proposals)
        assert len({each.identity for each in (*drawn.proposals, *(r.proposal for r in past))}) == 5 + 6
        assert ask_for(arm, told) == drawn
        # The first of several is what it would have proposed alone.
        assert arm.ask(replace(told, candidates=1)) == drawn.proposals[0]

    def test_tpe_learns_from_what_was_left_behind_by_its_gain_over_the_default(self) -> None:
        default = replace(
            record(0, proposal(operation("rotate", degrees=5)), 0.8, name="default"),
            arm="baseline",
            trials=tuple(TrialRecord(seed, "finished", 0.79 + 0.01 * seed) for seed in range(3)),
        )
        one_seed = replace(
            record(1, first_draws(1)[0], 0.77),
            trials=(TrialRecord(0, "finished", 0.77),),
            stopped="stopped after one seed",
        )
        cheap = replace(record(2, first_draws(2)[1], None), stopped="cheap measure only", cheap_gain=0.01)
        lost = replace(record(3, first_draws(3)[2], None), stopped="no training finished after one seed")
        told = replace(history(past=[one_seed, cheap, lost]), baselines=(default,), reference=None)
        found = objective(told)
        assert found[one_seed.name] - found["default"] == pytest.approx(-0.02)
        assert found[cheap.name] == pytest.approx(0.01)
        assert lost.name not in found
        assert isinstance(TPEProposer().ask(told), Proposal)


def without(told: History, last: int) -> History:
    """The same moment without what the last `last` iterations said."""
    return replace(told, past=told.past[:-last])


def first_draws(count: int) -> list[Proposal]:
    """What the arm `random` proposes first."""
    return [RandomProposer().ask(history(iteration=place)) for place in range(1, count + 1)]
