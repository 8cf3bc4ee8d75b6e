"""Files that are good images with something odd about them: broken or huge metadata, DICOM, HEIC, 16-bit colours."""

import io
import logging
import os
import struct
import threading
import warnings
import zlib
from typing import Any

import numpy as np
import pydicom
import pytest
from PIL import Image, PngImagePlugin

from tests.tools.datasets.dicoms import a_dicom
from tests.tools.datasets.images import encode, photo
from tools.datasets.cache import dicom
from tools.datasets.cache.content import ContentIndex
from tools.datasets.cache.decode import UnreadableImage, decode, decode_and_look, open_rgb, read_header
from tools.datasets.cache.look import KINDS, Flag
from tools.datasets.folder.source import FolderSource
from tools.datasets.formats import register_heif

LIMIT = 10**6


def flags(data: bytes, **options: Any) -> Flag:
    return Flag(int(decode_and_look(data, 8, "stretch", LIMIT, **options)[1]["flags"]))


def kind(data: bytes, **options: Any) -> str:
    return KINDS[int(decode_and_look(data, 8, "stretch", LIMIT, **options)[1]["kind"])]


def same(data: bytes, other: bytes) -> bool:
    return bool((decode(data, 16, "stretch", LIMIT) == decode(other, 16, "stretch", LIMIT)).all())


# metadata


def chunk(name: bytes, data: bytes, *, good: bool = True) -> bytes:
    return (
        struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data) ^ (not good))
    )


def png_with(*chunks: bytes) -> bytes:
    plain = encode(photo(1))
    return plain[:33] + b"".join(chunks) + plain[33:]


def segment(marker: int, data: bytes) -> bytes:
    return bytes([0xFF, marker]) + struct.pack(">H", len(data) + 2) + data


def jpeg_with(*segments: bytes) -> bytes:
    plain = encode(photo(1), "JPEG")
    return plain[:2] + b"".join(segments) + plain[2:]


def large_text() -> bytes:
    info = PngImagePlugin.PngInfo()
    info.add_text("notes", "y" * 2_000_000, zip=True)
    return encode(photo(1), pnginfo=info)


def large_international_text() -> bytes:
    info = PngImagePlugin.PngInfo()
    info.add_itxt("notes", "ÿ" * 2_000_000, zip=True)
    return encode(photo(1), pnginfo=info)


BAD_PNG = {
    "a text of 2 MB": large_text(),
    "an international text of 2 MB": large_international_text(),
    "100 texts of 1 MB": png_with(*[chunk(b"zTXt", b"k\0\0" + zlib.compress(b"x" * 2**20))] * 100),
    "a profile of 3 MB": encode(photo(1), icc_profile=os.urandom(3_000_000)),
    "a text with a wrong checksum": png_with(chunk(b"tEXt", b"k\0text", good=False)),
    "a text that is not compressed as it says": png_with(chunk(b"zTXt", b"k\0\x07no")),
    "a truncated gamma": png_with(chunk(b"gAMA", b"\0")),
    "a truncated animation": png_with(chunk(b"acTL", b"\0")),
}


@pytest.mark.parametrize("name", BAD_PNG)
def test_a_good_png_is_read_whatever_its_metadata(name):
    assert same(BAD_PNG[name], encode(photo(1)))
    assert read_header(BAD_PNG[name]).width == 24


def test_what_could_not_be_read_is_told():
    assert Flag.BAD_METADATA in flags(large_text())
    assert Flag.BAD_METADATA not in flags(encode(photo(1)))


BAD_JPEG = {
    "truncated EXIF": jpeg_with(segment(0xE1, b"Exif\0\0II*\0\x08\0\0\0\x40\0")),
    "EXIF without content": jpeg_with(segment(0xE1, b"Exif\0\0")),
    "a truncated profile": jpeg_with(segment(0xE2, b"ICC_PROFILE\0\x01\x05abc")),
    "a malformed list of pictures": jpeg_with(segment(0xE2, b"MPF\0II*\0garbage")),
    "a malformed Photoshop block": jpeg_with(
        segment(0xED, b"Photoshop 3.0\x008BIM\x03\xed\0\0\xff\xff\xff\xff")
    ),
}


@pytest.mark.parametrize("name", BAD_JPEG)
def test_a_good_jpeg_is_read_whatever_its_metadata_and_nothing_reaches_the_terminal(name, capfd):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert same(BAD_JPEG[name], encode(photo(1), "JPEG"))
        read_header(BAD_JPEG[name])
    assert capfd.readouterr() == ("", "")


def test_an_unknown_orientation_is_told():
    assert Flag.BAD_METADATA in flags(BAD_JPEG["truncated EXIF"])


