"""Trials side by side: to the bit what the single trainer gives, whatever happens to their neighbours."""

import os
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

import psutil
import pytest
import torch
from safetensors.torch import load_file

from tests.tools.training.trials import CLASSES, SIZE, TRAIN, mixed, numbers, silent, tiny_trial
from tools.datasets.cache.read import CachedDataset
from tools.training import checkpoint
from tools.training.config import ModelConfig, TrialSpec, Trunk, fold_of_seed
from tools.training.loop import train_trial
from tools.training.networks.models import build_model
from tools.training.packed import slot as slots
from tools.training.packed.graphs import CannotCapture
from tools.training.packed.pack import Outcome, Pack, Uncapturable
from tools.training.synthetic import Mixing
from tools.training.trial_store import WEIGHTS, predictions_file, read_predictions
from tools.training.types import TrialResult

ROTATE = "rotate(p=0.5, degrees=15)"
WILD = {"learning_rate": 1e30, "optimizer": "sgd", "gradient_clip": None}


class Run:
    """A pack that trains `specs` until they have ended, or until `until` says so."""

    def __init__(self, specs: list[TrialSpec], size: int, processes: int = 0, **options: Any) -> None:
        self.ended: dict[str, Outcome] = {}
        self.begun: list[str] = []
        self.notes: list[str] = []
        self.pack = Pack(
            "cpu",
            size,
            processes,
            lambda spec, outcome: self.ended.__setitem__(spec.key, outcome),
            lambda spec: self.begun.append(spec.key),
            self.notes.append,
            **options,
        )
        for spec in specs:
            spec.directory.mkdir(parents=True, exist_ok=True)
            self.pack.add(spec)

    def go(self, until: Callable[[], bool] = lambda: False) -> "Run":
        try:
            while self.pack.trials and not until():
                self.pack.turn()
        finally:
            self.pack.close()
        return self

    def result(self, spec: TrialSpec) -> TrialResult:
        outcome = self.ended[spec.key]
        assert isinstance(outcome, TrialResult)
        return outcome


def left(spec: TrialSpec) -> Any:
    """All that a trial leaves, but for the time it took."""
    weights = {name: tensor.numpy().tobytes() for name, tensor in load_file(spec.directory / WEIGHTS).items()}
    predictions = read_predictions(spec.directory, "validation")
    assert predictions is not None
    return (
        weights,
        predictions.probabilities.tobytes(),
        sorted(path.name for path in spec.directory.iterdir()),
    )


def alone(spec: TrialSpec, root: Path) -> tuple[Any, Any]:
    """What the single trainer makes of it, under another folder."""
    elsewhere = spec.model_copy(update={"directory": root / "alone" / spec.key})
    result = train_trial(elsewhere, "cpu", silent)
    files = left(elsewhere) if result.status == "finished" else None
    if files is not None:
        files[2].remove("trial.lock")
    return numbers(result), files


@pytest.mark.parametrize(
    ("policy", "fields"),
    [
        ("", {"optimizer": "sgd", "label_smoothing": 0.0}),
        (f"{ROTATE} > mixup(p=0.5, alpha=0.4)", {"model": "mobilenet_v2"}),
        ("cutmix(p=0.7, alpha=1.0)", {"selection": "best", "learning_rate": 0.02}),
        (f"{ROTATE} > mixup(p=1, alpha=0.4)", {"draws": "shared", "amp": "bf16", "channels_last": True}),
    ],
    ids=["plain", "mixup and dropout", "cutmix and best", "shared draws in bfloat16"],
)
def test_packed_and_single_are_equal_to_the_bit(
    tinted: CachedDataset, root: Path, policy: str, fields: dict[str, Any]
):
    specs = [tiny_trial(tinted, root, policy, seed, epochs=2, **fields) for seed in (0, 1, 2)]
    run = Run(specs, 2).go()
    for spec in specs[1:]:
        assert (numbers(run.result(spec)), left(spec)) == alone(spec, root)


def test_a_network_that_is_built_otherwise_for_its_weights_is_built_so_in_a_pack(
    tinted: CachedDataset, root: Path, tmp_path: Path
):
    """GoogLeNet changes the scale of its inputs where its weights were trained so."""
    blank = ModelConfig(name="googlenet")
    torch.save(build_model(blank, CLASSES, SIZE, 0).state_dict(), tmp_path / "weights.pt")
    start = ModelConfig(name="googlenet", weights=str(tmp_path / "weights.pt"))
    spec = tiny_trial(tinted, root, epochs=1).model_copy(update={"model": start})
    run = Run([spec], 1).go()
    assert (numbers(run.result(spec)), left(spec)) == alone(spec, root)


