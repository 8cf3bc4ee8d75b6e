"""Schedule 'wsd': trials of several lengths share their epochs at a constant rate, and are equal to the bit without."""

from pathlib import Path

import pytest

from tests.tools.training.test_packed import Run
from tests.tools.training.trials import numbers, silent, tiny_recipe, tiny_trial
from tools.datasets.cache.read import CachedDataset
from tools.training import checkpoint, loop
from tools.training.config import TrialSpec, Trunk
from tools.training.epoch_log import read_epochs
from tools.training.loop import train_trial
from tools.training.recipes import learning_rate_at, trunk_epochs, wsd_recipe
from tools.training.trial_store import trial_key, trunk_key
from tools.training.types import EpochReport

POLICY = "horizontal_flip(p=0.5) > mixup(p=0.5, alpha=0.4)"


class Interrupted(BaseException):
    """Ends a session at a chosen place, as Ctrl-C would."""


def branch(cached: CachedDataset, root: Path, epochs: int, shared: bool = True, seed: int = 0) -> TrialSpec:
    fields = {"schedule": "wsd", "warmup_steps": 3, "cooldown_fraction": 0.25, "learning_rate": 0.02}
    spec = tiny_trial(cached, root / "trials", POLICY, epochs=epochs, seed=seed, **fields)
    key = trunk_key(spec.policy, cached.fingerprint, spec.model, spec.recipe, seed, 1)
    trunk = Trunk(key=key, directory=root / "trunks" / key)
    return spec.model_copy(update={"trunk": trunk}) if shared else spec


def trained(spec: TrialSpec) -> list[int]:
    """Epochs that were computed, and not read from the trunk."""
    reports: list[EpochReport] = []
    train_trial(spec, "cpu", reports.append)
    return [report.epoch for report in reports if report.seconds]


def test_a_longer_trial_begins_where_the_shorter_one_cooled_down(tinted: CachedDataset, tmp_path: Path):
    assert trained(branch(tinted, tmp_path, 4)) == [1, 2, 3, 4]
    assert trained(branch(tinted, tmp_path, 8)) == [4, 5, 6, 7, 8]
    assert trained(branch(tinted, tmp_path, 5)) == [4, 5]


def test_a_branch_equals_the_same_trial_without_a_trunk(tinted: CachedDataset, tmp_path: Path):
    train_trial(branch(tinted, tmp_path / "a", 4), "cpu", silent)
    shared = train_trial(branch(tinted, tmp_path / "a", 6), "cpu", silent)
    alone = train_trial(branch(tinted, tmp_path / "b", 6, shared=False), "cpu", silent)
    assert numbers(shared) == numbers(alone)
    assert [report.epochs for report in shared.epochs] == [6] * 6


def test_time_counts_with_the_trial_that_took_it(tinted: CachedDataset, tmp_path: Path):
    train_trial(branch(tinted, tmp_path, 4), "cpu", silent)
    result = train_trial(branch(tinted, tmp_path, 6), "cpu", silent)
    assert [report.seconds > 0 for report in result.epochs] == [False] * 3 + [True] * 3
    assert result.seconds == pytest.approx(sum(report.seconds for report in result.epochs[3:]))
    assert len(read_epochs(branch(tinted, tmp_path, 6).directory)) == 6


