"""Download a data set from where it is published, only on the user's request; opening one never does.

What is fetched is named as in `Entry.fetch`: 'kaggle:OWNER/NAME', 'hf:REPO', 'torchvision:NAME', 'medmnist:FLAG'.
"""

import hashlib
import logging
import os
import shutil
import urllib.error
import urllib.request
from collections.abc import Callable
from contextlib import suppress
from http.client import HTTPException
from pathlib import Path

from tools.datasets.collections import medmnist_sets, torchvision_sets
from tools.datasets.collections.hf_sets import hub_name
from tools.datasets.folder.csv_table import read_table
from tools.errors import ConfigurationError, DataError
from tools.files import written_whole

Say = Callable[[str], None]
"""Called with a line about what is happening."""

_MEDMNIST = "https://zenodo.org/records/10519652/files"
"""The record of MedMNIST that version 3.0.2 of its package reads."""
_CHECKSUMS = Path(__file__).with_name("medmnist_md5.csv")
"""MD5 of each file there, as that version of the package states it."""
_TIMEOUT = 60
"""Seconds without a byte after which a download is abandoned."""
_BLOCK = 2**20


def download(fetch: str, folder: Path, say: Say) -> Path:
    """Download a data set; what is already there is not downloaded again.

    Args:
        fetch: the source and the set.
        folder: where it goes; made if it is missing.
        say: called with a line about what is happening.

    Returns:
        The path that `--data` opens it with.

    Raises:
        ConfigurationError: there is no such source or no such set.
        DataError: it cannot be downloaded or written; the message says what to do.
    """
    source, _, what = fetch.partition(":")
    fetchers = {"kaggle": _kaggle, "hf": _hub, "torchvision": _torchvision, "medmnist": fetch_medmnist}
    if source not in fetchers or not what:
        raise ConfigurationError(
            f"{fetch!r} cannot be downloaded: expected one of {', '.join(f'{name}:…' for name in fetchers)}"
        )
    new = [each for each in (folder, *folder.parents) if not each.exists()]
    try:
        folder.mkdir(parents=True, exist_ok=True)
        return fetchers[source](what, folder, say)
    except urllib.error.URLError as error:
        raise _no_network(fetch, error.reason) from error
    except (ConnectionError, TimeoutError, HTTPException) as error:
        raise _no_network(fetch, error) from error
    except OSError as error:
        raise DataError(
            f"{fetch} cannot be written to {folder} ({error.strerror or error}): free some space, or choose another "
            "folder"
        ) from error
    finally:
        for each in new:
            with suppress(OSError):  # it holds what was downloaded
                each.rmdir()


def fetch_medmnist(
    name: str, folder: Path, say: Say, address: str = _MEDMNIST, checksums: Path = _CHECKSUMS
) -> Path:
    """Download a file of MedMNIST, and check it.

    Args:
        name: what follows `medmnist:`.
        folder: where it goes.
        say: called with a line about what is happening.
        address: of the folder of files.
        checksums: table of their MD5, columns file and md5.

    Raises:
        ConfigurationError: there is no such set.
        DataError: what arrived is not what was published.
        OSError: the network or the disk fails.
    """
    flag, size = medmnist_sets.flag_and_size(name)
    file = folder / medmnist_sets.file_name(flag, size)
    expected = {row.values["file"]: row.values["md5"] for row in read_table(checksums, ("file", "md5"))}[
        file.name
    ]
    if file.is_file() and _md5(file) == expected:
        say(f"{file} is already there")
        return file
    url = f"{address}/{file.name}?download=1"
    say(f"downloading {url}")
    with written_whole(file) as partial:
        with urllib.request.urlopen(url, timeout=_TIMEOUT) as answer, partial.open("wb") as opened:
            shutil.copyfileobj(answer, opened, _BLOCK)
        found = _md5(partial)
        if found != expected:
            raise DataError(
                f"{url} sent {partial.stat().st_size:,} bytes with the MD5 {found}, but {expected} is published: the "
                "transfer was interrupted or changed on the way. Run it again, or download the file by other means and "
                f"put it at {file}"
            )
    say(f"{file} ({file.stat().st_size / 2**20:.1f} MiB), MD5 as published")
    return file


def _torchvision(name: str, folder: Path, say: Say) -> Path:
    name = torchvision_sets.set_named(name)
    for split in torchvision_sets.known_sets()[name].splits:
        say(f"downloading the {split} images of torchvision's {name} into {folder}")
        try:
            torchvision_sets.load(name, folder, split, download=True)
        except (
            RuntimeError,
            ValueError,
        ) as error:  # a mirror is gone, a wrong MD5, a set no longer downloaded
            raise DataError(
                f"torchvision cannot download {name}: {error}\nTry again later, or download it by other means and put "
                f"it in {folder} as {torchvision_sets.known_sets()[name].layout}"
            ) from error
    return folder


def _hub(what: str, folder: Path, say: Say) -> Path:
    import datasets
    from datasets.exceptions import DatasetsError
    from huggingface_hub.errors import HfHubHTTPError

    name = hub_name(what)
    place = folder / name.folder
    if (place / "dataset_dict.json").is_file():
        say(f"{place} is already there")
        return place
    say(f"downloading {name.repository} from the Hugging Face Hub")
    # It logs a paragraph about each failed attempt; the error tells about the last one.
    logging.getLogger("huggingface_hub").setLevel(logging.ERROR)
    try:
        loaded = datasets.load_dataset(name.repository, name.config)
    except ConnectionError as error:
        raise _no_network(f"hf:{what}", error) from error
    except (HfHubHTTPError, DatasetsError, FileNotFoundError, RuntimeError, ValueError) as error:
        # A set that does not exist is a FileNotFoundError, a configuration that does not exist a ValueError.
        raise DataError(
            f"hf:{what} cannot be downloaded: {error}\nCheck the name on https://huggingface.co/datasets; if the set "
            "is gated, accept its terms on its page and set HF_TOKEN"
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
    say(f"downloading {handle} from Kaggle")
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
        raise DataError(f"kaggle:{handle} cannot be downloaded: {error}\nRun it again") from error
    shutil.copytree(fetched, folder, copy_function=_link_or_copy, dirs_exist_ok=True)
    say(f"{handle} is in {folder} (kagglehub keeps them in {fetched} too)")
    return folder


def _link_or_copy(source: str, target: str) -> None:
    """A hard link where the disk allows it: data sets are large, and Kaggle's cache remains."""
    Path(target).unlink(missing_ok=True)
    try:
        os.link(source, target)
    except OSError:
        shutil.copy2(source, target)


def _no_credentials(handle: str, error: Exception) -> DataError:
    return DataError(
        f"Kaggle needs an account for kaggle:{handle} ({error}).\nCreate a token on "
        "https://www.kaggle.com/settings (API, Create New Token) and set KAGGLE_API_TOKEN, or put its kaggle.json "
        f"into ~/.kaggle; for some sets you must first accept the terms on https://www.kaggle.com/datasets/{handle}"
    )


def _no_network(fetch: str, reason: object) -> DataError:
    return DataError(
        f"{fetch} cannot be reached ({reason}). Check the network and the proxy (HTTPS_PROXY), or download it on "
        "another machine and copy it here; what is already here is not downloaded again"
    )


def _md5(file: Path) -> str:
    with file.open("rb") as opened:
        return hashlib.file_digest(opened, lambda: hashlib.md5(usedforsecurity=False)).hexdigest()
