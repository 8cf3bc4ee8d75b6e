"""SAM 3 (Carion et al. 2025), by `transformers`: one model that finds what a word names, and outlines it."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from tools.aga.config import DetectorConfig
from tools.aga.detectors.prompted import prompt_for
from tools.aga.model_weights import quiet_libraries
from tools.aga.pretrained import load_pretrained
from tools.aga.types import Box, SourceImage
from tools.errors import ConfigurationError
from tools.hub import digest_of, folder_of
from tools.machine import Batches, torch_devices

_CHECKPOINT = "aga.detector.checkpoint"
_TYPES = ("sam3", "sam3_video")
"""The published repository holds the model for videos, of which that for images is a part."""
_CLASSES = ("Sam3Processor", "Sam3Model")
_MASK = 0.5
"""Probability from which on a pixel is the subject's."""


class Sam3:
    """SAM 3 as detector, and as segmenter of what it detected. Loaded on first use, and then kept."""

    def __init__(self, config: DetectorConfig):
        """Find the folder (a hub id is downloaded into the cache, once); nothing is loaded.

        Raises:
            ConfigurationError: no checkpoint is named, it does not exist, or the hub cannot be reached.
        """
        if config.checkpoint is None:
            raise ConfigurationError(
                f"{_CHECKPOINT} is not set: give a folder, or the hub id facebook/sam3 (after its licence is accepted "
                "there)"
            )
        self._config = config
        self._folder = folder_of(config.checkpoint, _CHECKPOINT)
        self.identity = f"sam3:{digest_of(self._folder)[:16]}:{config.box_threshold}"
        self._model: Any = None
        self._subject = ""
        self._masks: dict[tuple[str, Box], np.ndarray] = {}
        self._batches = Batches(
            config.batch_size,
            "out of memory: SAM 3 does not fit, even with one image at a time. Use aga.detector.device=cpu.",
        )

    def load(self) -> None:
        """Load the model now unless it is loaded: a wrong checkpoint is then found before the work begins.

        Raises:
            ConfigurationError: the folder holds no SAM 3, or the device does not exist.
        """
        if self._model is not None:
            return
        device = torch_devices(self._config.device, "aga.detector.device")[0]
        needs = "config.json, processor_config.json, the tokenizer's files and model.safetensors"
        loaded = load_pretrained(self._folder, _CHECKPOINT, "a SAM 3", _TYPES, _CLASSES, needs)
        self._processor, model = loaded
        self._model, self._device = model.to(device), device

    def detect(self, images: Sequence[SourceImage], subject: str) -> list[list[Box]]:
        """For each image the boxes of what `subject` names and that score above the box threshold, best first.

        Raises:
            ConfigurationError: the subject is empty, the folder holds no SAM 3, or the device does not exist.
            AugurError: out of memory with a single image.
        """
        self._subject = prompt_for(subject).removesuffix(" .")
        self._masks = {}
        if images:
            self.load()
        return self._batches.run(images, self._found)

    def segment(self, image: SourceImage, boxes: Sequence[Box]) -> list[np.ndarray]:
        """The mask, bool (H, W), of each box that `detect` gave for this image; all False for another box."""
        if any((image.digest, box) not in self._masks for box in boxes) and self._subject:
            self._batches.run([image], self._found)
        nothing = np.zeros(image.pixels.shape[:2], bool)
        return [self._masks.get((image.digest, box), nothing).copy() for box in boxes]

    def _found(self, images: Sequence[SourceImage]) -> list[list[Box]]:
        import torch

        inputs = self._processor(
            images=[image.pixels for image in images],
            text=[self._subject] * len(images),
            input_data_format="channels_last",
            return_tensors="pt",
        ).to(self._device)
        sizes = [image.pixels.shape[:2] for image in images]
        with torch.inference_mode(), quiet_libraries("transformers"):
            answer = self._model(
                pixel_values=inputs["pixel_values"],
                input_ids=inputs["input_ids"],
                attention_mask=inputs["attention_mask"],
            )
            found = self._processor.post_process_instance_segmentation(
                answer, threshold=self._config.box_threshold, mask_threshold=_MASK, target_sizes=sizes
            )
        return [self._kept(*each) for each in zip(images, found, strict=True)]

    def _kept(self, image: SourceImage, found: dict[str, Any]) -> list[Box]:
        height, width = image.pixels.shape[:2]
        scores, corners = found["scores"].float().cpu().numpy(), found["boxes"].float().cpu().numpy()
        masks = found["masks"].bool().cpu().numpy()
        boxes = []
        for number in np.argsort(-scores, kind="stable"):
            left, top, right, bottom = map(float, corners[number])
            box = Box(left, top, right, bottom, float(scores[number])).clipped(width, height)
            if box is not None:
                boxes.append(box)
                self._masks[image.digest, box] = masks[number]
        return boxes
