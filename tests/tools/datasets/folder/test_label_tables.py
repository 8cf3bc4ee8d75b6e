"""Tables of labels beside images: which image a row means, its label and group, and what does not fit."""

from collections import Counter
from pathlib import Path

import pytest

from tests.tools.datasets.images import fill, photo, write_csv
from tools.datasets.config import DataConfig
from tools.datasets.folder.csv_table import load_table
from tools.datasets.folder.tables.image_index import ImageIndex
from tools.datasets.registry import open_published
from tools.datasets.types import Dataset
from tools.errors import ConfigurationError, DataError


def opened(root: Path, labels: str, **settings) -> Dataset:
    return open_published(DataConfig(path=root, labels=labels, **settings))


def classes_of(dataset: Dataset) -> dict[str, str]:
    return {Path(r.file).stem: dataset.card.classes[r.label] for r in dataset.records}


@pytest.fixture
def photos(tmp_path) -> Path:
    """Eight images s0 to s7 in two folders."""
    fill(tmp_path, {"part1/img": 0, "part2": 0})
    for n in range(8):
        photo(n).save(tmp_path / ("part1/img" if n < 4 else "part2") / f"s{n}.jpg")
    return tmp_path


WANTED = {f"s{n}": "xy"[n % 2] for n in range(8)}


@pytest.mark.parametrize(
    "form",
    [
        "s{n}",
        "s{n}.jpg",
        "S{n}.JPG",
        "{folder}/s{n}.jpg",
        "{folder}/s{n}",
        "./{folder}/s{n}.jpg",
        "C:\\images\\{folder}\\s{n}.jpg",
        "/home/somebody/other/s{n}.jpg",
    ],
)
def test_an_id_is_a_name_with_or_without_folder_and_ending(photos, form):
    ids = [form.format(n=n, folder="img" if n < 4 else "part2") for n in range(8)]
    write_csv(photos / "t.csv", [("id", "dx"), *[(ids[n], "xy"[n % 2]) for n in range(8)]])
    assert classes_of(opened(photos, "t.csv:id:dx")) == WANTED


@pytest.mark.parametrize("separator", [",", ";", "\t", "|"])
def test_what_separates_the_columns_is_found_out(photos, separator):
    lines = (
        ["note", "id", "dx"],
        *(["a, b; c" if separator == "|" else "-", f"s{n}", "xy"[n % 2]] for n in range(8)),
    )
    (photos / "t.txt").write_text("\n".join(separator.join(line) for line in lines), encoding="utf-8-sig")
    assert classes_of(opened(photos, "t.txt:id:dx")) == WANTED


def test_a_list_without_a_header_has_its_columns_by_number(photos):
    (photos / "list.txt").write_text("".join(f"s{n}.jpg {'xy'[n % 2]}\n" for n in range(8)))
    assert classes_of(opened(photos, "list.txt:1:2")) == WANTED


def test_columns_of_a_table_with_a_header_have_numbers_too(photos):
    write_csv(photos / "t.csv", [("id", "the: label"), *[(f"s{n}", "xy"[n % 2]) for n in range(8)]])
    assert classes_of(opened(photos, "t.csv:1:2")) == WANTED


def test_the_group_column_keeps_images_together(photos):
    write_csv(
        photos / "t.csv", [("id", "dx", "who"), *[(f"s{n}", "xy"[n % 2], f"p{n // 2}") for n in range(8)]]
    )
    assert Counter(r.group for r in opened(photos, "t.csv:id:dx:who").records) == {
        f"p{n}": 2 for n in range(4)
    }


def test_a_colon_in_the_name_of_the_file_is_understood(photos):
    write_csv(photos / "a:b.csv", [("id", "dx"), *[(f"s{n}", "xy"[n % 2]) for n in range(8)]])
    assert classes_of(opened(photos, "a:b.csv:id:dx")) == WANTED
    assert classes_of(opened(photos, f"{photos}/a:b.csv:id:dx")) == WANTED


