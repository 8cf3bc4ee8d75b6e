"""What a study tells its model, as the server receives it: from the settings, the data, MLflow and the ledger."""

import json
from pathlib import Path

import pytest

from tests.agent import studies
from tests.agent.studies import SHORT, copy_trials, tracking
from tests.loopback.autopilot import autopilot
from tests.loopback.protocols import Ask
from tests.loopback.replies import Answer, Failure
from tests.loopback.server import LoopbackServer


def asked(runs: Path, count: int, *more: str) -> list[str]:
    """What a study said in its first `count` requests for proposals; the last is never answered, which ends it."""
    asks: list[Ask] = []

    def brain(ask: Ask) -> Answer | Failure:
        asks.append(ask)
        return autopilot(ask) if len(asks) < count else Failure(500)

    with LoopbackServer(brain=brain) as server:
        llm = ("--llm", "openai:loopback", "--llm-base-url", server.openai_url, "--llm.mode", "structured")
        done = studies.run(runs, *llm, "--llm.retries", "0", *more, size=SHORT)
    assert done.returncode == 1, done.stderr + done.stdout
    assert len(asks) == count, done.stderr + done.stdout
    return ["\n".join(message["content"] for message in json.loads(ask.conversation)) for ask in asks]


@pytest.fixture
def runs(runs, finished) -> Path:
    copy_trials(finished, runs)
    return runs


def test_the_facts_of_the_study_reach_the_model_and_so_does_its_own_work(runs):
    budget = ("--budget.trials", "40", "--budget.llm_calls", "30")
    first, second = asked(runs, 2, "--search.backgrounds", "always", "--aga.pool", "0.1", *budget)
    for fact in (
        "Advice of the makers of this software",
        "Original size: 8 × 8 pixels",
        "Length: 20 steps of the optimiser",
        "Target: validation accuracy, one training run",
        "a program that knows a list of words",
        "Its recall by class: 0: 0.",
        "Most frequent confusions",
        "Left: 2 of 2 iterations, this one included.",
        "30 of 30 calls of the language model",
    ):
        assert fact in first, fact
    made = next(record for record in tracking(runs).records() if record.number == 1)
    for fact in (
        made.proposal.hypothesis,
        "Your background prompts of iteration 1",
        " | ".join(made.proposal.backgrounds[0].settings),
        f"what became of them: {made.generated}",
        "Left: 1 of 2 iterations, this one included.",
        "29 of 30 calls of the language model",
    ):
        assert fact in second, fact


def test_the_plain_prompt_of_the_papers_can_be_asked_for(runs):
    plain = ("--search.advice", "off", "--search.whole_policies", "off", "--search.backgrounds", "off")
    (said,) = asked(runs, 1, *plain)
    for opinion in ("Advice of", "Label safety", "Usual policies", "rand_augment"):
        assert opinion not in said, opinion
    assert "reaches the highest validation accuracy" in said
