"""Whatever lies in a folder of images: a data set whose facts can be told, or an error in words."""

import os
from pathlib import Path

from hypothesis import event, given
from hypothesis import strategies as st

from tests.fuzz.settings import EXAMPLES, check_words, fuzzed
from tests.tools.datasets.images import encode, photo
from tools.datasets.cache.build import build_cache
from tools.datasets.config import DataConfig
from tools.datasets.registry import open_dataset
from tools.errors import AugurError

# fmt: off
FOLDERS = st.sampled_from([
    "cat", "dog", "Cat", "dog ", "1", "1.0", "nan", "train", "test", "val", "training_set", "masks", "@eaDir", ".git",
    "fold1", "archive", "caf\u00e9", "cafe\u0301", "a b", "x,y", '"q"', "-", "$RECYCLE.BIN", "\udce9",
])
CELLS = st.sampled_from(
    ["0", "cat/0.png", "./cat/0.png", "cat", "dog", "", "nan", "1", "1.0", "train", "test", '"', "é"]
)
# fmt: on
STEMS = st.one_of(
    st.sampled_from(["0", "1", "cat.0", "dog.1", "0_mask", "ISIC_1", "label", "#", "%20", "\udcff"]),
    st.text(st.characters(exclude_characters="/\0", exclude_categories=["Cs"]), min_size=1, max_size=8),
)
SUFFIXES = st.sampled_from(
    [".png", ".PNG", ".jpg", ".bmp", ".tif", ".dcm", ".txt", ".csv", ".avif", "", ".npy"]
)
PICTURES = [encode(photo(seed, 12, 10)) for seed in range(6)]
CONTENTS = st.one_of(st.sampled_from(PICTURES), st.just(b""), st.binary(max_size=30))
TABLES = st.tuples(
    st.sampled_from(["manifest.csv", "labels.csv", "train.csv", "GroundTruth.csv"]),
    st.lists(
        st.sampled_from(["file", "label", "split", "group", "id", "id_code", "image", "A", "B"]), max_size=4
    ),
    st.lists(st.lists(CELLS, max_size=4), max_size=6),
)


def write(root: Path, folders: list[str], stem: str, suffix: str, content: bytes) -> None:
    """A file at that place, where the names can be used there."""
    place = root.joinpath(*folders)
    try:
        place.mkdir(parents=True, exist_ok=True)
        (place / f"{stem}{suffix}").write_bytes(content)
    except (OSError, ValueError):  # a name that this file system does not take, or a folder where a file is
        return


FILES = st.tuples(st.lists(FOLDERS, max_size=3), STEMS, SUFFIXES, CONTENTS)


@fuzzed(0.05)
@given(st.lists(FILES, max_size=8), st.none() | TABLES, st.integers(0, 2), st.sampled_from([0, 4, 4]))
def test_any_folder(tmp_path_factory, files, table, plain: int, enough: int) -> None:
    folder = EXAMPLES.folder(tmp_path_factory)
    root = folder / "data"
    root.mkdir()
    for index in range(plain * 4):  # often enough for a data set that works
        write(root, [("cat", "dog")[index % 2]], f"plain{index}", ".png", encode(photo(50 + index, 12, 10)))
    for number, (folders, stem, suffix, content) in enumerate(files):
        write(root, folders, stem, suffix, content)
        for copy in range(enough):
            write(root, folders, f"{number}-{copy}", ".png", encode(photo(100 + 7 * number + copy, 12, 10)))
    if table is not None:
        name, header, rows = table
        lines = [",".join(row) for row in [header, *rows]]
        (root / name).write_text("\n".join(lines), encoding="utf-8")
    _open(root, folder / "cache")


def _open(root: Path, cache: Path) -> None:
    config = DataConfig(dataset="folder", path=root, on_corrupt="skip", on_leak="drop", decode_workers=1)
    try:
        dataset = open_dataset(config)
        made = build_cache(dataset, config, 8, cache)
    except AugurError as error:
        check_words(error)
        return
    event("a data set")
    for line in (made.card.description, *made.notes, *made.card.classes):
        line.encode()
    assert len(made.card.classes) > 1
    assert {os.fsdecode(os.fsencode(record.file)) for record in dataset.records} == {
        record.file for record in dataset.records
    }
