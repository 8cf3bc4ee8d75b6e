"""GroundingDINO (Liu et al. 2023), as its authors published it: package `groundingdino-py`.

What its port to `transformers` shares with it is here too: the prompt, the batches, and how scores become boxes.
"""

import contextlib
import io
import warnings
from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from tools.aga.config import DetectorConfig
from tools.aga.detectors.simple import clipped
from tools.aga.model_weights import put_weights, read_checkpoint
from tools.aga.types import Box, SourceImage
from tools.errors import AugurError, ConfigurationError, first_line
from tools.hub import digest_of, file_of, folder_of
from tools.machine import Batches, torch_devices

if TYPE_CHECKING:
    import torch

LONG_SIDE = 1333 / 800
"""Longest side to short side of what the published models were trained on, in pixels."""

_CHECKPOINT = "aga.detector.checkpoint"
_CONFIG = "aga.detector.config"


class PromptedDetector(ABC):
    """A detector whose prompt is a word. The model is loaded when it is first used, and then kept."""

    def __init__(self, config: DetectorConfig, identity: str):
        self._config = config
        self._identity = f"{identity}:{config.side}:{config.box_threshold}:{config.text_threshold}"
        self._loaded = False
        self._batches = Batches(
            config.batch_size,
            f"out of memory: an image of {config.side} px in the detector does not fit, even one at a time. Lower "
            "aga.detector.side, or use aga.detector.device=cpu.",
        )

    @property
    def identity(self) -> str:
        """Names everything that its answers depend on."""
        return self._identity

    def load(self) -> None:
        """Load the model now, where it is not yet: a wrong checkpoint is then known before the work begins.

        Raises:
            ConfigurationError: the weights do not fit, or the device is not there.
        """
        if not self._loaded:
            self._load(torch_devices(self._config.device, "aga.detector.device")[0])
            self._loaded = True

    def detect(self, images: Sequence[SourceImage], subject: str) -> list[list[Box]]:
        """For each image the boxes whose score is above the box threshold and that the subject's words called forth.

        Only images of the same size share a batch: padding would make a box depend on the image's neighbours.

        Raises:
            ConfigurationError: the subject is empty, the weights do not fit, or the device is not there.
            AugurError: out of memory with a single image.
        """
        prompt = prompt_for(subject)
        if images:
            self.load()
        sizes: dict[tuple[int, ...], list[int]] = {}
        for at, image in enumerate(images):
            sizes.setdefault(image.pixels.shape, []).append(at)
        found: list[list[Box]] = [[] for _ in images]
        for (height, width, _), group in sizes.items():

            def run(batch: Sequence[int], width: int = width, height: int = height) -> list[list[Box]]:
                scores, boxes, words = self._forward([images[at].pixels for at in batch], prompt)
                return [self._boxes(*each, words, width, height) for each in zip(scores, boxes, strict=True)]

            for at, its_boxes in zip(group, self._batches.run(group, run), strict=True):
                found[at] = its_boxes
        return found

    def _boxes(
        self, scores: np.ndarray, boxes: np.ndarray, words: list[int], width: int, height: int
    ) -> list[Box]:
        """Boxes in pixels, best first, from `scores` (queries, tokens) and normalised cxcywh `boxes` (queries, 4)."""
        best = scores.max(axis=1)
        # A box may score by the full stop or the start token alone: then it does not show the subject.
        kept = (best > self._config.box_threshold) & (
            scores[:, words].max(axis=1) > self._config.text_threshold
        )
        found: list[Box] = []
        for query in np.argsort(-best, kind="stable"):
            if not kept[query]:
                continue
            x, y, w, h = (float(value) for value in boxes[query])
            box = Box(
                (x - w / 2) * width,
                (y - h / 2) * height,
                (x + w / 2) * width,
                (y + h / 2) * height,
                float(best[query]),
            )
            inside = clipped(box, width, height)
            if inside is not None:
                found.append(inside)
        return found

    @abstractmethod
    def _load(self, device: str) -> None:
        """Load the model onto `device`."""

    @abstractmethod
    def _forward(self, images: list[np.ndarray], prompt: str) -> tuple[np.ndarray, np.ndarray, list[int]]:
        """Run images of one size, uint8 (H, W, 3).

        Returns:
            Scores 0..1 (images, queries, tokens); boxes, cxcywh, 0..1 (images, queries, 4); and which tokens are the
            subject's own words.
        """


