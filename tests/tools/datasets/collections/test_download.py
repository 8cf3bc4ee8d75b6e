"""Data sets are fetched on the user's word: from servers on loopback, and what is said where none answers."""

import functools
import gzip
import hashlib
import http.server
import json
import os
import subprocess
import sys
import threading
import types
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import datasets
import numpy as np
import pytest
import requests
import torchvision
from kagglehub import exceptions

from tests.repository import ROOT
from tests.tools.datasets.images import encode, fill, photo, write_csv
from tests.tools.datasets.replicas import idx, medmnist
from tools.datasets.collections.download import download, fetch_medmnist
from tools.datasets.config import DataConfig
from tools.datasets.folder.csv_table import read_table
from tools.datasets.registry import open_dataset
from tools.errors import ConfigurationError, DataError

NOBODY = "http://127.0.0.1:9"
"""Nothing listens there."""


class Files(http.server.SimpleHTTPRequestHandler):
    """A folder, and a list of the paths that were asked for."""

    def __init__(self, *args, directory: str, asked: list[str]) -> None:
        self._asked = asked
        super().__init__(*args, directory=directory)

    def do_GET(self) -> None:
        self._asked.append(self.path)
        super().do_GET()

    def log_message(self, format: str, *args: object) -> None:
        pass


@contextmanager
def serving(handler: type[http.server.BaseHTTPRequestHandler], **arguments: object) -> Iterator[str]:
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(handler, **arguments))
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


@pytest.fixture
def files(tmp_path) -> Iterator[tuple[Path, str, list[str]]]:
    """A folder, the address at which it is served, and what was asked for there."""
    folder = tmp_path / "served"
    folder.mkdir()

    asked: list[str] = []
    with serving(Files, directory=str(folder), asked=asked) as address:
        yield folder, address, asked


@pytest.fixture
def no_network(monkeypatch):
    for name in ("HTTP_PROXY", "HTTPS_PROXY", "http_proxy", "https_proxy"):
        monkeypatch.setenv(name, NOBODY)
    for name in ("NO_PROXY", "no_proxy", "ALL_PROXY", "all_proxy"):
        monkeypatch.delenv(name, raising=False)


def quiet(line: str) -> None:
    pass


def md5(data: bytes) -> str:
    return hashlib.md5(data, usedforsecurity=False).hexdigest()


def published(folder: Path, table: Path) -> Path:
    """A set of MedMNIST to be served, and the table of its checksum."""
    file = medmnist(folder / "bloodmnist.npz")
    write_csv(table, [("file", "md5"), (file.name, md5(file.read_bytes()))])
    return table


def test_what_cannot_be_fetched_is_said_with_what_can(tmp_path):
    for fetch in ("ftp:x", "kaggle:", "nothing"):
        with pytest.raises(
            ConfigurationError, match="expected one of kaggle:…, hf:…, torchvision:…, medmnist:…"
        ):
            download(fetch, tmp_path, quiet)


# MedMNIST


def test_a_file_of_medmnist_arrives_and_opens(files, tmp_path):
    folder, address, asked = files
    table = published(folder, tmp_path / "md5.csv")
    said: list[str] = []
    target = tmp_path / "data"
    target.mkdir()
    file = fetch_medmnist("bloodmnist", target, said.append, address, table)
    assert file == target / "bloodmnist.npz"
    assert asked == ["/bloodmnist.npz?download=1"]
    assert "MD5 as published" in said[-1]
    assert len(open_dataset(DataConfig(dataset="medmnist:bloodmnist", path=file)).records) == 48


def test_a_file_that_is_there_is_not_fetched_again(files, tmp_path):
    folder, address, asked = files
    table = published(folder, tmp_path / "md5.csv")
    for _ in range(2):
        fetch_medmnist("bloodmnist", tmp_path, quiet, address, table)
    assert len(asked) == 1


def test_a_file_with_another_checksum_is_refused_and_not_kept(files, tmp_path):
    folder, address, _ = files
    table = published(folder, tmp_path / "md5.csv")
    (folder / "bloodmnist.npz").write_bytes(b"something else")
    with pytest.raises(
        DataError, match=r"sent 14 bytes with the MD5 [0-9a-f]{32}, but [0-9a-f]{32} is published"
    ):
        fetch_medmnist("bloodmnist", tmp_path, quiet, address, table)
    assert not list(tmp_path.glob("bloodmnist*"))


def test_checksums_of_all_sets_and_sizes_are_known():
    from tools.datasets.collections.download import _CHECKSUMS
    from tools.datasets.collections.medmnist_sets import known_sets

    known = {row.values["file"]: row.values["md5"] for row in read_table(_CHECKSUMS, ("file", "md5"))}
    assert set(known) == {
        f"{flag}{size}.npz" for flag in known_sets() for size in ("", "_64", "_128", "_224")
    }
    assert len(set(known.values())) == len(known)
    assert all(len(each) == 32 for each in known.values())


