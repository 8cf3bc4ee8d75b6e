"""DICOM files as 8-bit images, by pydicom (`pip install 'augur-vision[dicom]'`)."""

import io
import logging
import warnings
from typing import Any

import numpy as np
from PIL import Image

from tools.datasets.cache.levels import Span, UnreadableImage, scaled
from tools.datasets.cache.look import Stored

_MAGIC = slice(128, 132)


def is_dicom(data: bytes) -> bool:
    """Whether the first bytes are those of a DICOM file."""
    return data[_MAGIC] == b"DICM"


def read_dicom(data: bytes, max_pixels: int | None, span: Span | None) -> tuple[Image.Image, Stored]:
    """The picture in a DICOM file.

    Grey values are rescaled (slope, intercept) and become grey levels by `span`; without one, by the file's own first
    window (or lookup table); without that, by the range of its stored bits. MONOCHROME1 is inverted.

    Args:
        data: the file.
        max_pixels: more are refused; None for any number.
        span: the rescaled values that become black and white.

    Returns:
        The image, RGB; and the smallest and largest rescaled value.

    Raises:
        UnreadableImage: it holds no picture, several, too large a one, or one that pydicom cannot decompress.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        file = _parsed(data)
        _check(file, max_pixels)
        return _colour(file) if int(file.get("SamplesPerPixel", 1)) > 1 else _grey(file, span)


def dicom_size(data: bytes) -> tuple[int, int]:
    """Width and height of the picture in a DICOM file, from its header.

    Raises:
        UnreadableImage: it has no picture, or pydicom is not installed.
    """
    file = _parsed(data, stop_before_pixels=True)
    if "Rows" not in file or "Columns" not in file:
        raise UnreadableImage("a DICOM file without a picture")
    return int(file.Columns), int(file.Rows)


def _parsed(data: bytes, stop_before_pixels: bool = False) -> Any:
    try:
        import pydicom
    except ImportError as error:
        raise UnreadableImage(
            "a DICOM file, which needs pydicom: pip install 'augur-vision[dicom]', or convert it to PNG"
        ) from error
    # What pydicom finds odd is not for the terminal; what it cannot read is raised.
    logging.getLogger("pydicom").setLevel(logging.CRITICAL)
    return pydicom.dcmread(io.BytesIO(data), stop_before_pixels=stop_before_pixels)


def _check(file: Any, max_pixels: int | None) -> None:
    if "PixelData" not in file:
        raise UnreadableImage("a DICOM file without a picture")
    frames = int(file.get("NumberOfFrames", 1) or 1)
    if frames > 1:
        raise UnreadableImage(
            f"a DICOM file of {frames} frames: save the frames that are to be used one by one"
        )
    width, height = int(file.Columns), int(file.Rows)
    if max_pixels is not None and width * height > max_pixels:
        raise UnreadableImage(f"{width} x {height} pixels, more than max_pixels = {max_pixels}")


def _colour(file: Any) -> tuple[Image.Image, Stored]:
    values = file.pixel_array  # RGB, converted from YBR where necessary
    if values.dtype != np.uint8:
        raise UnreadableImage(f"a DICOM file with colours of {file.BitsStored} bits: save it with 8 bits")
    return Image.fromarray(np.ascontiguousarray(values)), Stored("DICOM")


def _grey(file: Any, span: Span | None) -> tuple[Image.Image, Stored]:
    from pydicom.pixels.processing import apply_color_lut, apply_rescale

    stored = file.pixel_array
    if file.PhotometricInterpretation == "PALETTE COLOR":
        colours = apply_color_lut(stored, file)
        bits = 16 if colours.dtype == np.uint16 else 8
        return Image.fromarray((colours >> (bits - 8)).astype(np.uint8)), Stored("DICOM")
    values = np.asarray(apply_rescale(stored, file), dtype=np.float64)
    low, high = float(values.min()), float(values.max())
    grey = scaled(values, span) if span is not None else _by_its_own_window(file, stored, values)
    if file.PhotometricInterpretation == "MONOCHROME1":
        grey = 255 - grey
    return Image.fromarray(grey).convert("RGB"), Stored("DICOM", low, high)


def _by_its_own_window(file: Any, stored: np.ndarray, values: np.ndarray) -> np.ndarray:
    if file.get("VOILUTSequence"):
        from pydicom.pixels.processing import apply_voi

        bits = int(file.VOILUTSequence[0].LUTDescriptor[2])
        return scaled(apply_voi(stored, file), (0, 2**bits - 1))
    centre, width = _first(file.get("WindowCenter")), _first(file.get("WindowWidth"))
    if centre is not None and width is not None and width > 0:
        if file.get("VOILUTFunction", "LINEAR") == "SIGMOID":
            return scaled(1 / (1 + np.exp(-4 * (values - centre) / width)), (0, 1))
        if file.get("VOILUTFunction", "LINEAR") == "LINEAR" and width > 1:
            # PS3.3 C.11.2.1.2: a window of w values from c - 0.5 - (w - 1) / 2 on.
            centre, width = centre - 0.5, width - 1
        return scaled(values, (centre - width / 2, centre + width / 2))
    return scaled(values, _stored_range(file))


def _stored_range(file: Any) -> Span:
    bits, signed = int(file.BitsStored), int(file.get("PixelRepresentation", 0)) == 1
    ends = (-(2 ** (bits - 1)), 2 ** (bits - 1) - 1) if signed else (0, 2**bits - 1)
    slope, intercept = float(file.get("RescaleSlope", 1)), float(file.get("RescaleIntercept", 0))
    low, high = sorted(slope * end + intercept for end in ends)
    return low, high


def _first(value: Any) -> float | None:
    """The first of several windows."""
    if value is None or value == "":
        return None
    return float(value[0] if hasattr(value, "__len__") and not isinstance(value, str) else value)
