"""Everything that is said to an LLM, as data: Jinja2 templates, versioned by the hash of them all."""

import hashlib
from functools import cache
from importlib.resources import files
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from jinja2 import Environment

_SUFFIX = ".j2"


def _sources() -> dict[str, str]:
    """Name without suffix → text of each template, sorted by name."""
    found = (entry for entry in files("prompts").iterdir() if entry.name.endswith(_SUFFIX))
    return {
        entry.name.removesuffix(_SUFFIX): entry.read_text(encoding="utf-8")
        for entry in sorted(found, key=lambda entry: entry.name)
    }


@cache
def _environment() -> "Environment":
    from jinja2 import DictLoader, Environment, StrictUndefined

    return Environment(
        loader=DictLoader(_sources()),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        autoescape=False,
    )


def render(name: str, **values: Any) -> str:
    """The template `name` (without suffix) with `values` in it, without blank space around it.

    Raises:
        jinja2.TemplateNotFound: there is no such template.
        jinja2.UndefinedError: the template uses a value that is not given.
    """
    return _environment().get_template(name).render(**values).strip()


@cache
def template_hash() -> str:
    """SHA-256 over the names and texts of all templates and modality sets: what a study's LLM was told."""
    digest = hashlib.sha256()
    for name, text in _sources().items():
        digest.update(f"{name}\0{text}\0".encode())
    for entry in sorted((files("prompts") / "aga").iterdir(), key=lambda entry: entry.name):
        digest.update(f"{entry.name}\0{entry.read_text(encoding='utf-8')}\0".encode())
    return digest.hexdigest()
