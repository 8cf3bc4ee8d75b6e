"""From combinations of instruction, setting and time to captions: by joining them, or by a chat model.

After the AGA paper, section 4.2. The model is reached through a plain function (`Ask`), because tools know nothing of
agents. Its answers are read by `caption_answers.py`, checked for words to avoid by `forbidden_words.py`, shortened by
`fitting.py`, and kept by `caption_cache.py`.
"""

import hashlib
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from prompts import render
from tools.aga.captions.caption_answers import read_answer
from tools.aga.captions.caption_cache import CachedCaptioner
from tools.aga.captions.combinations import Combination
from tools.aga.captions.fitting import CLIP_TOKENS, approximate_tokens, fit
from tools.aga.captions.forbidden_words import named_in
from tools.aga.captions.template import TemplateCaptioner, quoted
from tools.aga.config import CaptionConfig
from tools.aga.types import Caption, Captioner
from tools.errors import ConfigurationError

Ask = Callable[[str, str], str]
"""(system, user) → the model's answer: '' where it has none or refuses. Raises where it cannot be reached."""

NO_MODEL = (
    "aga.caption.kind is 'llm', but no model is configured: name one with --aga.llm or --llm, or use "
    "--aga.caption.kind template"
)
_WORDS_PER_TOKEN = 0.6
"""For the length that the model is asked for: plain English has about 0.75, and models count words badly."""


def open_captioner(
    config: CaptionConfig,
    folder: Path,
    ask: Ask | None = None,
    model: str = "",
    count_tokens: Callable[[str], int] = approximate_tokens,
    private: Collection[str] = (),
) -> Captioner:
    """The captioner that `config` means; a model's captions are kept in `folder`.

    Args:
        config: of captions.
        folder: where captions of a model are kept, for all studies.
        ask: calls the model; only kind 'llm' needs it.
        model: 'provider:model', part of the key that captions are kept by.
        count_tokens: of the text encoder; see `fitting.clip_token_counter`.
        private: words to avoid that the model is not told: what it writes is checked for them all the same.

    Raises:
        ConfigurationError: `kind` is 'llm' or 'local' and there is no model.
    """
    if config.kind == "template":
        return TemplateCaptioner(config.max_tokens, count_tokens)
    if config.kind == "local":
        from tools.aga.captions.local import LocalCaptioner, local_model

        local = LocalCaptioner(local_model(config.model), config.attempts, config.max_tokens, count_tokens)
        return CachedCaptioner(local, folder, config.batch_size)
    if ask is None:
        raise ConfigurationError(NO_MODEL)
    written = LlmCaptioner(
        ask, model, config.attempts, config.batch_size, config.max_tokens, count_tokens, private
    )
    return CachedCaptioner(written, folder, config.batch_size, keeps_template=False)


@dataclass
class _PendingCaption:
    """A caption that the model is asked for, and its last answer."""

    combination: Combination
    place: int
    """Among the combinations."""
    rejected: str = ""
    """Why the last answer was no use; empty before the first."""
    answer: str = ""


class LlmCaptioner:
    """Asks a chat model for several captions in one call; falls back to the template after some attempts."""

    def __init__(
        self,
        ask: Ask,
        model: str,
        attempts: int = 3,
        batch_size: int = 8,
        limit: int = CLIP_TOKENS,
        count_tokens: Callable[[str], int] = approximate_tokens,
        private: Collection[str] = (),
    ) -> None:
        """`model` ('provider:model') names what `ask` calls; the template is used after `attempts` answers.

        `private` words are avoided, but not told to the model.
        """
        self._private = frozenset(private)
        self._ask = ask
        self._model = model
        self._attempts = attempts
        self._batch_size = batch_size
        self._limit = limit
        self._count_tokens = count_tokens
        self._template = TemplateCaptioner(limit, count_tokens)

    @property
    def identity(self) -> str:
        """Names everything that its answers depend on, except which captions were asked for together."""
        words = self._system(()) + _user([_PendingCaption(("how", "where", "when"), 0, "why", "what")])
        prompt = hashlib.sha256(words.encode()).hexdigest()[:16]
        untold = ", without names of classes" if self._private else ""
        return (
            f"llm {self._model}, prompt {prompt}{untold}, {self._attempts} attempts, else "
            f"{self._template.identity}"
        )

    def caption(self, combinations: Sequence[Combination], avoid: Sequence[str]) -> list[Caption]:
        """One caption for each combination, free of the words to `avoid`.

        The origin is 'template' where no answer of the model was usable; the warning says what was wrong with the
        last one. An error of `ask` is raised: the model is never replaced because it cannot be reached.

        Raises:
            ConfigurationError: the template was needed, and all parts of its combination name words to avoid.
        """
        done: dict[int, Caption] = {}
        pending = [_PendingCaption(combination, place) for place, combination in enumerate(combinations)]
        for start in range(0, len(pending), self._batch_size):
            done |= self._batch(pending[start : start + self._batch_size], avoid)
        return [done[place] for place in range(len(combinations))]

    def _batch(self, pending: list[_PendingCaption], avoid: Sequence[str]) -> dict[int, Caption]:
        done: dict[int, Caption] = {}
        system = self._system(avoid)
        for attempt in range(1, self._attempts + 1):
            captions, missing = read_answer(self._ask(system, _user(pending)), len(pending))
            for number, each in enumerate(pending, start=1):
                each.answer = captions.get(number, "")
                each.rejected = missing if not each.answer else self._fault(each.answer, avoid)
                if not each.rejected:
                    text, warning = fit(each.answer, self._count_tokens, self._limit)
                    done[each.place] = Caption(text, *each.combination, "llm", attempt, warning)
            pending = [each for each in pending if each.rejected]
            if not pending:
                break
        return done | {each.place: self._by_template(each, avoid) for each in pending}

    def _fault(self, answer: str, avoid: Sequence[str]) -> str:
        if words := named_in(answer, avoid):
            told = [word for word in words if word not in self._private]
            return f"it names {quoted(told)}" if told else "it names what must not be in the picture"
        try:
            fit(answer, self._count_tokens, self._limit)
        except ConfigurationError:
            return f"it has no words that fit into {self._limit} tokens"
        return ""

    def _by_template(self, failed: _PendingCaption, avoid: Sequence[str]) -> Caption:
        caption = self._template.caption([failed.combination], avoid)[0]
        answers = "1 answer" if self._attempts == 1 else f"{self._attempts} answers"
        reason = f"joined from its parts: after {answers} of the model, {failed.rejected}"
        return replace(
            caption, attempts=self._attempts, warning="; ".join(filter(None, [reason, caption.warning]))
        )

    def _system(self, avoid: Sequence[str]) -> str:
        words = int(self._limit * _WORDS_PER_TOKEN)
        told = [word for word in avoid if word not in self._private]
        return render("aga_caption", part="system", words=words, avoid=told)


def _user(pending: list[_PendingCaption]) -> str:
    requests = [
        {
            "number": number,
            **dict(zip(("instruction", "setting", "time"), each.combination, strict=True)),
            "rejected": each.rejected,
            "answer": each.answer,
        }
        for number, each in enumerate(pending, start=1)
    ]
    rejections = any(each.rejected for each in pending)
    return render("aga_caption", part="user", requests=requests, rejections=rejections)
