"""LIMUC in the layouts in which it is distributed."""

import json
import shutil
from collections import Counter
from pathlib import Path

import pytest
from PIL import Image

from tests.tools.datasets.images import photo
from tools.datasets.cache.build import build_cache
from tools.datasets.config import DataConfig
from tools.datasets.registry import ENTRIES, open_dataset
from tools.datasets.types import Dataset
from tools.errors import DataError

TRAIN_PATIENTS = range(1, 21)
TEST_PATIENTS = range(101, 106)
FOLDS = "cross_validation_folds_train_val_info"


def limuc(path: Path, **settings) -> Dataset:
    return open_dataset(DataConfig(dataset="limuc", path=path, **settings))


def number_of(score: int) -> int:
    """The number that the image of `score` has among its patient's: never its score."""
    return (score + 1) % 4


def name_of(patient: int, score: int) -> str:
    return f"UC_patient_{patient}_{number_of(score)}.bmp"


def write(folder: Path, patient: int, score: int) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    file = folder / name_of(patient, score)
    photo(10 * patient + score).save(file)
    return file


def by_score(folder: Path, patients: range) -> None:
    for patient in patients:
        for score in range(4):
            write(folder / f"Mayo {score}", patient, score)


def validation_of(fold: int) -> set[int]:
    """Patients 1 to 5 are in several folds, 16 to 20 in none: the published ones are no partition either."""
    return {1 + fold % 5, 6 + fold}


def write_folds(place: Path) -> None:
    for fold in range(10):
        (place / f"fold_{fold}").mkdir(parents=True)
        held = validation_of(fold)
        for file, patients in (("val", held), ("train", set(TRAIN_PATIENTS) - held)):
            listed = {f"Mayo {score}": [name_of(each, score) for each in patients] for score in range(4)}
            (place / f"fold_{fold}" / f"{file}.json").write_text(json.dumps(listed))


def edit(file: Path, change) -> None:
    listed = json.loads(file.read_text())
    change(listed)
    file.write_text(json.dumps(listed))


@pytest.fixture
def split(tmp_path) -> Path:
    by_score(tmp_path / "train_and_validation_sets", TRAIN_PATIENTS)
    by_score(tmp_path / "test_set", TEST_PATIENTS)
    return tmp_path


@pytest.fixture
def with_folds(split) -> Path:
    write_folds(split / "folds" / FOLDS)
    return split


@pytest.fixture
def patients(tmp_path) -> Path:
    for patient in TRAIN_PATIENTS:
        for score in range(4):
            write(
                tmp_path / f"patient_based_classified_images/{patient}/Mayo {score}",
                patient,
                score,
            )
    return tmp_path


def test_the_published_test_split_is_kept_and_validation_is_carved_by_patient(split):
    dataset = limuc(split, validation_fraction=0.2)
    assert Counter((r.split, r.label) for r in dataset.records) == {
        ("train", 0): 16,
        ("train", 1): 16,
        ("train", 2): 16,
        ("train", 3): 16,
        ("validation", 0): 4,
        ("validation", 1): 4,
        ("validation", 2): 4,
        ("validation", 3): 4,
        ("test", 0): 5,
        ("test", 1): 5,
        ("test", 2): 5,
        ("test", 3): 5,
    }
    assert {r.group for r in dataset.records if r.split == "test"} == {f"patient {p}" for p in TEST_PATIENTS}
    homes = {(r.group, r.split) for r in dataset.records}
    assert len(homes) == len({group for group, _ in homes}) == 25


def test_without_splits_validation_and_test_are_carved_by_patient(patients):
    dataset = limuc(patients, validation_fraction=0.2, test_fraction=0.2)
    assert Counter(r.split for r in dataset.records) == {"train": 48, "validation": 16, "test": 16}
    homes = {(r.group, r.split) for r in dataset.records}
    assert len(homes) == len({group for group, _ in homes}) == 20


