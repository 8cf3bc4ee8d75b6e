"""A policy that changes in the middle of a training, and such a training in stages: equal to the bit to one in a go."""

from pathlib import Path

import numpy as np
import pytest

from tests.tools.training.trials import numbers, silent, tiny_trial
from tools.datasets.cache.read import CachedDataset
from tools.policy.canonical import canonical_json, from_canonical
from tools.training.batches import epoch_batches, training_images
from tools.training.config import Beginning, TrialSpec
from tools.training.loop import train_trial
from tools.training.stages import state_file
from tools.training.trial_store import trial_key
from tools.training.types import EpochReport

POLICY = "horizontal_flip(p=0.5) | from epoch 2: mixup(p=1, alpha=0.4) | from epoch 3: no augmentation"


def stage(whole: TrialSpec, fingerprint: str, stop: int, begins: TrialSpec | None = None) -> TrialSpec:
    """The part of a trial that ends after epoch `stop`, with the policy as far as it is known by then."""
    policy = canonical_json(from_canonical(whole.policy).until(stop))
    key = trial_key(policy, fingerprint, whole.model, whole.recipe, whole.seed, 1, stop=stop)
    directory = whole.directory.parent / key
    part = whole.model_copy(update={"key": key, "policy": policy, "directory": directory, "stop": stop})
    return part if begins is None else beginning_with(part, begins)


def beginning_with(spec: TrialSpec, before: TrialSpec) -> TrialSpec:
    assert before.stop is not None
    begins = Beginning(key=before.key, directory=before.directory, epochs=before.stop)
    return spec.model_copy(update={"begins": begins})


def trained(spec: TrialSpec) -> list[int]:
    """Epochs that this trial itself trained."""
    reports: list[EpochReport] = []
    train_trial(spec, "cpu", reports.append)
    return [report.epoch for report in reports if report.seconds]


def test_each_epoch_has_the_policy_of_its_phase(tinted: CachedDataset, tmp_path: Path):
    spec = tiny_trial(tinted, tmp_path, POLICY)
    images = training_images(spec)
    batches = epoch_batches(spec, images)
    changed = []
    for batches.epoch in (1, 2, 3):
        batch = next(iter(batches))
        pixels, _ = images.__getitems__(batch)
        same = np.array_equal(pixels.permute(0, 2, 3, 1).numpy(), images.view.images[batch.indices])
        changed.append((same, images.policy_at(batches.epoch).has_mix))
    assert changed == [(False, False), (True, True), (True, False)]


@pytest.mark.parametrize("loader_workers", [0, 1])
def test_stages_equal_the_training_in_one_go(tinted: CachedDataset, tmp_path: Path, loader_workers: int):
    whole = tiny_trial(tinted, tmp_path / "a", POLICY, loader_workers=loader_workers)
    in_one_go = train_trial(whole, "cpu", silent)

    parted = tiny_trial(tinted, tmp_path / "b", POLICY, loader_workers=loader_workers)
    first = stage(parted, tinted.fingerprint, 1)
    second = stage(parted, tinted.fingerprint, 2, first)
    assert [trained(first), trained(second)] == [[1], [2]]
    last = beginning_with(parted, second)
    assert trained(last) == [3]
    assert numbers(train_trial(last, "cpu", silent)) == numbers(in_one_go)


def test_where_the_state_is_gone_or_damaged_the_trial_trains_its_first_epochs_itself(
    tinted: CachedDataset, tmp_path: Path
):
    whole = tiny_trial(tinted, tmp_path, POLICY)
    first = stage(whole, tinted.fingerprint, 1)
    train_trial(first, "cpu", silent)
    state = state_file(first.directory)
    state.write_bytes(state.read_bytes()[:-5] + b"wrong")
    assert trained(beginning_with(whole, first)) == [1, 2, 3]

    other = stage(whole, tinted.fingerprint, 2, first)
    state.unlink()
    assert trained(other) == [1, 2]


def test_a_killed_trial_resumes_from_its_own_checkpoint_where_that_is_further_on(
    tinted: CachedDataset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    from tools.training import checkpoint

    monkeypatch.setattr(checkpoint, "LARGEST_SHARE", float("inf"))  # every epoch has a checkpoint
    whole = tiny_trial(tinted, tmp_path / "a", POLICY, epochs=4)
    in_one_go = train_trial(whole, "cpu", silent)
    parted = tiny_trial(tinted, tmp_path / "b", POLICY, epochs=4)
    first = stage(parted, tinted.fingerprint, 1)
    train_trial(first, "cpu", silent)
    last = beginning_with(parted, first)

    class Killed(BaseException):
        pass

    def kill(report: EpochReport) -> None:
        if report.epoch == 3:
            raise Killed

    with pytest.raises(Killed):
        train_trial(last, "cpu", kill)
    reports: list[EpochReport] = []
    result = train_trial(last, "cpu", reports.append)
    assert [report.epoch for report in reports] == [4]
    assert numbers(result) == numbers(in_one_go)
