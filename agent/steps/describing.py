"""Settings for backgrounds or edits, described from the training images by a model that sees, as ALIA does.

ALIA has each image captioned and a language model summarise the captions to at most ten descriptions of domains that
name no class. A model that sees does both in one answer, from sheets of images of all classes in turn.
"""

import json
import re
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from agent.llm.privacy import host_of, is_near, tells_names
from agent.screen.terminal import Terminal
from agent.settings.config import LLMConfig, StudyConfig
from prompts import render
from tools.aga.captions.forbidden_words import named_in
from tools.aga.captions.prompt_sets import LONGEST_ENTRY
from tools.aga.config import PromptSet
from tools.datasets.types import Card
from tools.errors import AugurError, ConfigurationError
from tools.text import one_line

if TYPE_CHECKING:
    from tools.datasets.cache.read import CachedDataset, SplitView

MOST = 10
"""Descriptions, as in ALIA."""
SHEETS, ACROSS = 2, 4
"""Pictures that are sent, of ACROSS x ACROSS images each."""
_ATTEMPTS = 3
_WORDS = 14
_TILE = 184

AskWithPictures = Callable[[str, str, Sequence[str]], str]
"""(system, user, PNGs in base64) → the model's answer, or '' where it has none."""


def agree_to_pictures(
    llm: LLMConfig, card: Card, terminal: Terminal, ask: Callable[[str], bool | None]
) -> None:
    """Make sure that training images may be sent to the model: it is near, `llm.vision` says so, or the user does.

    Raises:
        ConfigurationError: they may not, or nobody can be asked.
    """
    host = host_of(llm)
    if llm.vision == "on" or is_near(llm):
        terminal.note(f"pictures: {SHEETS} sheets of training images are sent to {host}")
        return
    question = (
        f"May {SHEETS} sheets of {ACROSS * ACROSS} training images of {card.title} be sent to {llm.model} at {host}, "
        "to describe where they were taken? [y/N] "
    )
    if llm.vision == "off" or not ask(question):
        raise ConfigurationError(
            f"--describe needs to send training images to {host}, which was not allowed: add --llm.vision on, use a "
            "model on this machine, or give the descriptions with --prompts"
        )


def described(
    prompts: PromptSet, config: StudyConfig, card: Card, data: "CachedDataset", terminal: Terminal
) -> PromptSet:
    """The prompts, with settings as a model describes the training images; what it wrote is shown.

    Raises:
        AugurError: the model cannot be reached, or no answer of it can be used.
    """
    from agent.llm import make_ask

    llm = config.caption_llm
    ask = make_ask(llm, lambda call: None, "description")
    avoid = [*card.classes, prompts.subject, *prompts.avoid]
    found = describe(ask, llm, card, data.split("train"), avoid, config.search.seed)
    terminal.note("described from the training images: " + "; ".join(found))
    return prompts.model_copy(update={"settings": found})


def describe(
    ask: AskWithPictures, llm: LLMConfig, card: Card, view: "SplitView", avoid: Sequence[str], seed: int
) -> list[str]:
    """Up to ten settings in which the training images were taken, none of which has a word to avoid.

    Args:
        ask: reaches the model.
        llm: which it is: whether it may be told the names of the classes, and a title that is the name of a folder.
        card: of the data set.
        view: the training images.
        avoid: words that no description may have.
        seed: draws the images that are shown.

    Raises:
        AugurError: no answer of the model could be used; says why.
    """
    from agent.proposers.inspection import encoded
    from agent.proposers.inspection.training_images import examples
    from tools.sheet import SheetRow, draw_sheet

    each = ACROSS * ACROSS
    shown = examples(view, len(card.classes), SHEETS * each, seed)
    shown = np.random.default_rng(seed).permutation(shown)  # so that each sheet has all classes
    sheets = []
    for start in range(0, len(shown), each):
        pictures = [np.asarray(view.images[at]) for at in shown[start : start + each]]
        rows = [SheetRow(pictures[at : at + ACROSS]) for at in range(0, len(pictures), ACROSS)]
        sheets.append(encoded(draw_sheet("training images", rows, _TILE)))
    private = not tells_names(llm, card)
    told = [word for word in avoid if not private or word not in card.classes]
    system = render("domains", part="system", most=MOST, words=_WORDS, avoid=told)
    rejected = ""
    for _ in range(_ATTEMPTS):
        user = render(
            "domains",
            part="user",
            pictures=len(sheets),
            images=len(shown),
            title="" if private and "title" in card.private else card.title,
            rejected=rejected,
        )
        found, rejected = _read(ask(system, user, sheets), avoid)
        if found:
            return found
    raise AugurError(
        f"{llm.model} described no setting that can be used in {_ATTEMPTS} answers ({rejected}): use another model "
        "that sees pictures (--llm), or give the descriptions with --prompts"
    )


def _read(answer: str, avoid: Sequence[str]) -> tuple[list[str], str]:
    """The descriptions in an answer, and what is wrong where there are none."""
    if not answer.strip():
        return [], "it was empty"
    texts = _texts(answer)
    if not texts:
        return [], "it had no JSON list of texts"
    free = [text for text in texts if not named_in(text, avoid) and 0 < len(text) <= LONGEST_ENTRY]
    if not free:
        words = list(dict.fromkeys(word for text in texts for word in named_in(text, avoid)))
        return (
            [],
            "each text has a word to avoid" if words else f"each text is longer than {LONGEST_ENTRY} signs",
        )
    return list(dict.fromkeys(free))[:MOST], ""


def _texts(answer: str) -> list[str]:
    for found in re.finditer(r"\[.*?\]", answer, re.DOTALL):
        try:
            value: Any = json.loads(found.group())
        except ValueError:
            continue
        if isinstance(value, list) and value and all(isinstance(each, str) for each in value):
            return [one_line(each).strip(" .") for each in value]
    return []
