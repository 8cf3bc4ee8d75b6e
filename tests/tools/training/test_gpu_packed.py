"""The packed trainer on a CUDA device, against the single one; run with `make test-gpu`."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch

from tests.tools.training.trials import silent, tiny_data, tiny_trial
from tools.datasets.cache.read import CachedDataset
from tools.training import loop
from tools.training.config import TrialSpec
from tools.training.loop import train_trial
from tools.training.packed import course
from tools.training.packed.pack import Outcome, Pack
from tools.training.types import TrialResult

pytestmark = [
    pytest.mark.gpu,
    pytest.mark.skipif(not torch.cuda.is_available(), reason="there is no CUDA device"),
]

DEVICE = "cuda:0"
MIXED = "rotate(p=0.5, degrees=15) > cutmix(p=0.5, alpha=1.0)"


@pytest.fixture(scope="module")
def images(tmp_path_factory: pytest.TempPathFactory) -> CachedDataset:
    """Of 32 px, 150 of them."""
    return tiny_data(tmp_path_factory.mktemp("images"), size=32, train=150)


def run(specs: list[TrialSpec], size: int | None, processes: int = 0) -> dict[str, Any]:
    ended: dict[str, Outcome] = {}
    pack = Pack(DEVICE, size, processes, lambda spec, outcome: ended.__setitem__(spec.key, outcome))
    try:
        for spec in specs:
            spec.directory.mkdir(parents=True, exist_ok=True)
            pack.add(spec)
        while pack.trials:
            pack.turn()
    finally:
        pack.close()
    return ended


@pytest.fixture(autouse=True)
def _exact() -> Iterator[None]:
    before = torch.backends.cudnn.allow_tf32
    torch.backends.cudnn.allow_tf32 = False
    yield
    torch.backends.cudnn.allow_tf32 = before


class Losses:
    """The losses of every step, by trainer and epoch, as both trainers hand them to the function that averages them."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.of: dict[str, list[list[float]]] = {"single": [], "packed": []}
        for name, module in (("single", loop), ("packed", course)):
            monkeypatch.setattr(module, "mean_loss", self._recorded(name, module.mean_loss))

    def _recorded(self, name: str, mean: Any) -> Any:
        def record(losses: torch.Tensor, sizes: torch.Tensor) -> float:
            self.of[name].append(losses.tolist())
            return mean(losses, sizes)

        return record


@pytest.mark.parametrize("policy", ["", "mixup(p=0.7, alpha=0.4)", "cutmix(p=0.7, alpha=1.0)"])
@pytest.mark.parametrize(("optimizer", "amp"), [("adamw", "off"), ("sgd", "off"), ("adamw", "auto")])
def test_steps_have_the_losses_of_the_single_trainer(
    images: CachedDataset,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    policy: str,
    optimizer: str,
    amp: str,
):
    """Within rounding, which grows from step to step; 150 images leave a last batch of another size."""
    losses = Losses(monkeypatch)
    fields: dict[str, Any] = {"amp": amp, "model": "resnet18", "epochs": 2, "optimizer": optimizer}
    specs = [tiny_trial(images, tmp_path / "a", policy, seed, **fields) for seed in (0, 1)]
    run(specs, 1)
    for seed in (0, 1):
        train_trial(tiny_trial(images, tmp_path / "b", policy, seed, **fields), DEVICE, silent)
    rounding = 1e-4 if amp == "off" else 2e-2
    assert len(losses.of["packed"]) == len(losses.of["single"]) == 4
    for seed in (0, 1):
        packed, single = losses.of["packed"][2 * seed], losses.of["single"][2 * seed]
        assert len(packed) == len(single) == 19
        assert packed[0] == pytest.approx(single[0], rel=rounding)
        assert packed[1] == pytest.approx(single[1], rel=50 * rounding if amp == "off" else 0.1)
        assert sum(packed[:4]) == pytest.approx(sum(single[:4]), rel=0.1)


def test_a_trial_of_the_pack_can_be_evaluated_and_predicts_the_same(images: CachedDataset, tmp_path: Path):
    from tools.training.evaluation import evaluate_trial
    from tools.training.trial_store import predictions_file

    spec = tiny_trial(images, tmp_path, "horizontal_flip(p=0.5)", epochs=2)
    result = run([spec], 1)[spec.key]
    assert isinstance(result, TrialResult)
    assert result.scores is not None
    predictions_file(spec.directory, "validation").unlink()
    again = evaluate_trial(spec, "validation", DEVICE).scores
    assert again.loss == pytest.approx(result.scores.loss, rel=0.02)


def test_a_diverging_neighbour_harms_nobody(images: CachedDataset, tmp_path: Path):
    wild = tiny_trial(images, tmp_path, seed=9, learning_rate=1e30, optimizer="sgd", gradient_clip=None)
    others = [
        tiny_trial(images, tmp_path, seed=seed, optimizer="sgd", gradient_clip=None) for seed in range(4)
    ]
    found = run([others[0], wild, *others[1:]], 3)
    assert found[wild.key].failure == "non_finite_loss"
    assert all(found[spec.key].status == "finished" for spec in others)


def test_processes_make_the_images(images: CachedDataset, tmp_path: Path):
    specs = [tiny_trial(images, tmp_path, MIXED, seed) for seed in range(4)]
    assert all(outcome.status == "finished" for outcome in run(specs, None, processes=3).values())
