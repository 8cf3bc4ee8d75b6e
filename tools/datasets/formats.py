"""Which files are images: by their suffix, as Pillow and the installed extras read them.

`pip install 'augur-vision[heif]'` adds HEIC, `pip install 'augur-vision[dicom]'` adds DICOM.
"""

from functools import cache
from importlib.util import find_spec

from PIL import Image

_NOT_PIXELS = frozenset(["EPS", "WMF", "MPEG", "BUFR", "GRIB", "HDF5", "IPTC", "PDF"])
"""Formats that Pillow lists but does not decode itself: drawings, films, containers that need another program."""

_WEAK = frozenset(
    ["PCX", "DCX", "TGA", "FLI", "CUR", "ICO", "MSP", "PCD", "XBM", "IM", "SUN", "SGI", "PPM", "GBR", "WAL"]
)
"""Formats whose first bytes are so few that other files begin with them too."""

HEIF_SUFFIXES = frozenset([".heic", ".heics", ".heif", ".heifs", ".hif"])
DICOM_SUFFIXES = frozenset([".dcm", ".dicom"])

# fmt: off
_NO_IMAGES = frozenset([
    ".txt", ".md", ".rst", ".csv", ".tsv", ".xls", ".xlsx", ".ods", ".json", ".jsonl", ".ndjson",
    ".yaml", ".yml", ".xml", ".html", ".htm", ".ini", ".cfg", ".toml", ".log", ".doc", ".docx", ".rtf",
    ".py", ".ipynb", ".m", ".r", ".sh", ".bat", ".js", ".css", ".db", ".sqlite", ".lnk", ".url",
    ".sha256", ".md5", ".license", ".bib", ".tex", ".info", ".names", ".data", ".cache", ".pkl",
    ".pickle", ".onnx", ".pth", ".ckpt", ".safetensors", ".xmp", ".aae", ".mp3", ".wav", ".ds_store",
    ".gitkeep", ".gitignore",
])
# fmt: on
"""Suffixes of files that lie beside images and are none."""


@cache
def image_suffixes() -> frozenset[str]:
    """Suffixes of the files that can be decoded here, in lower case with their dot."""
    Image.init()
    found = {
        suffix
        for suffix, kind in Image.EXTENSION.items()
        if kind in Image.OPEN and kind not in _NOT_PIXELS and suffix not in HEIF_SUFFIXES
    }
    if has_heif():
        found |= HEIF_SUFFIXES
    if has_dicom():
        found |= DICOM_SUFFIXES
    return frozenset(found)


def has_heif() -> bool:
    """Whether pillow-heif is installed."""
    return find_spec("pillow_heif") is not None


def has_dicom() -> bool:
    """Whether pydicom is installed."""
    return find_spec("pydicom") is not None


def may_be_image(suffix: str) -> bool:
    """Whether a file with this suffix, which is not read, may be an image all the same."""
    return suffix not in _NO_IMAGES


def remedy(suffix: str) -> str:
    """What makes files with this suffix, which are not read, usable; '' where they are no images."""
    suffix = suffix.lower()
    if suffix in HEIF_SUFFIXES:
        return "pip install 'augur-vision[heif]' reads them, or convert them to JPEG or PNG"
    if suffix in DICOM_SUFFIXES:
        return "pip install 'augur-vision[dicom]' reads them, or convert them to PNG"
    if suffix == "":
        return "give them the suffix of their format, such as .jpg or .dcm"
    return "convert them to PNG or JPEG" if may_be_image(suffix) else ""


def kind_of(data: bytes) -> str:
    """The format that the first bytes of a file tell ('JPEG', 'DICOM', …), or '' for none that is known.

    Args:
        data: the first 4,096 bytes, or all of a shorter file.
    """
    if data[128:132] == b"DICM":
        return "DICOM"
    if data[4:8] == b"ftyp" and data[8:12] in (b"heic", b"heix", b"mif1", b"msf1", b"hevc", b"heim", b"heis"):
        return "HEIF"
    Image.init()
    for name, (_, accept) in Image.OPEN.items():
        if name in _NOT_PIXELS or accept is None or name in _WEAK:
            continue
        try:
            if accept(data[:16]) is True:
                return name
        except Exception:  # too short for the test of this format
            continue
    return ""


@cache
def register_heif() -> None:
    """Let Pillow open HEIC files, once in each process."""
    if has_heif():
        import pillow_heif

        pillow_heif.register_heif_opener()
