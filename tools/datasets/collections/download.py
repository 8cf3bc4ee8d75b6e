"""Fetch a data set on the user's word, from where it is published; opening one never does.

What is fetched is named as in `Entry.fetch`: 'kaggle:OWNER/NAME', 'hf:REPO', 'torchvision:NAME', 'medmnist:FLAG'.
"""

import csv
import hashlib
import logging
import os
import shutil
import urllib.error
import urllib.request
from collections.abc import Callable
from http.client import HTTPException
from pathlib import Path

from tools.datasets.collections import medmnist_sets, torchvision_sets
from tools.datasets.collections.hf_sets import hub_name
from tools.errors import ConfigurationError, DataError

Say = Callable[[str], None]

_MEDMNIST = "https://zenodo.org/records/10519652/files"
"""The record of MedMNIST that version 3.0.2 of its package reads."""
_CHECKSUMS = Path(__file__).with_name("medmnist_md5.csv")
"""MD5 of each file there, as that version of the package states it."""
_TIMEOUT = 60
"""Seconds without a byte after which a download is given up."""
_BLOCK = 2**20


def download(fetch: str, folder: Path, say: Say) -> Path:
    """Fetch a data set; what is there already is not fetched again.

    Args:
        fetch: where from, and what.
        folder: where it goes; made where it is missing.
        say: called with a line on what is going on.

    Returns:
        What `--data` opens it with.

    Raises:
        ConfigurationError: there is no such source or no such set.
        DataError: it cannot be fetched or written; the message says what to do.
    """
    source, _, what = fetch.partition(":")
    fetchers = {"kaggle": _kaggle, "hf": _hub, "torchvision": _torchvision, "medmnist": fetch_medmnist}
    if source not in fetchers or not what:
        raise ConfigurationError(
            f"{fetch!r} cannot be fetched: expected one of {', '.join(f'{name}:…' for name in fetchers)}"
        )
    try:
        folder.mkdir(parents=True, exist_ok=True)
        return fetchers[source](what, folder, say)
    except urllib.error.URLError as error:
        raise _no_network(fetch, error.reason) from error
    except (ConnectionError, TimeoutError, HTTPException) as error:
        raise _no_network(fetch, error) from error
    except OSError as error:
        raise DataError(
            f"{fetch} cannot be written to {folder} ({error.strerror or error}): make room, or name another folder"
        ) from error


def fetch_medmnist(
    name: str, folder: Path, say: Say, address: str = _MEDMNIST, checksums: Path = _CHECKSUMS
) -> Path:
    """Fetch a file of MedMNIST, and check it.

    Args:
        name: as after `medmnist:`.
        folder: where it goes.
        say: called with what is going on.
        address: where the files are.
        checksums: table of their MD5, columns file and md5.

    Raises:
        ConfigurationError: there is no such set.
        DataError: what arrived is not what was published.
        OSError: the network or the disk fails.
    """
    flag, size = medmnist_sets.flag_and_size(name)
    file = folder / medmnist_sets.file_name(flag, size)
    expected = _checksums(checksums)[file.name]
    if file.is_file() and _md5(file) == expected:
        say(f"{file} is there already")
        return file
    url = f"{address}/{file.name}?download=1"
    say(f"fetching {url}")
    partial = file.with_name(f"{file.name}.partial")
    try:
        with urllib.request.urlopen(url, timeout=_TIMEOUT) as answer, partial.open("wb") as opened:
            shutil.copyfileobj(answer, opened, _BLOCK)
        found = _md5(partial)
        if found != expected:
            raise DataError(
                f"{url} sent {partial.stat().st_size:,} bytes with the MD5 {found}, but {expected} is published: the "
                "transfer was cut, or something on the way changed it. Run it again, or fetch the file by other means "
                f"and put it at {file}"
            )
        partial.replace(file)
    finally:
        partial.unlink(missing_ok=True)
    say(f"{file} ({file.stat().st_size / 2**20:.1f} MiB), MD5 as published")
    return file


def _torchvision(name: str, folder: Path, say: Say) -> Path:
    name = torchvision_sets.set_named(name)
    for split in torchvision_sets.CARDS[name].splits:
        say(f"fetching the {split} images of torchvision's {name} into {folder}")
        try:
            torchvision_sets.load(name, folder, split, download=True)
        except (
            RuntimeError,
            ValueError,
        ) as error:  # a mirror that is gone, a wrong MD5, a set it no longer fetches
            raise DataError(
                f"torchvision cannot fetch {name}: {error}\nTry again later, or fetch it by other means and put it in "
                f"{folder} as {torchvision_sets.CARDS[name].layout}"
            ) from error
    return folder


