"""What a study on CPU computes in: measured once, written into its settings, and never changed after."""

import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from agent.screen.terminal import Terminal
from agent.settings.config import StudyConfig
from agent.settings.sources import load_config
from agent.starting import arithmetic
from agent.starting.arithmetic import FILE, in_float32, settle_arithmetic, slow_here
from agent.study_folder import write_config
from tests.agent.studies import MODEL
from tools.training import hardware
from tools.training.arithmetic import Arithmetic, choices
from tools.training.recipes import resolve_recipe

LONG = ("--epochs", "3000", "--image-size", "16", "--model", MODEL, "--execution.threads", "1")
PLAIN, LAST, BF16 = Arithmetic(), Arithmetic(channels_last=True), Arithmetic(channels_last=True, bf16=True)


class Told(Terminal):
    def __init__(self) -> None:
        super().__init__(quiet=True)
        self.lines: list[str] = []

    def note(self, text: str) -> None:
        self.lines.append(text)


def configured(runs: Path, *flags: str) -> StudyConfig:
    return load_config(
        ["--data", str(runs), "--runs-dir", str(runs), "--execution.device", "cpu", *LONG, *flags], {}
    )[0]


def settled(config: StudyConfig, name: str = "mine", **options: Any) -> tuple[StudyConfig, list[str]]:
    card = SimpleNamespace(name=name, classes=["a", "b"], image_size=16)
    dataset: Any = SimpleNamespace(card=card, records=[SimpleNamespace(split="train")] * 100)
    told = Told()
    return settle_arithmetic(config, dataset, told, **options), told.lines


def measured(runs: Path, monkeypatch: pytest.MonkeyPatch, **seconds: float) -> None:
    """This machine has bfloat16 units, and an update takes it so long."""
    found = {PLAIN: seconds.get("plain", 1.0), LAST: seconds.get("last", 0.9), BF16: seconds.get("bf16", 0.5)}
    monkeypatch.setattr("tools.training.arithmetic.has_bf16_units", lambda: True)

    def measure(config: StudyConfig, dataset: Any) -> dict[Arithmetic, float]:
        return {each: found[each] for each in choices(config.training)}

    monkeypatch.setattr(arithmetic, "_measure", measure)


def test_a_study_measures_once_and_the_next_one_on_the_machine_computes_alike(tmp_path: Path):
    first, told = settled(configured(tmp_path))
    assert first.training.layout in ("contiguous", "channels_last")
    assert len(told) == 1
    assert told[0].startswith("arithmetic: ")
    assert "measured now" in told[0]
    (seconds,) = json.loads((tmp_path / FILE).read_text()).values()
    assert all(taken > 0 for taken in seconds.values())
    second, told = settled(configured(tmp_path))
    assert second.training == first.training
    assert f"measured before, in {tmp_path / FILE}" in told[0]


def test_the_choice_is_told_with_its_reason_and_the_way_back(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    measured(tmp_path, monkeypatch)
    config, told = settled(configured(tmp_path))
    assert (config.training.amp, config.training.layout) == ("bf16", "channels_last")
    assert told == [
        "arithmetic: bfloat16 with channels last, 2.00 times as fast as plain float32; float32 with channels last 1.11 "
        "times (measured now; --training.amp off keeps float32, --training.layout contiguous plain float32 as well)"
    ]
    recipe = resolve_recipe(config.training)
    assert (recipe.amp, recipe.channels_last) == ("bf16", True)


def test_where_nothing_is_clearly_faster_it_stays_plain_float32(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    measured(tmp_path, monkeypatch, last=0.97, bf16=0.95)
    config, told = settled(configured(tmp_path))
    assert (config.training.amp, config.training.layout) == ("auto", "contiguous")
    assert resolve_recipe(config.training) == resolve_recipe(configured(tmp_path).training)
    assert "nothing else is clearly faster: float32 with channels last 1.03 times" in told[0]


def test_what_is_asked_for_is_not_measured(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    measured(tmp_path, monkeypatch)
    for flags, name, layout in (
        (["--training.layout", "contiguous"], "mine", "contiguous"),
        (["--training.layout", "channels_last"], "mine", "channels_last"),
        (["--training.recipe", "aga"], "mine", "contiguous"),
        (["--epochs", "3"], "mine", "contiguous"),
        ([], "demo", "contiguous"),
        (["--execution.kind", "ray"], "mine", "contiguous"),
    ):
        config, told = settled(configured(tmp_path, *flags), name)
        assert (config.training.amp, config.training.layout, told) == ("auto", layout, [])
    assert in_float32(configured(tmp_path)).training.layout == "contiguous"
    config, told = settled(configured(tmp_path, "--training.amp", "off"))
    assert config.training.amp == "off"
    assert "bfloat16" not in told[0]


def test_a_study_that_has_begun_keeps_what_it_began_with(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    measured(tmp_path, monkeypatch)
    folder, again = tmp_path / "begun", configured(tmp_path)
    config, _ = settled(again)
    folder.mkdir()
    write_config(folder, config)
    measured(tmp_path, monkeypatch, bf16=2.0)
    (tmp_path / FILE).unlink()
    kept, told = settled(again, folder=folder)
    assert (kept.training, told) == (config.training, [])
    # one of a version that did not measure
    text = (folder / "config.yaml").read_text()
    text = text.replace("  layout: channels_last\n", "").replace("amp: bf16", "amp: auto")
    (folder / "config.yaml").write_text(text)
    kept, told = settled(again, folder=folder)
    assert (resolve_recipe(kept.training), told) == (resolve_recipe(again.training), [])


def test_a_plan_keeps_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    measured(tmp_path, monkeypatch)
    settled(configured(tmp_path), keep=False)
    assert not list(tmp_path.glob("arithmetic*"))


def test_a_model_that_fails_is_left_to_the_check_that_says_so(tmp_path: Path):
    config, told = settled(configured(tmp_path, "--model", f"{__file__}:broken"))
    assert (config.training.layout, told) == ("contiguous", [])


def broken(classes: int) -> None:
    raise RuntimeError("it cannot be built")


def test_a_processor_without_units_says_that_it_is_slow(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    config = configured(tmp_path, "--training.amp", "bf16")
    monkeypatch.setattr(hardware, "has_bf16_units", lambda: False)
    assert "no units" in slow_here(config)[0]
    assert slow_here(configured(tmp_path)) == []
    monkeypatch.setattr(hardware, "has_bf16_units", lambda: True)
    assert slow_here(config) == []