@pytest.mark.usefixtures("no_network")
@pytest.mark.parametrize(
    "fetch", ["medmnist:breastmnist", "torchvision:MNIST", "torchvision:USPS", "kaggle:me/cats"]
)
def test_without_a_network_it_is_said_what_to_do(fetch, tmp_path):
    with pytest.raises(DataError, match=r"by other means|on another machine") as error:
        download(fetch, tmp_path, quiet)
    assert fetch.partition(":")[2] in str(error.value)


@pytest.mark.usefixtures("no_network")
@pytest.mark.parametrize("fetch", ["medmnist:breastmnist", "kaggle:me/cats"])
def test_where_nothing_arrives_no_empty_folder_is_left(fetch, tmp_path):
    with pytest.raises(DataError):
        download(fetch, tmp_path / "data" / "set", quiet)
    assert list(tmp_path.iterdir()) == []


def test_a_folder_that_cannot_be_written_is_named(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(DataError, match=r"cannot be written to .*file/data"):
        download("medmnist:breastmnist", tmp_path / "file" / "data", quiet)


# torchvision


def test_a_set_of_torchvision_arrives_in_all_its_splits_and_opens(files, tmp_path, monkeypatch):
    folder, address, _ = files
    images = np.random.default_rng(0).integers(0, 256, (60, 28, 28), dtype=np.uint8)
    labels = np.arange(60, dtype=np.uint8) % 10
    resources = []
    for prefix in ("train", "t10k"):
        for kind, array in (("images-idx3", images), ("labels-idx1", labels)):
            packed = gzip.compress(idx(array))
            (folder / f"{prefix}-{kind}-ubyte.gz").write_bytes(packed)
            resources.append((f"{prefix}-{kind}-ubyte.gz", md5(packed)))
    monkeypatch.setattr(torchvision.datasets.MNIST, "mirrors", [f"{address}/"])
    monkeypatch.setattr(torchvision.datasets.MNIST, "resources", resources)
    place = download("torchvision:mnist", tmp_path / "data", quiet)
    assert len(open_dataset(DataConfig(dataset="torchvision:MNIST", path=place)).records) == 120


def test_a_mirror_that_is_gone_says_where_the_files_belong(files, tmp_path, monkeypatch):
    _, address, _ = files
    monkeypatch.setattr(torchvision.datasets.MNIST, "mirrors", [f"{address}/"])
    with pytest.raises(DataError, match=r"MNIST(.|\n)*MNIST/raw/"):
        download("torchvision:MNIST", tmp_path / "data", quiet)


# the Hugging Face Hub

SHA = "a" * 40
PARQUET = "data/train-00000-of-00001.parquet"


class Hub(http.server.BaseHTTPRequestHandler):
    """As much of the Hub as a repository `me/animals` with one parquet file needs."""

    def __init__(self, *args, data: bytes) -> None:
        self._data = data
        super().__init__(*args)

    def log_message(self, format: str, *args: object) -> None:
        pass

    def do_GET(self) -> None:
        self.wfile.write(self._head())

    def do_HEAD(self) -> None:
        self._head()

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers["Content-Length"]))
        self.wfile.write(self._head())

    def _head(self) -> bytes:
        found = self._found(self.path.partition("?")[0])
        self.send_response(404 if found is None else 200)
        body = b"{}" if found is None else found
        if found is None:
            missing = "EntryNotFound" if "me/animals" in self.path else "RepoNotFound"
            self.send_header("X-Error-Code", missing)
        else:
            self.send_header("ETag", '"' + "c" * 40 + '"')
            self.send_header("X-Repo-Commit", SHA)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        return body

    def _found(self, path: str) -> bytes | None:
        api = "/api/datasets/me/animals"
        if path in (api, f"{api}/revision/{SHA}"):
            return json.dumps(
                {"id": "me/animals", "sha": SHA, "siblings": [{"rfilename": PARQUET}], "private": False}
            ).encode()
        entry = {"type": "file", "path": PARQUET, "size": len(self._data), "oid": "b" * 40}
        if path == f"{api}/tree/{SHA}" and "recursive=false" in self.path.lower():
            entry = {"type": "directory", "path": "data", "oid": "d" * 40}
        if path.startswith((f"{api}/tree/", f"{api}/paths-info/")):
            return json.dumps([entry]).encode()
        return self._data if path.endswith(PARQUET) else None


