"""ImageNet10, and ImageNet-V2 and ImageNet-Sketch, which test its classifiers, in the layouts they come in."""

import shutil
from collections import Counter
from collections.abc import Iterable, Mapping
from itertools import count, cycle
from pathlib import Path

import pytest

from tests.tools.datasets.images import photo, write_csv
from tools.datasets.cache.build import build_cache
from tools.datasets.config import DataConfig
from tools.datasets.known import imagenet
from tools.datasets.known.imagenet import NAMES, TEN
from tools.datasets.registry import open_dataset, open_published
from tools.datasets.types import Dataset
from tools.errors import ConfigurationError, DataError

WNIDS = [each.wnid for each in TEN]
KAGGLE = "ILSVRC/Data/CLS-LOC"
V2 = "imagenetv2-matched-frequency-format-val"
_seeds = count(1)


def ten(path: Path, **settings) -> Dataset:
    return open_dataset(DataConfig(dataset="imagenet10", path=path, **settings))


def shifted(name: str, path: Path, **settings) -> Dataset:
    return open_published(DataConfig(dataset=name, path=path, **settings))


def write_photo(file: Path) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    photo(next(_seeds)).save(file, "JPEG")


def class_folders(root: Path, names: Iterable[str], images: int) -> Path:
    for name in names:
        for number in range(images):
            write_photo(root / name / f"{name}_{number}.JPEG")
    return root


def kaggle(root: Path, images: int = 4, held_out: int = 2) -> Path:
    """The tree of the competition: a flat val, and a table that labels it, classes in turn and others between."""
    class_folders(root / KAGGLE / "train", WNIDS, images)
    rows = [("ImageId", "PredictionString")]
    for number, wnid in enumerate([*WNIDS, "n03995372"] * held_out):
        image = f"ILSVRC2012_val_{number:08d}"
        write_photo(root / KAGGLE / "val" / f"{image}.JPEG")
        rows.append((image, f"{wnid} 85 1 499 272 {wnid} 131 0 499 254 "))
    write_csv(root / "LOC_val_solution.csv", rows)
    return root


@pytest.fixture
def sorted_tree(tmp_path) -> Path:
    class_folders(tmp_path / "train", WNIDS, 6)
    class_folders(tmp_path / "val", WNIDS, 3)
    return tmp_path


def by_split(dataset: Dataset) -> Mapping[str, int]:
    return Counter(record.split for record in dataset.records)


def label_of_folder(dataset: Dataset) -> set[tuple[str, str]]:
    """(name of the folder, name of the class) of the records."""
    return {(r.file.split("/")[-2], dataset.card.classes[r.label]) for r in dataset.records}


def test_the_indices_are_those_of_imagenet():
    from torchvision.models import ResNet18_Weights

    categories = ResNet18_Weights.IMAGENET1K_V1.meta["categories"]
    assert [each.name.startswith(categories[each.index]) for each in TEN] == [True] * 10
    assert sorted(TEN, key=lambda each: each.wnid) == sorted(TEN, key=lambda each: each.index) == list(TEN)


def test_val_is_test_and_validation_is_carved_from_train(sorted_tree):
    dataset = ten(sorted_tree, validation_fraction=0.34)
    assert by_split(dataset) == {"train": 40, "validation": 20, "test": 30}
    assert {r.file.split("/")[0] for r in dataset.records if r.split == "test"} == {"val"}
    assert {r.file.split("/")[0] for r in dataset.records if r.split != "test"} == {"train"}
    assert "test is ImageNet's val, 30 images; the official test images have no labels" in dataset.notes


def test_each_wnid_has_its_class_and_each_class_its_superclass(sorted_tree):
    dataset = ten(sorted_tree)
    assert label_of_folder(dataset) == {(each.wnid, each.name) for each in TEN}
    card = dataset.card
    assert dict(zip(card.classes, card.superclasses, strict=True)) == {
        "chickadee": "bird",
        "water ouzel": "bird",
        "loggerhead turtle": "turtle",
        "box turtle": "turtle",
        "garter snake": "snake",
        "sea snake": "snake",
        "black and gold garden spider": "spider",
        "tick": "tick",
        "ptarmigan": "bird",
        "prairie chicken": "bird",
    }