def test_faults_of_the_pixels_stay_faults():
    broken = BAD_PNG["a text of 2 MB"]
    with pytest.raises(UnreadableImage):
        decode(broken[:-40], 8, "stretch", LIMIT)
    with pytest.raises(UnreadableImage, match="max_pixels"):
        decode(broken, 8, "stretch", 100)


def test_what_pillow_logs_does_not_reach_the_terminal(capfd):
    logging.getLogger("PIL.TiffImagePlugin").error("odd tag")
    assert capfd.readouterr().err == ""


# frames, transparency, CMYK


def test_several_frames_are_told_and_thumbnails_of_cameras_are_not_frames():
    frames = [photo(1), photo(2)]
    for form in ("GIF", "TIFF", "WEBP", "PNG"):
        data = encode(frames[0], form, save_all=True, append_images=frames[1:])
        assert Flag.FRAMES in flags(data), form
        assert Flag.FRAMES not in flags(encode(frames[0], form)), form
    assert Flag.FRAMES not in flags(encode(frames[0], "MPO", save_all=True, append_images=frames[1:]))


def test_a_fault_of_a_later_frame_is_none_of_the_first():
    frames = [photo(1), photo(2)]
    data = encode(frames[0], "GIF", save_all=True, append_images=frames[1:])
    decode(data[:-200], 8, "stretch", LIMIT)


def test_a_picture_under_transparency_is_told():
    hidden = photo(1).convert("RGBA")
    hidden.putalpha(0)
    assert Flag.HIDES_PICTURE in flags(encode(hidden))
    cut_out = photo(1).convert("RGBA")
    cut_out.putalpha(Image.new("L", cut_out.size, 255))
    assert flags(encode(cut_out)) == 0
    assert Flag.HIDES_PICTURE not in flags(encode(Image.new("RGBA", (9, 9), (200, 0, 0, 0))))


def test_a_cmyk_jpeg_without_adobes_mark_is_told():
    marked = encode(photo(1).convert("CMYK"), "JPEG")
    at = marked.index(b"\xff\xee")
    assert Flag.PLAIN_CMYK not in flags(marked)
    assert Flag.PLAIN_CMYK in flags(marked[:at] + marked[at + 16 :])


# 16 bits


@pytest.mark.parametrize("form", ["PNG", "TIFF"])
def test_16_bit_colours_are_scaled_by_a_span_in_all_their_bits(form):
    cv2 = pytest.importorskip("cv2")
    colours = np.full((12, 16, 3), (4095, 2048, 0), dtype=np.uint16)
    data = cv2.imencode(f".{form.lower()}", colours[..., ::-1])[1].tobytes()
    assert decode(data, 8, "stretch", LIMIT)[0, 0].tolist() == [15, 8, 0]
    assert decode(data, 8, "stretch", LIMIT, (0, 4095))[0, 0].tolist() == [255, 128, 0]
    assert kind(data) == "16-bit colour"


@pytest.mark.parametrize("dtype", [np.uint16, np.int32, np.float32])
def test_any_numbers_are_scaled_by_a_span(dtype):
    values = np.repeat(np.array([[0, 1000, 2000, 9000]], dtype=dtype), 4, axis=0)
    decoded = decode(encode(Image.fromarray(values), "TIFF"), 4, "stretch", LIMIT, (1000, 2000))
    assert decoded[0, :, 0].tolist() == [0, 0, 255, 255]


def test_8_bits_are_what_they_are_whatever_the_span():
    data = encode(photo(1))
    assert (decode(data, 8, "stretch", LIMIT) == decode(data, 8, "stretch", LIMIT, (0, 4095))).all()


def test_floating_point_pixels_say_how_to_read_them():
    data = encode(Image.fromarray(np.linspace(0, 1, 64, dtype=np.float32).reshape(8, 8)), "TIFF")
    with pytest.raises(UnreadableImage, match=r"from 0 to 1\) have no agreed range: .* --data.range 0:1"):
        decode(data, 8, "stretch", LIMIT)
    assert decode(data, 8, "stretch", LIMIT, (0, 1)).max() == 255


def test_numbers_that_are_not_finite_are_refused():
    data = encode(Image.fromarray(np.full((8, 8), np.nan, dtype=np.float32)), "TIFF")
    with pytest.raises(UnreadableImage, match="not finite"):
        decode(data, 8, "stretch", LIMIT, (0, 1))


# HEIC


def test_heic_is_read_and_turned_upright():
    register_heif()
    data = encode(photo(1, 64, 48), "HEIF", quality=95)
    assert (
        np.abs(
            decode(data, 16, "stretch", LIMIT).astype(int)
            - decode(encode(photo(1, 64, 48)), 16, "stretch", LIMIT)
        ).mean()
        < 12
    )


# DICOM


RAMP = np.tile(np.array([0, 1000, 2000, 4095], dtype=np.uint16), (4, 1))
SIGNED = np.tile(np.array([-1000, 0, 1000, 3000], dtype=np.int16), (4, 1))