@pytest.mark.parametrize("layout", ["split", "patients"])
def test_the_score_is_that_of_the_folder_not_the_number_in_the_name(layout, request):
    dataset = limuc(request.getfixturevalue(layout))
    for record in dataset.records:
        _, folder, name = record.file.rsplit("/", 2)
        assert dataset.card.classes[record.label] == folder
        assert name.endswith(f"_{number_of(record.label)}.bmp")


def test_scores_are_ordinal_and_named(split):
    card = limuc(split).card
    assert card.ordinal
    assert card.classes == ("Mayo 0", "Mayo 1", "Mayo 2", "Mayo 3")
    assert (card.modality, card.metric) == ("endoscopy", "validation_macro_f1")
    assert len(card.superclasses) == 4


def test_the_published_counts_are_those_of_the_two_layouts():
    by_split, in_all = ENTRIES["limuc"].counts
    assert sum(by_split.values()) == in_all["all"]


@pytest.mark.parametrize("part", ["train_and_validation_sets", "test_set"])
def test_an_archive_that_was_unpacked_into_a_folder_of_its_name_is_found(split, part):
    (split / part).rename(split / "moved")
    (split / part).mkdir()
    (split / "moved").rename(split / part / part)
    records = limuc(split).records
    assert len(records) == 100
    assert any(r.file.startswith(f"{part}/{part}/Mayo 0/") for r in records)


@pytest.mark.parametrize("layout", ["split", "patients"])
def test_everything_may_lie_some_folders_deeper(layout, request, tmp_path_factory):
    path = request.getfixturevalue(layout)
    outer = tmp_path_factory.mktemp("outer")
    shutil.copytree(path, outer / "LIMUC" / "archives")
    assert {r.file.removeprefix("LIMUC/archives/") for r in limuc(outer).records} == {
        r.file for r in limuc(path).records
    }


def test_the_folder_of_the_patients_may_be_given_itself(patients):
    assert len(limuc(patients / "patient_based_classified_images").records) == 80


def test_class_folders_in_other_spellings_are_understood(split):
    for score, name in enumerate(["mayo 0", "MAYO_1", "Mayo2", "Mayo  3"]):
        (split / f"test_set/Mayo {score}").rename(split / "test_set" / name)
    counts = Counter((r.split, r.label) for r in limuc(split).records)
    assert [counts["test", score] for score in range(4)] == [5, 5, 5, 5]


def test_a_score_that_does_not_exist_is_named(split):
    (split / "test_set/Mayo 3").rename(split / "test_set/Mayo 4")
    with pytest.raises(DataError, match=r"test_set/Mayo 4: there is no Mayo endoscopic score 4; expected"):
        limuc(split)


def test_a_class_without_test_images_is_named(split):
    shutil.rmtree(split / "test_set/Mayo 2")
    with pytest.raises(DataError, match="no image of class Mayo 2 in test"):
        limuc(split)


def test_other_files_are_not_used_and_counted(split):
    for name in ("Thumbs.db", "readme.txt", ".hidden.bmp"):
        (split / "train_and_validation_sets/Mayo 0" / name).write_bytes(b"no image")
    dataset = limuc(split)
    assert len(dataset.records) == 100
    assert "2 files in the class folders are not images of LIMUC and are not used" in dataset.notes


def test_images_in_stray_folders_within_a_class_are_not_used_and_counted(patients):
    inner = patients / "patient_based_classified_images/7/Mayo 1"
    write(inner / "Mayo 2", 7, 2)
    dataset = limuc(patients)
    assert len(dataset.records) == 80
    assert "1 image in folders within the class folders is not used" in dataset.notes


@pytest.mark.parametrize(
    "name", ["patient_3_1.bmp", "UC_patient_3.bmp", "UC_patient_x_1.bmp", "UC_patient_3_1.png"]
)
def test_an_image_whose_patient_is_not_known_is_named(split, name):
    photo(9999).save(split / "train_and_validation_sets/Mayo 0" / name)
    with pytest.raises(DataError, match=rf"Mayo 0/{name} is not named UC_patient_PATIENT_NUMBER\.bmp"):
        limuc(split)