def test_synthetic_images_are_mixed_in_as_ever(tinted: CachedDataset, root: Path, folder: Path):
    specs = [
        tiny_trial(tinted, root, ROTATE, synthetic=mixed(folder, Mixing(mode=mode)), epochs=2, draws=draws)
        for mode in ("extra", "replace")
        for draws in ("own", "shared")
    ]
    run = Run(specs[::2], 2).go()
    run_shared = Run(specs[1::2], 2).go()
    for spec in specs:
        found = run if spec.key in run.ended else run_shared
        assert (numbers(found.result(spec)), left(spec)) == alone(spec, root)


@pytest.mark.parametrize("imbalance", ["weighted_loss", "balanced_sampling", "logit_adjustment"])
def test_unequal_classes_are_treated_as_by_the_single_trainer(
    tinted: CachedDataset, root: Path, imbalance: str
):
    policies = (ROTATE, "mixup(p=1, alpha=0.4)")
    specs = [
        tiny_trial(tinted, root, policy, seed, fold=fold_of_seed(seed, 3), epochs=2, imbalance=imbalance)
        for seed, policy in zip((0, 1), policies, strict=True)
    ]
    run = Run(specs, 2).go()
    for spec in specs:
        assert (numbers(run.result(spec)), left(spec)) == alone(spec, root)


def test_folds_are_honoured_and_share_draws(tinted: CachedDataset, root: Path):
    specs = [
        tiny_trial(tinted, root, ROTATE, seed, fold=fold_of_seed(seed, 3), epochs=2, draws="shared")
        for seed in (0, 1, 2)
    ]
    run = Run(specs, 3).go()
    for spec in specs[1:]:
        assert (numbers(run.result(spec)), left(spec)) == alone(spec, root)


def test_a_longer_trial_begins_with_the_trunk_of_a_shorter_one(tinted: CachedDataset, root: Path):
    fields: dict[str, Any] = {"schedule": "wsd", "warmup_steps": 3, "cooldown_fraction": 0.25}
    trunk = Trunk(key="ab12", directory=root / "trunk")
    short, long = (
        tiny_trial(tinted, root, ROTATE, epochs=epochs, **fields).model_copy(update={"trunk": trunk})
        for epochs in (4, 6)
    )
    run = Run([short, long], 1).go()
    assert [report.seconds > 0 for report in run.result(long).epochs] == [False] * 3 + [True] * 3
    without = long.model_copy(update={"trunk": None})
    assert (numbers(run.result(long)), left(long)) == alone(without, root)


def test_a_diverging_trial_leaves_its_seven_neighbours_as_they_are(tinted: CachedDataset, root: Path):
    others = [
        tiny_trial(tinted, root, seed=seed, epochs=2, **{**WILD, "learning_rate": 0.01}) for seed in range(7)
    ]
    wild = tiny_trial(tinted, root, seed=7, epochs=2, **WILD)
    run = Run([*others[:3], wild, *others[3:]], 8).go()
    assert numbers(run.result(wild)) == alone(wild, root)[0]
    assert run.result(wild).failure == "non_finite_loss"
    without = Run([spec.model_copy(update={"directory": root / "b" / spec.key}) for spec in others], 7).go()
    assert [numbers(run.result(spec)) for spec in others] == [
        numbers(without.result(spec)) for spec in others
    ]


def test_a_slot_that_held_a_diverged_trial_trains_the_next_one_as_if_nothing_had_been(
    tinted: CachedDataset, root: Path
):
    wild = tiny_trial(tinted, root, seed=7, **WILD)
    after = tiny_trial(tinted, root, epochs=2, optimizer="sgd", gradient_clip=None)
    run = Run([wild, after], 1).go()
    assert numbers(run.result(after)) == alone(after, root)[0]


def test_slots_are_refilled_in_order_and_take_trials_of_other_shapes(tinted: CachedDataset, root: Path):
    specs = [
        tiny_trial(tinted, root, epochs=1),
        tiny_trial(tinted, root, epochs=2),
        tiny_trial(tinted, root, epochs=1, batch_size=11),
        tiny_trial(tinted, root, epochs=1, model="mobilenet_v3_small"),
        tiny_trial(tinted, root, epochs=1, draws="shared"),
    ]
    run = Run(specs, 2).go()
    assert len(run.ended) == len(specs)
    assert all(run.result(spec).status == "finished" for spec in specs)
    assert run.begun[:3] == [specs[0].key, specs[1].key, specs[3].key], "11 images wait for another feeder"
    assert numbers(run.result(specs[2])) == alone(specs[2], root)[0]


@pytest.fixture
def every_epoch(monkeypatch: pytest.MonkeyPatch) -> None:
    """Checkpoints cost nothing, so that each epoch has one."""
    monkeypatch.setattr(checkpoint, "LARGEST_SHARE", 1e9)


