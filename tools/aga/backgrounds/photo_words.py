"""Which photos a caption means, by the words in the names of their files and folders."""

import re
from collections import Counter
from collections.abc import Sequence
from pathlib import PurePosixPath

from tools.aga.backgrounds.scenes.vocabulary import plain_words, vocabulary

_CAMERAS = frozenset(("img", "dsc", "dscn", "dcim", "pic", "pxl", "file", "untitled", "copy", "screenshot"))
"""What cameras and programs call their files: says nothing of what they show."""
_SHORTEST = 3
"""Letters of a word that counts."""
_SAME, _ALIKE = 2, 1
"""Points for a word in common, and for another word for the same thing ('meadow' and 'grass')."""


class PhotoWords:
    """The words of all photos of a folder."""

    def __init__(self, photos: Sequence[str]) -> None:
        """`photos`: paths within the folder."""
        self._words = [_said(str(PurePosixPath(photo).with_suffix(""))) for photo in photos]
        self._topics = [_topics(words) for words in self._words]

    @property
    def any(self) -> bool:
        """Whether a name has a word at all, so that a caption can choose."""
        return any(self._words)

    @property
    def named(self) -> int:
        """Photos whose names have words."""
        return sum(bool(words) for words in self._words)

    def frequent(self, most: int) -> list[str]:
        """The words that most photos have, in the order of how many."""
        counts = Counter(word for words in self._words for word in words)
        return [word for word, _ in sorted(counts.items(), key=lambda item: (-item[1], item[0]))[:most]]

    def meant(self, caption: str) -> list[int]:
        """The numbers of the photos that fit the caption best, in order; empty where no name has a word of it."""
        words = _said(caption)
        topics = _topics(words)
        points = [
            _SAME * len(words & own) + _ALIKE * len((topics & also) - _topics(words & own))
            for own, also in zip(self._words, self._topics, strict=True)
        ]
        best = max(points, default=0)
        return [number for number, each in enumerate(points) if each == best] if best else []


def _said(text: str) -> frozenset[str]:
    """The words of a path or a caption that say what it shows."""
    known = vocabulary()
    words = plain_words(re.sub(r"[_/\\\d.]+", " ", text))
    parts = {part for word in words for part in (word, *word.split("-"))}
    return frozenset(
        word
        for word in parts
        if len(word) >= _SHORTEST
        and word not in _CAMERAS
        and word not in known.grammar
        and not _says_nothing(word)
    )


def _says_nothing(word: str) -> bool:
    meaning = vocabulary().meanings.get((word,))
    return meaning is not None and meaning.kind == "ignored"


def _topics(words: frozenset[str]) -> frozenset[str]:
    """What the words mean to kind `scenes`, where they are in its lists."""
    found = (vocabulary().meanings.get((word,)) for word in words)
    return frozenset(
        f"{each.kind} {each.name}" for each in found if each is not None and each.kind != "ignored"
    )
