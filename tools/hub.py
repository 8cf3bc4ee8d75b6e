"""Weights by name: a file or folder on this machine, or one on the Hugging Face hub, fetched once."""

import hashlib
import re
from pathlib import Path

from tools.errors import ConfigurationError, first_line

_BLOCK = 1 << 18
_BLOCKS = 32
_HUB_PART = r"[A-Za-z0-9][\w.-]*"


def digest_of(path: Path) -> str:
    """Hex digest that tells weights apart, of a file or of all files of a folder; fast for gigabytes.

    Of a large file its size and 32 blocks of 256 KiB, the first and the last among them, are read: a .pth file ends in
    the checksums of all that it holds, and other training changes every block of a .safetensors file.
    """
    files = sorted(file for file in path.rglob("*") if file.is_file()) if path.is_dir() else [path]
    digest = hashlib.sha256()
    for file in files:
        size = file.stat().st_size
        name = file.relative_to(path).as_posix() if path.is_dir() else ""
        digest.update(f"{name}:{size}\n".encode())
        with file.open("rb") as opened:
            if size <= _BLOCK * _BLOCKS:
                digest.update(opened.read())
                continue
            for number in range(_BLOCKS):
                opened.seek((size - _BLOCK) * number // (_BLOCKS - 1))
                digest.update(opened.read(_BLOCK))
    return digest.hexdigest()


def file_of(name: str | Path | None, setting: str, remedy: str) -> Path:
    """The local file that `name` means: a path, or a file on the hub as OWNER/REPOSITORY/FILE, fetched once.

    Raises:
        ConfigurationError: nothing is given, there is no such file, or the hub cannot be reached.
    """
    if name is None or not str(name):
        raise ConfigurationError(f"{setting} is not set: {remedy}")
    path = Path(name).expanduser()
    if path.is_file():
        return path
    parts = str(name).split("/", 2)
    if path.is_dir() or len(parts) < 3 or not all(re.fullmatch(_HUB_PART, part) for part in parts[:2]):
        what = "it is a folder, not a file" if path.is_dir() else "there is no such file"
        raise ConfigurationError(f"no weights at {path} ({setting}): {what}. {remedy}")
    from huggingface_hub import hf_hub_download

    repository, file = "/".join(parts[:2]), parts[2]
    try:
        return Path(hf_hub_download(repository, file))
    except (OSError, ValueError) as error:
        raise _unreachable(str(name), setting, error, "file") from error


def folder_of(name: str, setting: str) -> Path:
    """The local folder of a `transformers` model: a folder, or a hub id, which is fetched once.

    A hub id that is in the cache is taken from there, without a look at the network: the same version each time.

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
        f"{name!r} ({setting}) is no {kind} on this machine and cannot be had from the hub "
        f"({type(error).__name__}: {first_line(error)}): check the name and the network, or give a local {kind}"
    )
