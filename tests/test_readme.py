"""The ten lines of the README, from one's own images and language model to a result."""

import shlex
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from tests.agent.studies import Ended, agent, environment
from tests.loopback.autopilot import autopilot
from tests.loopback.clients import FAKE_KEY
from tests.loopback.server import LoopbackServer
from tests.repository import ROOT

MARK = "<!-- tests/test_readme.py runs these lines -->"
SMALL = {
    "AGENT_MODEL__NAME": "shufflenet_v2_x0_5",
    "AGENT_DATA__IMAGE_SIZE": "16",
    "AGENT_TRAINING__EPOCHS": "1",
    "AGENT_SEARCH__ITERATIONS": "1",
    "AGENT_SEARCH__SEEDS": "1",
    "AGENT_SEARCH__BASELINES": "default",
    "AGENT_SEARCH__CHOOSING_SEEDS": "1",
    "AGENT_SEARCH__FINAL_SEEDS": "2",
    "AGENT_SEARCH__BACKGROUNDS": "off",
    "AGENT_EXECUTION__WORKERS": "1",
    "AGENT_EXECUTION__THREADS": "1",
    "AGENT_REPORT__EXPLAIN": "off",
    "AGENT_LLM__INPUT_PRICE": "1",
    "AGENT_LLM__OUTPUT_PRICE": "1",
}


def commands() -> list[list[str]]:
    """The words of each line, without comments."""
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    block = text[text.index(MARK) :].split("```bash\n")[1].split("```")[0]
    return [shlex.split(line, comments=True) for line in block.splitlines()]


def images(folder: Path) -> None:
    """Thirty photographs of two classes."""
    draw = np.random.default_rng(0)
    for number in range(60):
        kind = ("cats", "dogs")[number % 2]
        (folder / kind).mkdir(parents=True, exist_ok=True)
        pixels = draw.integers(0, 120, (24, 24, 3), np.uint8) + np.uint8(100 * (number % 2))
        Image.fromarray(pixels).save(folder / kind / f"{number}.png")


def test_the_readme_has_ten_lines_of_ones_own_data_and_language_model():
    words = commands()
    assert len(words) == 10
    assert [line[1] for line in words[1:]] == [
        "doctor", "datasets", "datasets", "run", "run", "show", "report", "list", "delete",
    ]  # fmt: skip


@pytest.mark.slow
def test_the_ten_lines_run(tmp_path: Path):
    images(tmp_path / "images")
    (export, first), *lines = commands()
    assert export == "export"
    with LoopbackServer(brain=autopilot) as server:
        env = environment(
            **SMALL, **{first.partition("=")[0]: FAKE_KEY}, AGENT_LLM__BASE_URL=server.openai_url,
            AGENT_LLM__UNLISTED="true",
        )  # fmt: skip
        said: list[Ended] = []
        for _, *words in lines:
            done = agent(*words, env=env, within=tmp_path)
            assert done.returncode == 0, f"{words}: {done.stderr}{done.stdout}"
            said.append(done)
    _, _, _, plan, run, shown, *_, deleted = said
    assert "plan: about" in plan.stdout
    assert "LLM: up to 7 calls of openai:gpt-5-mini, at most about $" in plan.stdout
    assert "Use " in run.stdout
    assert "Use " in shown.stdout
    assert "Study first is deleted." in deleted.stdout
    assert not (tmp_path / "runs/studies/first").exists()