def test_a_killed_branch_resumes_exactly(
    tinted: CachedDataset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(checkpoint, "LARGEST_SHARE", 1e9)
    whole = train_trial(branch(tinted, tmp_path / "b", 8, shared=False), "cpu", silent)
    train_trial(branch(tinted, tmp_path / "a", 4), "cpu", silent)
    spec = branch(tinted, tmp_path / "a", 8)
    for last in (2, 5, 7):

        def on_epoch(report: EpochReport, last: int = last) -> None:
            if report.epoch == last:
                raise Interrupted

        with pytest.raises(Interrupted):
            train_trial(spec, "cpu", on_epoch)
    reports: list[EpochReport] = []
    resumed = train_trial(spec, "cpu", reports.append)
    assert [report.epoch for report in reports] == [8]
    assert numbers(resumed) == numbers(whole)


def test_a_damaged_state_is_reported_and_an_earlier_one_used(
    tinted: CachedDataset, tmp_path: Path, caplog: pytest.LogCaptureFixture
):
    for epochs in (4, 8):
        train_trial(branch(tinted, tmp_path, epochs), "cpu", silent)
    spec = branch(tinted, tmp_path, 12)
    assert spec.trunk is not None
    file = spec.trunk.directory / "epoch-00006.pt"
    file.write_bytes(file.read_bytes()[:-100])
    assert trained(spec) == [4, 5, 6, 7, 8, 9, 10, 11, 12]
    assert "epoch-00006.pt is damaged" in caplog.text


def test_a_trunk_belongs_to_one_seed_and_every_length(tinted: CachedDataset, tmp_path: Path):
    short, long, other = (
        branch(tinted, tmp_path, epochs, seed=seed) for epochs, seed in ((4, 0), (8, 0), (8, 1))
    )
    assert short.trunk == long.trunk != other.trunk
    assert len({spec.key for spec in (short, long, other)}) == 3


def test_the_rate_rises_stays_and_falls_to_almost_nothing():
    recipe = wsd_recipe(tiny_recipe(epochs=8, learning_rate=1.0), warmup_steps=5)
    rates = [learning_rate_at(recipe, epoch, step, 10) for epoch in range(1, 9) for step in range(10)]
    assert rates[:5] == pytest.approx([0.2, 0.4, 0.6, 0.8, 1.0])
    assert set(rates[5:61]) == {1.0}
    assert rates[60:] == sorted(rates[60:], reverse=True)
    assert 0 < rates[-1] < 0.03
    assert trunk_epochs(recipe) == 6


def foreign(cached: CachedDataset, root: Path, policy: str, epochs: int = 8) -> TrialSpec:
    """Its cool-down has a policy of its own; what comes before it has `POLICY`."""
    default = branch(cached, root, epochs)
    fields = {"schedule": "wsd", "warmup_steps": 3, "cooldown_fraction": 0.25, "learning_rate": 0.02}
    spec = tiny_trial(cached, root / "trials", policy, epochs=epochs, **fields)
    key = trial_key(
        spec.policy, cached.fingerprint, spec.model, spec.recipe, 0, 1, trunk_policy=default.policy
    )
    assert default.trunk is not None
    trunk = default.trunk.model_copy(update={"policy": default.policy})
    return spec.model_copy(update={"key": key, "directory": root / "trials" / key, "trunk": trunk})


def test_a_policy_is_tried_in_the_cool_down_of_the_default(tinted: CachedDataset, tmp_path: Path):
    assert trained(branch(tinted, tmp_path, 8)) == [1, 2, 3, 4, 5, 6, 7, 8]
    assert trained(foreign(tinted, tmp_path, "vertical_flip(p=1)")) == [7, 8]


def test_it_comes_to_the_same_where_the_trunk_is_gone(tinted: CachedDataset, tmp_path: Path):
    train_trial(
        branch(tinted, tmp_path / "a", 4), "cpu", silent
    )  # a shorter trunk, with which it may not begin
    train_trial(branch(tinted, tmp_path / "a", 8), "cpu", silent)
    with_trunk = train_trial(foreign(tinted, tmp_path / "a", "vertical_flip(p=1)"), "cpu", silent)
    train_trial(branch(tinted, tmp_path / "b", 4), "cpu", silent)
    without = train_trial(foreign(tinted, tmp_path / "b", "vertical_flip(p=1)"), "cpu", silent)
    assert numbers(with_trunk) == numbers(without)


@pytest.mark.parametrize("packed", [False, True])
def test_it_comes_to_the_same_where_another_study_deletes_the_trunk_in_the_middle(
    tinted: CachedDataset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, packed: bool
):
    first, again = (foreign(tinted, tmp_path / name, "vertical_flip(p=1)") for name in "ab")
    whole, train_trunk, deleted = train_trial(first, "cpu", silent), loop.train_trunk, []

    def trained_and_deleted(spec: TrialSpec, device: str) -> None:
        train_trunk(spec, device)
        if not deleted and spec.trunk is not None:
            deleted.extend(spec.trunk.directory.glob("epoch-*.pt"))
            deleted[0].unlink()

    monkeypatch.setattr(loop, "train_trunk", trained_and_deleted)
    result = Run([again], 1).go().result(again) if packed else train_trial(again, "cpu", silent)
    assert deleted
    assert numbers(result) == numbers(whole)


def test_a_damaged_trunk_is_trained_again_and_not_taken_from_a_shorter_one(
    tinted: CachedDataset, tmp_path: Path, caplog: pytest.LogCaptureFixture
):
    for epochs in (4, 8):
        train_trial(branch(tinted, tmp_path / "a", epochs), "cpu", silent)
    intact = train_trial(foreign(tinted, tmp_path / "a", ""), "cpu", silent)
    spec = foreign(tinted, tmp_path / "a", "vertical_flip(p=1)")
    assert spec.trunk is not None
    file = spec.trunk.directory / "epoch-00006.pt"
    file.write_bytes(file.read_bytes()[:-100])
    train_trial(spec, "cpu", silent)
    assert "epoch-00006.pt is damaged" in caplog.text
    read_result_again = train_trial(
        foreign(tinted, tmp_path / "a", "").model_copy(update={"directory": tmp_path / "c"}), "cpu", silent
    )
    assert numbers(read_result_again) == numbers(intact)


def test_a_foreign_trunk_is_part_of_the_key_and_the_own_one_is_not(tinted: CachedDataset, tmp_path: Path):
    own, other = branch(tinted, tmp_path, 8), foreign(tinted, tmp_path, "vertical_flip(p=1)")
    assert foreign(tinted, tmp_path, POLICY).key == own.key
    plain = tiny_trial(
        tinted,
        tmp_path,
        "vertical_flip(p=1)",
        epochs=8,
        schedule="wsd",
        warmup_steps=3,
        cooldown_fraction=0.25,
        learning_rate=0.02,
    )
    assert other.key != plain.key