def fetch_from_hub(name: str, folder: Path, address: str) -> str:
    """Fetch in a process of its own, since the library reads its address once; returns what it says."""
    code = (
        "import sys; from pathlib import Path\n"
        "from tools.datasets.collections.download import download; from tools.errors import DataError\n"
        "try: print('place:', download(sys.argv[1], Path(sys.argv[2]), print))\n"
        "except DataError as error: print('refused:', error)\n"
    )
    own = {"HF_ENDPOINT": address, "HF_HOME": str(folder / "home"), "NO_PROXY": "127.0.0.1", "HF_TOKEN": ""}
    done = subprocess.run(
        [sys.executable, "-c", code, f"hf:{name}", str(folder)],
        env={**os.environ, **own},
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    return done.stdout + done.stderr


@pytest.fixture
def hub(tmp_path) -> Iterator[str]:
    features = datasets.Features(
        {"image": datasets.Image(), "label": datasets.ClassLabel(names=["cat", "dog"])}
    )
    pictures = [{"bytes": encode(photo(number), "JPEG"), "path": None} for number in range(40)]
    table = {"image": pictures, "label": [number % 2 for number in range(40)]}
    file = tmp_path / "animals.parquet"
    datasets.Dataset.from_dict(table, features=features).to_parquet(str(file))
    with serving(Hub, data=file.read_bytes()) as address:
        yield address


def test_a_set_of_the_hub_is_saved_and_opens(hub, tmp_path):
    said = fetch_from_hub("me/animals", tmp_path, hub)
    assert f"place: {tmp_path / 'me--animals'}" in said, said
    dataset = open_dataset(DataConfig(dataset="hf:me/animals", path=tmp_path / "me--animals"))
    assert dataset.card.classes == ("cat", "dog")
    record = next(r for r in dataset.records if r.file == "train/0000007")
    assert dataset.source.read(record.file) == encode(photo(7), "JPEG")
    assert "is already there" in fetch_from_hub("me/animals", tmp_path, NOBODY)


def test_a_set_that_the_hub_does_not_have_is_refused(hub, tmp_path):
    said = fetch_from_hub("nobody/nothing", tmp_path, hub)
    assert "refused: hf:nobody/nothing cannot be downloaded" in said, said
    assert "set HF_TOKEN" in said


# Kaggle


@pytest.fixture
def kaggle(monkeypatch, tmp_path) -> list[str]:
    """Stands in for Kaggle's client, which reaches its own server only; the handles it was asked for."""
    asked: list[str] = []
    kept = fill(tmp_path / "cache" / "versions" / "1", {"images": 3})

    def dataset_download(handle: str) -> str:
        asked.append(handle)
        return str(kept)

    stand_in = types.ModuleType("kagglehub")
    stand_in.__dict__.update(dataset_download=dataset_download, exceptions=exceptions)
    monkeypatch.setitem(sys.modules, "kagglehub", stand_in)
    return asked


def refusing(error: Exception, monkeypatch) -> None:
    def dataset_download(handle: str) -> str:
        raise error

    monkeypatch.setattr(sys.modules["kagglehub"], "dataset_download", dataset_download)


def test_a_set_of_kaggle_is_put_into_the_folder_without_a_second_copy_of_its_bytes(kaggle, tmp_path):
    target = tmp_path / "data" / "cats"
    for _ in range(2):
        assert download("kaggle:me/cats", target, quiet) == target
    assert kaggle == ["me/cats", "me/cats"]
    assert sorted(each.name for each in (target / "images").iterdir()) == ["0000.png", "0001.png", "0002.png"]
    kept = tmp_path / "cache" / "versions" / "1" / "images" / "0000.png"
    assert (target / "images" / "0000.png").samefile(kept)


def answered(status: int) -> requests.HTTPError:
    answer = requests.Response()
    answer.status_code = status
    return requests.HTTPError(f"{status} Client Error", response=answer)


@pytest.mark.parametrize("error", [exceptions.UnauthenticatedError(), answered(401), answered(403)])
@pytest.mark.usefixtures("kaggle")
def test_missing_credentials_are_said_with_how_to_get_them(error, tmp_path, monkeypatch):
    refusing(error, monkeypatch)
    with pytest.raises(DataError, match=r"me/cats(.|\n)*kaggle\.com/settings.*KAGGLE_API_TOKEN"):
        download("kaggle:me/cats", tmp_path, quiet)


@pytest.mark.usefixtures("kaggle")
def test_a_set_that_kaggle_does_not_have_is_named(tmp_path, monkeypatch):
    refusing(answered(404), monkeypatch)
    with pytest.raises(DataError, match=r"refuses kaggle:me/cats(.|\n)*kaggle\.com/datasets/me/cats"):
        download("kaggle:me/cats", tmp_path, quiet)


def test_a_handle_of_kaggle_has_an_owner_and_a_name(tmp_path):
    with pytest.raises(ConfigurationError, match="kaggle:OWNER/NAME"):
        download("kaggle:cats", tmp_path, quiet)
