"""Segment Anything (Kirillov et al. 2023), by `segment-anything`: embed an image once, then prompt with each box."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from tools.aga.config import SegmenterConfig
from tools.aga.model_weights import put_weights, read_checkpoint
from tools.aga.types import Box, SourceImage
from tools.errors import ConfigurationError
from tools.hub import digest_of, file_of
from tools.machine import Batches, torch_devices

BOXES_AT_ONCE = 16

WIDTHS = {768: "vit_b", 1024: "vit_l", 1280: "vit_h"}
"""Channels of the image encoder → the model: they identify a checkpoint."""

_CHECKPOINT = "aga.segmenter.checkpoint"
_WIDTH = "image_encoder.patch_embed.proj.weight"


class SamSegmenter:
    """SAM with boxes as prompts. The model is loaded on first use, and then kept."""

    def __init__(self, config: SegmenterConfig, architectures: Mapping[str, Callable[[], Any]] | None = None):
        """Find the checkpoint; nothing is loaded.

        Args:
            config: `model`, `checkpoint` and `device` are used.
            architectures: name → a function that builds that model without weights; those of `segment-anything`
                (`sam_model_registry`) where unset.

        Raises:
            ConfigurationError: the checkpoint does not exist.
        """
        self._config = config
        self._architectures = architectures
        self._file = file_of(
            config.checkpoint,
            _CHECKPOINT,
            f"Give SAM's .pth file for {config.model}; its authors list them at "
            "https://github.com/facebookresearch/segment-anything#model-checkpoints, or use grabcut",
        )
        self.identity = f"sam:{config.model}:{digest_of(self._file)[:16]}"
        self._predictor: Any = None
        self._embedded: np.ndarray | None = None
        too_large = (
            f"out of memory: SAM's {config.model} does not fit, even with one image and one box at a time. Use a "
            "smaller aga.segmenter.model, or aga.segmenter.device=cpu."
        )
        self._images = Batches(1, too_large)
        self._boxes = Batches(BOXES_AT_ONCE, too_large)

    def load(self) -> None:
        """Load the model now unless it is loaded: a wrong checkpoint is then found before the work begins.

        Raises:
            ConfigurationError: the checkpoint does not fit the model, or the device does not exist.
        """
        if self._predictor is not None:
            return
        from segment_anything import SamPredictor, sam_model_registry

        device = torch_devices(self._config.device, "aga.segmenter.device")[0]
        wanted = self._config.model
        state = read_checkpoint(self._file, _CHECKPOINT)
        if not isinstance(state, dict) or _WIDTH not in state:
            raise ConfigurationError(
                f"{self._file} ({_CHECKPOINT}) holds no SAM: it has no {_WIDTH}. "
                f"Give the file that SAM's authors published for {wanted}"
            )
        found = WIDTHS.get(int(state[_WIDTH].shape[0]))
        architectures = self._architectures or sam_model_registry
        if self._architectures is None and found is not None and found != wanted:
            raise ConfigurationError(
                f"{self._file} ({_CHECKPOINT}) holds SAM's {found}, not {wanted}: use aga.segmenter.model={found}, or "
                f"the file for {wanted}"
            )
        model = architectures[wanted]()
        put_weights(model, state, f"{self._file} ({_CHECKPOINT}), with SAM's {wanted},")
        self._predictor = SamPredictor(model.to(device).eval())

    def segment(self, image: SourceImage, boxes: Sequence[Box]) -> list[np.ndarray]:
        """For each box the one mask that SAM gives for a box, bool (H, W); all False where it finds nothing.

        A box is hardly ambiguous, so SAM is not asked for three masks of a part, a whole and a group
        (`multimask_output`), as its authors advise.

        Raises:
            ConfigurationError: the checkpoint does not fit the model, or the device does not exist.
            AugurError: out of memory.
        """
        if not boxes:
            return []
        self.load()
        self._images.run([image], self._embed)
        return self._boxes.run(boxes, self._masks)

    def _embed(self, images: Sequence[SourceImage]) -> list[None]:
        if self._embedded is not images[0].pixels:
            self._embedded = None
            self._predictor.set_image(images[0].pixels, image_format="RGB")
            self._embedded = images[0].pixels
        return [None]

    def _masks(self, boxes: Sequence[Box]) -> list[np.ndarray]:
        import torch

        predictor = self._predictor
        corners = torch.tensor(
            [[box.left, box.top, box.right, box.bottom] for box in boxes],
            dtype=torch.float32,
            device=predictor.device,
        )
        masks, _, _ = predictor.predict_torch(
            point_coords=None,
            point_labels=None,
            boxes=predictor.transform.apply_boxes_torch(corners, predictor.original_size),
            multimask_output=False,
        )
        return list(masks[:, 0].cpu().numpy())
