"""U²-Netp (Qin et al. 2020), run by OpenCV: how salient each pixel of a picture is."""

import threading
from pathlib import Path

import cv2
import numpy as np

from tools.errors import ConfigurationError
from tools.files import sha256_of

WEIGHTS = Path(__file__).with_name("u2netp.onnx")
DIGEST = "309c8469258dda742793dce0ebea8e6dd393174f89934733ecc8b14c76f4ddd8"

LARGEST_SIDE = 320
"""Pixels; what it was trained on."""
SMALLEST_SIDE = 128
"""Pixels; pictures of 64 pixels lose nothing against 320, at a sixth of the time."""
STRIDE = 32
"""It halves its input five times."""

_MEAN = np.array([0.485, 0.456, 0.406], np.float32)
_DEVIATION = np.array([0.229, 0.224, 0.225], np.float32)
"""Of ImageNet's colours, by which its authors normalise."""


class U2Netp:
    """The network. Loaded on first use; several threads may use it at once, each with a copy of its own."""

    def __init__(self, weights: Path = WEIGHTS) -> None:
        self._weights = weights
        self._checked = False
        self._of_thread = threading.local()

    def check(self) -> None:
        """Make sure that the weights are those that were published.

        Raises:
            ConfigurationError: they are missing or damaged.
        """
        if self._checked:
            return
        try:
            found = sha256_of(self._weights)
        except OSError as error:
            raise ConfigurationError(
                f"the weights of u2netp cannot be read ({self._weights}: {error.strerror}): install augur-vision again"
            ) from error
        if found != DIGEST:
            raise ConfigurationError(
                f"the weights of u2netp are damaged ({self._weights} has the SHA-256 {found[:12]}…, not "
                f"{DIGEST[:12]}…): install augur-vision again"
            )
        self._checked = True

    def saliency(self, pixels: np.ndarray) -> np.ndarray:
        """How salient each pixel is.

        Args:
            pixels: uint8 (H, W, 3), RGB.

        Returns:
            float32 (H, W), 0..1: about the probability that a pixel belongs to what the picture shows.

        Raises:
            ConfigurationError: the weights are missing or damaged.
        """
        height, width = pixels.shape[:2]
        side = input_side(height, width)
        shrinks = max(height, width) > side
        small = cv2.resize(
            pixels, (side, side), interpolation=cv2.INTER_AREA if shrinks else cv2.INTER_LINEAR
        )
        values = (small.astype(np.float32) / 255 - _MEAN) / _DEVIATION
        network, output = self._network()
        network.setInput(np.ascontiguousarray(values.transpose(2, 0, 1)[None]))
        found = np.clip(network.forward(output)[0, 0], 0, 1)
        return cv2.resize(found, (width, height), interpolation=cv2.INTER_LINEAR)

    def _network(self) -> tuple["cv2.dnn.Net", str]:
        kept = getattr(self._of_thread, "network", None)
        if kept is None:
            self.check()
            network = cv2.dnn.readNetFromONNX(str(self._weights))
            # Its seven outputs are one saliency for each level, and first the one fused from them.
            kept = self._of_thread.network = network, network.getUnconnectedOutLayersNames()[0]
        return kept


def input_side(height: int, width: int) -> int:
    """Side in pixels of the square to which an image (H, W) is resized for the network."""
    wanted = -(-2 * max(height, width) // STRIDE) * STRIDE
    return min(max(wanted, SMALLEST_SIDE), LARGEST_SIDE)