def test_the_file_may_be_in_the_working_directory(photos, tmp_path_factory, monkeypatch):
    here = tmp_path_factory.mktemp("here")
    monkeypatch.chdir(here)
    write_csv(here / "t.csv", [("id", "dx"), *[(f"s{n}", "xy"[n % 2]) for n in range(8)]])
    assert classes_of(opened(photos, "t.csv:id:dx")) == WANTED


# one column for each class


def one_hot(photos: Path, *extra: tuple[object, ...]) -> None:
    rows = [(f"s{n}", float(n % 2 == 0), float(n % 2 == 1), 40 + n) for n in range(8)]
    write_csv(photos / "t.csv", [("image", "x", "y", "age"), *rows, *extra])


@pytest.mark.parametrize("columns", ["image", "image:x,y", "image::age"])
def test_a_column_for_each_class_is_read(photos, columns):
    one_hot(photos)
    assert classes_of(opened(photos, f"t.csv:{columns}")) == WANTED


def test_an_image_of_two_classes_is_named_by_its_line(photos):
    write_csv(photos / "t.csv", [("image", "x", "y"), ("s0", 1, 1), ("s1", 0, 1)])
    with pytest.raises(DataError, match=r"t\.csv, line 2: the image has 2 labels \(x, y\)"):
        opened(photos, "t.csv:image:x,y", several_labels="off")


def test_an_uncertain_cell_is_named_by_its_line(photos):
    write_csv(photos / "t.csv", [("image", "x", "y"), ("s0", 1, 0), ("s1", -1, 1)])
    with pytest.raises(DataError, match=r"t\.csv, line 3: x = '-1': a column of a class holds 0 or 1"):
        opened(photos, "t.csv:image:x,y")


def test_an_image_of_no_class_has_no_label(photos):
    rows = [(f"s{n}", int(n in (0, 1)), int(n in (2, 3))) for n in range(6)]
    write_csv(photos / "t.csv", [("image", "x", "y"), *rows])
    with pytest.raises(DataError, match=r"line 6: the label of 'part2/s4\.jpg' is empty \(2 images"):
        opened(photos, "t.csv:image")
    assert len(opened(photos, "t.csv:image", missing_labels="drop").records) == 4


# what does not fit


def test_ids_without_an_image_and_images_without_a_row_are_counted_and_named(photos):
    rows = [(f"s{n}", "xy"[n % 2]) for n in range(6)]
    write_csv(photos / "t.csv", [("id", "dx"), *rows, ("s90", "x"), ("s91", "y")])
    dataset = opened(photos, "t.csv:id:dx")
    assert len(dataset.records) == 6
    assert "2 rows of t.csv name no image and are not used: 's90' in line 8, 's91' in line 9" in dataset.notes
    assert "2 images have no row in t.csv and are not used: part2/s6.jpg, part2/s7.jpg" in dataset.notes


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        ([("s0", "x"), ("s1", "y"), ("s0", "y")], r"line 4: .*has the label 'y' here and 'x' in line 2"),
        ([("s0", "x"), ("", "y")], r"line 3: the id of the image is empty"),
        ([("s0", "x"), ("s1", "y", "z")], r"line 3: there are more cells than the 2 columns"),
        (
            [("q0", "x"), ("q1", "y")],
            r"no value of the column id names an image: it has q0, q1; the images are part1",
        ),
    ],
)
def test_a_wrong_row_is_named(photos, rows, message):
    write_csv(photos / "t.csv", [("id", "dx"), *rows])
    with pytest.raises(DataError, match=message):
        opened(photos, "t.csv:id:dx")


def test_rows_that_repeat_an_image_with_its_label_are_counted(photos):
    write_csv(photos / "t.csv", [("id", "dx"), ("s0", "x"), ("s1", "y"), ("s0", "x")])
    assert "1 row of t.csv repeats an image with the same label" in opened(photos, "t.csv:id:dx").notes


def test_an_id_of_two_images_is_not_guessed(tmp_path):
    fill(tmp_path, {"one": 2, "two": 2})
    write_csv(tmp_path / "t.csv", [("id", "dx"), ("0000", "x"), ("0001", "y")])
    with pytest.raises(
        DataError, match=r"line 2: '0000' may mean 2 images: one/0000\.png, two/0000\.png.*--data\.exclude"
    ):
        opened(tmp_path, "t.csv:id:dx")
    assert len(opened(tmp_path, "t.csv:id:dx", exclude=["two"]).records) == 2