def greys(data: bytes, **options: Any) -> list[int]:
    return decode(data, 4, "stretch", LIMIT, **options)[0, :, 0].tolist()


@pytest.mark.parametrize(
    ("values", "tags", "expected"),
    [
        (RAMP, {"BitsStored": 12, "HighBit": 11}, [0, 62, 125, 255]),
        (
            RAMP,
            {"BitsStored": 12, "HighBit": 11, "PhotometricInterpretation": "MONOCHROME1"},
            [255, 193, 130, 0],
        ),
        (RAMP, {"WindowCenter": 1000.5, "WindowWidth": 2001}, [0, 128, 255, 255]),
        (RAMP, {"WindowCenter": [1000.5, 9], "WindowWidth": [2001, 9]}, [0, 128, 255, 255]),
        (
            RAMP,
            {"WindowCenter": 1000, "WindowWidth": 2000, "VOILUTFunction": "LINEAR_EXACT"},
            [0, 128, 255, 255],
        ),
        (RAMP, {"WindowCenter": 1000, "WindowWidth": 400, "VOILUTFunction": "SIGMOID"}, [0, 128, 255, 255]),
        (
            RAMP,
            {"RescaleSlope": 1, "RescaleIntercept": -1000, "WindowCenter": 0.5, "WindowWidth": 2001},
            [0, 128, 255, 255],
        ),
        (SIGNED, {"BitsStored": 13, "HighBit": 12}, [96, 128, 159, 221]),
        (np.tile(np.array([0, 85, 170, 255], dtype=np.uint8), (4, 1)), {}, [0, 85, 170, 255]),
    ],
    ids=["bits", "inverted", "window", "first window", "exact", "sigmoid", "rescaled", "signed", "8 bits"],
)
def test_dicom_is_shown_by_its_own_window_or_its_bits(values, tags, expected):
    assert np.allclose(greys(a_dicom(values, **tags)), expected, atol=1)


def test_a_span_replaces_the_window_and_counts_rescaled_values():
    data = a_dicom(SIGNED, RescaleSlope=2, RescaleIntercept=0, WindowCenter=5, WindowWidth=9)
    assert greys(data, span=(-2000, 6000)) == [0, 64, 128, 255]


def test_colours_of_dicom_are_read():
    colours = np.full((4, 4, 3), (200, 100, 50), dtype=np.uint8)
    assert decode(a_dicom(colours), 4, "stretch", LIMIT)[0, 0].tolist() == [200, 100, 50]


def test_dicom_of_several_frames_without_a_picture_or_too_large_is_refused():
    frames = a_dicom(np.zeros((4, 4), np.uint16), NumberOfFrames=2, PixelData=b"\0" * 64)
    with pytest.raises(UnreadableImage, match="of 2 frames: save the frames"):
        decode(frames, 4, "stretch", LIMIT)
    with pytest.raises(UnreadableImage, match="max_pixels = 15"):
        decode(a_dicom(RAMP), 4, "stretch", 15)
    file = pydicom.dcmread(io.BytesIO(a_dicom(RAMP)))
    del file.PixelData
    stream = io.BytesIO()
    file.save_as(stream)
    with pytest.raises(UnreadableImage, match="without a picture"):
        decode(stream.getvalue(), 4, "stretch", LIMIT)


def test_a_truncated_dicom_is_refused_quietly(capfd):
    with pytest.raises(UnreadableImage):
        decode(a_dicom(RAMP)[:-9], 4, "stretch", LIMIT)
    assert capfd.readouterr() == ("", "")


def test_the_header_of_dicom_gives_its_size():
    assert read_header(a_dicom(RAMP[:, :3])) == read_header(a_dicom(RAMP[:, :3]))
    assert (read_header(a_dicom(RAMP[:, :3])).width, read_header(a_dicom(RAMP[:, :3])).height) == (3, 4)


def test_without_pydicom_the_reason_names_the_extra(monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "pydicom", None)
    with pytest.raises(UnreadableImage, match=r"pip install 'augur-vision\[dicom\]'"):
        open_rgb(b"\0" * 128 + b"DICM", 8, LIMIT)
    assert dicom.is_dicom(b"\0" * 128 + b"DICM")


# what is no file


def test_a_pipe_is_never_waited_for(tmp_path):
    os.mkfifo(tmp_path / "pipe.png")
    source = FolderSource(tmp_path)
    done: list[object] = []

    def read() -> None:
        done.extend(ContentIndex(tmp_path / "index.sqlite").contents(source, ["pipe.png"]))
        with pytest.raises(OSError, match="no regular file"):
            source.read("pipe.png")
        done.append("read")

    thread = threading.Thread(target=read, daemon=True)
    thread.start()
    thread.join(20)
    assert len(done) == 2
    assert "no regular file" in str(done[0])
