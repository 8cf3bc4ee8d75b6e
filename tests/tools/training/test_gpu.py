"""What only a CUDA device can show; run with `make test-gpu`."""

from pathlib import Path

import pytest
import torch

from tests.tools.training.trials import silent, tiny_trial
from tools.datasets.cache.read import CachedDataset
from tools.training.evaluation import evaluate_trial
from tools.training.loop import train_trial

pytestmark = [
    pytest.mark.gpu,
    pytest.mark.skipif(not torch.cuda.is_available(), reason="there is no CUDA device"),
]


@pytest.mark.parametrize("amp", ["auto", "off", "fp16"])
@pytest.mark.parametrize("policy", ["", "rotate(p=0.5, degrees=15) > mixup(p=0.5, alpha=0.4)"])
def test_a_trial_trains_and_is_evaluated_on_the_gpu(tinted: CachedDataset, root: Path, amp: str, policy: str):
    spec = tiny_trial(tinted, root, policy, amp=amp, loader_workers=2)
    result = train_trial(spec, "cuda:0", silent)
    assert result.status == "finished", result.reason
    assert torch.cuda.get_device_name(0) == result.environment["device"]
    assert evaluate_trial(spec, "validation", "cuda:0").scores.accuracy == result.scores.accuracy  # pyright: ignore[reportOptionalMemberAccess]


def test_a_batch_that_does_not_fit_is_out_of_memory_and_leaves_nothing_behind(
    tinted: CachedDataset, root: Path
):
    held = torch.cuda.memory_allocated()
    torch.cuda.set_per_process_memory_fraction(1e-4)
    try:
        result = train_trial(tiny_trial(tinted, root, model="resnet50"), "cuda:0", silent)
    finally:
        torch.cuda.set_per_process_memory_fraction(1.0)
    assert result.failure == "out_of_memory"
    assert torch.cuda.memory_allocated() == held
