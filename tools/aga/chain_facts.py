"""What makes the synthetic images of a study, as facts for whoever writes prompts for it. Light: imports no torch.

They are the settings, and what the settings leave to the data set and the machine. What each tool can do with words is
said in `prompts/chain.j2`.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from tools.aga.chain_steps import caption_kind
from tools.aga.config import AgaConfig, BackgroundConfig

_SHOWN_WORDS, _SHOWN_OF_ASPECT, _SHOWN_PHOTO_WORDS = 10, 3, 40
"""Words that are listed for each thing that can be drawn, for each value of time, weather and so on, and of photos."""


@dataclass(frozen=True)
class ChainFacts:
    """The detector, segmenter, captioner and background maker, by the names of their settings."""

    detector: Literal["none", "dataset", "groundingdino", "transformers", "sam3"]
    detector_model: str
    """Its checkpoint; empty for the published one, or where there is none."""
    centre: float
    """Share of each side that kind 'none' takes for the subject, 0..1."""
    min_score: float
    """Lowest score of a box, 0..1."""
    redetects: bool
    """Whether backgrounds are searched for the subject, and refused where it is seen."""
    recognises: bool
    """Whether cut-outs are shown to a network that knows the classes of ImageNet."""
    segmenter: Literal["u2netp", "sam", "sam2", "sam3", "grabcut", "otsu", "dataset"]
    captioner: Literal["template", "llm", "local"]
    caption_model: str
    """'provider:model' of kind 'llm'."""
    caption_tokens: int
    """Longest caption."""
    edit_strength: float
    """Of ALIA, which edits the whole image, 0..1; 0 where subjects are cut out and pasted instead."""
    edit_prompt: str
    """What ALIA asks the model for, with {class}, {subject} and {caption}."""
    maker: Literal["scenes", "folder", "diffusion", "textures"]
    background_model: str
    """Of kind 'diffusion', as the settings name it; of a local folder its name only."""
    families: Mapping[str, tuple[str, ...]]
    """What kind 'scenes' draws → words that ask for it, the plainest first; empty for other kinds."""
    aspects: Mapping[str, Mapping[str, tuple[str, ...]]]
    """What else its captions may say (time, weather, camera, …) → values → words; empty for other kinds."""
    colours: tuple[str, ...]
    """Words for colours that it knows."""
    photos: int | None
    """In the folder of kind 'folder'; None where it cannot be read."""
    photo_words: tuple[str, ...]
    """Words in the names of these photos, the most frequent first."""
    photos_named: int
    """Of these photos, those whose names have words."""
    negative_prompt: str
    mixing: Literal["extra", "replace"]
    replaced: float
    """Share of the real images that give way to synthetic ones in an epoch (mixing 'replace'), 0..1."""
    step_matched: bool
    """Whether an epoch has as many images as without synthetic ones (mixing 'extra')."""
    superclasses: Mapping[str, str]
    """Class → what the detector is asked for in place of the proposal's subject, from the settings."""


def chain_facts(config: AgaConfig, caption_model: str | None) -> ChainFacts:
    """The facts that follow from the settings.

    Args:
        config: the settings `aga`.
        caption_model: 'provider:model' that writes captions, if one does.
    """
    detector, background, mixing = config.detector, config.background, config.mixing
    return ChainFacts(
        detector=detector.kind,
        detector_model=_name(detector.checkpoint or ""),
        centre=1 - 2 * detector.margin,
        min_score=max(detector.box_threshold, config.gates.min_score),
        redetects=config.gates.redetect and detector.kind not in ("none", "dataset"),
        recognises=config.recognised > 0,
        segmenter=config.segmenter.kind,
        captioner=caption_kind(config),
        caption_model=caption_model or "",
        caption_tokens=config.caption.max_tokens,
        edit_strength=config.edit.strength if config.generator == "alia" else 0.0,
        edit_prompt=config.edit.prompt if config.generator == "alia" else "",
        maker=background.kind,
        background_model=_name(background.model) if background.kind == "diffusion" else "",
        **_words(background),
        negative_prompt=background.negative_prompt or "" if background.kind == "diffusion" else "",
        mixing=mixing.mode,
        replaced=mixing.probability,
        step_matched=mixing.step_matched,
        superclasses=dict(config.subjects),
    )


def _name(source: str) -> str:
    """How a model may be called before strangers: a hub id, or the last part of a path on this machine."""
    local = source.startswith(("/", "~", ".")) or "\\" in source or Path(source).exists()
    return Path(source).name if local else source


def _words(background: BackgroundConfig) -> dict[str, Any]:
    """What the background maker makes of words."""
    drawn: dict[str, Any] = {"families": {}, "aspects": {}, "colours": ()}
    if background.kind == "scenes":
        from tools.aga.backgrounds.scenes.vocabulary import vocabulary

        known = vocabulary()
        drawn = {
            "families": {family.shows: family.words[:_SHOWN_WORDS] for family in known.families.values()},
            "aspects": {
                aspect: {name: words[:_SHOWN_OF_ASPECT] for name, words in values.items()}
                for aspect, values in known.aspects.items()
            },
            "colours": tuple(known.colours),
        }
    photos = _photos(background.folder) if background.kind == "folder" else None
    if photos is None:
        return {**drawn, "photos": None, "photo_words": (), "photos_named": 0}
    from tools.aga.backgrounds.photo_words import PhotoWords

    words = PhotoWords(photos)
    frequent = tuple(words.frequent(_SHOWN_PHOTO_WORDS))
    return {**drawn, "photos": len(photos), "photo_words": frequent, "photos_named": words.named}


def _photos(folder: Path | None) -> Sequence[str] | None:
    from tools.datasets.folder.walk import find_images

    root = None if folder is None else folder.expanduser()
    return find_images(root, root).images if root is not None and root.is_dir() else None