def test_the_other_classes_of_imagenet_are_counted_and_not_looked_into(sorted_tree, monkeypatch):
    class_folders(sorted_tree / "train", ["n01440764", "n01443537"], 1)
    class_folders(sorted_tree / "val", ["n01440764"], 1)
    looked_into = set()
    find_images = imagenet.find_images

    def spy(folder, root):
        looked_into.add(folder.name)
        return find_images(folder, root)

    monkeypatch.setattr(imagenet, "find_images", spy)
    dataset = ten(sorted_tree)
    assert len(dataset.records) == 90
    assert looked_into == set(WNIDS)
    assert "train: 2 folders of other classes are not used" in dataset.notes
    assert "val: 1 folders of other classes are not used" in dataset.notes


@pytest.mark.parametrize("place", ["", "ILSVRC"])
def test_the_flat_val_of_kaggle_is_labelled_by_its_table(tmp_path, place):
    dataset = ten(kaggle(tmp_path) / place)
    test = {r.file: dataset.card.classes[r.label] for r in dataset.records if r.split == "test"}
    assert test == {
        f"val/ILSVRC2012_val_{number:08d}.JPEG": name
        for number, name in enumerate([*NAMES, "", *NAMES])
        if name
    }
    assert by_split(dataset)["train"] + by_split(dataset)["validation"] == 40
    assert "2 images of other classes in LOC_val_solution.csv are not used" in dataset.notes


def test_a_table_with_a_byte_order_mark_and_windows_line_ends_is_read(tmp_path):
    table = kaggle(tmp_path) / "LOC_val_solution.csv"
    text = table.read_text(encoding="utf-8").replace("\r\n", "\n").replace("\n", "\r\n")
    table.write_bytes(b"\xef\xbb\xbf" + text.encode())
    assert by_split(ten(tmp_path))["test"] == 20


def test_a_flat_val_without_its_table_is_refused(tmp_path):
    (kaggle(tmp_path) / "LOC_val_solution.csv").unlink()
    with pytest.raises(DataError, match=r"val has no class folders, and LOC_val_solution\.csv.* Put it into"):
        ten(tmp_path)


@pytest.mark.parametrize("line", ["ILSVRC2012_val_00000099,", ",n01592084 1 2 3 4", "x,chickadee"])
def test_a_malformed_line_of_the_table_is_named(tmp_path, line):
    with (kaggle(tmp_path) / "LOC_val_solution.csv").open("a") as opened:
        opened.write(f"{line}\n")
    with pytest.raises(DataError, match=r"LOC_val_solution\.csv, line 24: expected an image and a wnid"):
        ten(tmp_path)


def test_a_table_without_its_columns_is_refused(tmp_path):
    write_csv(kaggle(tmp_path) / "LOC_val_solution.csv", [("ImageId", "label"), ("a", "n01592084")])
    with pytest.raises(DataError, match=r"ImageId,PredictionString.*ImageId, label"):
        ten(tmp_path)


def test_a_table_that_is_cut_off_is_refused(tmp_path):
    table = kaggle(tmp_path) / "LOC_val_solution.csv"
    table.write_text("".join(table.read_text().splitlines(keepends=True)[:10]))
    with pytest.raises(DataError, match="class prairie chicken"):
        ten(tmp_path)


def test_an_image_that_the_table_lists_in_vain_is_named(tmp_path):
    (kaggle(tmp_path) / KAGGLE / "val/ILSVRC2012_val_00000003.JPEG").unlink()
    with pytest.raises(DataError, match=r"1 of the 20 images .* missing: .*ILSVRC2012_val_00000003\.JPEG"):
        ten(tmp_path)