def test_a_patient_in_train_and_test_is_named(split):
    write(split / "test_set/Mayo 1", 3, 1)
    with pytest.raises(DataError, match=r"patient 3: train_and_.*\(train\) and test_set.*\(test\)"):
        limuc(split)


def test_a_patient_is_one_whatever_zeros_its_number_has(split):
    photo(9999).save(split / "test_set/Mayo 1/UC_patient_003_77.bmp")
    with pytest.raises(DataError, match="patient 3: "):
        limuc(split)


def test_a_name_that_disagrees_with_its_patients_folder_is_told(patients):
    folder = patients / "patient_based_classified_images/7/Mayo 1"
    stranger = (folder / name_of(7, 1)).rename(folder / name_of(8, 1))
    dataset = limuc(patients)
    file = stranger.relative_to(patients).as_posix()
    assert next(r.group for r in dataset.records if r.file == file) == "patient 7"
    assert any(line.startswith("1 images") and file in line for line in dataset.warnings)


def test_a_folder_beside_the_patients_is_told(patients):
    write(patients / "patient_based_classified_images/seven/Mayo 1", 7, 1)
    assert "folders of no patient are not used: seven" in limuc(patients).notes


def test_of_both_layouts_the_published_splits_are_used(split, patients):
    dataset = limuc(split)
    assert {r.file.split("/")[0] for r in dataset.records} == {"train_and_validation_sets", "test_set"}
    assert any(
        note == "patient_based_classified_images is not used: the published splits are beside it"
        for note in dataset.notes
    )


@pytest.mark.parametrize("part", ["train_and_validation_sets", "test_set"])
def test_half_of_the_published_splits_is_not_enough(split, part):
    shutil.rmtree(split / part)
    with pytest.raises(DataError, match=rf"{part} of LIMUC .* was not found in {split}"):
        limuc(split)


def test_a_layout_that_is_there_twice_is_refused_with_both_places(split):
    shutil.copytree(split / "test_set", split / "copy" / "test_set")
    with pytest.raises(
        DataError, match=r"(?s)test_set of LIMUC .* found 2 times.*copy/test_set\n.*--data PATH"
    ):
        limuc(split)


