"""The words that kind `scenes` knows, from `words.yaml`. Light: no NumPy."""

import itertools
import re
import unicodedata
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any, Literal

from tools.files import read_yaml

Colour = tuple[int, int, int]
"""RGB, 0..255."""
Palette = tuple[Colour, ...]
Kind = Literal[
    "family", "colour", "shade", "time", "weather", "season", "camera", "focus", "style", "ignored"
]

ASPECTS: tuple[Kind, ...] = ("time", "weather", "season", "camera", "focus", "style")
"""What a caption may say besides what the picture shows, one table of `words.yaml` for each."""
_WORD = re.compile(r"[a-z]+(?:['-][a-z]+)*")
_IRREGULAR = {
    "leaves": "leaves",
    "woods": "woods",
    "shelves": "shelf",
    "grasses": "grass",
    "boundaries": "boundary",
}
"""'leaves' stays what it is: many are foliage and one is a leaf; woods are no wood."""
_AS_THEY_ARE = ("ss", "us", "is", "os")
"""Endings of words in -s that are no plurals."""


@dataclass(frozen=True)
class Meaning:
    """What a phrase asks for."""

    kind: Kind
    name: str
    """Of the family, colour, time, …"""
    palette: str = ""
    """Of a family."""
    place: bool = False
    """Whether it means a place with a horizon."""
    weak: bool = False
    """Whether it counts only where nothing else names a family."""


@dataclass(frozen=True)
class Family:
    """A kind of picture."""

    name: str
    shows: str
    palettes: Mapping[str, Palette]
    tinted: tuple[int, ...]
    """Which colours of a palette a word for a colour changes; empty for all."""
    plant: bool
    """Whether it follows the seasons."""
    behind: str
    """What stands on its horizon; empty where it has none."""
    words: tuple[str, ...]
    """All that ask for it, those of its palettes and places in turn."""


@dataclass(frozen=True)
class Vocabulary:
    """All that is known."""

    families: Mapping[str, Family]
    colours: Mapping[str, Colour]
    aspects: Mapping[str, Mapping[str, tuple[str, ...]]]
    """Aspect → what it may be → words."""
    meanings: Mapping[tuple[str, ...], Meaning]
    """By the words of a phrase, each in its plain form."""
    longest: int
    """Words of the longest phrase."""
    grammar: frozenset[str]
    """Words that join others."""


def plain_words(text: str) -> list[str]:
    """The words of a text, lower case, without accents, in the singular."""
    decomposed = unicodedata.normalize("NFKD", text)
    bare = "".join(each for each in decomposed if not unicodedata.combining(each))
    bare = re.sub(r"[\u2018\u2019\u02bc]", "'", re.sub(r"[\u00ad\u2010-\u2015]", "-", bare)).casefold()
    return [_singular(word.removesuffix("'s")) for word in _WORD.findall(bare)]


def _singular(word: str) -> str:
    if word in _IRREGULAR:
        return _IRREGULAR[word]
    if len(word) < 4 or not word.endswith("s") or word.endswith(_AS_THEY_ARE):
        return word
    if word.endswith("ies") and len(word) > 4:
        return f"{word[:-3]}y"
    if word.endswith(("ches", "shes", "xes", "zes")):
        return word[:-2]
    return word[:-1]


@lru_cache(maxsize=1)
def vocabulary() -> Vocabulary:
    """What `words.yaml` holds.

    Raises:
        ValueError: a phrase stands in it twice.
    """
    found = read_yaml(Path(__file__).with_name("words.yaml"))
    families = {name: _family(name, about) for name, about in found["families"].items()}
    meanings: dict[tuple[str, ...], Meaning] = {}
    for phrase, meaning in _entries(found):
        key = tuple(plain_words(phrase))
        known = meanings.setdefault(key, meaning)
        if known != meaning:
            raise ValueError(f"words.yaml has {phrase!r} twice: as {known} and as {meaning}")
    return Vocabulary(
        families,
        {name: _colour(value) for name, value in found["colours"].items()},
        {aspect: {name: tuple(words) for name, words in found[aspect].items()} for aspect in ASPECTS},
        meanings,
        max(map(len, meanings)),
        frozenset(found["grammar"]),
    )


def _family(name: str, about: Mapping[str, Any]) -> Family:
    palettes = {key: tuple(_colour(stop) for stop in stops) for key, stops in about["palettes"].items()}
    lists = [words for table in _tables(about) for words in table.values()]
    # In turn, so that the first few show what all palettes and places are called.
    words = [word for turn in itertools.zip_longest(*lists) for word in turn if word is not None]
    return Family(
        name,
        about["shows"],
        palettes,
        tuple(about.get("tinted", ())),
        about.get("plant", False),
        about.get("behind", ""),
        tuple(words),
    )


def _tables(about: Mapping[str, Any]) -> Iterator[Mapping[str, Sequence[str]]]:
    for name in ("words", "places", "weak"):
        yield about.get(name, {})


def _entries(found: Mapping[str, Any]) -> Iterator[tuple[str, Meaning]]:
    """Every phrase of the file with its meaning."""
    for name, about in found["families"].items():
        words, places, weak = _tables(about)
        for table, place, is_weak in ((words, False, False), (places, True, False), (weak, False, True)):
            for palette, phrases in table.items():
                for phrase in phrases:
                    yield phrase, Meaning("family", name, palette, place, is_weak)
    for name in found["colours"]:
        yield name, Meaning("colour", name)
    for name, phrases in found["shades"].items():
        for phrase in phrases:
            yield phrase, Meaning("shade", name)
    for aspect in ASPECTS:
        for name, phrases in found[aspect].items():
            for phrase in phrases:
                yield phrase, Meaning(aspect, name)
    for phrase in found["ignored"]:
        yield phrase, Meaning("ignored", "")


def _colour(stop: Sequence[int]) -> Colour:
    red, green, blue = stop
    return red, green, blue
