"""SAM 2 (Ravi et al. 2024), by `transformers`: embed an image once, then prompt with each box."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from tools.aga.config import SegmenterConfig
from tools.aga.model_weights import quiet_libraries
from tools.aga.pretrained import load_pretrained
from tools.aga.segmenters.sam import BOXES_AT_ONCE
from tools.aga.types import Box, SourceImage
from tools.errors import ConfigurationError
from tools.hub import digest_of, folder_of
from tools.machine import Batches, torch_devices

_CHECKPOINT = "aga.segmenter.checkpoint"
_TYPES = ("sam2", "sam2_video")
"""The published repositories hold the model for videos, of which that for images is a part."""
_CLASSES = ("Sam2Processor", "Sam2Model")


class Sam2Segmenter:
    """SAM 2 with boxes as prompts, such as facebook/sam2.1-hiera-large. Loaded on first use, and then kept."""

    def __init__(self, config: SegmenterConfig):
        """Find the folder (a hub id is downloaded into the cache, once); nothing is loaded.

        Raises:
            ConfigurationError: no checkpoint is named, it does not exist, or the hub cannot be reached.
        """
        if config.checkpoint is None:
            raise ConfigurationError(
                f"{_CHECKPOINT} is not set: give a folder, or a hub id such as facebook/sam2.1-hiera-large"
            )
        self._config = config
        self._folder = folder_of(config.checkpoint, _CHECKPOINT)
        self.identity = f"sam2:{digest_of(self._folder)[:16]}"
        self._model: Any = None
        self._embedded: tuple[np.ndarray, Any] | None = None
        too_large = (
            "out of memory: SAM 2 does not fit, even with one image and one box at a time. Use a smaller model "
            f"({_CHECKPOINT}), or aga.segmenter.device=cpu."
        )
        self._images = Batches(1, too_large)
        self._boxes = Batches(BOXES_AT_ONCE, too_large)

    def load(self) -> None:
        """Load the model now unless it is loaded: a wrong checkpoint is then found before the work begins.

        Raises:
            ConfigurationError: the folder holds no SAM 2, or the device does not exist.
        """
        if self._model is not None:
            return
        device = torch_devices(self._config.device, "aga.segmenter.device")[0]
        needs = "config.json, processor_config.json and model.safetensors"
        loaded = load_pretrained(self._folder, _CHECKPOINT, "a SAM 2", _TYPES, _CLASSES, needs)
        self._processor, model = loaded
        self._model, self._device = model.to(device), device

    def segment(self, image: SourceImage, boxes: Sequence[Box]) -> list[np.ndarray]:
        """For each box the one mask that SAM 2 gives for a box, bool (H, W); all False where it finds nothing.

        Raises:
            ConfigurationError: the folder holds no SAM 2, or the device does not exist.
            AugurError: out of memory.
        """
        if not boxes:
            return []
        self.load()
        [embedded] = self._images.run([image], self._embed)
        return self._boxes.run(boxes, lambda some: self._masks(image, embedded, some))

    def _embed(self, images: Sequence[SourceImage]) -> list[Any]:
        import torch

        [image] = images
        if self._embedded is None or self._embedded[0] is not image.pixels:
            self._embedded = None
            inputs = self._processor(
                images=image.pixels, input_data_format="channels_last", return_tensors="pt"
            )
            with torch.inference_mode(), quiet_libraries("transformers"):
                found = self._model.get_image_embeddings(inputs["pixel_values"].to(self._device))
            self._embedded = image.pixels, found
        return [self._embedded[1]]

    def _masks(self, image: SourceImage, embedded: Any, boxes: Sequence[Box]) -> list[np.ndarray]:
        import torch

        size = [image.pixels.shape[:2]]
        corners = [[[box.left, box.top, box.right, box.bottom] for box in boxes]]
        inputs = self._processor(input_boxes=corners, original_sizes=size, return_tensors="pt")
        with torch.inference_mode(), quiet_libraries("transformers"):
            answer = self._model(
                image_embeddings=embedded,
                input_boxes=inputs["input_boxes"].to(self._device),
                multimask_output=False,
            )
        [masks] = self._processor.post_process_masks(answer.pred_masks.float().cpu(), size)
        return list(masks[:, 0].numpy())
