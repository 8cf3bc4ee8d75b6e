"""Shortens captions to what the text encoder of a diffusion model reads: 77 tokens for CLIP, which ignores the rest."""

import hashlib
import math
import re
from bisect import bisect_right
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from tools.aga.captions.phrases import expects_more
from tools.errors import ConfigurationError

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

CLIP_TOKENS = 77
"""Including the token that begins a text and the one that ends it."""

_FRAME = 2
_LETTERS_PER_TOKEN = 4
_PIECES = re.compile(r"[^\W\d_]+|\d|[^\s\w]|_")
"""What CLIP's tokenizer never joins: words, single digits, signs."""
_SENTENCE_END = re.compile(r"[.!?][\"')\]]*$")
_SIGNS = ",;:-"
_LEAST_KEPT = 0.5
"""Share of what fits. Where whole sentences would be less, the text is cut between words."""


def approximate_tokens(text: str) -> int:
    """About how many tokens CLIP makes of `text`, start and end included; too many rather than too few.

    Four letters a token, rounded up for each word, and one for each digit and sign; letters beyond ASCII count by
    their bytes. Plain English really has about three quarters of this.
    """
    return _FRAME + sum(
        math.ceil(len(piece) / _LETTERS_PER_TOKEN) if piece.isascii() else len(piece.encode())
        for piece in _PIECES.findall(text)
    )


def fit(
    text: str, count_tokens: Callable[[str], int] = approximate_tokens, limit: int = CLIP_TOKENS
) -> tuple[str, str]:
    """`text` in at most `limit` tokens, and a warning where it had to be shortened for that (else empty).

    It is cut after the last sentence that fits, or, if that leaves less than half of what would fit, after the last
    word that can end a phrase. White space becomes single spaces.

    Args:
        text: a caption.
        count_tokens: tokens of a text, start and end included.
        limit: what the text encoder reads.

    Raises:
        ConfigurationError: not even the first word fits.
    """
    words = text.split()
    whole = " ".join(words)
    tokens = count_tokens(whole)
    if tokens <= limit:
        return whole, ""
    fitting = bisect_right(range(1, len(words) + 1), limit, key=lambda n: count_tokens(" ".join(words[:n])))
    if fitting == 0:
        raise ConfigurationError(
            f"the caption {_excerpt(whole)!r} does not fit into {limit} tokens: its first word alone is longer. "
            "Write it in words, or raise aga.caption.max_tokens if the text encoder reads more"
        )
    kept = _phrase(words, fitting)
    return " ".join(kept), (
        f"the caption had {tokens} tokens and the text encoder reads {limit}: shortened after {kept[-1]!r}, "
        f"without {_excerpt(' '.join(words[len(kept) :]))!r}"
    )


def _phrase(words: list[str], fitting: int) -> list[str]:
    """The part of the first `fitting` words that reads as complete."""
    sentences = [n for n in range(1, fitting + 1) if _SENTENCE_END.search(words[n - 1])]
    if sentences and sentences[-1] >= fitting * _LEAST_KEPT:
        return words[: sentences[-1]]
    kept = fitting
    while kept > 1 and (not (last := words[kept - 1].strip(_SIGNS)) or expects_more(last)):
        kept -= 1
    return [*words[: kept - 1], words[kept - 1].rstrip(_SIGNS) or words[kept - 1]]


def _excerpt(text: str, length: int = 60) -> str:
    return text if len(text) <= length else f"{text[: length - 1]}…"


class TokenCounter:
    """Counts with a model's own tokenizer."""

    def __init__(self, tokenizer: "PreTrainedTokenizerBase") -> None:
        self._tokenizer = tokenizer

    @property
    def identity(self) -> str:
        """Names what the counts depend on: a hash of the vocabulary, wherever its file is."""
        vocabulary = sorted(self._tokenizer.get_vocab().items())
        return f"tokenizer:{hashlib.sha256(repr(vocabulary).encode()).hexdigest()[:16]}"

    def __call__(self, text: str) -> int:
        """Tokens of `text`, start and end included."""
        return len(self._tokenizer(text, truncation=False, verbose=False)["input_ids"])  # type: ignore[arg-type]


def clip_token_counter(folder_or_id: str) -> TokenCounter:
    """A counter with the tokenizer of a diffusers model: a local folder, or a hub id.

    It is the model's first tokenizer. SDXL's second one has the same vocabulary, and so the same counts.

    Raises:
        ConfigurationError: there is no tokenizer, or the hub cannot be reached.
    """
    from transformers import AutoTokenizer

    folder = Path(folder_or_id).expanduser()
    if folder.is_dir() and not (folder / "tokenizer").is_dir():
        raise ConfigurationError(
            f"{folder} has no folder 'tokenizer': aga.background.model must be a model in the layout of diffusers"
        )
    try:
        name = str(folder) if folder.is_dir() else folder_or_id
        return TokenCounter(AutoTokenizer.from_pretrained(name, subfolder="tokenizer"))
    except (OSError, ValueError) as error:
        raise ConfigurationError(
            f"the tokenizer of {folder_or_id!r} (aga.background.model) cannot be loaded: "
            f"{' '.join(str(error).split())[:300]}. Give the folder of a diffusers model, or a hub id that can be "
            "reached or was downloaded before"
        ) from error


def identity_of(count_tokens: Callable[[str], int]) -> str:
    """Names a way of counting."""
    return getattr(count_tokens, "identity", None) or getattr(
        count_tokens, "__qualname__", repr(count_tokens)
    )
