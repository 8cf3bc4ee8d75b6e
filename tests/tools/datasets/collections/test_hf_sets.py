"""Sets in the form of the `datasets` library, saved and read by it."""

import pickle
from collections.abc import Iterable
from pathlib import Path

import datasets
import pytest

from tests.tools.datasets.images import encode, fill, photo
from tests.tools.datasets.replicas import opened, pixels, splits
from tools.datasets.cache.build import build_cache
from tools.datasets.collections.hf_sets import HubName, hub_name
from tools.datasets.config import DataConfig
from tools.errors import ConfigurationError, DataError

CLASSES = ("cat", "dog")


def rows(count: int, seed: int, labels: Iterable[int] | None = None, **more: list) -> datasets.Dataset:
    features = {"picture": datasets.Image(), "kind": datasets.ClassLabel(names=list(CLASSES))}
    kinds = list(labels) if labels is not None else [number % 2 for number in range(count)]
    pictures = [
        {"bytes": encode(photo(seed + number), "JPEG", quality=90), "path": None} for number in range(count)
    ]
    typed = {name: datasets.ClassLabel(names=["young", "old"]) for name in more}
    return datasets.Dataset.from_dict(
        {"picture": pictures, "kind": kinds, **more}, features=datasets.Features({**features, **typed})
    )


@pytest.fixture(autouse=True)
def _own_cache(tmp_path_factory, monkeypatch):
    """The library keeps what it reads from parquet files; not in the home of whoever runs the tests."""
    monkeypatch.setattr("datasets.config.HF_DATASETS_CACHE", tmp_path_factory.mktemp("hf"))


def saved(folder: Path, **parts: datasets.Dataset) -> Path:
    datasets.DatasetDict(dict(parts.items())).save_to_disk(str(folder))
    return folder


def test_a_saved_set_is_read_with_the_bytes_that_were_put_in(tmp_path):
    dataset = opened(
        "hf:me/animals",
        saved(tmp_path / "set", train=rows(20, 0), test=rows(4, 100)),
        validation_fraction=0.2,
    )
    assert dataset.card.classes == CLASSES
    assert splits(dataset) == {"train": 16, "validation": 4, "test": 4}
    record = next(r for r in dataset.records if r.file == "test/0000003")
    assert record.label == 1
    assert dataset.source.read(record.file) == encode(photo(103), "JPEG", quality=90)


def test_other_spellings_of_the_splits_are_understood_and_other_splits_left_out(tmp_path):
    folder = saved(
        tmp_path / "set", train=rows(8, 0), valid=rows(4, 50), test=rows(4, 100), unsupervised=rows(3, 200)
    )
    dataset = opened("hf:me/animals", folder)
    assert splits(dataset) == {"train": 8, "validation": 4, "test": 4}
    assert "the split 'unsupervised' is not used (3 images)" in dataset.notes


def test_a_single_part_is_train_and_the_others_are_carved(tmp_path):
    rows(40, 0).save_to_disk(str(tmp_path / "set"))
    dataset = opened("hf:me/animals", tmp_path / "set", validation_fraction=0.25, test_fraction=0.25)
    assert splits(dataset) == {"train": 20, "validation": 10, "test": 10}


def test_a_test_split_without_labels_is_not_used(tmp_path):
    dataset = opened(
        "hf:me/animals", saved(tmp_path / "set", train=rows(40, 0), test=rows(4, 100, labels=[-1] * 4))
    )
    assert "4 images without a label are not used, of the split 'test'" in dataset.notes
    assert all(record.file.startswith("train/") for record in dataset.records)


