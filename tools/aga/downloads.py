"""Weights that a generation would fetch from the hub, found before it begins. Light: imports no torch."""

import os
from collections.abc import Iterator
from dataclasses import dataclass

from tools.aga.backgrounds.model_families import LORAS, MODELS
from tools.aga.config import AgaConfig
from tools.hub import is_hub_id, local_path, split_hub_file

_FINDERS = {
    "IDEA-Research/grounding-dino-tiny": 0.7,
    "IDEA-Research/grounding-dino-base": 0.9,
    "facebook/sam2.1-hiera-tiny": 0.2,
    "facebook/sam2.1-hiera-small": 0.2,
    "facebook/sam2.1-hiera-base-plus": 0.3,
    "facebook/sam2.1-hiera-large": 0.9,
    "facebook/sam3": 3.4,
}
"""Detectors and segmenters: OWNER/NAME → gigabytes, about."""
_CLIPS = {"openai/clip-vit-large-patch14": 1.7, "openai/clip-vit-base-patch32": 0.6}


@dataclass(frozen=True)
class Download:
    """What is not on this machine."""

    setting: str
    source: str
    """OWNER/NAME, or OWNER/NAME/FILE."""
    gigabytes: float | None
    """About; None where it is not known."""

    @property
    def told(self) -> str:
        """In words."""
        size = "perhaps several GB" if self.gigabytes is None else f"about {self.gigabytes:g} GB"
        return f"{self.source} ({self.setting}), {size}"


def is_offline() -> bool:
    """Whether the environment forbids downloads."""
    return any(
        os.environ.get(name, "").strip().lower() in ("1", "true", "yes", "on")
        for name in ("HF_HUB_OFFLINE", "TRANSFORMERS_OFFLINE")
    )


def missing_weights(config: AgaConfig) -> list[Download]:
    """The weights of the chain that the hub would have to be asked for."""
    return [each for each in _named(config) if not _is_here(each.source)]


def _named(config: AgaConfig) -> Iterator[Download]:
    """Everything on the hub that the settings name."""
    background, detector = config.background, config.detector
    if background.kind == "diffusion":
        for name in ("model", "vae", "lora"):
            source = getattr(background, name)
            if source and not local_path(source) and (is_hub_id(source) or split_hub_file(source)):
                known = MODELS.get(source) or LORAS.get(source)
                size = known.gigabytes if known else None
                if size and name == "model" and background.variant == "fp16":
                    size /= 2
                yield Download(f"aga.background.{name}", source, size)
    finders = (
        (detector, "aga.detector.checkpoint", ("transformers", "groundingdino", "sam3")),
        (config.segmenter, "aga.segmenter.checkpoint", ("sam", "sam2")),
    )
    clip = config.gates.clip
    if clip and not local_path(clip) and is_hub_id(clip):
        yield Download("aga.gates.clip", clip, _CLIPS.get(clip))
    if config.generator == "alia":  # which cuts nothing out
        return
    for finder, setting, kinds in finders:
        source = finder.checkpoint
        if finder.kind not in kinds or not source or local_path(source):
            continue
        if is_hub_id(source) or split_hub_file(source):
            yield Download(setting, source, _FINDERS.get(source))


def _is_here(source: str) -> bool:
    """Whether the hub's cache on this machine has it."""
    from huggingface_hub import try_to_load_from_cache

    if not is_hub_id(source):
        repository, file = split_hub_file(source) or (source, "")
        return isinstance(try_to_load_from_cache(repository, file), str)
    names = ("model_index.json", "config.json", "pytorch_lora_weights.safetensors")
    return any(isinstance(try_to_load_from_cache(source, name), str) for name in names)
