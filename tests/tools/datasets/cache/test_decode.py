"""Every kind of image comes out right as RGB bytes, or is refused with a reason."""

import io
import struct
import zlib

import numpy as np
import pytest
from PIL import Image, ImageFile

from tests.tools.datasets.images import encode, photo
from tools.datasets.cache.decode import UnreadableImage, decode

LIMIT = 10**6


def pixel(image: Image.Image, kind: str = "PNG", **options) -> tuple[int, int, int]:
    """The colour that a one-coloured image is decoded to."""
    decoded = decode(encode(image, kind, **options), 8, "stretch", LIMIT)
    assert decoded.shape == (8, 8, 3)
    assert decoded.dtype == np.uint8
    assert (decoded == decoded[0, 0]).all()
    red, green, blue = decoded[0, 0].tolist()
    return red, green, blue


def flat(mode: str, colour) -> Image.Image:
    return Image.new(mode, (16, 12), colour)


def test_greyscale_is_repeated_in_every_channel():
    assert pixel(flat("L", 77)) == (77, 77, 77)


@pytest.mark.parametrize("side", [12, 200])
def test_a_greyscale_jpeg_is_repeated_in_every_channel(side):
    assert pixel(Image.new("L", (side, side), 77), "JPEG") == (77, 77, 77)


@pytest.mark.parametrize(("bit", "grey"), [(0, 0), (1, 255)])
def test_one_bit_images_are_black_and_white(bit, grey):
    assert pixel(flat("1", bit)) == (grey, grey, grey)


def test_a_palette_is_looked_up():
    image = flat("P", 3)
    image.putpalette([0, 0, 0, 1, 1, 1, 2, 2, 2, 200, 100, 50])
    assert pixel(image) == (200, 100, 50)


def test_a_transparent_palette_entry_becomes_black_not_its_hidden_colour():
    image = flat("P", 3)
    image.putpalette([0, 0, 0, 1, 1, 1, 2, 2, 2, 200, 100, 50])
    assert pixel(image, transparency=3) == (0, 0, 0)


@pytest.mark.parametrize(("alpha", "expected"), [(255, (200, 100, 50)), (0, (0, 0, 0)), (128, (100, 50, 25))])
def test_transparency_is_laid_on_black(alpha, expected):
    assert np.allclose(pixel(flat("RGBA", (200, 100, 50, alpha))), expected, atol=1)


def test_grey_with_alpha_is_laid_on_black():
    assert np.allclose(pixel(flat("LA", (200, 128))), 100, atol=1)


def test_a_transparent_colour_key_becomes_black():
    assert pixel(flat("RGB", (200, 100, 50)), transparency=(200, 100, 50)) == (0, 0, 0)


def test_cmyk_jpeg_is_not_inverted():
    assert np.allclose(pixel(flat("CMYK", (0, 255, 255, 0)), "JPEG", quality=95), (255, 0, 0), atol=8)


@pytest.mark.parametrize("kind", ["PNG", "TIFF"])
def test_sixteen_bits_are_scaled_by_the_range_of_their_type(kind):
    for value, grey in ((0, 0), (257, 1), (32768, 128), (65535, 255)):
        image = Image.fromarray(np.full((12, 16), value, dtype=np.uint16))
        assert pixel(image, kind) == (grey, grey, grey)


def test_big_endian_sixteen_bits_are_scaled_alike():
    header = b"P5 16 12 65535\n"
    decoded = decode(header + struct.pack(">H", 32768) * 192, 8, "stretch", LIMIT)
    assert (decoded == 128).all()


def test_sixteen_bit_colour_keeps_its_high_byte():
    decoded = decode(
        _png(16, 12, depth=16, colour=2, sample=struct.pack(">HHH", 51200, 25600, 12800)), 8, "stretch", LIMIT
    )
    assert decoded[0, 0].tolist() == [200, 100, 50]


def test_integers_beyond_sixteen_bits_are_refused():
    with pytest.raises(UnreadableImage, match="do not fit 16 bits"):
        pixel(Image.fromarray(np.full((12, 16), 70_000, dtype=np.int32)), "TIFF")


def test_floating_point_pixels_are_refused():
    with pytest.raises(UnreadableImage, match="floating-point"):
        pixel(Image.fromarray(np.full((12, 16), 0.5, dtype=np.float32)), "TIFF")


@pytest.mark.parametrize("orientation", range(1, 9))
def test_exif_orientation_turns_the_image_upright(orientation):
    upright = np.zeros((16, 16, 3), dtype=np.uint8)
    upright[:8, :8], upright[:8, 8:], upright[8:, :8] = (255, 0, 0), (0, 255, 0), (0, 0, 255)
    # How a camera held that way stores it: the inverse of what the tag tells the viewer to do.
    stored = {
        1: upright,
        2: upright[:, ::-1],
        3: upright[::-1, ::-1],
        4: upright[::-1],
        5: upright.transpose(1, 0, 2),
        6: np.rot90(upright),
        7: np.rot90(upright, 2).transpose(1, 0, 2),
        8: np.rot90(upright, -1),
    }[orientation]
    exif = Image.Exif()
    exif[0x0112] = orientation
    data = encode(Image.fromarray(np.ascontiguousarray(stored)), "PNG", exif=exif)
    assert (decode(data, 16, "stretch", LIMIT) == upright).all()