@pytest.mark.parametrize("layout", ["parquet", "folders"])
def test_a_folder_that_load_dataset_reads_is_read(tmp_path, layout):
    folder = tmp_path / "set"
    folder.mkdir()
    if layout == "parquet":
        rows(8, 0).to_parquet(str(folder / "train-00000-of-00001.parquet"))
        rows(4, 100).to_parquet(str(folder / "test-00000-of-00001.parquet"))
    else:
        fill(folder, {f"{split}/{kind}": n for split, n in (("train", 4), ("test", 2)) for kind in CLASSES})
    dataset = opened("hf:me/animals", folder, validation_fraction=0.25)
    assert splits(dataset) == {"train": 6, "validation": 2, "test": 4}
    assert pixels(dataset, 0).shape == (20, 24, 3)


def test_several_class_columns_are_named_and_one_may_be_chosen(tmp_path):
    folder = saved(tmp_path / "set", train=rows(20, 0, age=[0, 0, 1, 1] * 5))
    with pytest.raises(
        ConfigurationError, match=r"several ClassLabel columns \(kind, age\).*hf:me/animals#label=kind"
    ):
        opened("hf:me/animals", folder)
    assert opened("hf:me/animals#label=age", folder).card.classes == ("young", "old")
    with pytest.raises(
        ConfigurationError, match=r"no ClassLabel column 'picture'; it has kind, age \(all columns"
    ):
        opened("hf:me/animals#label=picture", folder)


def test_a_set_without_a_class_column_is_refused(tmp_path):
    saved(tmp_path / "set", train=rows(4, 0).remove_columns("kind"))
    with pytest.raises(DataError, match=r"no ClassLabel column \(its columns: picture\)"):
        opened("hf:me/animals", tmp_path / "set")


def test_a_hub_source_pickles_by_its_place(tmp_path):
    dataset = opened("hf:me/animals", saved(tmp_path / "set", train=rows(20, 0)))
    sent = pickle.dumps(dataset.source)
    assert len(sent) < 1000
    assert pickle.loads(sent).read("train/0000002") == encode(photo(2), "JPEG", quality=90)


def test_a_saved_set_is_decoded_and_a_row_without_an_image_is_named(tmp_path):
    whole = rows(20, 0)
    hole = datasets.Dataset.from_dict({"picture": [None], "kind": [1]}, features=whole.features)
    again = datasets.concatenate_datasets([whole.select(range(5)), hole, whole.select(range(6, 20))])
    folder = saved(tmp_path / "set", train=again, test=rows(4, 100))
    dataset = opened("hf:me/animals", folder)
    with pytest.raises(DataError, match=r"split 'train', row 5: empty file"):
        build_cache(dataset, DataConfig(), 8, tmp_path / "cache")
    cached = build_cache(dataset, DataConfig(on_corrupt="skip"), 8, tmp_path / "cache")
    assert len(cached.split("train")) + len(cached.split("validation")) == 19


def test_a_file_that_is_gone_since_the_set_was_opened_is_named(tmp_path):
    folder = fill(tmp_path / "set", {f"{split}/{kind}": 4 for split in ("train", "test") for kind in CLASSES})
    dataset = opened("hf:me/animals", folder)
    (folder / "test/dog/0003.png").unlink()
    with pytest.raises(DataError, match=r"split 'test', row 7: cannot be read: No such file or directory"):
        build_cache(dataset, DataConfig(), 8, tmp_path / "cache")


def test_a_set_that_is_not_saved_says_how_to_get_it(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(DataError) as error:
        opened("hf:me/animals/small", None)
    assert f"{tmp_path / 'data/hf/me--animals--small'}, which does not exist" in str(error.value)
    assert "agent datasets get hf:me/animals/small" in str(error.value)


def test_names_on_the_hub_are_taken_apart():
    assert hub_name("me/animals") == HubName("me/animals", None, {})
    assert hub_name("me/animals/small#image=i,label=l") == HubName(
        "me/animals", "small", {"image": "i", "label": "l"}
    )
    for wrong in ("", "me/", "a/b/c/d", "../secret", "me/animals#class=x", "me/animals#label="):
        with pytest.raises(ConfigurationError, match="expected"):
            hub_name(wrong)