def test_what_is_missing_is_said_with_where_which_layout_and_how_to_get_it(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(DataError) as error:
        open_dataset(DataConfig(dataset="limuc"))
    text = str(error.value)
    assert f"was not found in {tmp_path / 'data' / 'limuc'}, which does not exist" in text
    assert "train_and_validation_sets/Mayo {0,1,2,3}/UC_patient_PATIENT_NUMBER.bmp" in text
    assert "patient_based_classified_images/PATIENT/Mayo {0,1,2,3}" in text
    assert "https://zenodo.org/records/5827695/files/$part.zip" in text
    assert "--data PATH" in text


def test_without_the_published_folds_there_are_none(split):
    assert limuc(split).folds == ()


@pytest.mark.parametrize("part", [1, 4, 10])
def test_a_tenth_fold_is_the_published_one(with_folds, part):
    dataset = limuc(with_folds, fold=f"{part}/10")
    groups = {r.group for r in dataset.records if r.split == "validation"}
    assert groups == {f"patient {patient}" for patient in validation_of(part - 1)}
    assert Counter(r.split for r in dataset.records) == {"train": 72, "validation": 8, "test": 20}
    assert any("(as published)" in note for note in dataset.notes)


def test_the_published_folds_are_told_and_that_they_are_no_partition(with_folds):
    notes = limuc(with_folds).notes
    assert any("10 published validation folds" in note and "60 of 80 images" in note for note in notes)


def test_other_numbers_of_folds_are_made_here(with_folds):
    records = limuc(with_folds, fold="1/5").records
    assert len({r.group for r in records if r.split == "validation"}) == 4


def test_the_layout_by_patient_does_not_use_the_published_folds(patients):
    write_folds(patients / FOLDS)
    dataset = limuc(patients)
    assert dataset.folds == ()
    assert f"{FOLDS} is not used: its folds are those of train_and_validation_sets" in dataset.notes


def test_a_fold_that_lists_an_unknown_image_is_refused(with_folds):
    edit(
        with_folds / f"folds/{FOLDS}/fold_3/val.json",
        lambda listed: listed["Mayo 2"].append("UC_patient_999_1.bmp"),
    )
    with pytest.raises(
        DataError, match=r"(?s)fold_3 .*val\.json lists Mayo 2/UC_patient_999_1\.bmp, which is not.*move"
    ):
        limuc(with_folds)


def test_an_image_of_another_class_is_unknown_to_a_fold(with_folds):
    """File names are used again in other classes: a class and a name are needed to name an image."""
    name = name_of(4, 2)

    def move(listed):
        listed["Mayo 1"].append(name)

    edit(with_folds / f"folds/{FOLDS}/fold_0/train.json", move)
    with pytest.raises(DataError, match=rf"train\.json lists Mayo 1/{name}"):
        limuc(with_folds)


def test_an_image_that_a_fold_leaves_out_is_named(with_folds):
    name = name_of(20, 0)
    edit(with_folds / f"folds/{FOLDS}/fold_9/train.json", lambda listed: listed["Mayo 0"].remove(name))
    with pytest.raises(DataError, match=rf"fold_9 .*Mayo 0/{name} 0 times"):
        limuc(with_folds)


def test_an_image_in_train_and_validation_of_a_fold_is_named(with_folds):
    name = name_of(20, 0)
    edit(with_folds / f"folds/{FOLDS}/fold_9/val.json", lambda listed: listed["Mayo 0"].append(name))
    with pytest.raises(DataError, match=rf"fold_9 .*Mayo 0/{name} 2 times"):
        limuc(with_folds)


def test_a_patient_on_both_sides_of_a_fold_is_named(with_folds):
    name = name_of(20, 0)
    edit(with_folds / f"folds/{FOLDS}/fold_9/train.json", lambda listed: listed["Mayo 0"].remove(name))
    edit(with_folds / f"folds/{FOLDS}/fold_9/val.json", lambda listed: listed["Mayo 0"].append(name))
    with pytest.raises(DataError, match=r"fold_9 .*patient 20 .*train\.json and val\.json"):
        limuc(with_folds)


@pytest.mark.parametrize("text", [None, "{", '["UC_patient_1_1.bmp"]', '{"score 0": []}'])
def test_a_fold_that_cannot_be_read_is_named(with_folds, text):
    file = with_folds / f"folds/{FOLDS}/fold_6/train.json"
    if text is None:
        file.unlink()
    else:
        file.write_text(text)
    with pytest.raises(DataError, match=r"fold_6 does not fit the images: train\.json"):
        limuc(with_folds)


def test_real_pictures_come_out_of_the_cache_as_they_went_in(shared_data, tmp_path_factory):
    root = tmp_path_factory.mktemp("limuc")
    files = sorted((shared_data / "skin2/train").glob("*/*.jpg"))[::40]
    for at, file in enumerate(files[:32]):
        patient, score = divmod(at, 4)
        part = "train_and_validation_sets" if patient < 6 else "test_set"
        folder = root / part / f"Mayo {score}"
        folder.mkdir(parents=True, exist_ok=True)
        with Image.open(file) as picture:
            picture.resize((352, 288)).save(folder / f"UC_patient_{patient}_{at}.bmp")
    config = DataConfig(validation_fraction=0.34)
    dataset = limuc(root, validation_fraction=0.34)
    cached = build_cache(dataset, config, 32, tmp_path_factory.mktemp("cache"))
    assert cached.class_counts("train") == dict.fromkeys(dataset.card.classes, 4)
    assert (len(cached.split("validation")), len(cached.open_test())) == (8, 8)
    assert cached.skipped == ()
