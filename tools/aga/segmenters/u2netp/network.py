"""U²-Netp (Qin et al. 2020), run by ONNX Runtime: how salient each pixel of a picture is."""

import threading
from pathlib import Path
from typing import TYPE_CHECKING

import cv2
import numpy as np

from tools.errors import ConfigurationError
from tools.files import sha256_of

if TYPE_CHECKING:
    from onnxruntime import InferenceSession

WEIGHTS = Path(__file__).with_name("u2netp.onnx")
DIGEST = "309c8469258dda742793dce0ebea8e6dd393174f89934733ecc8b14c76f4ddd8"

SIDE = 320
"""Pixels of its square input; what it was trained on. Small pictures are enlarged: at 128 it misses their subjects."""

_MEAN = np.array([0.485, 0.456, 0.406], np.float32)
_DEVIATION = np.array([0.229, 0.224, 0.225], np.float32)
"""Of ImageNet's colours, by which its authors normalise."""

_ERRORS = 3
"""What the library may write to the terminal: it also warns of GPUs that nobody asks for."""


class U2Netp:
    """The network. Loaded on first use; several threads may use it at once."""

    def __init__(self, weights: Path = WEIGHTS, threads: int = 1) -> None:
        """`threads`: that each look takes; to take more cores, look at several pictures at once."""
        self._weights, self._threads = weights, threads
        self._checked = False
        self._loading = threading.Lock()
        self._loaded: InferenceSession | None = None

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
        way = cv2.INTER_AREA if max(height, width) > SIDE else cv2.INTER_LINEAR
        small = cv2.resize(pixels, (SIDE, SIDE), interpolation=way)
        values = (small.astype(np.float32) / 255 - _MEAN) / _DEVIATION
        session = self._session()
        # Its seven outputs are one saliency for each level, and first the one fused from them.
        output, given = session.get_outputs()[0].name, session.get_inputs()[0].name
        fused = session.run([output], {given: np.ascontiguousarray(values.transpose(2, 0, 1)[None])})[0]
        found = np.clip(np.asarray(fused)[0, 0], 0, 1)
        return cv2.resize(found, (width, height), interpolation=cv2.INTER_LINEAR)

    def _session(self) -> "InferenceSession":
        with self._loading:
            if self._loaded is None:
                self.check()
                self._loaded = _opened(self._weights, self._threads)
            return self._loaded


def _opened(weights: Path, threads: int) -> "InferenceSession":
    import onnxruntime

    onnxruntime.set_default_logger_severity(_ERRORS)
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads, options.inter_op_num_threads = threads, 1
    options.log_severity_level = _ERRORS
    # Else each thread of it spins while it waits, on a core that other looks need.
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    return onnxruntime.InferenceSession(str(weights), options, providers=["CPUExecutionProvider"])
