"""Weights by name: a file or folder on this machine, or one on the Hugging Face hub, downloaded once.

Also what tells weights apart. Gigabytes are sampled, not read. There are two ways of sampling because keys of results
that users keep depend on each: `digest_of` for detectors and segmenters, `source_identity` for models of diffusers.
"""

import hashlib
import re
from collections.abc import Iterable, Iterator
from pathlib import Path

from tools.errors import ConfigurationError, first_line

_BLOCK = 1 << 18
_BLOCKS = 32
_SAMPLES, _SAMPLE_BYTES = 64, 4096
_HUB_PART = r"[A-Za-z0-9][\w.-]*"


def digest_of(path: Path) -> str:
    """Hex digest that tells weights apart, of a file or of all files of a folder.

    Of a large file its size and 32 blocks of 256 KiB, the first and the last among them, are read: a .pth file ends in
    the checksums of all that it holds, and other training changes every block of a .safetensors file.
    """
    digest = hashlib.sha256()
    for file, name in _files_in(path):
        size = file.stat().st_size
        digest.update(f"{name}:{size}\n".encode())
        whole = size <= _BLOCK * _BLOCKS
        starts = [0] if whole else [(size - _BLOCK) * number // (_BLOCKS - 1) for number in range(_BLOCKS)]
        for sample in _samples(file, starts, size if whole else _BLOCK):
            digest.update(sample)
    return digest.hexdigest()


def source_identity(source: str) -> str:
    """A hub id as it is; of a local file or folder a fingerprint of its content, wherever it lies.

    Names, sizes, small files whole and of large ones 64 samples: two fine-tunings of a model differ in nearly all
    weights. Hidden files, which a download or a file browser leaves, do not count.
    """
    path = local_path(source)
    if path is None:
        return source
    digest = hashlib.sha256()
    for file, within in _files_in(path):
        name = within or file.name
        if any(part.startswith(".") for part in Path(name).parts):
            continue
        size = file.stat().st_size
        digest.update(f"{name}\0{size}\0".encode())
        length = -(-size // _SAMPLES) if size <= _SAMPLES * _SAMPLE_BYTES else _SAMPLE_BYTES
        for sample in _samples(file, (size * number // _SAMPLES for number in range(_SAMPLES)), length):
            digest.update(sample)
    return f"sha256:{digest.hexdigest()[:32]}"


def _files_in(path: Path) -> Iterator[tuple[Path, str]]:
    """The files of a folder and their paths in it, in order; a file by itself, with the empty string."""
    if not path.is_dir():
        yield path, ""
        return
    for file in sorted(path.rglob("*")):
        if file.is_file():
            yield file, file.relative_to(path).as_posix()


def _samples(file: Path, starts: Iterable[int], length: int) -> Iterator[bytes]:
    with file.open("rb") as opened:
        for start in starts:
            opened.seek(start)
            yield opened.read(length)


def local_path(source: str) -> Path | None:
    """The file or folder that `source` names on this machine; None where there is none, as for a hub id."""
    path = Path(source).expanduser()
    return path if path.exists() else None


def is_hub_id(name: str) -> bool:
    """Whether `name` is written as a repository of the hub is: OWNER/NAME."""
    return re.fullmatch(f"{_HUB_PART}/{_HUB_PART}", name) is not None


def split_hub_file(name: str) -> tuple[str, str] | None:
    """The repository and the file in it of OWNER/REPOSITORY/FILE; None where `name` is not written so."""
    found = re.fullmatch(f"({_HUB_PART}/{_HUB_PART})/(.+)", name)
    return (found[1], found[2]) if found else None


def file_of(name: str | Path | None, setting: str, remedy: str) -> Path:
    """The local file that `name` means: a path, or a file on the hub as OWNER/REPOSITORY/FILE, downloaded once.

    Raises:
        ConfigurationError: nothing is given, there is no such file, or the hub cannot be reached.
    """
    if name is None or not str(name):
        raise ConfigurationError(f"{setting} is not set: {remedy}")
    path = Path(name).expanduser()
    if path.is_file():
        return path
    on_hub = split_hub_file(str(name))
    if path.is_dir() or on_hub is None:
        what = "it is a folder, not a file" if path.is_dir() else "there is no such file"
        raise ConfigurationError(f"no weights at {path} ({setting}): {what}. {remedy}")
    from huggingface_hub import hf_hub_download

    try:
        return Path(hf_hub_download(*on_hub))
    except (OSError, ValueError) as error:
        raise _unreachable(str(name), setting, error, "file") from error


def folder_of(name: str, setting: str) -> Path:
    """The local folder of a `transformers` model: a folder, or a hub id, which is downloaded once.

    A hub id that is in the cache is taken from there, without asking the network: the same version each time.

    Raises:
        ConfigurationError: there is no such folder, or the hub cannot be reached.
    """
    path = Path(name).expanduser()
    if path.is_dir():
        return path
    if not re.fullmatch(rf"{_HUB_PART}(/{_HUB_PART})?", name):
        raise ConfigurationError(
            f"no model at {path} ({setting}): give a folder that exists, or a hub id (OWNER/NAME)"
        )
    from huggingface_hub import snapshot_download

    patterns = ["*.json", "*.txt", "*.safetensors"]
    try:
        cached = Path(snapshot_download(name, allow_patterns=patterns, local_files_only=True))
        if any(cached.glob("*.safetensors")):
            return cached
    except (OSError, ValueError):
        pass
    try:
        return Path(snapshot_download(name, allow_patterns=patterns))
    except (OSError, ValueError) as error:
        raise _unreachable(name, setting, error, "folder") from error


def _unreachable(name: str, setting: str, error: Exception, kind: str) -> ConfigurationError:
    return ConfigurationError(
        f"{name!r} ({setting}) is not a {kind} on this machine and cannot be downloaded from the hub "
        f"({type(error).__name__}: {first_line(error)}): check the name and the network, or give a local {kind}"
    )
