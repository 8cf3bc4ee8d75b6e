"""What does each step of a generation, said honestly: a network, what was given, or a rule that needs no weights.

Told before anything is made, with what is not on this machine yet and how a step can be improved. Light: no torch.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Literal, get_args

from tools.aga.config import AgaConfig, SegmenterConfig

Nature = Literal["network", "language model", "given", "rule", "drawn"]
"""'rule': needs no weights and understands nothing; 'drawn': needs no weights and reads words."""

_DETECTORS: dict[str, tuple[Nature, str]] = {
    "none": ("rule", "the middle of each image, no detector"),
    "dataset": ("given", "the boxes of the data set"),
    "groundingdino": ("network", "Grounding DINO"),
    "transformers": ("network", "Grounding DINO by transformers"),
    "sam3": ("network", "SAM 3"),
}
_SEGMENTERS: dict[str, tuple[Nature, str]] = {
    "grabcut": ("rule", "GrabCut, by colour"),
    "otsu": ("rule", "a threshold on colour"),
    "dataset": ("given", "the masks of the data set"),
    "u2netp": ("network", "U²-Net (small), part of Augur"),
    "sam": ("network", "Segment Anything"),
    "sam2": ("network", "SAM 2"),
    "sam3": ("network", "SAM 3"),
}
_BACKGROUNDS: dict[str, tuple[Nature, str]] = {
    "scenes": ("drawn", "drawn by a program as its words ask (docs/scenes.md)"),
    "textures": ("rule", "drawn at random, whatever the captions say"),
    "folder": ("given", "your photos"),
    "diffusion": ("network", ""),
}
_SMALL = "SmolLM2-135M"
_BETTER_CUT = "u2netp"
_BETTER_BACKGROUND = (
    "--background folder --aga.background.folder PATH (your photos), or --background diffusion (a GPU, gigabytes of "
    "weights)"
)


@dataclass(frozen=True)
class ChainStep:
    """One step and what does it."""

    step: Literal["find", "cut out", "caption", "background", "edit"]
    kind: str
    """By the name of the setting."""
    by: str
    nature: Nature
    upgrade: str
    """The flag that gives better images; empty where there is none, or it would change nothing."""


def chain_steps(config: AgaConfig, caption_model: str | None) -> list[ChainStep]:
    """The steps under these settings.

    Args:
        config: the settings `aga`.
        caption_model: 'provider:model' of the captions, if one is configured.
    """
    if config.generator == "alia":
        strength = f"the whole image, at strength {config.edit.strength:g}"
        by = f"{config.background.model}, image-to-image ({strength})"
        return [_caption(config, caption_model), ChainStep("edit", "alia", by, "network", "")]
    detector, segmenter, maker = config.detector.kind, config.segmenter.kind, config.background.kind
    nature, by = _SEGMENTERS.get(segmenter, ("network", segmenter))
    there_is = get_args(SegmenterConfig.model_fields["kind"].annotation)
    better = f"--segmenter {_BETTER_CUT}" if nature == "rule" and _BETTER_CUT in there_is else ""
    found = _DETECTORS.get(detector, ("network", detector))
    if config.finds_itself:
        found = "network", "what stands out most in each image, no detector"
    if config.recognised:
        by += (
            "; kept if EfficientNet-Lite0 sees a class in most of it (where ImageNet has it, or kinds of it)"
        )
    finds = "--detector transformers --aga.detector.checkpoint IDEA-Research/grounding-dino-tiny"
    steps = [
        # A network that finds subjects by itself takes what stands out; a detector takes what is named.
        ChainStep("find", detector, found[1], found[0], finds if detector == "none" else ""),
        ChainStep("cut out", segmenter, by, nature, better),
        _caption(config, caption_model),
    ]
    nature, by = _BACKGROUNDS.get(maker, ("network", maker))
    if maker == "diffusion":
        by = config.background.model
    upgrade = {"scenes": _BETTER_BACKGROUND, "textures": "--background scenes"}.get(maker, "")
    return [*steps, ChainStep("background", maker, by, nature, upgrade)]


def _caption(config: AgaConfig, model: str | None) -> ChainStep:
    if writes_captions(config):
        return ChainStep("caption", "llm", model or "no model is configured", "language model", "")
    if caption_kind(config) == "local":
        by = (
            f"joined from the prompts, details by {Path(config.caption.model or _SMALL).name} on this machine"
        )
        return ChainStep("caption", "local", by, "language model", "--aga.caption.kind llm")
    if config.caption.kind != "template":
        by = (
            f"joined from the prompts: kind {config.background.kind} reads single words, so no model is asked"
        )
        return ChainStep("caption", "template", by, "rule", "")
    upgrade = "--aga.caption.kind llm" if config.background.kind == "diffusion" else ""
    return ChainStep("caption", "template", "joined from the prompts, word for word", "rule", upgrade)


def caption_kind(config: AgaConfig) -> Literal["template", "llm", "local"]:
    """How captions are written: by a language model only where something reads more of them than single words.

    Kind 'textures' is for studies that began with it, which have to find the images that they made.
    """
    return config.caption.kind if config.background.kind in ("diffusion", "textures") else "template"


def writes_captions(config: AgaConfig) -> bool:
    """Whether a chat model is asked for captions."""
    return caption_kind(config) == "llm"


def in_a_line(steps: list[ChainStep]) -> str:
    """The chain in one line, for the head of a study."""
    return " → ".join(f"{each.kind} ({each.nature})" for each in steps)