def _hub(what: str, folder: Path, say: Say) -> Path:
    import datasets
    from datasets.exceptions import DatasetsError
    from huggingface_hub.errors import HfHubHTTPError

    name = hub_name(what)
    place = folder / name.folder
    if (place / "dataset_dict.json").is_file():
        say(f"{place} is there already")
        return place
    say(f"fetching {name.repository} from the Hugging Face Hub")
    # It repeats each failed attempt in a paragraph; the last one is told by the error.
    logging.getLogger("huggingface_hub").setLevel(logging.ERROR)
    try:
        loaded = datasets.load_dataset(name.repository, name.config)
    except ConnectionError as error:
        raise _no_network(f"hf:{what}", error) from error
    except (HfHubHTTPError, DatasetsError, FileNotFoundError, RuntimeError, ValueError) as error:
        # A set that does not exist is a FileNotFoundError, a configuration that does not exist a ValueError.
        raise DataError(
            f"hf:{what} cannot be fetched: {error}\nCheck the name on https://huggingface.co/datasets; where a set "
            "asks for agreement, agree on its page and set HF_TOKEN"
        ) from error
    partial = folder / f"{name.folder}.partial"
    shutil.rmtree(partial, ignore_errors=True)
    loaded.save_to_disk(str(partial))
    partial.replace(place)
    say(f"saved in {place}")
    return place


def _kaggle(handle: str, folder: Path, say: Say) -> Path:
    import kagglehub
    import requests
    from kagglehub import exceptions

    if len(handle.split("/")) != 2:
        raise ConfigurationError(f"kaggle:{handle}: expected kaggle:OWNER/NAME")
    say(f"fetching {handle} from Kaggle")
    try:
        fetched = Path(kagglehub.dataset_download(handle))
    except (exceptions.UnauthenticatedError, exceptions.CredentialError) as error:
        raise _no_credentials(handle, error) from error
    except requests.HTTPError as error:
        status = error.response.status_code if error.response is not None else 0
        if status in (401, 403):
            raise _no_credentials(handle, error) from error
        raise DataError(
            f"Kaggle refuses kaggle:{handle}: {error}\nCheck https://www.kaggle.com/datasets/{handle} in a browser"
        ) from error
    except requests.RequestException as error:
        raise _no_network(f"kaggle:{handle}", error) from error
    except (exceptions.DataCorruptionError, exceptions.BackendError, exceptions.NotFoundError) as error:
        raise DataError(f"kaggle:{handle} cannot be fetched: {error}\nRun it again") from error
    shutil.copytree(fetched, folder, copy_function=_link_or_copy, dirs_exist_ok=True)
    say(f"{handle} is in {folder} (kagglehub keeps its own names for the files in {fetched})")
    return folder


def _link_or_copy(source: str, target: str) -> None:
    """A second name for the file where the disk allows it: data sets are large, and Kaggle's cache stays."""
    Path(target).unlink(missing_ok=True)
    try:
        os.link(source, target)
    except OSError:
        shutil.copy2(source, target)


def _no_credentials(handle: str, error: Exception) -> DataError:
    return DataError(
        f"Kaggle does not let kaggle:{handle} be fetched without an account ({error}).\nMake a token on "
        "https://www.kaggle.com/settings (API, Create New Token) and set KAGGLE_API_TOKEN, or put its kaggle.json "
        f"into ~/.kaggle; some sets must first be agreed to on "
        f"https://www.kaggle.com/datasets/{handle}"
    )


def _no_network(fetch: str, reason: object) -> DataError:
    return DataError(
        f"{fetch} cannot be reached ({reason}). Check the network and the proxy (HTTPS_PROXY), or fetch it on another "
        "machine and copy it here; what is there already is not fetched again"
    )


def _checksums(table: Path) -> dict[str, str]:
    with table.open(encoding="ascii", newline="") as opened:
        return {row["file"]: row["md5"] for row in csv.DictReader(opened)}


def _md5(file: Path) -> str:
    with file.open("rb") as opened:
        return hashlib.file_digest(opened, lambda: hashlib.md5(usedforsecurity=False)).hexdigest()
