"""What the choice and other lengths may take of a budget, and that a resumed study decides as if never killed."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any, cast

import pytest

from agent.context import Context
from agent.memory.ledger import Spent
from agent.settings.config import BudgetConfig, SearchConfig
from agent.steps.finish import choosing, room, second_lengths
from agent.steps.finish.room import has_room
from agent.steps.finish_plan import plan_finish

SEARCH = SearchConfig(
    proposer="random", seeds=3, choosing_seeds=5, final_seeds=3, top_k=2, iterations=3, baselines=["default"]
)
LEAST = plan_finish(SEARCH).least
NAMES = ["none", "default", "one", "two"]
EPOCHS, IMAGES = 10, 100


class Killed(Exception):
    """The process is gone."""


@dataclass
class World:
    """A study whose trainings are entries of a ledger; a key is (candidate, epochs, seed)."""

    budget: BudgetConfig
    ended: dict[Any, int] = field(default_factory=dict)
    """Key → epochs."""
    dies_after: int | None = None
    """Trainings after which the process is gone."""

    @property
    def context(self) -> Context:
        """With what a finish asks of it."""
        ledger = SimpleNamespace(
            spent=lambda: Spent(
                trials=len(self.ended), samples=IMAGES * sum(self.ended.values()), training_seconds=1.0
            ),
            trial_keys=lambda: set(self.ended),
            knows=self.ended.__contains__,
            has_ended=self.ended.__contains__,
        )
        config = SimpleNamespace(search=SEARCH, budget=SimpleNamespace(of_training=self.budget))
        data = SimpleNamespace(size=lambda split: IMAGES)
        world = SimpleNamespace(
            config=config, ledger=ledger, data=data, recipe=SimpleNamespace(epochs=EPOCHS)
        )
        return cast(Context, world)

    def train(self, context: Context, candidates: Sequence[Any], seeds: Sequence[int], *_: Any) -> str | None:
        for seed in seeds:
            for each in candidates:
                key = _key(each, seed)
                if key in self.ended:
                    continue
                if self.dies_after is not None and len(self.ended) >= self.dies_after:
                    raise Killed
                self.ended[key] = _epochs(each)
        return None


def _epochs(candidate: Any) -> int:
    return EPOCHS if isinstance(candidate, str) else candidate[1]


def _key(candidate: Any, seed: int) -> Any:
    return (candidate, EPOCHS, seed) if isinstance(candidate, str) else (*candidate, seed)


@pytest.fixture(autouse=True)
def pretended(monkeypatch: pytest.MonkeyPatch) -> None:
    for module in (choosing, second_lengths):
        monkeypatch.setattr(
            module, "recipe_of", lambda _, each: SimpleNamespace(epochs=_epochs(each)), raising=True
        )
        monkeypatch.setattr(
            module, "trial_spec", lambda _, each, seed: SimpleNamespace(key=_key(each, seed)), raising=True
        )
    monkeypatch.setattr(room, "samples_allowed", lambda _: None)


def searched() -> dict[Any, int]:
    """What the search has trained: four candidates, and two proposals that are no finalists."""
    return {_key(name, seed): EPOCHS for name in [*NAMES, "three", "four"] for seed in SEARCH.search_seeds}


def choose(world: World, monkeypatch: pytest.MonkeyPatch) -> str:
    monkeypatch.setattr(choosing, "train_candidates", world.train)
    return choosing.train_for_choice(world.context, cast(Any, NAMES))


@pytest.mark.parametrize("spare", [len(NAMES) - 1, len(NAMES), 2 * len(NAMES)])
@pytest.mark.parametrize("kill", range(1, 2 * len(NAMES)))
def test_a_choice_that_is_resumed_trains_what_it_would_have_trained(
    monkeypatch: pytest.MonkeyPatch, spare: int, kill: int
) -> None:
    begun = searched()
    budget = BudgetConfig(trials=len(begun) + LEAST + spare)
    whole = World(budget, dict(begun))
    why = choose(whole, monkeypatch)
    assert len(whole.ended) - len(begun) == spare // len(NAMES) * len(NAMES)
    cut = World(budget, dict(begun), dies_after=len(begun) + kill)
    if kill < len(whole.ended) - len(begun):
        with pytest.raises(Killed):
            choose(cut, monkeypatch)
    cut.dies_after = None
    assert choose(cut, monkeypatch) == why
    assert cut.ended == whole.ended
    assert choose(cut, monkeypatch) == why, "once more, when everything is there"


def test_the_choice_leaves_the_test_its_training_images(monkeypatch: pytest.MonkeyPatch) -> None:
    """Reused trials count as images, so that what is left does not depend on what was reused."""
    begun = searched()
    for spare, seeds in ((len(NAMES) - 1, 0), (len(NAMES), 1), (2 * len(NAMES), 2)):
        allowed = IMAGES * EPOCHS * (len(begun) + LEAST + spare)
        monkeypatch.setattr(room, "samples_allowed", lambda _, allowed=allowed: allowed)
        world = World(BudgetConfig(training_seconds=1e6), dict(begun))
        choose(world, monkeypatch)
        assert len(world.ended) - len(begun) == seeds * len(NAMES)


def test_a_longer_candidate_takes_more_and_may_be_the_one_that_is_tested(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    fresh = SEARCH.final_seeds
    needed = IMAGES * EPOCHS * (2 + LEAST - fresh + 2 * fresh)
    for allowed, fits in ((needed, True), (needed - 1, False)):
        monkeypatch.setattr(room, "samples_allowed", lambda _, allowed=allowed: allowed)
        assert has_room(World(BudgetConfig(wall_clock=60.0)).context, [2 * EPOCHS]) is fits
    assert has_room(World(BudgetConfig()).context, [10**9]), "without a limit"


def admitted(world: World, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Of two leading contenders, those that are tried at twice the length."""
    monkeypatch.setattr(second_lengths, "_variant", lambda _, name, epochs: (name, epochs))
    may: Callable[[str, int], bool] = second_lengths._Room(
        world.context, cast(Any, {name: name for name in NAMES})
    )
    return [name for name in ("one", "two") if may(name, 2 * EPOCHS)]


@pytest.mark.parametrize("spare", [2, 3, 5, 6])
@pytest.mark.parametrize("done", [0, 1, 2, 3])
def test_other_lengths_are_those_of_a_study_that_was_never_killed(
    monkeypatch: pytest.MonkeyPatch, spare: int, done: int
) -> None:
    begun = searched()
    budget = BudgetConfig(trials=len(begun) + LEAST + spare)
    world = World(budget, dict(begun))
    expected = admitted(world, monkeypatch)
    assert expected == ["one", "two"][: spare // SEARCH.seeds]
    if expected:
        for seed in SEARCH.search_seeds[:done]:
            world.ended[_key(("one", 2 * EPOCHS), seed)] = 2 * EPOCHS
    assert admitted(world, monkeypatch) == expected