class GroundingDinoDetector(PromptedDetector):
    """The authors' own model, from a configuration (.py, which is run) and a checkpoint (.pth)."""

    def __init__(self, config: DetectorConfig):
        """Finds the files, and loads nothing.

        Without a configuration the one in the package is taken, Swin-B's where the checkpoint's name says swinb, else
        Swin-T's. A text encoder that is named there ('bert-base-uncased') may lie as a folder beside the file.

        Raises:
            ConfigurationError: a file is missing.
        """
        self._checkpoint = file_of(
            config.checkpoint,
            _CHECKPOINT,
            "Give the .pth file, or its place on the hub, such as "
            "ShilongLiu/GroundingDINO/groundingdino_swint_ogc.pth",
        )
        wanted = config.config or _packaged_config(self._checkpoint.name)
        self._file = file_of(
            wanted, _CONFIG, "Give the .py file that belongs to the checkpoint, or leave it unset"
        )
        super().__init__(
            config, f"groundingdino:{digest_of(self._file)[:16]}:{digest_of(self._checkpoint)[:16]}"
        )

    def _load(self, device: str) -> None:
        model = self._built(device)
        state = read_checkpoint(self._checkpoint, _CHECKPOINT)
        state = state.get("model", state) if isinstance(state, dict) else {}
        state = {name.removeprefix("module."): weight for name, weight in state.items()}
        # The published files also have weights of training (label_enc) and of older versions of BERT (position_ids).
        put_weights(model, state, f"{self._checkpoint} ({_CHECKPOINT}), with {self._file},", others=True)
        self._model = model.to(device).eval()
        self._device = device

    def _built(self, device: str) -> Any:
        from transformers.utils import logging

        with _silence():
            from groundingdino.models import build_model
            from groundingdino.util.slconfig import SLConfig

        verbosity = logging.get_verbosity()
        logging.set_verbosity_error()
        try:
            settings = SLConfig.fromfile(str(self._file))
            beside = self._file.parent / settings.text_encoder_type
            encoder = beside if beside.is_dir() else folder_of(settings.text_encoder_type, _CONFIG)
            settings.text_encoder_type = str(encoder)
            settings.device = device
            # Both save memory in training, and warn without it.
            settings.use_checkpoint = settings.use_transformer_ckpt = False
            with _silence():
                return build_model(settings)
        except AugurError:
            raise
        except Exception as error:
            raise ConfigurationError(
                f"no GroundingDINO can be built from {self._file} ({_CONFIG}): "
                f"{type(error).__name__}: {first_line(error)}. Use the file that came with the checkpoint"
            ) from error
        finally:
            logging.set_verbosity(verbosity)

    def _forward(self, images: list[np.ndarray], prompt: str) -> tuple[np.ndarray, np.ndarray, list[int]]:
        import torch

        batch = torch.stack([self._prepared(image) for image in images]).to(self._device)
        with torch.inference_mode(), _silence():
            answer = self._model(batch, captions=[prompt] * len(images))
        tokens = self._model.tokenizer(prompt)["input_ids"]
        scores = answer["pred_logits"].sigmoid().cpu().numpy()
        return scores, answer["pred_boxes"].cpu().numpy(), word_positions(tokens, self._model.tokenizer)

    def _prepared(self, image: np.ndarray) -> "torch.Tensor":
        import groundingdino.datasets.transforms as T
        from PIL import Image

        side = self._config.side
        resized, _ = T.resize(Image.fromarray(image), None, side, max_size=round(side * LONG_SIDE))
        tensor, _ = T.ToTensor()(resized, None)
        normalised, _ = T.Normalize([0.485, 0.456, 0.406], [0.229, 0.224, 0.225])(tensor, None)
        return normalised


@contextlib.contextmanager
def _silence() -> Iterator[None]:
    """The package prints what it does, and uses what timm and torch no longer like."""
    with contextlib.redirect_stdout(io.StringIO()), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield


def prompt_for(subject: str) -> str:
    """The subject as GroundingDINO was trained to read it: lower case, and a full stop at the end.

    Raises:
        ConfigurationError: there is no word in it.
    """
    words = " ".join(subject.lower().replace(".", " ").split())
    if not any(character.isalnum() for character in words):
        raise ConfigurationError(
            f"the subject {subject!r} is no word to look for: give a superclass such as bird (aga.subjects, or the "
            "subject of the prompt set)"
        )
    return f"{words} ."


def word_positions(tokens: Sequence[int], tokenizer: Any) -> list[int]:
    """Which tokens of a prompt are words: not the start, the end, or punctuation that parts phrases."""
    others = set(tokenizer.convert_tokens_to_ids(["[CLS]", "[SEP]", ".", "?"]))
    return [at for at, token in enumerate(tokens) if token not in others]


def _packaged_config(checkpoint: str) -> Path | None:
    package = find_spec("groundingdino")
    if package is None or package.origin is None:
        return None
    folder = Path(package.origin).parent / "config"
    swin_b = "swinb" in checkpoint.lower()
    return folder / ("GroundingDINO_SwinB_cfg.py" if swin_b else "GroundingDINO_SwinT_OGC.py")
