"""`agent datasets`: what there is, what is known of it, fetching it, and looking for faults."""

import json
import re
import shutil
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest

from agent.cli import main
from tests.tools.datasets.images import fill, photo, write_csv
from tools.datasets import registry
from tools.datasets.config import DataConfig
from tools.datasets.folder.folder import open_folder
from tools.errors import DataError


@pytest.fixture(autouse=True)
def home(tmp_path, monkeypatch) -> Path:
    """The working directory, below which data sets are looked for."""
    for name in ("AGENT_RUNS_DIR", "AGENT_CONFIG", "AGENT_DATA__PATH", "AGENT_DATA__DATASET"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("COLUMNS", "100")
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def told(capsys):
    """Run a command: (exit code, standard output, standard error)."""

    def run(*words: str) -> tuple[int, str, str]:
        code = main(["datasets", *words])
        out, err = capsys.readouterr()
        return code, out, err

    return run


def write_aptos(root: Path, count: int = 20) -> Path:
    """APTOS as in its competition: one table, no splits."""
    (root / "train_images").mkdir(parents=True)
    for number in range(count):
        photo(number).save(root / "train_images" / f"{number:03d}.png")
    rows = [(f"{number:03d}", number % 5) for number in range(count)]
    write_csv(root / "train.csv", [("id_code", "diagnosis"), *rows])
    return root


def split_folders(root: Path) -> Path:
    return fill(root, {f"{s}/{c}": 5 for s in ("train", "val", "test") for c in ("cat", "dog")})


def fetcher(monkeypatch, fetch) -> list[tuple[str, Path]]:
    """Put `fetch(folder)` in the place of the libraries that download; what was asked of it."""
    asked: list[tuple[str, Path]] = []

    def download(name, folder, say):
        asked.append((name, folder))
        say("fetching")
        return fetch(folder)

    monkeypatch.setitem(
        sys.modules, "tools.datasets.collections.download", SimpleNamespace(download=download)
    )
    return asked


# the list


def test_every_data_set_is_listed_with_where_it_stands(told, home):
    write_aptos(home / "data/aptos")
    code, out, _ = told()
    assert code == 0
    lines = {line.split()[0]: line.split() for line in out.splitlines() if line.strip()}
    assert set(registry.ENTRIES) <= set(lines)
    assert lines["demo"][1:4] == ["1,300", "10", "digits"]
    assert lines["demo"][-1] == "present"
    assert lines["aptos"][1:3] == ["20", "5"]
    assert lines["aptos"][-1] == "present"
    assert lines["limuc"][-1] == "absent"
    assert max(map(len, out.splitlines())) <= 100


def test_a_malformed_one_is_damaged_and_its_fault_is_said(told, home):
    (home / "data/limuc/other").mkdir(parents=True)
    code, out, err = told()
    assert code == 0
    assert next(line for line in out.splitlines() if line.startswith("limuc")).endswith("damaged")
    assert "limuc in data/limuc is damaged: LIMUC" in " ".join(err.split())


def test_collections_are_listed_by_their_prefix(told, monkeypatch):
    monkeypatch.setattr(registry, "_COLLECTIONS", {"torchvision": ("NAME", open_folder)})
    _, out, _ = told()
    assert re.search(r"torchvision:NAME  .+torchvision:CIFAR10", out)


def test_every_collection_is_explained(told):
    _, out, _ = told("--json")
    assert all(json.loads(out)["collections"].values())


def test_listing_decodes_nothing(told, home):
    root = write_aptos(home / "data/aptos")
    for file in (root / "train_images").iterdir():
        file.write_bytes(b"no image")
    _, out, _ = told()
    assert next(line for line in out.splitlines() if line.startswith("aptos")).endswith("present")


def test_the_list_as_json_is_all_that_is_printed(told, home):
    write_aptos(home / "data/aptos")
    (home / "data/limuc/other").mkdir(parents=True)
    code, out, err = told("--json")
    assert (code, err) == (0, "")
    rows = {row["name"]: row for row in json.loads(out)["datasets"]}
    assert list(rows) == list(registry.ENTRIES)
    assert (rows["aptos"]["state"], rows["aptos"]["images"]) == ("present", 20)
    assert (rows["melanoma"]["state"], rows["melanoma"]["images"]) == ("absent", None)
    assert rows["limuc"]["state"] == "damaged"
    assert rows["demo"]["classes"] == list("0123456789")


# one of them


def test_what_is_not_here_is_shown_with_its_layouts_and_how_to_get_it(told, home):
    code, out, _ = told("show", "aptos")
    assert code == 0
    entry = registry.ENTRIES["aptos"]
    for line in entry.card.download.splitlines():
        assert line in out
    text = " ".join(out.split())
    for said in (entry.card.description, entry.card.licence, *entry.card.classes, *entry.card.warnings):
        assert said in text
    assert f"looked in {home / 'data/aptos'}" in text
    assert "expected in data/aptos:" in out
    assert "train_images/train_images/ID.png" in out
    assert "agent datasets get aptos" in out


def test_what_is_here_is_shown_with_its_images_by_split_and_class(told, home):
    write_aptos(home / "elsewhere")
    code, out, _ = told("show", "aptos", "--data", "elsewhere")
    assert code == 0
    assert "20 images, in elsewhere" in out
    rows = [line.split() for line in out.splitlines()]
    assert ["severe", "4"] in rows
    assert ["all", "20"] in rows
    assert "agent datasets get" not in out


def test_a_folder_of_ones_own_is_shown(told, home):
    split_folders(home / "mine")
    code, out, _ = told("show", "--data", "mine")
    assert code == 0
    assert ["cat", "5", "5", "5"] in [line.split() for line in out.splitlines()]


def test_variants_are_listed_and_shown_with_their_setting(told):
    assert "variants: alia" in told()[1]
    assert "variants alia (--data.variant)" in " ".join(told("show", "cub")[1].split())


def test_superclasses_stand_beside_their_classes(told):
    _, out, _ = told("show", "alzheimer-parkinson")
    assert "control (brain)" in " ".join(out.split())


# fetching


def test_what_a_library_fetches_goes_where_it_is_looked_for_and_is_counted(told, home, monkeypatch):
    asked = fetcher(monkeypatch, write_aptos)
    code, out, err = told("get", "aptos")
    assert code == 0, err
    assert asked == [("kaggle:mariaherrerot/aptos2019", Path("data/aptos"))]
    assert ["all", "20"] in [line.split() for line in out.splitlines()]
    assert "aptos is in data/aptos" in out


def test_it_is_fetched_to_where_it_is_wanted(told, home, monkeypatch):
    asked = fetcher(monkeypatch, write_aptos)
    code, out, _ = told("get", "aptos", "--data", "elsewhere")
    assert code == 0
    assert asked[0][1] == Path("elsewhere")
    assert "agent run --dataset aptos --data elsewhere" in " ".join(out.split())


def test_the_name_of_a_collections_set_says_itself_where_it_is_fetched_from(told, home, monkeypatch):
    def open_set(config: DataConfig):
        place = (config.path or Path("data/torchvision")) / config.dataset.partition(":")[2]  # type: ignore[union-attr]
        if not place.is_dir():
            raise DataError(f"{place} is missing")
        return open_folder(DataConfig(path=place))

    monkeypatch.setattr(registry, "_COLLECTIONS", {"torchvision": ("NAME", open_set)})
    fill(home / "data/torchvision/MNIST", {"other": 1})  # the folder is shared, and so not empty
    asked = fetcher(monkeypatch, lambda folder: fill(folder / "CIFAR10", {"train/a": 3, "train/b": 3}) / "..")
    code, out, err = told("get", "torchvision:CIFAR10")
    assert code == 0, err
    assert asked == [("torchvision:CIFAR10", Path("data/torchvision"))]
    assert ["all", "6"] in [line.split() for line in out.splitlines()]


def test_what_is_here_is_not_fetched_again(told, home, monkeypatch):
    asked = fetcher(monkeypatch, write_aptos)
    write_aptos(home / "data/aptos")
    code, out, _ = told("get", "aptos")
    assert (code, asked) == (0, [])
    assert "20 images, in data/aptos" in " ".join(out.split())


def test_something_else_in_its_place_is_not_overwritten(told, home, monkeypatch):
    asked = fetcher(monkeypatch, write_aptos)
    fill(home / "data/aptos", {"mine": 1})
    code, _, err = told("get", "aptos")
    assert (code, asked) == (1, [])
    assert "data/aptos" in err
    assert "--data PATH" in err


def test_without_a_library_the_commands_are_printed_as_they_are(told, home):
    code, out, _ = told("get", "limuc")
    assert code == 0
    assert registry.ENTRIES["limuc"].card.download in out
    assert not (home / "data").exists()


def test_a_download_that_brings_something_else_is_said(told, home, monkeypatch):
    fetcher(monkeypatch, lambda folder: fill(folder, {"other": 1}))
    code, _, err = told("get", "aptos")
    assert code == 1
    assert "kaggle:mariaherrerot/aptos2019" in err


# looking for faults


def check(told, *words: str) -> tuple[int, str, str]:
    return told("check", *words, "--runs-dir", "runs")


def test_a_clean_one_ends_with_zero_and_has_a_contact_sheet(told, home):
    split_folders(home / "mine")
    code, out, err = check(told, "--data", "mine")
    assert code == 0, err
    assert "✓  readable      all 30 images can be decoded" in out
    assert (home / "runs/data-mine.png").read_bytes().startswith(b"\x89PNG")
    assert "runs/data-mine.png" in out
    assert max(map(len, out.splitlines())) <= 100


def test_a_leak_is_a_problem_named_and_ends_with_one(told, home):
    root = split_folders(home / "mine")
    shutil.copy(root / "train/cat/0001.png", root / "test/cat/copy.png")
    (root / "val/dog/0002.png").write_bytes(b"no image")
    code, out, _ = check(told, "--data", "mine")
    assert code == 1
    assert "test/cat/copy.png (test, cat) = train/cat/0001.png (train, cat)" in " ".join(out.split())
    assert "val/dog/0002.png: not an image" in " ".join(out.split())
    assert "2 problems" in out


def test_missing_images_of_a_known_set_are_a_problem(told, home):
    write_aptos(home / "data/aptos", 40)
    code, out, _ = check(told, "aptos", "--image-size", "16")
    assert code == 1
    assert "train: 3,662 published, 3,622 missing" in out


def test_the_report_as_json_is_all_that_is_printed(told, home):
    root = split_folders(home / "mine")
    shutil.copy(root / "train/cat/0001.png", root / "train/dog/copy.png")
    code, out, err = check(told, "--data", "mine", "--json", "--sheet", "here/look.png")
    assert (code, err) == (0, "")
    report = json.loads(out)
    assert report["counts"]["train"] == {"cat": 5, "dog": 6}
    assert report["sheet"] == "here/look.png"
    assert (home / "here/look.png").is_file()
    (labels,) = (each for each in report["findings"] if each["check"] == "labels")
    assert labels["verdict"] == "warning"
    assert labels["numbers"]["pairs"][0]["files"] == ["train/cat/0001.png", "train/dog/copy.png"]


def test_settings_of_the_data_are_flags_here_too(told, home):
    split_folders(home / "mine")
    _, out, _ = check(told, "--data", "mine", "--data.leak_guard", "exact", "--json")
    verdicts = {each["check"]: each["verdict"] for each in json.loads(out)["findings"]}
    assert verdicts["near copies"] == "unknown"


def test_all_that_is_unclear_is_shown_with_its_flags_and_not_only_the_first(told, home):
    """Two parts, classes that differ by case, an unreadable image: three questions, one command."""
    root = fill(home / "mine", {f"part{p}/{c}": 4 for p in (1, 2) for c in ("Cat", "dog", "owl")})
    (root / "part2/Cat").rename(root / "part2/cat")
    (root / "part1/dog/broken.png").write_bytes(b"no image")
    code, out, err = check(told, "--data", "mine", "--json")
    assert (code, err) == (1, "")
    findings = [each for each in json.loads(out)["findings"] if each["verdict"] == "problem"]
    layout, spelling, unreadable = findings[:3]
    assert "it is not clear what the classes of" in layout["text"]
    assert any("--data.layout any/class" in line for line in layout["details"])
    assert layout["numbers"]["assumed"].startswith("--data.layout ")
    assert "differ only in case" in spelling["text"]
    assert "--data.similar_labels merge" in spelling["text"]
    assert any("broken.png" in line for line in unreadable["details"])
    code, out, _ = check(told, "--data", "mine")
    assert code == 1
    assert f"{len(findings)} problems" in out
    assert "All that follows is said as if --data.layout" in " ".join(out.split())


def test_where_no_flag_leads_on_everything_found_is_the_error(told, home):
    (home / "mine").mkdir()
    code, out, err = check(told, "--data", "mine")
    assert (code, out) == (1, "")
    assert "mine" in err


# wrong words


def test_wrong_words_are_wrong_usage_and_name_the_remedy(told):
    for words, hint in (
        ("shwo demo", "did you mean 'show'?"),
        ("show aptoss", "did you mean 'aptos'?"),
        ("get melanom", "did you mean 'melanoma'?"),
        ("check dmeo", "did you mean 'demo'?"),
        ("show", "agent datasets show needs the NAME"),
        ("get folder", "'folder'"),
        ("get demo --data x", "'demo'"),
        ("check demo --dataset aptos", "'demo' and --dataset"),
        ("check demo --sheet x.jpg", "--sheet x.jpg"),
        ("check demo --image-size 3", "data.image_size = '3' (flag --image-size)"),
        ("--jsno", "did you mean '--json'?"),
    ):
        code, out, err = told(*words.split())
        assert (code, out, hint in err) == (2, "", True), (words, err)


def test_a_set_that_is_not_here_cannot_be_checked_and_it_is_said_how_to_get_it(told, home):
    code, out, err = check(told, "melanoma", "--json")
    assert (code, out) == (1, "")
    assert "was not found in" in err
    assert "kaggle datasets download -d bhaveshmittal/melanoma-cancer-dataset" in err
