"""The words that no caption may have: which they are, and whether a text has one in any form.

Whoever checks a caption asks `named_in`: `prompt_sets.py` for a proposal, `captioners.py` for each caption that is
written, and the gate `caption_words` (`tools/aga/gates/gates.py`) for each caption before its picture is made.

A class name comes as data sets write it (`001.Black_footed_Albatross`, `GarterSnake`, `ants`), a caption as people
write (`black-footed albatrosses`). Both are brought to one spelling, and the last word of a name may be in the
singular or the plural, by rules and a table of exceptions: enough for nouns, and without a dictionary to load.
"""

import re
import unicodedata
from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path

from tools.aga.config import PromptSet
from tools.files import read_yaml

IRREGULAR = {
    "man": "men",
    "woman": "women",
    "child": "children",
    "person": "people",
    "foot": "feet",
    "tooth": "teeth",
    "goose": "geese",
    "mouse": "mice",
    "louse": "lice",
    "ox": "oxen",
    "die": "dice",
    "genus": "genera",
    "phenomenon": "phenomena",
    "ganglion": "ganglia",
    "mitochondrion": "mitochondria",
}
"""Singular → plural, where no rule gives it. Compounds too: 'dormouse', 'snowman'."""
_SINGULAR = {plural: singular for singular, plural in IRREGULAR.items()}

_NO_PLURALS = frozenset({"means", "news"})
"""Singular although they end in -s, and another word without it."""

_ENDINGS = (
    ("y", "ies"),
    ("f", "ves"),
    ("fe", "ves"),
    ("us", "i"),
    ("um", "a"),
    ("a", "ae"),
    ("is", "es"),
    ("ix", "ices"),
    ("ex", "ices"),
    ("z", "zzes"),
)
"""Ending of the singular → of a plural. Tried for all words: a form that does not exist is found nowhere."""
_SHORTEST_STEM = 2
"""Letters before such an ending: with fewer, other words would match ('gum' and 'ga')."""
_SHORTEST_PLURAL = 4
"""Letters: shorter words that end in -s are usually singular ('gas')."""

_LONG_NAME, _LEAST_REST = 5, 3
"""Letters. What begins with a name this long and goes on for as many more is about it: 'spiderweb'. Shorter names begin
too many other words ('ant' and 'antique')."""

_ALTERNATIVES = re.compile(r"[,;/|()\[\]]|(?<=[^\W\d_]{3})\s*[&+]\s*(?=[^\W\d_]{3})")
_TWO_NOUNS = re.compile(r"^\s*([^\W\d_]+)\s+(?:and|or)\s+([^\W\d_]+)\s*$", re.IGNORECASE)
"""'ants and bees', but not 'black and white warbler', which would forbid everything that is black."""
_HUMP = re.compile(r"(?<=[a-z])(?=[A-Z])")
_WORD = re.compile(r"[^\W_]+")
_NO_SPACES = (
    r"[\u0e00-\u0fff\u1000-\u109f\u1780-\u17ff\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff"
    r"\U00020000-\U000323af]"
)
"""A letter of a script whose words are not parted by spaces: Thai, Lao, Tibetan, Burmese, Khmer, Japanese, Chinese."""


def forbidden_words(prompts: PromptSet, subjects: Sequence[str], classes: Sequence[str]) -> list[str]:
    """What no caption may name: the words to avoid of the proposal, every subject and every class."""
    words = (*prompts.avoid, prompts.subject, *subjects, *classes)
    return list(dict.fromkeys(word for word in words if word.strip()))


def named_in(text: str, avoid: Sequence[str]) -> tuple[str, ...]:
    """Those of `avoid` that `text` names, as they are written there.

    Case, accents, hyphens, underscores and spaces within a name do not matter; singular and plural of its last word
    are the same. Words within others do not count ('birch' does not name 'bir'), but compounds do: 'anthill' and
    'honeybees' name an ant and a bee; and in scripts without spaces, a name counts wherever it stands. A name with
    commas, slashes or '&' stands for several ('box turtle, box tortoise'; also 'ants and bees'), and a number before a
    name is not part of it ('001.Albatross').
    """
    plain, names = _plain(text), tuple(avoid)
    within = _in_compounds(_WORD.findall(plain), names)
    return tuple(
        name
        for name, pattern in zip(names, _patterns(names), strict=True)
        if name in within or pattern.search(plain)
    )


def compound_naming(text: str, name: str) -> str:
    """The compound in `text` that names `name` ('anthill'), in lower case; empty where none does."""
    return _in_compounds(_WORD.findall(_plain(text)), (name,)).get(name, "")


def allowed(entries: Sequence[str], avoid: Sequence[str]) -> list[str]:
    """The entries that name nothing of `avoid`."""
    return [entry for entry in entries if not named_in(entry, avoid)]


@lru_cache(maxsize=64)
def _patterns(avoid: tuple[str, ...]) -> tuple[re.Pattern[str], ...]:
    return tuple(_pattern(name) for name in avoid)