@pytest.mark.parametrize(
    "more",
    [{"optimizer": "adamw", "channels_last": True}, {"optimizer": "sgd"}],
    ids=["adamw, channels last", "sgd"],
)
def test_either_trainer_resumes_what_the_other_began(
    tinted: CachedDataset, root: Path, every_epoch: None, more: dict[str, Any]
):
    fields: dict[str, Any] = {"epochs": 3, **more}
    packed, single = (tiny_trial(tinted, root, ROTATE, seed, **fields) for seed in (0, 1))

    def after_an_epoch() -> bool:
        return (packed.directory / checkpoint.CHECKPOINT).exists()

    Run([packed], 1).go(until=after_an_epoch)

    class Interrupted(BaseException):
        pass

    def stop(report: Any) -> None:
        raise Interrupted

    with pytest.raises(Interrupted):
        train_trial(single, "cpu", stop)
    in_pack = Run([single], 1).go().result(single)
    by_itself = train_trial(packed, "cpu", silent)
    assert numbers(by_itself) == alone(packed, root)[0]
    assert numbers(in_pack) == alone(single, root)[0]


def test_a_trial_that_is_out_of_time_ends_alone(tinted: CachedDataset, root: Path):
    endless = tiny_trial(tinted, root, epochs=10_000)
    short = tiny_trial(tinted, root, epochs=1)
    run = Run([endless, short], 2, timeout=6.0).go()
    assert run.ended[endless.key] is None
    assert run.result(short).status == "finished"


def test_seeds_of_a_block_share_their_draws_and_begin_at_different_epochs(tinted: CachedDataset, root: Path):
    specs = [tiny_trial(tinted, root, ROTATE, seed, epochs=3, draws="shared") for seed in (0, 1, 2, 150)]
    run = Run(specs, 4)
    made: list[int] = []

    def watch() -> bool:
        feeder = run.pack.feeder
        if feeder is not None and feeder.shared is not None:
            made.append(feeder.shared.made)
        return False

    run.go(until=watch)
    assert made[-1] == (5 + 3) * TRAIN, "epochs 1-3, 2-4 and 3-5 of one block, and 1-3 of another"
    losses = {run.result(spec).epochs[0].train_loss for spec in specs}
    assert len(losses) == len(specs)


def test_where_memory_runs_out_half_of_the_pack_goes_on_and_nothing_is_lost(
    tinted: CachedDataset, root: Path, monkeypatch: pytest.MonkeyPatch
):
    specs = [tiny_trial(tinted, root, ROTATE, seed, epochs=2) for seed in range(5)]
    run = Run(specs, 4)
    train = slots.Slot.train

    def short_of_memory(self: slots.Slot, *arguments: Any) -> Any:
        if len(run.pack.running) == 4:
            raise torch.OutOfMemoryError("CUDA out of memory")
        return train(self, *arguments)

    monkeypatch.setattr(slots.Slot, "train", short_of_memory)
    run.go()
    assert ["4 trials at a time: 2 from now on" in note for note in run.notes] == [True]
    for spec in specs[::4]:
        assert numbers(run.result(spec)) == alone(spec, root)[0]
    assert all(run.result(spec).status == "finished" for spec in specs)


def test_a_single_trial_that_does_not_fit_has_failed(
    tinted: CachedDataset, root: Path, monkeypatch: pytest.MonkeyPatch
):
    def none(*arguments: Any) -> Any:
        raise torch.OutOfMemoryError("CUDA out of memory")

    monkeypatch.setattr(slots.Slot, "train", none)
    specs = [tiny_trial(tinted, root, seed=seed) for seed in (0, 1)]
    run = Run(specs, 1).go()
    assert [run.result(spec).failure for spec in specs] == ["out_of_memory"] * 2


def test_a_model_that_cannot_be_captured_is_handed_back(
    tinted: CachedDataset, root: Path, monkeypatch: pytest.MonkeyPatch
):
    def refuse(*arguments: Any) -> None:
        raise CannotCapture("it waits for the device")

    monkeypatch.setattr(slots.Slot, "prepare", refuse)
    spec = tiny_trial(tinted, root)
    outcome = Run([spec], 1).go().ended[spec.key]
    assert isinstance(outcome, Uncapturable)
    assert "waits for the device" in str(outcome)
    assert not predictions_file(spec.directory, "validation").exists()


@pytest.mark.parametrize("draws", ["own", "shared"])
def test_images_are_the_same_from_processes_one_of_which_is_killed(
    tinted: CachedDataset, root: Path, draws: str
):
    specs = [tiny_trial(tinted, root, ROTATE, seed, epochs=2, draws=draws) for seed in (0, 1)]
    run = Run(specs, 2, processes=2)
    killed: list[int] = []

    def kill_one() -> bool:
        if run.pack.meter.images and not killed:
            this = psutil.Process()
            # forked from Python's fork server, which is a child of this process
            victim = next(each for each in this.children(recursive=True) if each not in this.children())
            killed.append(victim.pid)
            os.kill(victim.pid, signal.SIGKILL)
        return False

    run.go(until=kill_one)
    assert killed
    for spec in specs:
        assert numbers(run.result(spec)) == alone(spec, root)[0]
