"""Weights by name: a file or folder on this machine, or one on the Hugging Face hub, downloaded once.

Also what tells weights apart. Gigabytes are sampled, not read. There are two ways of sampling because keys of results
that users keep depend on each: `digest_of` for detectors and segmenters, `source_identity` for models of diffusers.
"""

import hashlib
import logging
import re
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

from tools.disk import disk_error
from tools.errors import ConfigurationError, first_line
from tools.files import sha256_of

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
    from huggingface_hub import hf_hub_download, try_to_load_from_cache

    cached = isinstance(try_to_load_from_cache(*on_hub), str)
    with _hub_errors_explained(str(name), setting, "file"):
        found = Path(hf_hub_download(*on_hub))
        if not cached:
            _check_download(found)
    return found


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
    with _hub_errors_explained(name, setting, "folder"):
        found = Path(snapshot_download(name, allow_patterns=patterns))
        for file in found.rglob("*"):
            if file.is_file():
                _check_download(file)
    return found


def _check_download(file: Path) -> None:
    """The hub's cache names large files by their SHA-256, but does not look whether that is what has arrived.

    Raises:
        _WrongContent: it is not; the file is deleted.
    """
    blob = file.resolve()
    if re.fullmatch(r"[0-9a-f]{64}", blob.name) and sha256_of(blob) != blob.name:
        file.unlink()
        blob.unlink(missing_ok=True)
        raise _WrongContent(
            f"what arrived of {file.name} is not the file that the hub has (its SHA-256 differs)"
        )


class _WrongContent(Exception):
    """A download is not what was asked for."""


@contextmanager
def _hub_errors_explained(name: str, setting: str, kind: str) -> Iterator[None]:
    """Turns whatever a download meets in this block into one sentence with its cause and what to do."""
    log = logging.getLogger("huggingface_hub")
    level = log.level
    log.setLevel(logging.ERROR)  # of each of its retries
    try:
        yield
    except Exception as error:  # the library raises its own, its HTTP client's and the system's
        raise ConfigurationError(
            f"{name!r} ({setting}) is not a {kind} on this machine, and it cannot be downloaded from the hub: "
            f"{_cause_and_remedy(error)}. Or give a local {kind}"
        ) from error
    finally:
        log.setLevel(level)


def _cause_and_remedy(error: Exception) -> str:
    from huggingface_hub.constants import HF_HUB_CACHE
    from huggingface_hub.errors import EntryNotFoundError, LocalEntryNotFoundError, OfflineModeIsEnabled

    chain = list(_chain(error))
    if refused := disk_error(error, Path(HF_HUB_CACHE)):
        return f"{refused} Another folder for downloads can be set by HF_HUB_CACHE".replace(
            ". Another", "; another"
        )
    if any(isinstance(each, OfflineModeIsEnabled) for each in chain):
        return "HF_HUB_OFFLINE is set, and it is not in the cache: unset HF_HUB_OFFLINE, or download it elsewhere"
    for each in chain:
        status = getattr(getattr(each, "response", None), "status_code", None)
        if isinstance(each, EntryNotFoundError) and not isinstance(each, LocalEntryNotFoundError):
            return "the repository has no such file: check its name"
        if status is not None:
            return _of_status(int(status))
    if any(isinstance(each, _WrongContent) or "onsistency check failed" in str(each) for each in chain):
        return (
            f"{first_line(error)}. It was deleted: run again, and if that does not help, look for a proxy that changes "
            "what passes it"
        )
    names = {type(each).__name__ for each in chain}
    if "ProxyError" in names:
        return "the proxy refuses the connection: check HTTPS_PROXY and HTTP_PROXY"
    last = chain[-1]
    return f"no answer ({type(last).__name__}: {first_line(last)}): check the network, HF_ENDPOINT and HTTPS_PROXY"


def _of_status(status: int) -> str:
    remedy = {
        401: "it does not exist, or needs a token: check the name, and set HF_TOKEN",
        403: "access is refused: accept its terms on its page of the hub, and set HF_TOKEN to a token that may read it",
        404: "there is no such repository: check the name",
        407: "the proxy wants a name and a password: give them in HTTPS_PROXY",
        429: "too many requests: wait a few minutes, and set HF_TOKEN for a higher limit",
    }.get(status, "the hub, or a server on the way to it, is out of order: try again later")
    return f"HTTP {status}, {remedy}"


def _chain(error: BaseException | None) -> Iterator[BaseException]:
    """The error, and those that it was raised for; the first cause last."""
    seen: list[BaseException] = []
    while error is not None and error not in seen:
        seen.append(error)
        yield error
        error = error.__cause__ or error.__context__
