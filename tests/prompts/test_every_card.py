"""The rendered prompt of every card, in every mode: what must be in it, and what must not."""

import re
from typing import get_args

import pytest

from agent.proposers.conversation import MANY_CLASSES, Mode
from tests.agent.proposers.arms import REFERENCE
from tests.prompts.told import (
    BLUR,
    everything,
    first_message,
    of_card,
    operation,
    proposal,
    record,
    system_message,
)
from tests.tools.datasets.every_card import cards
from tools.datasets.types import Card
from tools.policy.canonical import one_line
from tools.policy.catalogue import CATALOGUE
from tools.policy.starts import starts_for
from tools.training.metrics import METRICS, Metric, metric_title

MODES: tuple[Mode, ...] = get_args(Mode)
WHOLE = [name for name, spec in CATALOGUE.items() if spec.whole_policy]
MARKS = re.compile(r"reaches the highest (.+?)\.|^- Target: (.+?),|in points of (.+?) \(", re.MULTILINE)
"""Where the prompt says what decides."""

every_card = pytest.mark.parametrize("card", cards().values(), ids=cards())


def paragraphs(text: str) -> str:
    return " ".join(text.split())


@every_card
@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("feedback", [True, False], ids=["results", "no-results"])
def test_the_prompt_is_complete(card: Card, mode: Mode, feedback: bool) -> None:
    told = of_card(card)
    system, text = system_message(told, mode, feedback), first_message(told, mode, feedback)
    assert "- Target: validation accuracy, the mean over 3 seeds; higher is better. It alone decides" in text
    assert paragraphs(card.description) in paragraphs(text)
    assert paragraphs(card.advice) in paragraphs(text)
    for name, count in told.class_counts.items():
        assert f"{name}: {count}" in text
    for name in CATALOGUE:
        assert f"\n- {name}: " in text
    for start in starts_for(card.modality):
        assert f"- {start.name}: {one_line(start.policy)}. Source: {start.source}." in text
    assert "# Label safety" in text
    assert "640 × 480" in text
    assert "480 steps" in text
    assert ("submit_proposal" in system) == (mode == "tools")
    assert "\n\n\n\n" not in text


@every_card
def test_the_metric_that_decides_is_named_and_no_other(card: Card) -> None:
    """Each of them, whatever measure is usual for a data set."""
    for metric in METRICS:
        _names(card, metric)


def _names(card: Card, metric: Metric) -> None:
    title, tried = metric_title(metric), proposal(operation("rotate", degrees=20))
    told = of_card(
        card,
        metric=metric,
        reference=REFERENCE,
        noise=0.01,
        baselines=(record(0, tried, 0.76, name="default"),),
        past=(record(1, BLUR, 0.78),),
    )
    for mode in MODES:
        said = [found for each in MARKS.findall(everything(told, mode)) for found in each if found]
        assert said.count(f"validation {title}") == 2
        assert set(said) == {f"validation {title}", title}
    text = first_message(told)
    for sentence in (
        f"Reference, no augmentation: {title} 0.7500",
        f"changes its {title} by 1.00 points",
        f"in points of {title} (1.0 means",
        f"| policy | {title} | over the default, points | over no augmentation, points |",
        f"\n{title[0].upper()}{title[1:]} 0.7800",
    ):
        assert sentence in text


@every_card
def test_the_advice_says_whose_opinion_it_is_and_the_description_stands_alone(card: Card) -> None:
    text = first_message(of_card(card))
    assert ("Advice of the makers of this software, an opinion" in text) == bool(card.advice)
    before = text.partition("Advice of the makers")[0]
    assert card.advice == "" or paragraphs(card.advice) not in paragraphs(before)


@every_card
@pytest.mark.parametrize("mode", MODES)
def test_without_advice_it_is_the_plain_prompt(card: Card, mode: Mode) -> None:
    told = of_card(card, advice=False)
    text = everything(told, mode)
    assert paragraphs(card.description) in paragraphs(text)
    assert "validation accuracy" in text
    for opinion in (
        "Advice of",
        "Label safety",
        "Refused here",
        "with a risk",
        "Usual policies",
        "teaches the classifier something false",
        "changes the label",
        "augment more",
        "should be, as varied",
    ):
        assert opinion not in text, opinion
    if card.advice:
        assert paragraphs(card.advice) not in paragraphs(text)


@every_card
def test_without_whole_policies_none_is_named_in_the_catalogue(card: Card) -> None:
    text = first_message(of_card(card, whole_policies=False))
    catalogue = text.partition("# Catalogue of operations")[2]
    for name in WHOLE:
        assert name not in catalogue
    assert "- rotate: " in catalogue


@every_card
def test_it_stays_bounded_however_many_classes_there_are(card: Card) -> None:
    text = everything(of_card(card))
    assert len(text) < 30_000
    lines = [line for line in text.splitlines() if re.match(r"- .*: \d+ \(\d", line)]
    assert len(lines) == (len(card.classes) if len(card.classes) <= MANY_CLASSES else 0)