@pytest.mark.parametrize(
    ("labels", "message"),
    [
        ("t.csv:id:dxx", r"has no column 'dxx': did you mean 'dx'\? It has id, dx"),
        ("t.csv:ID:dx", r"no column 'ID': did you mean 'id'\?"),
        (
            "tt.csv:id:dx",
            r"there is no file 'tt\.csv' in .*did you mean 't\.csv'\? The tables in .* are t\.csv",
        ),
        ("t.csv", r"the first line of .*t\.csv has id, dx"),
        ("C:\\data\\t2.csv:id:dx", r"there is no file 'C:\\data\\t2\.csv'"),
        ("t.csv:id", r"no columns of zeros and ones"),
    ],
)
def test_a_wrong_flag_names_what_there_is(photos, labels, message):
    write_csv(photos / "t.csv", [("id", "dx"), *[(f"s{n}", "xy"[n % 2]) for n in range(8)]])
    with pytest.raises(ConfigurationError, match=message):
        opened(photos, labels)


def test_a_spreadsheet_is_to_be_saved_as_csv(photos):
    (photos / "labels.xlsx").write_bytes(b"PK")
    with pytest.raises(DataError, match=r"labels\.xlsx is not a text file: save it as CSV"):
        opened(photos, "labels.xlsx:id:dx")


def test_images_in_split_folders_are_not_divided_silently(tmp_path):
    fill(tmp_path, {"train": 0, "test": 0})
    for n in range(8):
        photo(n).save(tmp_path / ("train" if n < 6 else "test") / f"s{n}.jpg")
    write_csv(tmp_path / "t.csv", [("id", "dx"), *[(f"s{n}", "xy"[n % 2]) for n in range(8)]])
    with pytest.raises(DataError, match=r"train 6, test 2.*--data\.layout split to use.*--data\.layout any"):
        opened(tmp_path, "t.csv:id:dx")
    split = opened(tmp_path, "t.csv:id:dx", layout="split")
    assert Counter(r.split for r in split.records) == {"train": 6, "test": 2}
    assert Counter(r.split for r in opened(tmp_path, "t.csv:id:dx", layout="any").records) == {"train": 8}


def test_folders_may_give_the_groups_of_a_table(photos):
    write_csv(photos / "t.csv", [("id", "dx"), *[(f"s{n}", "xy"[n % 2]) for n in range(8)]])
    dataset = opened(photos, "t.csv:id:dx", layout="group")
    assert {r.group for r in dataset.records} == {"part1", "part2"}


# tables that nobody mentioned


def ask(root: Path) -> str:
    with pytest.raises(DataError, match="not clear") as caught:
        open_published(DataConfig(path=root))
    return str(caught.value)


def test_a_competition_is_asked_about_its_table(tmp_path):
    fill(tmp_path, {"train_images": 0, "test_images": 0})
    for n in range(9):
        photo(n).save(tmp_path / "train_images" / f"a{n}.png")
        photo(n + 50).save(tmp_path / "test_images" / f"b{n}.png")
    write_csv(tmp_path / "train.csv", [("id_code", "diagnosis"), *[(f"a{n}", n % 3) for n in range(9)]])
    write_csv(tmp_path / "test.csv", [("id_code",), *[(f"b{n}",) for n in range(9)]])
    text = ask(tmp_path)
    assert "--data.labels train.csv:id_code:diagnosis\n      3 classes by the column diagnosis" in text
    assert "9 of 18 images" in text


def test_columns_of_zeros_and_ones_are_seen(tmp_path):
    fill(tmp_path, {"Training_Input": 9})
    rows = [(f"{n:04d}", *(float(n % 3 == k) for k in range(3))) for n in range(9)]
    write_csv(tmp_path / "GroundTruth.csv", [("image", "MEL", "NV", "BCC"), *rows])
    assert "--data.labels GroundTruth.csv:image\n      3 classes by the columns of 0 and 1" in ask(tmp_path)


