"""The cache survives kills, shared use and dying processes, and reads no file twice that did not change."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path

import psutil
import pytest

from tests.tools.datasets.images import FatalSource, fill, noise_folder
from tools.datasets.cache.build import build_cache
from tools.datasets.config import DataConfig
from tools.datasets.registry import open_dataset
from tools.datasets.types import Dataset
from tools.errors import AugurError

_BUILD = """
import sys
from pathlib import Path
from tools.datasets.cache.build import build_cache
from tools.datasets.config import DataConfig
from tools.datasets.registry import open_dataset
config = DataConfig(path=Path(sys.argv[1]), decode_workers=int(sys.argv[3]))
cached = build_cache(open_dataset(config), config, 48, Path(sys.argv[2]), lambda *at: print(*at, flush=True))
print(cached.folder, flush=True)
"""


@contextmanager
def building(data: Path, root: Path, workers: int) -> Iterator[subprocess.Popen[str]]:
    """A process that builds a cache and prints its progress, then the folder."""
    command = [sys.executable, "-c", _BUILD, str(data), str(root), str(workers)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        try:
            yield process
        finally:
            process.kill()


def lines(process: subprocess.Popen[str]) -> Iterator[str]:
    assert process.stdout is not None
    return (line.strip() for line in process.stdout)


def contents(folder: Path) -> dict[str, bytes]:
    return {
        each.relative_to(folder).as_posix(): each.read_bytes() for each in folder.rglob("*") if each.is_file()
    }


@pytest.fixture(scope="module")
def noise(tmp_path_factory) -> Path:
    return noise_folder(tmp_path_factory.mktemp("noise") / "data", 120)


@pytest.fixture(scope="module")
def undisturbed(noise, tmp_path_factory) -> Path:
    """Folder of the cache as it is made in one go, in one process."""
    config = DataConfig(path=noise, decode_workers=1)
    return build_cache(
        open_dataset(config), config, 48, tmp_path_factory.mktemp("undisturbed")
    ).folder.parents[1]


@pytest.mark.parametrize("workers", [1, 2])
def test_a_build_that_was_killed_goes_on_and_ends_in_the_same_bytes(noise, undisturbed, tmp_path, workers):
    with building(noise, tmp_path, workers) as process:
        decoded = next(done for done in (int(line.split()[0]) for line in lines(process)) if done >= 40)
        children = psutil.Process(process.pid).children(recursive=True)
        os.kill(process.pid, signal.SIGKILL)
        process.wait()
    assert psutil.wait_procs(children, timeout=20)[1] == [], (
        "decoding processes outlive the one that was killed"
    )
    assert not (tmp_path / undisturbed.name).exists()

    with building(noise, tmp_path, workers) as process:
        first, *_, last = list(lines(process))
    assert int(first.split()[0]) >= decoded
    assert Path(last).parents[1] == tmp_path / undisturbed.name
    assert contents(Path(last).parents[1]) == contents(undisturbed)


def test_two_processes_that_build_at_once_share_one_cache(noise, undisturbed, tmp_path):
    with building(noise, tmp_path, 1) as one, building(noise, tmp_path, 1) as other:
        progress = [list(lines(one)), list(lines(other))]
    assert {str(Path(each[-1]).parents[1]) for each in progress} == {str(tmp_path / undisturbed.name)}
    builders = [each for each in progress if each[0] == "0 120"]
    waiters = [each for each in progress if each[0] == "120 120"]
    assert (len(builders), len(waiters)) == (1, 1)
    assert contents(tmp_path / undisturbed.name) == contents(undisturbed)


def test_a_decoding_process_that_dies_is_reported_with_the_files_it_had(noise, tmp_path):
    opened = open_dataset(DataConfig(path=noise))
    dataset = Dataset(opened.card, opened.records, FatalSource(noise, opened.records[70].file))
    with pytest.raises(AugurError, match=r"a process that decodes images died.*\.bmp"):
        build_cache(dataset, DataConfig(decode_workers=2), 48, tmp_path)


_OPENED: list[str] = []
_watching = False


def _watch(event: str, arguments: tuple) -> None:
    if _watching and event == "open":
        _OPENED.append(str(arguments[0]))


@cache
def _install() -> None:
    """When it is first needed: a hook cannot be removed, and slows whatever its process does after it."""
    sys.addaudithook(_watch)


@contextmanager
def watched() -> Iterator[list[str]]:
    """Names of the files that this process opens."""
    global _watching
    _install()
    _OPENED.clear()
    _watching = True
    try:
        yield _OPENED
    finally:
        _watching = False


def test_a_second_build_reads_no_image(tmp_path):
    config = DataConfig(path=fill(tmp_path / "data", {"a": 20, "b": 20}))
    with watched() as files:
        first = build_cache(open_dataset(config), config, 8, tmp_path / "cache")
    assert any(file.endswith(".png") for file in files)
    dataset = open_dataset(config)
    with watched() as files:
        second = build_cache(dataset, config, 8, tmp_path / "cache")
    assert not any(file.endswith(".png") for file in files)
    assert second.folder == first.folder


def test_only_the_image_that_changed_is_read_again(tmp_path):
    data = fill(tmp_path / "data", {"a": 20, "b": 20})
    config = DataConfig(path=data)
    first = build_cache(open_dataset(config), config, 8, tmp_path / "cache")
    # As stealthily as can be: of the same size, and with its time put back.
    file = data / "a" / "0007.png"
    before = file.stat()
    content = bytearray(file.read_bytes())
    content[-1] ^= 1  # within the end marker, which carries no pixels
    file.write_bytes(content)
    os.utime(file, ns=(before.st_atime_ns, before.st_mtime_ns))

    from tools.datasets.cache.content import ContentIndex

    dataset = open_dataset(config)
    with watched() as files:
        list(
            ContentIndex(tmp_path / "cache" / "content.sqlite").contents(
                dataset.source, [r.file for r in dataset.records]
            )
        )
    assert [name for name in files if name.endswith(".png")] == [str(file)]
    assert build_cache(dataset, config, 8, tmp_path / "cache").fingerprint != first.fingerprint


def test_an_index_that_is_damaged_says_what_to_do(tmp_path):
    config = DataConfig(path=fill(tmp_path / "data", {"a": 10, "b": 10}))
    (tmp_path / "cache").mkdir()
    (tmp_path / "cache" / "content.sqlite").write_bytes(
        b"this is not a database, but long enough to be one" * 50
    )
    with pytest.raises(AugurError, match=r"content\.sqlite cannot be used .*[Dd]elete it"):
        build_cache(open_dataset(config), config, 8, tmp_path / "cache")


def test_no_room_for_the_pixels_is_said_before_decoding(tmp_path):
    code = (
        "import resource, sys\n"
        "from pathlib import Path\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (2**20, 2**20))\n"
        "from tools.datasets.cache.build import build_cache\n"
        "from tools.datasets.config import DataConfig\n"
        "from tools.datasets.registry import open_dataset\n"
        "from tools.errors import AugurError\n"
        "try:\n"
        "    build_cache(open_dataset(DataConfig()), DataConfig(), 224, Path(sys.argv[1]))\n"
        "except AugurError as error:\n"
        "    print(error)\n"
    )
    done = subprocess.run([sys.executable, "-c", code, str(tmp_path)], capture_output=True, text=True)
    assert "MiB for decoded images cannot be allocated" in done.stdout, done.stderr
