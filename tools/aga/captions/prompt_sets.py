"""Reasons to refuse a proposed prompt set, found before any caption or picture is made."""

import math
from collections.abc import Sequence

from tools.aga.captions.forbidden_words import compound_naming, named_in
from tools.aga.config import PromptSet

MOST_ENTRIES = 40
"""In each of the three sets."""
MOST_AVOIDED = 400
LONGEST_ENTRY = 120
"""Characters. Three entries make a caption of at most 77 tokens."""
LONGEST_SUBJECT = 60

NUMBERS: tuple[tuple[str, float, float, bool, str], ...] = (
    ("scale", 0, 10, False, "how many synthetic images there are for each real one"),
    ("flip_probability", 0, 1, True, "how often the subject is mirrored"),
    ("max_rotation", 0, 180, True, "degrees either way"),
    ("min_scale", 0.2, 1, True, "the smallest zoom of the subject"),
    ("max_scale", 1, 2, True, "the largest zoom of the subject"),
)
"""Field, lowest, highest, whether the lowest itself is allowed, meaning."""
_SETS = ("instructions", "settings", "times")


def vet_prompts(prompts: PromptSet, classes: Sequence[str]) -> list[str]:
    """Reasons to refuse `prompts`, each with a remedy; empty where there are none.

    Args:
        prompts: as proposed; pydantic has only checked the types.
        classes: names of the data set's classes: no entry may name one, nor the subject, nor a word to avoid.
    """
    reasons = [*_subject(prompts.subject), *_numbers(prompts)]
    forbidden = _forbidden(prompts, classes)
    for name in _SETS:
        reasons += _entries(name, getattr(prompts, name), forbidden)
    return reasons + _avoided(prompts.avoid)


def _forbidden(prompts: PromptSet, classes: Sequence[str]) -> dict[str, str]:
    """Word → what it is: a class remains a class where it is also listed as a word to avoid."""
    return {
        **dict.fromkeys((word.strip() for word in prompts.avoid if word.strip()), "a word to avoid"),
        **({prompts.subject.strip(): "the subject"} if prompts.subject.strip() else {}),
        **dict.fromkeys(classes, "a class"),
    }


def _subject(subject: str) -> list[str]:
    text = subject.strip()
    if not any(character.isalpha() for character in text):
        return [f"the subject is {subject!r}: name what the images show in a word or two, such as bird"]
    if len(text) > LONGEST_SUBJECT:
        return [
            f"the subject is {_shown(text)}, {len(text)} characters long: the detector needs a plain noun of at most "
            f"{LONGEST_SUBJECT} characters, such as bird"
        ]
    if any(sign in text for sign in ".,;/\n"):
        return [
            f"the subject {text!r} names several things: give one superclass that covers them, such as animal"
        ]
    return []


def _numbers(prompts: PromptSet) -> list[str]:
    reasons = []
    for name, low, high, closed, meaning in NUMBERS:
        value = getattr(prompts, name)
        inside = math.isfinite(value) and low <= value <= high and (closed or value > low)
        if not inside:
            start = f"{low:g} to" if closed else f"above {low:g}, up to"
            reasons.append(f"{name} is {value:g}: it must be {start} {high:g} ({meaning})")
    return reasons


def _entries(name: str, entries: Sequence[str], forbidden: dict[str, str]) -> list[str]:
    if not entries:
        return [f"{name} is empty: give at least one entry, better ten or more"]
    reasons = _lengths(name, entries, MOST_ENTRIES)
    for entry in entries:
        for word in named_in(entry, tuple(forbidden)):
            kind = forbidden[word]
            told = f"which is {kind}" if kind != "the subject" else "the subject"
            by = compound_naming(entry, word)
            where = f" by {by!r}" if by else ""
            reasons.append(
                f"the entry {_shown(entry)} of {name} names {word!r}{where}, {told}: the background must not show it; "
                "write the entry without it, or remove it"
            )
    return reasons


def _avoided(entries: Sequence[str]) -> list[str]:
    reasons = _lengths("avoid", entries, MOST_AVOIDED)
    for entry in entries:
        if entry.strip() and not any(character.isalnum() for character in entry):
            reasons.append(f"the entry {_shown(entry)} of avoid is not a word: remove it")
    return reasons


def _lengths(name: str, entries: Sequence[str], most: int) -> list[str]:
    reasons = []
    if len(entries) > most:
        reasons.append(f"{name} has {len(entries)} entries: keep the best {most} or fewer")
    if blank := sum(not entry.strip() for entry in entries):
        reasons.append(f"{name} has {blank} blank entr{'y' if blank == 1 else 'ies'}: remove or fill in")
    seen: set[str] = set()
    for entry in entries:
        plain = " ".join(entry.split()).casefold()
        if len(plain) > LONGEST_ENTRY:
            reasons.append(
                f"the entry {_shown(entry)} of {name} is {len(plain)} characters long: write it in at most "
                f"{LONGEST_ENTRY}"
            )
        if plain and plain in seen:
            reasons.append(f"{name} has the entry {_shown(entry)} more than once: remove the others")
        seen.add(plain)
    return list(dict.fromkeys(reasons))


def _shown(entry: str, length: int = 60) -> str:
    text = " ".join(entry.split())
    return repr(text if len(text) <= length else f"{text[: length - 1]}…")