def test_class_folders_alone_have_both_other_splits_carved(tmp_path):
    class_folders(tmp_path, WNIDS, 10)
    assert by_split(ten(tmp_path, validation_fraction=0.2, test_fraction=0.3)) == {
        "train": 50,
        "validation": 20,
        "test": 30,
    }


def test_without_val_it_is_said_that_test_is_not_the_published_one(tmp_path):
    class_folders(tmp_path / "train", WNIDS, 10)
    dataset = ten(tmp_path)
    assert by_split(dataset)["test"] > 0
    assert any("there is no folder val: test is carved from train" in note for note in dataset.notes)


def test_a_class_without_a_folder_is_named(sorted_tree):
    shutil.rmtree(sorted_tree / "val/n01776313")
    with pytest.raises(
        DataError,
        match=r"val has no folder for 1 of the ten .* n01776313 \(tick, class 78\)",
    ):
        ten(sorted_tree)


def test_a_class_without_images_is_named(sorted_tree):
    for file in (sorted_tree / "train/n01776313").iterdir():
        file.rename(file.with_suffix(".txt"))
    with pytest.raises(DataError, match=r"n01776313 holds no images of class 'tick'"):
        ten(sorted_tree)


@pytest.mark.parametrize("name", ["imagenet10", "imagenet-v2", "imagenet-sketch"])
def test_what_is_missing_is_said_with_where_which_layout_and_how_to_get_it(name, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(DataError) as error:
        open_published(DataConfig(dataset=name))
    text = str(error.value)
    assert f"was not found in {tmp_path / 'data' / name}, which does not exist" in text
    assert "WNID/*.jp" in text or "WNID/*.JP" in text
    assert f"data/{name}" in text.partition("To get it:")[2]


@pytest.mark.parametrize("name", ["imagenet10", "imagenet-sketch"])
def test_a_variant_is_refused_where_there_is_only_one(name, tmp_path):
    with pytest.raises(ConfigurationError, match=f"data.variant: {name} has no variant 'alia'"):
        open_published(DataConfig(dataset=name, path=tmp_path, variant="alia"))


def test_imagenet10_goes_through_the_cache(shared_data, tmp_path):
    photographs = cycle(sorted((shared_data / "antsbees2").rglob("*.jpg"))[:90])
    for split, images in (("train", 6), ("val", 3)):
        for wnid in WNIDS:
            (tmp_path / split / wnid).mkdir(parents=True)
            for number in range(images):
                shutil.copy(next(photographs), tmp_path / split / wnid / f"{wnid}_{number}.JPEG")
    config = DataConfig(dataset="imagenet10", path=tmp_path, validation_fraction=0.34)
    cached = build_cache(open_dataset(config), config, 32, tmp_path / "cache")
    assert cached.class_counts("train") == dict.fromkeys(NAMES, 4)
    assert len(cached.split("validation")) == 20
    assert len(cached.open_test()) == 30
    assert cached.split("train").images[:].std(axis=(1, 2, 3)).min() > 10


def test_folders_of_imagenet_v2_are_indices_of_classes_not_places_in_the_order_of_names(tmp_path):
    class_folders(tmp_path / V2, map(str, range(100)), 1)
    dataset = shifted("imagenet-v2", tmp_path)
    assert label_of_folder(dataset) == {(str(each.index), each.name) for each in TEN}
    assert "90 folders of other classes are not used" in dataset.notes


def test_imagenet_v2_may_be_named_by_wnids(tmp_path):
    class_folders(tmp_path, WNIDS, 2)
    dataset = shifted("imagenet-v2", tmp_path)
    assert label_of_folder(dataset) == {(each.wnid, each.name) for each in TEN}


@pytest.mark.parametrize("folders", ["", V2])
def test_imagenet_v2_numbered_from_0_to_9_is_refused_not_mislabelled(tmp_path, folders):
    class_folders(tmp_path / folders, map(str, range(10)), 1)
    with pytest.raises(
        DataError, match=r"ImageNet-V2.* was not found(.|\n)*19, 20, 33, 37, 57, 65, 72, 78, 81, 83"
    ):
        shifted("imagenet-v2", tmp_path)


@pytest.mark.parametrize(
    ("variant", "used"),
    [(None, "matched"), ("matched-frequency", "matched"), ("top-images", "top"), ("threshold-0.7", None)],
)
def test_a_variant_of_imagenet_v2_can_be_asked_for(tmp_path, variant, used):
    indices = [str(each.index) for each in TEN]
    class_folders(tmp_path / "imagenetv2-top-images-format-val", indices, 2)
    class_folders(tmp_path / V2, indices, 1)
    if used is None:
        with pytest.raises(
            DataError, match=r"variant threshold-0\.7 .* not found(.|\n)*v2-threshold0\.7\.tar\.gz"
        ):
            shifted("imagenet-v2", tmp_path, variant=variant)
        return
    dataset = shifted("imagenet-v2", tmp_path, variant=variant)
    assert len(dataset.records) == {"matched": 10, "top": 20}[used]
    assert f"the variant {used}" in dataset.notes[0]
    assert "data.variant can select" in dataset.notes[0]


def test_the_folder_of_a_variant_may_be_given_itself(tmp_path):
    place = class_folders(tmp_path / V2, [str(each.index) for each in TEN], 1)
    assert shifted("imagenet-v2", place).notes == ("the variant matched-frequency is used",)
    with pytest.raises(DataError, match="variant top-images"):
        shifted("imagenet-v2", place, variant="top-images")


def test_an_unknown_variant_of_imagenet_v2_is_refused(tmp_path):
    with pytest.raises(
        ConfigurationError,
        match=r"imagenet-v2 has no variant 'c'.* matched-frequency, threshold-0\.7, top-images",
    ):
        shifted("imagenet-v2", tmp_path, variant="c")


@pytest.mark.parametrize("folder", ["", "sketch"])
def test_imagenet_sketch_lies_in_its_folder_or_bare(tmp_path, folder):
    class_folders(tmp_path / folder, [*WNIDS, "n01440764"], 2)
    dataset = shifted("imagenet-sketch", tmp_path)
    assert label_of_folder(dataset) == {(each.wnid, each.name) for each in TEN}
    assert by_split(dataset) == {"test": 20}
    assert "1 folders of other classes are not used" in dataset.notes


@pytest.mark.parametrize("name", ["imagenet-v2", "imagenet-sketch"])
def test_they_have_the_classes_of_imagenet10_in_its_order_and_only_test_it(name, tmp_path):
    class_folders(tmp_path, WNIDS, 1)
    dataset = shifted(name, tmp_path)
    assert dataset.shift_of == "imagenet10"
    assert dataset.missing == ()
    assert {r.split for r in dataset.records} == {"test"}
    (tmp_path / "train").mkdir()
    for wnid in WNIDS:
        shutil.copytree(tmp_path / wnid, tmp_path / "train" / wnid)
    assert (
        dataset.card.classes == open_published(DataConfig(dataset="imagenet10", path=tmp_path)).card.classes
    )
    with pytest.raises(ConfigurationError, match="--dataset imagenet10"):
        open_dataset(DataConfig(dataset=name, path=tmp_path))


@pytest.mark.parametrize("name", ["imagenet-v2", "imagenet-sketch"])
def test_a_test_of_imagenet10_goes_through_the_cache(name, shared_data, tmp_path):
    photographs = iter(sorted((shared_data / "antsbees2").rglob("*.jpg"))[:20])
    for wnid in WNIDS:
        (tmp_path / wnid).mkdir()
        for number in range(2):
            shutil.copy(next(photographs), tmp_path / wnid / f"{number}.JPEG")
    cached = build_cache(shifted(name, tmp_path), DataConfig(), 32, tmp_path / "cache")
    assert cached.open_test().labels.tolist() == [label for label in range(10) for _ in range(2)]