def test_a_table_that_agrees_with_the_folders_is_named_with_its_patients(tmp_path):
    fill(tmp_path, {"benign": 6, "malignant": 6})
    rows = [
        (f"{c}/{n:04d}.png", c[0].upper(), f"{c}{n // 2}") for c in ("benign", "malignant") for n in range(6)
    ]
    write_csv(tmp_path / "meta.csv", [("file", "diagnosis", "patient_id"), *rows])
    (note,) = open_published(DataConfig(path=tmp_path)).notes
    assert "its column patient_id may say which belong together" in note
    assert "--data.labels meta.csv:file:diagnosis:patient_id" in note


def test_a_table_that_contradicts_the_folders_makes_it_unclear(tmp_path):
    fill(tmp_path, {"benign": 6, "malignant": 6})
    rows = [(f"{c}/{n:04d}.png", "MF"[n % 2]) for c in ("benign", "malignant") for n in range(6)]
    write_csv(tmp_path / "meta.csv", [("file", "sex"), *rows])
    text = ask(tmp_path)
    assert "none of its columns agrees with the folders" in text
    assert "--data.labels meta.csv:file:sex\n" in text
    assert open_published(DataConfig(path=tmp_path, layout="class")).card.classes == ("benign", "malignant")


def test_text_that_is_no_table_of_the_images_is_passed_over(tmp_path):
    fill(tmp_path, {"a": 3, "b": 3})
    (tmp_path / "README.txt").write_text("Two classes, a and b.\nTaken in spring, 2020; see below.\n")
    (tmp_path / "prices.csv").write_text("item,price\nx,1\ny,2\n")
    assert open_published(DataConfig(path=tmp_path)).notes == ()


def test_a_text_for_each_image_is_no_table_of_labels(tmp_path):
    fill(tmp_path, {"a": 40, "b": 3})
    for n in range(40):
        (tmp_path / "a" / f"{n:04d}.txt").write_text(f"{n:04d} 1\n{n:04d} 2\n0001 1\n0002 2\n")
    assert [n for n in open_published(DataConfig(path=tmp_path)).notes if "labels" in n] == []


def test_a_large_table_of_pixels_is_not_read_whole(tmp_path):
    fill(tmp_path, {"HAM_part_1": 2, "HAM_part_2": 2})
    row = ",".join(str(n % 256) for n in range(784)) + "\n"
    (tmp_path / "hmnist.csv").write_text(row * 2500)
    assert "hmnist" not in ask(tmp_path)


@pytest.mark.parametrize(("name", "said"), [("t.csv", "is not UTF-8"), ("t.xlsx", "is not read")])
def test_a_table_that_cannot_be_read_is_named(tmp_path, name, said):
    fill(tmp_path, {"a": 3, "b": 3})
    (tmp_path / name).write_bytes("id;Größe\n1;2\n".encode("latin-1"))
    (note,) = open_published(DataConfig(path=tmp_path)).notes
    assert note.startswith(f"{name} {said}")
    assert "save it as" in note


# the parts


def test_the_longest_agreement_of_folders_decides():
    index = ImageIndex(["a/img/1.png", "b/img/1.png", "b/img/1.jpg", "c/É.png"])
    assert list(index.find("b/img/1.png")) == ["b/img/1.png"]
    assert sorted(index.find("1.png")) == ["a/img/1.png", "b/img/1.png"]
    assert list(index.find("1.jpg")) == ["b/img/1.jpg"]
    assert list(index.find("e\N{COMBINING ACUTE ACCENT}")) == ["c/É.png"]
    assert list(index.find("2.png")) == []


def test_cells_may_hold_the_separator_and_lines(tmp_path):
    (tmp_path / "t.csv").write_text('id,text\n1,"a, b"\n2,"two\nlines"\n\n3,c\n')
    table = load_table(tmp_path / "t.csv")
    assert table.cells == (("id", "text"), ("1", "a, b"), ("2", "two\nlines"), ("3", "c"))
    assert table.lines[-1] == 6
