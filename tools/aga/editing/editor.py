"""Edits images by image-to-image with a model of diffusers, as in ALIA (Dunlap et al. 2023, section 3.2).

Any model that diffusers' AutoPipelineForImage2Image loads. Noise is added to the image as far as `aga.edit.strength`
says, and taken away again as the prompt asks. As for backgrounds, each picture is a function of image, prompt and seed.
"""

import inspect
import json
from collections.abc import Sequence
from typing import Any

import numpy as np
from PIL import Image

from tools.aga.backgrounds.diffusion import DiffusionMaker, diffusion_identity
from tools.aga.backgrounds.diffusion_loading import devices_for, load_editing_pipeline
from tools.aga.backgrounds.model_families import with_defaults
from tools.aga.config import BackgroundConfig
from tools.aga.edit_config import EditConfig
from tools.errors import ConfigurationError

_MULTIPLE = 16
"""Of the sides of what a model is given: its latents are an eighth as large, and some pair them."""
_SIDE = 512
"""Of models that do not say what they were trained on, in pixels."""


class ImageEditor(DiffusionMaker):
    """Edits pictures on one device (the first, where there are several). Weights are loaded with the first picture."""

    def __init__(self, config: BackgroundConfig, edit: EditConfig) -> None:
        """Loads nothing.

        Raises:
            ConfigurationError: no model at the path, the device does not exist, or the strength leaves no step.
        """
        device = devices_for(config)[0]
        super().__init__(config, device, load_editing_pipeline)
        steps = with_defaults(config).steps
        if steps is not None and int(steps * edit.strength) < 1:
            raise ConfigurationError(
                f"aga.edit.strength {edit.strength:g} of {steps} steps (aga.background.steps) is less than one step, "
                f"which edits nothing: raise one of the two to {1 / steps:.2g} or {int(1 / edit.strength + 1)}"
            )
        self._strength = edit.strength
        about = {**json.loads(diffusion_identity(config, device)), "kind": "edit", "strength": edit.strength}
        self.identity = json.dumps(about, sort_keys=True, separators=(",", ":"))
        """Names everything that its pictures depend on besides image, prompt and seed."""

    def edit(
        self, images: Sequence[np.ndarray], prompts: Sequence[str], seeds: Sequence[int]
    ) -> list[np.ndarray]:
        """Each image, uint8 (H, W, 3), as its prompt asks, in its own size.

        The model is given the image in about the size that it was trained on.

        Raises:
            ConfigurationError: the model cannot be loaded or edits no images, or does not accept a setting.
            AugurError: out of memory with a single picture, or the arithmetic overflowed.
        """
        if not images:
            return []
        self._load_once()
        side = self._config.size or _side_of(self._pipeline)
        given = [
            Image.fromarray(image).resize(_size_for(image, side), Image.Resampling.LANCZOS)
            for image in images
        ]
        made: dict[int, np.ndarray] = {}
        for size in dict.fromkeys(each.size for each in given):  # a batch has one size
            alike = [number for number, each in enumerate(given) if each.size == size]
            pictures = self._batches.run(
                alike,
                lambda batch: list(
                    self._painted(
                        [prompts[number] for number in batch],
                        [seeds[number] for number in batch],
                        image=[given[number] for number in batch],
                    )
                ),
            )
            made |= dict(zip(alike, pictures, strict=True))
        return [_resized(made[number], image.shape) for number, image in enumerate(images)]

    def _arguments(self, count: int) -> dict[str, Any]:
        arguments = {**super()._arguments(count), "strength": self._strength}
        size = {"height", "width"} & arguments.keys()
        if size and not size <= set(inspect.signature(self._pipeline.__call__).parameters):
            for name in size:  # such pipelines take the size of the image that they are given
                del arguments[name]
        return arguments


def _side_of(pipeline: Any) -> int:
    """The side in pixels that the model was trained on."""
    for part in ("unet", "transformer"):
        latents = getattr(getattr(getattr(pipeline, part, None), "config", None), "sample_size", None)
        if isinstance(latents, int):
            return latents * int(getattr(pipeline, "vae_scale_factor", 8))
    return _SIDE


def _size_for(image: np.ndarray, side: int) -> tuple[int, int]:
    """Width and height with the proportions of the image, about `side`² pixels, in multiples that models take."""
    height, width = image.shape[:2]
    grown = side / (height * width) ** 0.5
    multiple = min(_MULTIPLE, side)
    wide, high = (max(multiple, round(each * grown / multiple) * multiple) for each in (width, height))
    return wide, high


def _resized(picture: np.ndarray, shape: tuple[int, ...]) -> np.ndarray:
    height, width = shape[:2]
    if picture.shape[:2] == (height, width):
        return np.array(picture, order="C")
    return np.array(Image.fromarray(picture).resize((width, height), Image.Resampling.LANCZOS))
