"""The names of sets and of requests: by everything that their content depends on, and by nothing else.

The key of a set must never change while its images stay the same, or every store would be made again.
"""

import hashlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from tools.aga.chain_steps import caption_kind, writes_captions
from tools.aga.making.request import Request
from tools.aga.store.pieces import key_of
from tools.local_model import packaged_model

FORMAT = 1
"""Raised whenever the same request comes to mean other images."""
_CODE = Path(__file__).parents[1]


def set_key(request: Request, identities: Mapping[str, str]) -> str:
    """Names a set by its request and its tools; neither batch sizes, devices nor processes matter."""
    return key_of(format=FORMAT, identities=dict(identities), settings=_decisive(request), **request.content)


def _decisive(request: Request) -> dict[str, Any]:
    """The settings that change images beyond what the tools' identities say.

    Those that were added later are left out where they change nothing, so that sets made before are found.
    """
    config = request.config
    compose = config.compose.model_dump(exclude={"workers"})
    for setting, without_effect in (("colours", "source"), ("light", "keep")):
        if compose[setting] == without_effect:
            del compose[setting]
    unused = {"classifier", "clip"} if config.finds_itself else {"classifier", "clip", "min_agreement"}
    if config.gates.confidence == "fixed":
        unused.add("confidence")
    asked: dict[str, Any] = {}
    if request.recognised > 0:
        from tools.aga.gates.recognised import identity_of

        asked = {
            "recognised": request.recognised,
            "recognised_by": identity_of(request.classes, request.subjects),
            "divided": sorted(request.class_counts.items()),
        }
    unused |= {"recognised"} if asked else {"recognised", "recognised_share"}
    if config.generator == "alia":
        return {
            "generator": "alia",
            "pool": config.pool,
            "compose": config.compose.model_dump(include={"size", "max_side", "format", "quality"}),
            "gates": config.gates.model_dump(mode="json", exclude=unused),
            "prompt": config.edit.prompt,
        }
    return {
        "pool": config.pool,
        "background_size": config.background.size,
        "compose": compose,
        "gates": config.gates.model_dump(mode="json", exclude=unused) | asked,
        "redetects": request.redetects,
    }


def request_key(request: Request) -> str | None:
    """Names a request without loading any tool: by the settings, the files they point to, and the code.

    Returns:
        None where the settings do not tell: an LLM's captions also depend on its prompt and its provider.
    """
    config = request.config
    if writes_captions(config):
        return None
    settings = config.model_dump(mode="json", exclude={"max_disk_gib": True, "compose": {"workers"}})
    code = hashlib.sha256()
    for file in sorted((*_CODE.rglob("*.py"), *_CODE.rglob("*.yaml"))):
        code.update(file.read_bytes())
    paths = [
        config.detector.config,
        config.detector.checkpoint,
        config.segmenter.checkpoint,
        config.background.model,
        config.background.folder,
        config.background.vae,
        config.background.lora,
        config.gates.classifier,
        config.gates.clip,
        (config.caption.model or packaged_model()) if caption_kind(config) == "local" else None,
    ]
    files = [_states(Path(path)) for path in paths if path is not None]
    return key_of(format=FORMAT, settings=settings, code=code.hexdigest(), files=files, **request.content)


def _states(path: Path) -> list[tuple[str, int, int, int]]:
    """Size and times of a file, or of all files of a folder; nothing where there is neither (a hub id)."""
    files = sorted(path.rglob("*")) if path.is_dir() else [path]
    states = [(str(file.absolute()), file.stat()) for file in files if file.is_file()]
    return [(name, state.st_size, state.st_mtime_ns, state.st_ctime_ns) for name, state in states]
