"""The model as ONNX, compared with torch on real images before it is handed out."""

import contextlib
import io
import logging
import warnings
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import torch

from tools.errors import AugurError, first_line
from tools.training.taken.folder import TakenModel

NEEDED = ("onnx", "onnxscript", "onnxruntime")
TOLERANCE = 1e-4
"""Of a probability, between torch and ONNX Runtime."""
_OPSET = 18


class NoOnnx(AugurError):
    """The model cannot be exported, or the export does not agree with it."""


def write_onnx(model: TakenModel, images: np.ndarray, file: Path) -> float:
    """Write `model` with its normalisation as ONNX, and compare it with torch.

    Input `images`: uint8 (batch, 3, S, S), red, green, blue. Output `probabilities`: float32 (batch, C).

    Args:
        model: on CPU.
        images: real ones, uint8 (N, S, S, 3), N at least 1.
        file: where to.

    Returns:
        The largest difference of a probability.

    Raises:
        NoOnnx: a package is missing, an operation cannot be exported, or the results differ; `file` is not left.
    """
    if missing := [name for name in NEEDED if find_spec(name) is None]:
        raise NoOnnx(f'{", ".join(missing)} is not installed: pip install "augur-vision[onnx]"')
    given = torch.from_numpy(np.ascontiguousarray(images.transpose(0, 3, 1, 2)))
    model = model.cpu().eval()
    try:
        _export(model, given[:2] if len(given) > 1 else given.repeat(2, 1, 1, 1), file)
    except Exception as error:  # the exporter raises its own and those of what it calls
        file.unlink(missing_ok=True)
        raise NoOnnx(f"the model cannot be exported ({type(error).__name__}: {first_line(error)})") from error
    with torch.inference_mode():
        expected = model(given).numpy()
    difference = float(np.abs(_run(file, given.numpy()) - expected).max())
    if not difference <= TOLERANCE:
        file.unlink()
        raise NoOnnx(
            f"the export gives other probabilities than torch on {len(images)} real images (by up to {difference:.2g})"
        )
    return difference


def _export(model: TakenModel, example: torch.Tensor, file: Path) -> None:
    quiet = logging.getLogger("torch.onnx"), logging.getLogger("onnxscript"), logging.getLogger("onnx_ir")
    levels = [each.level for each in quiet]
    for each in quiet:
        each.setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings(), contextlib.redirect_stdout(io.StringIO()):
            warnings.simplefilter("ignore")
            torch.onnx.export(
                model,
                (example,),
                file,
                input_names=["images"],
                output_names=["probabilities"],
                dynamic_shapes=({0: torch.export.Dim.DYNAMIC},),
                opset_version=_OPSET,
                external_data=False,
                dynamo=True,
            )
    finally:
        for each, level in zip(quiet, levels, strict=True):
            each.setLevel(level)


def _run(file: Path, images: np.ndarray) -> np.ndarray:
    import onnxruntime

    session = onnxruntime.InferenceSession(str(file), providers=["CPUExecutionProvider"])
    (found,) = session.run(["probabilities"], {"images": images})
    return np.asarray(found)
