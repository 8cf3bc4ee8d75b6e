"""Histories as a study would tell them, for the tests of the prompts: made, not trained."""

from collections.abc import Sequence
from dataclasses import replace

from agent.memory.history import History, IterationRecord
from agent.memory.proposal import Proposal
from agent.proposers.conversation import Mode, initial_messages
from tests.agent.proposers.arms import history, operation, proposal, record
from tools.aga.chain_facts import ChainFacts, chain_facts
from tools.aga.config import AgaConfig, PromptSet
from tools.datasets.types import Card

ROTATE = proposal(operation("rotate", degrees=20), operation("horizontal_flip"))
BLUR = proposal(operation("gaussian_blur", sigma=1), operation("brightness", strength=0.2), gain=1.25)
PROMPTS = PromptSet(
    subject="bird",
    scale=1.5,
    instructions=["a photograph of", "a painting of"],
    settings=["a reedy shore", "a mossy trunk"],
    times=["at dusk"],
    avoid=["gull", "tern"],
    flip_probability=0.5,
    max_rotation=10,
    min_scale=0.8,
    max_scale=1.2,
)


def system_message(told: History, mode: Mode = "tools", feedback: bool = True) -> str:
    return str(initial_messages(told, mode, 6, feedback)[0].content)


def first_message(told: History, mode: Mode = "tools", feedback: bool = True) -> str:
    return str(initial_messages(told, mode, 6, feedback)[1].content)


def everything(told: History, mode: Mode = "tools", feedback: bool = True) -> str:
    return f"{system_message(told, mode, feedback)}\n{first_message(told, mode, feedback)}"


def with_prompts(made: Proposal, prompts: PromptSet = PROMPTS) -> Proposal:
    return made.model_copy(update={"backgrounds": [prompts]})


def with_confusion(item: IterationRecord, confusion: tuple[tuple[int, ...], ...]) -> IterationRecord:
    return replace(item, trials=tuple(replace(trial, confusion=confusion) for trial in item.trials))


def with_scores(item: IterationRecord, values: Sequence[float], reference: float) -> IterationRecord:
    """The record with these accuracies, a seed each, and its mean and gain over a reference of that mean."""
    trials = tuple(
        replace(item.trials[0], seed=seed, status="finished", score=value)
        for seed, value in enumerate(values)
    )
    mean = sum(values) / len(values)
    return replace(item, trials=trials, mean=mean, gain=mean - reference)


def chain(**settings: object) -> ChainFacts:
    """The chain of a study with these settings below `aga`."""
    return chain_facts(AgaConfig.model_validate(settings), "openai:gpt-5-mini")


def of_card(card: Card, **changes: object) -> History:
    """A study of that data set, before its first result, with backgrounds allowed."""
    told = replace(
        history(),
        card=card,
        class_counts={name: 10 + at for at, name in enumerate(card.classes)},
        image_size=card.image_size,
        reference=None,
        noise=None,
        backgrounds="optional",
        chain=chain(),
        seeds=3,
        steps=480,
        original_size=(640, 480),
    )
    return replace(told, **changes)


__all__ = ["BLUR", "PROMPTS", "ROTATE", "history", "operation", "proposal", "record"]