def _pattern(name: str) -> re.Pattern[str]:
    spellings = [_spelling(words) for part in _alternatives(name) if (words := _words(part))]
    if not spellings:
        return re.compile(r"(?!)")
    begins, ends = rf"(?:(?<![^\W_])|(?={_NO_SPACES}))", rf"(?:(?![^\W_])|(?<={_NO_SPACES}))"
    return re.compile(rf"{begins}(?:{'|'.join(spellings)}){ends}")


def _alternatives(name: str) -> list[str]:
    """The names that a class's name is made of."""
    return _ALTERNATIVES.split(_TWO_NOUNS.sub(r"\1,\2", name))


def _words(name: str) -> list[str]:
    words = _WORD.findall(_plain(_HUMP.sub(" ", name)))
    while len(words) > 1 and words[0].isdigit():
        words = words[1:]
    return words


def _spelling(words: list[str]) -> str:
    *first, last = words
    forms = "|".join(sorted((re.escape(form) for form in _forms(last)), key=len, reverse=True))
    return r"(?:'s)?[\s_'-]*".join([*map(re.escape, first), f"(?:{forms})"])


@lru_cache(maxsize=1)
def _parts() -> dict[str, list[str]]:
    return read_yaml(Path(__file__).with_name("compounds.yaml"))


@lru_cache(maxsize=64)
def _nouns(avoid: tuple[str, ...]) -> tuple[dict[str, set[str]], dict[str, set[str]]]:
    """What the names call with a single word: singular → names, any form → names. Compounds are made of these."""
    singulars: dict[str, set[str]] = {}
    forms: dict[str, set[str]] = {}
    for name in avoid:
        for words in (_words(part) for part in _alternatives(name)):
            if len(words) == 1 and words[0].isalpha():
                for stem in (words[0], *_singulars(words[0])):
                    singulars.setdefault(stem, set()).add(name)
                for form in _forms(words[0]):
                    forms.setdefault(form, set()).add(name)
    return singulars, forms


def _in_compounds(words: Sequence[str], avoid: tuple[str, ...]) -> dict[str, str]:
    """Name → the first of `words` that is a compound of it."""
    singulars, forms = _nouns(avoid)
    found: dict[str, str] = {}
    for word in words:
        before, after = _halves(word)
        begins = (word[:end] for end in range(_LONG_NAME, len(word) - _LEAST_REST + 1))
        named = [singulars.get(each, set()) for each in (*before, *begins)]
        named += [forms.get(each, set()) for each in after]
        for name in set().union(*named):
            found.setdefault(name, word)
    return found


@lru_cache(maxsize=4096)
def _halves(word: str) -> tuple[frozenset[str], frozenset[str]]:
    """What stands before a usual second part of a compound, and after a usual first one."""
    parts = _parts()
    ends = {word, word.removesuffix("s"), word.removesuffix("es")}
    before = {end.removesuffix(part) for end in ends for part in parts["second"] if end.endswith(part)}
    after = {word.removeprefix(part) for part in parts["first"] if word.startswith(part)}
    return frozenset(before - {""}), frozenset(after - {""})


def _forms(word: str) -> set[str]:
    """Singular and plural of a lower-case noun that may be either, itself included; some forms may not be words."""
    singulars = {word} | _singulars(word)
    return singulars | {plural for singular in singulars for plural in _plurals(singular)}


def _plurals(word: str) -> set[str]:
    if not word.isalpha():
        return {f"{word}s"}
    return {f"{word}s", f"{word}es"} | _exchanged(word, IRREGULAR, _ENDINGS)


def _singulars(word: str) -> set[str]:
    found = _exchanged(word, _SINGULAR, tuple((plural, singular) for singular, plural in _ENDINGS))
    plural = word.endswith("s") and not word.endswith(("ss", "us", "is")) and word not in _NO_PLURALS
    if plural and len(word) >= _SHORTEST_PLURAL and word.isalpha():
        found.add(word[:-1])
        if word.endswith(("ses", "xes", "zes", "ches", "shes", "oes")):
            found.add(word[:-2])
    return found


def _exchanged(word: str, table: dict[str, str], endings: Sequence[tuple[str, str]]) -> set[str]:
    """`word` with an ending of the table, or else of the rules, exchanged."""
    for ending, other in table.items():
        if word.endswith(ending):
            return {word.removesuffix(ending) + other}
    return {
        word.removesuffix(ending) + other
        for ending, other in endings
        if word.endswith(ending) and len(word) - len(ending) >= _SHORTEST_STEM
    }


def _plain(text: str) -> str:
    """Lower case, without accents and other marks; typographic hyphens and apostrophes as plain ones."""
    decomposed = unicodedata.normalize("NFKD", text)
    bare = "".join(
        character for character in decomposed if not unicodedata.category(character).startswith("M")
    )
    hyphens = re.sub(r"[\u00ad\u2010-\u2015]", "-", bare)
    return re.sub(r"[\u2018\u2019\u02bc]", "'", hyphens).casefold()
