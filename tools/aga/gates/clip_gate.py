"""CLIP as a judge of synthetic images: ALIA's semantic filter (Dunlap et al. 2023, section 3.3).

It removes failures: an image passes if CLIP (Radford et al. 2021) finds that it looks more like a photo of the subject
than like an object, a scene, shapes, a photo or an image of anything. The words are ALIA's.
"""

from collections.abc import Sequence

import numpy as np

from tools.aga.gates.gates import GateResult
from tools.aga.model_weights import quiet_libraries
from tools.aga.pretrained import load_pretrained
from tools.hub import digest_of, folder_of
from tools.machine import torch_devices

GATE = "semantic"
_SETTING = "aga.gates.clip"
_ANYTHING = (
    "a photo of an object",
    "a photo of a scene",
    "a photo of geometric shapes",
    "a photo",
    "an image",
)
_BATCH = 32


class ClipGate:
    """Finds the model at once, loads it with the first image."""

    def __init__(self, checkpoint: str, device: str | None = None) -> None:
        """Loads nothing.

        Args:
            checkpoint: a folder as `save_pretrained` writes it, or a hub id such as openai/clip-vit-large-patch14.
            device: 'cpu', 'mps' or 'cuda:N'; None: the best there is.

        Raises:
            ConfigurationError: there is no such folder, or the hub cannot be reached.
        """
        self._folder = folder_of(checkpoint, _SETTING)
        self._device = device or torch_devices("auto", _SETTING)[0]
        self._model = self._processor = None
        self.identity = f"clip:{digest_of(self._folder)[:16]}"
        """Names the model by its weights."""

    def judge_as(self, images: np.ndarray, subjects: Sequence[str]) -> list[GateResult]:
        """One result for each image; its value is the share (0..1) that CLIP gives to the subject.

        Args:
            images: uint8 (N, S, S, 3), RGB.
            subjects: N words for what each image is to show, such as bird; '' is not judged.

        Raises:
            ConfigurationError: the folder holds another kind of model, or a damaged one.
        """
        results: list[GateResult] = []
        for start in range(0, len(images), _BATCH):
            wanted = subjects[start : start + _BATCH]
            names = list(dict.fromkeys(wanted))
            texts = [f"a photo of {_with_article(name)}" if name else "a photo" for name in names]
            logits = self._logits(images[start : start + _BATCH], [*_ANYTHING, *texts])
            for row, name in zip(logits, wanted, strict=True):
                place = names.index(name)
                results.append(_result(row, len(_ANYTHING) + place, texts[place] if name else ""))
        return results

    def _logits(self, images: np.ndarray, texts: list[str]) -> np.ndarray:
        """float (N, texts)."""
        import torch
        from PIL import Image

        if self._model is None:
            self._processor, model = load_pretrained(
                self._folder,
                _SETTING,
                "a CLIP",
                ("clip",),
                ("CLIPProcessor", "CLIPModel"),
                "config.json, preprocessor_config.json, the tokenizer's files and model.safetensors",
            )
            self._model = model.to(self._device)
        assert self._processor is not None
        inputs = self._processor(
            text=texts,
            images=[Image.fromarray(image) for image in images],
            input_data_format="channels_last",
            padding=True,
            truncation=True,
            return_tensors="pt",
        ).to(self._device)
        with torch.inference_mode(), quiet_libraries("transformers"):
            return self._model(**inputs).logits_per_image.float().cpu().numpy()


def _result(logits: np.ndarray, place: int, text: str) -> GateResult:
    """What CLIP's logits say: those of anything come first, and that of `text` is at `place`."""
    if not text:
        return GateResult(GATE, True, None, "not checked: the class has no subject")
    row = np.append(logits[: len(_ANYTHING)], logits[place]).astype(np.float64)
    shares = np.exp(row - row.max())
    shares /= shares.sum()
    best = int(shares.argmax())
    if best == len(_ANYTHING):
        return GateResult(GATE, True, float(shares[-1]), "")
    reason = f"looks more like {_ANYTHING[best]!r} than {text!r} ({_SETTING})"
    return GateResult(GATE, False, float(shares[-1]), reason)


def _with_article(subject: str) -> str:
    return f"an {subject}" if subject[:1].lower() in "aeiou" else f"a {subject}"
