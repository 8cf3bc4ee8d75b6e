"""Images that are removed in the middle of a study: no trial fails of it, everything stops, and resumes."""

import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest

from tests.tools.training.trials import (
    CLASSES,
    SOURCES,
    mixed,
    numbers,
    silent,
    tiny_data,
    tiny_trial,
    write_set,
)
from tools.datasets.cache.read import CachedDataset
from tools.errors import ImagesGone
from tools.execution.devices import WorkerPlan
from tools.execution.local import LocalExecutor
from tools.training.config import TrialSpec
from tools.training.synthetic import Mixing
from tools.training.trial_store import read_result
from tools.training.types import TrialEvent


@pytest.fixture(scope="module")
def executor() -> Iterator[LocalExecutor]:
    with LocalExecutor([WorkerPlan("cpu", 1)], timeout=None) as shared:
        yield shared


def remove(data: CachedDataset) -> None:
    shutil.rmtree(data.folder.parent.parent)


def forget_validation(data: CachedDataset) -> None:
    (data.folder / "validation.json").unlink()


def cut_off(data: CachedDataset) -> None:
    pixels = data.folder.parent.parent / "pixels.npy"
    with pixels.open("r+b") as opened:
        opened.truncate(pixels.stat().st_size // 2)


def refused(executor: LocalExecutor, spec: TrialSpec, words: str) -> None:
    events: list[TrialEvent] = []
    with pytest.raises(ImagesGone, match=words) as caught:
        list(executor.train([spec], events.append))
    assert caught.value.resumable
    assert "\n" not in str(caught.value)
    assert not [event for event in events if event.kind == "ended"], "it has not failed"
    assert read_result(spec.directory) is None


@pytest.mark.parametrize(
    ("damage", "words"),
    [
        (remove, "meta.json is missing"),
        (forget_validation, "validation.json is missing"),
        (cut_off, "pixels.npy cannot be opened"),
    ],
)
def test_a_removed_cache_stops_the_trials_and_they_train_once_it_is_made_again(
    executor: LocalExecutor, tmp_path: Path, damage: Callable[[CachedDataset], None], words: str
):
    data = tiny_data(tmp_path / "cache")
    spec, other = tiny_trial(data, tmp_path / "trials"), tiny_trial(data, tmp_path / "others")
    damage(data)
    refused(executor, spec, words)
    again = tiny_data(tmp_path / "cache")
    assert again.folder == data.folder
    first, second = executor.train([spec, other], silent)
    assert numbers(first) == numbers(second)


def test_a_cache_that_is_removed_while_a_trial_runs_stops_the_next_one(
    executor: LocalExecutor, tmp_path: Path
):
    """The running one holds what it has opened."""
    data = tiny_data(tmp_path / "cache")
    specs = [tiny_trial(data, tmp_path / "trials", seed=seed) for seed in (0, 1)]
    ended: list[TrialEvent] = []

    def on_event(event: TrialEvent) -> None:
        if event.kind == "epoch" and data.folder.exists():
            remove(data)
        if event.kind == "ended":
            ended.append(event)

    with pytest.raises(ImagesGone, match="it will be made again"):
        list(executor.train(specs, on_event))
    assert [event.result.status for event in ended if event.result] == ["finished"]
    assert read_result(specs[1].directory) is None


def test_in_the_finish_as_well(executor: LocalExecutor, tmp_path: Path):
    data = tiny_data(tmp_path / "cache")
    spec = tiny_trial(data, tmp_path / "trials", epochs=1)
    list(executor.train([spec], silent))
    remove(data)
    with pytest.raises(ImagesGone) as caught:
        executor.evaluate([spec], "test")
    assert caught.value.resumable


def test_a_removed_set_of_synthetic_images_stops_the_trials(
    executor: LocalExecutor, tinted: CachedDataset, tmp_path: Path
):
    folder = write_set(tmp_path / "set", SOURCES, np.asarray(SOURCES) % CLASSES)
    spec = tiny_trial(tinted, tmp_path / "trials", synthetic=mixed(folder, Mixing()))
    for name, words in (("pixels.npy", "pixels.npy is missing"), ("set.json", "not a finished set")):
        (folder / name).unlink()
        refused(executor, spec, words)
