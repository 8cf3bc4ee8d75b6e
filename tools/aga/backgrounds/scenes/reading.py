"""What a caption asks for, as far as kind `scenes` understands it: no language model, a list of words.

The caption is cut into the longest phrases that are known. What it shows is said by the first noun phrase that names a
family, by its last word: 'mossy stone' is a stone, 'a lawn before a hedge' a lawn. Everything else (colour, time of
day, weather, season, camera) is looked for in the whole caption. Words that are in no list are kept, to be told.
"""

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

from tools.aga.backgrounds.scenes.vocabulary import ASPECTS, Meaning, plain_words, vocabulary


@dataclass(frozen=True)
class Scene:
    """What is to be drawn."""

    family: str
    """'paper', a plain backdrop, where no word names one."""
    palette: str
    place: bool = False
    """Whether it is a place with a horizon, and not a surface that fills the picture."""
    colour: str = ""
    """A word for a colour; empty for the palette's own."""
    shade: str = ""
    """'pale', 'dark' or empty."""
    time: str = ""
    weather: str = ""
    season: str = ""
    camera: str = ""
    focus: str = ""
    style: tuple[str, ...] = ()


@dataclass(frozen=True)
class Reading:
    """A caption, understood or not."""

    scene: Scene
    understood: bool
    """Whether a word says what the picture shows. If not, a plain backdrop is drawn."""
    unknown: tuple[str, ...]
    """Words that are in no list, in their order: they change nothing."""


@dataclass(frozen=True)
class _Found:
    at: int
    until: int
    meaning: Meaning | None
    """None for a word that is not known."""
    word: str


def read(caption: str) -> Reading:
    """What `caption` asks for."""
    words = [part for word in plain_words(caption) for part in _parts(word)]
    found = _phrases(words)
    main = _main(found)
    scene = ("paper", "white", False)
    if main is not None and main.meaning is not None:
        scene = (main.meaning.name, main.meaning.palette, main.meaning.place)
    aspects = {aspect: _named(found, aspect) for aspect in ASPECTS}
    first = {aspect: names[0] if names else "" for aspect, names in aspects.items()}
    return Reading(
        Scene(
            *scene,
            colour=_describing(found, "colour", main, words),
            shade=_describing(found, "shade", main, words),
            time=first["time"],
            weather=first["weather"],
            season=first["season"],
            camera=first["camera"],
            focus=first["focus"],
            style=tuple(dict.fromkeys(aspects["style"])),
        ),
        main is not None,
        tuple(dict.fromkeys(each.word for each in found if each.meaning is None)),
    )


def _parts(word: str) -> list[str]:
    """A hyphened word that is in no list, as its parts."""
    return [word] if (word,) in vocabulary().meanings else word.split("-")


def _phrases(words: Sequence[str]) -> list[_Found]:
    """The longest known phrases from left to right, and the words that are unknown."""
    known, found, at = vocabulary(), [], 0
    while at < len(words):
        for length in range(min(known.longest, len(words) - at), 0, -1):
            meaning = known.meanings.get(tuple(words[at : at + length]))
            if meaning is not None:
                found.append(_Found(at, at + length, meaning, " ".join(words[at : at + length])))
                break
        else:
            length = 1
            if words[at] not in known.grammar and len(words[at]) > 1:
                found.append(_Found(at, at + 1, None, words[at]))
        at += length
    return found


def _main(found: Sequence[_Found]) -> _Found | None:
    """The phrase that says what is shown."""
    named = [each for each in found if each.meaning is not None and each.meaning.kind == "family"]
    strong = [each for each in named if each.meaning is not None and not each.meaning.weak]
    if not strong:
        return named[0] if named else None
    chosen = strong[0]
    until = {each.until: each for each in found}
    for each in strong[1:]:
        before = each.at
        # 'lichen-covered granite': words that only describe do not end the phrase.
        while before > chosen.until and before in until and _only_describes(until[before]):
            before = until[before].at
        if before != chosen.until:
            break
        # 'mountain lake': the last of words that follow one another; 'thistle blossoms': the first says which.
        chosen = each if _family(each) != _family(chosen) else replace(chosen, until=each.until)
    return chosen


def _only_describes(found: _Found) -> bool:
    return found.meaning is not None and found.meaning.kind in ("ignored", "colour", "shade")


def _family(found: _Found) -> str:
    return found.meaning.name if found.meaning is not None else ""


def _named(found: Sequence[_Found], kind: str) -> list[str]:
    return [each.meaning.name for each in found if each.meaning is not None and each.meaning.kind == kind]


def _describing(found: Sequence[_Found], kind: str, main: _Found | None, words: Sequence[str]) -> str:
    """The last such word before the main one, or one after it that 'in' or 'of' joins to it ('cloth in red')."""
    named = [each for each in found if each.meaning is not None and each.meaning.kind == kind]
    at = main.at if main is not None else len(words)
    before = [each for each in named if each.at < at]
    after = [each for each in named if each.at > at and words[each.at - 1] in ("in", "of", "painted")]
    chosen = before[-1] if before else after[0] if after else None
    return "" if chosen is None or chosen.meaning is None else chosen.meaning.name


@dataclass(frozen=True)
class Understanding:
    """How many captions of a set were understood."""

    captions: int
    plain: int
    """Of which nothing says what they show: plain backdrops."""
    unknown: tuple[tuple[str, int], ...]
    """Words that change nothing, with the captions that have them; the most frequent first."""


def understanding(captions: Iterable[str]) -> Understanding:
    """What of `captions` was read, each counted once."""
    readings = [read(each) for each in dict.fromkeys(captions)]
    unknown = Counter(word for each in readings for word in each.unknown)
    return Understanding(
        len(readings),
        sum(not each.understood for each in readings),
        tuple(sorted(unknown.items(), key=lambda item: (-item[1], item[0]))),
    )