def test_only_the_first_frame_of_an_animation_is_used():
    frames = [flat("RGB", (250, 0, 0)), flat("RGB", (0, 250, 0))]
    assert pixel(frames[0], "GIF", save_all=True, append_images=frames[1:]) == (250, 0, 0)


def test_stretch_keeps_all_of_the_image():
    image = Image.new("RGB", (40, 10))
    image.paste((255, 255, 255), (0, 0, 4, 10))
    decoded = decode(encode(image), 10, "stretch", LIMIT)
    assert decoded[5, 0].min() > 200
    assert decoded[5, 5:].max() == 0


def test_crop_keeps_the_centre():
    image = Image.new("RGB", (40, 10), (255, 0, 0))
    image.paste((0, 0, 255), (15, 0, 25, 10))
    assert (decode(encode(image), 10, "crop", LIMIT) == (0, 0, 255)).all()


def test_pad_keeps_the_proportions_and_fills_with_black():
    decoded = decode(encode(Image.new("RGB", (40, 10), (9, 200, 30))), 20, "pad", LIMIT)
    filled = (decoded == (9, 200, 30)).all(axis=(1, 2))
    assert filled.sum() == 5
    assert (decoded[~filled] == 0).all()


def test_resizing_is_the_antialiased_bilinear_of_torchvision():
    from torchvision.transforms.v2 import Resize

    image = photo(3, 300, 200)
    theirs = Resize((32, 32), antialias=True)(image)
    assert (decode(encode(image), 32, "stretch", LIMIT) == np.asarray(theirs)).all()


@pytest.mark.parametrize("fit", ["stretch", "crop", "pad"])
def test_decoding_a_jpeg_at_a_smaller_scale_changes_no_pixel_noticeably(fit):
    image = photo(4, 640, 480)
    image = Image.blend(image, Image.effect_noise(image.size, 60).convert("RGB"), 0.2)
    data = encode(image, "JPEG", quality=92)
    with Image.open(io.BytesIO(data)) as opened:
        whole = encode(opened)  # a PNG of the same pixels is decoded at full scale
    small, full = (decode(each, 64, fit, LIMIT).astype(int) for each in (data, whole))
    assert np.abs(small - full).mean() < 1
    assert np.abs(small - full).max() <= 12


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "GIF", "BMP", "TIFF", "WEBP"])
def test_a_truncated_image_is_refused_unless_all_its_pixels_are_there(kind):
    data = encode(photo(5, 40, 30), kind)
    whole = decode(data, 8, "stretch", LIMIT)
    refused = 0
    for length in range(len(data) - 1, 0, -max(1, len(data) // 60)):
        try:
            decoded = decode(data[:length], 8, "stretch", LIMIT)
        except UnreadableImage:
            refused += 1
        else:
            assert (decoded == whole).all(), length
    assert refused > 40


def test_half_images_are_refused_even_where_the_program_around_allows_them(monkeypatch):
    monkeypatch.setattr(ImageFile, "LOAD_TRUNCATED_IMAGES", True)
    data = encode(photo(6, 400, 300), "JPEG")
    with pytest.raises(UnreadableImage, match="truncated"):
        decode(data[: len(data) // 2], 8, "stretch", LIMIT)


def test_an_empty_file_is_refused():
    with pytest.raises(UnreadableImage, match="empty"):
        decode(b"", 8, "stretch", LIMIT)


def test_what_is_no_image_is_refused():
    with pytest.raises(UnreadableImage, match="not an image"):
        decode(b"file,label\n", 8, "stretch", LIMIT)


def test_a_decompression_bomb_is_refused_from_its_header_alone():
    bomb = _png(60_000, 60_000, depth=8, colour=2, sample=b"")
    with pytest.raises(UnreadableImage, match="max_pixels"):
        decode(bomb, 8, "stretch", 178_956_970)


def test_max_pixels_decides_in_both_directions(monkeypatch):
    data = encode(photo(7, 50, 40))
    with pytest.raises(UnreadableImage, match="50 x 40 pixels, more than max_pixels = 1999"):
        decode(data, 8, "stretch", 1999)
    # Pillow's own limit, which an embedding program may have lowered, does not stop what the setting allows.
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 100)
    decode(data, 8, "stretch", 2000)
    assert Image.MAX_IMAGE_PIXELS == 100


def _png(width: int, height: int, depth: int, colour: int, sample: bytes) -> bytes:
    def chunk(name: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))

    rows = zlib.compress((b"\0" + sample * width) * height) if sample else zlib.compress(b"\0")
    header = struct.pack(">IIBBBBB", width, height, depth, colour, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", rows) + chunk(b"IEND", b"")
