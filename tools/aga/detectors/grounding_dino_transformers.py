"""GroundingDINO as ported to `transformers`: from a folder, or from the hub."""

import numpy as np

from tools.aga.config import DetectorConfig
from tools.aga.detectors.prompted import LONG_SIDE, PromptedDetector, word_positions
from tools.aga.model_weights import quiet_libraries
from tools.aga.pretrained import load_pretrained
from tools.errors import ConfigurationError
from tools.hub import digest_of, folder_of

_CHECKPOINT = "aga.detector.checkpoint"
_TYPES = ("grounding-dino", "mm-grounding-dino")


class TransformersDetector(PromptedDetector):
    """A GroundingDINO of `transformers`, such as IDEA-Research/grounding-dino-tiny."""

    def __init__(self, config: DetectorConfig):
        """Find the folder (a hub id is downloaded into the cache, once); nothing is loaded.

        Raises:
            ConfigurationError: no checkpoint is named, it does not exist, or the hub cannot be reached.
        """
        if config.checkpoint is None:
            raise ConfigurationError(
                f"{_CHECKPOINT} is not set: give a folder, or a hub id such as IDEA-Research/grounding-dino-tiny"
            )
        self._folder = folder_of(config.checkpoint, _CHECKPOINT)
        super().__init__(config, f"transformers:{digest_of(self._folder)[:16]}")

    def _load(self, device: str) -> None:
        self._processor, model = load_pretrained(
            self._folder,
            _CHECKPOINT,
            "a GroundingDINO",
            _TYPES,
            ("AutoProcessor", "AutoModelForZeroShotObjectDetection"),
            "config.json, preprocessor_config.json, the tokenizer's files and model.safetensors",
        )
        self._model = model.to(device)
        self._device = device

    def _forward(self, images: list[np.ndarray], prompt: str) -> tuple[np.ndarray, np.ndarray, list[int]]:
        import torch
        from PIL import Image

        side = self._config.side
        inputs = self._processor(
            images=[Image.fromarray(image) for image in images],
            input_data_format="channels_last",  # an image of a row or two would be taken for channels
            text=[prompt] * len(images),
            size={"shortest_edge": side, "longest_edge": round(side * LONG_SIDE)},
            return_tensors="pt",
        ).to(self._device)
        with torch.inference_mode(), quiet_libraries("transformers"):
            answer = self._model(**inputs)
        words = word_positions(inputs["input_ids"][0].tolist(), self._processor.tokenizer)
        return answer.logits.sigmoid().cpu().numpy(), answer.pred_boxes.cpu().numpy(), words
