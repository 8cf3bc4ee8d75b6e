"""Captions without a model: the three parts, joined to a phrase."""

from collections.abc import Callable, Sequence

from tools.aga.captions.combinations import Combination
from tools.aga.captions.fitting import CLIP_TOKENS, approximate_tokens, fit, identity_of
from tools.aga.captions.forbidden_words import named_in
from tools.aga.captions.phrases import joined
from tools.aga.types import Caption
from tools.errors import ConfigurationError

_PLACES = ("an empty place", "an open scene", "a plain view")
"""Replace a setting that names a word to avoid."""


class TemplateCaptioner:
    """Joins the three parts to a phrase. Needs no model; the same combination always gives the same caption."""

    def __init__(
        self, limit: int = CLIP_TOKENS, count_tokens: Callable[[str], int] = approximate_tokens
    ) -> None:
        self._limit = limit
        self._count_tokens = count_tokens

    @property
    def identity(self) -> str:
        """Names everything that its answers depend on."""
        return f"template/1, {self._limit} tokens by {identity_of(self._count_tokens)}"

    def caption(self, combinations: Sequence[Combination], avoid: Sequence[str]) -> list[Caption]:
        """One caption for each combination, free of the words to `avoid`.

        A part that names one is omitted, or, if it is the setting, replaced by a plain one; the caption's warning
        says so.

        Raises:
            ConfigurationError: all three parts of a combination name words to avoid.
        """
        return [self._caption(combination, avoid) for combination in combinations]

    def _caption(self, combination: Combination, avoid: Sequence[str]) -> Caption:
        named = {part: words for part in combination if (words := named_in(part, avoid))}
        if all(part in named for part in combination):
            raise _nothing_left(combination, [word for words in named.values() for word in words])
        instruction, setting, time = ("" if part in named else part for part in combination)
        setting = setting or next((place for place in _PLACES if not named_in(place, avoid)), "")
        text = joined(instruction, setting, time)
        if named_in(text, avoid):
            # Two harmless parts have formed a name ('garden' and 'spider'): a comma keeps them apart.
            text = ", ".join(filter(None, (instruction, setting, time)))
        fitted, shortened = fit(text, self._count_tokens, self._limit)
        warnings = [f"{part!r} was left out: it names {quoted(words)}" for part, words in named.items()]
        return Caption(fitted, *combination, "template", 0, "; ".join(filter(None, [*warnings, shortened])))


def quoted(words: Sequence[str]) -> str:
    """Each word once, in quotes."""
    return ", ".join(repr(word) for word in dict.fromkeys(words))


def _nothing_left(combination: Combination, words: Sequence[str]) -> ConfigurationError:
    return ConfigurationError(
        f"no caption can be made from {' / '.join(combination)}: each part names a word to avoid ({quoted(words)}). "
        "Write other instructions, settings or times, or remove the word from those to avoid"
    )
