"""In which arithmetic a CPU trains: what is offered, what is taken, and that trials in it are as repeatable as ever."""

from pathlib import Path

import pytest
import torch

from tests.tools.training.trials import numbers, silent, tiny_trial
from tools.datasets.cache.read import CachedDataset
from tools.training import arithmetic, hardware
from tools.training.arithmetic import Arithmetic, choices, choose, time_arithmetics
from tools.training.config import ModelConfig, TrainingConfig
from tools.training.evaluation import evaluate_trial
from tools.training.loop import train_trial
from tools.training.recipes import describe_recipe, resolve_recipe

PLAIN, LAST, BF16 = Arithmetic(), Arithmetic(channels_last=True), Arithmetic(channels_last=True, bf16=True)


def test_the_fastest_is_taken_where_it_is_clearly_faster():
    for plain, last, bf16, taken in (
        (1.0, 0.95, 0.90, PLAIN),
        (1.0, 0.80, 0.75, LAST),
        (1.0, 0.98, 0.60, BF16),
        (1.0, 0.80, 0.50, BF16),
        (1.0, 1.20, 0.95, PLAIN),
    ):
        assert choose({PLAIN: plain, LAST: last, BF16: bf16}) == taken
    assert choose({PLAIN: 1.0}) == PLAIN


def test_only_what_the_settings_and_the_processor_allow_is_offered(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(arithmetic, "has_bf16_units", lambda: True)
    assert choices(TrainingConfig()) == [PLAIN, LAST, BF16]
    assert choices(TrainingConfig(amp="off")) == [PLAIN, LAST]
    assert choices(TrainingConfig(amp="bf16")) == [Arithmetic(bf16=True), BF16]
    monkeypatch.setattr(arithmetic, "has_bf16_units", lambda: False)
    assert choices(TrainingConfig()) == [PLAIN, LAST]


def test_whether_a_processor_has_units_is_read_from_what_it_says_of_itself(monkeypatch: pytest.MonkeyPatch):
    for capabilities, here in (
        ({"avx512_bf16": True, "avx2": True}, True),
        ({"amx_bf16": True}, True),
        ({"bf16": True, "neon": True}, True),
        ({"avx512_bf16": False, "avx512_f": True}, False),
    ):
        monkeypatch.setattr(
            hardware.torch.cpu, "get_capabilities", lambda found=capabilities: found, raising=False
        )
        assert hardware.has_bf16_units() is here


def test_measuring_takes_a_second_and_leaves_torch_as_it_was():
    torch.manual_seed(3)
    state, threads = torch.get_rng_state(), torch.get_num_threads()
    recipe = resolve_recipe(TrainingConfig(batch_size=4))
    model = ModelConfig(name="shufflenet_v2_x0_5")
    seconds = time_arithmetics([PLAIN, LAST, BF16], model, 3, 16, recipe, threads)
    assert list(seconds) == [PLAIN, LAST, BF16]
    assert all(0 < taken < 5 for taken in seconds.values())
    assert torch.equal(torch.get_rng_state(), state)
    assert torch.get_num_threads() == threads


def test_a_recipe_says_what_it_computes_in():
    last = resolve_recipe(TrainingConfig(amp="bf16", layout="channels_last"))
    assert (last.amp, last.channels_last) == ("bf16", True)
    assert describe_recipe(last).endswith(", bfloat16, channels last")
    plain = resolve_recipe(TrainingConfig(layout="contiguous"))
    assert plain == resolve_recipe(TrainingConfig()), "its trials have the keys that they always had"


def test_another_arithmetic_gives_other_numbers_which_are_repeated_to_the_bit(
    tinted: CachedDataset, root: Path, tmp_path: Path
):
    """A killed trial, too, resumes in it: see `test_packed.py`, where either trainer resumes what the other began."""
    fields = {"amp": "bf16", "channels_last": True}
    here, there = (tiny_trial(tinted, folder, epochs=2, **fields) for folder in (root, tmp_path))
    found, again = (train_trial(spec, "cpu", silent) for spec in (here, there))
    assert numbers(found) == numbers(again)
    assert evaluate_trial(here, "validation", "cpu").scores == found.scores
    plain = train_trial(tiny_trial(tinted, root, epochs=2), "cpu", silent)
    assert (plain.key == found.key, numbers(plain)["epochs"] == numbers(found)["epochs"]) == (False, False)
