"""Whole studies on published data sets, laid out as they are distributed, with real photographs inside."""

import csv
import shutil
import signal
from collections.abc import Callable
from itertools import cycle, islice
from pathlib import Path

import pytest
from PIL import Image

from tests.agent.studies import TINY, Ended, agent, copy_trials, tracking
from tests.tools.datasets.images import fill, write_csv

QUICK = (
    f"{TINY} --image-size 32 --epochs 1 --training.batch_size 16 --seeds 1 --iterations 1 --search.final_seeds 2 "
    "--search.top_k 1 --search.baselines [] --search.backgrounds off --proposer tpe --study s"
)


def lesions(shared: Path, split: str, kind: str, count: int) -> list[Path]:
    """Real dermoscopy photographs."""
    return sorted((shared / "skin2" / split / kind).glob("*.jpg"))[:count]


def melanoma(shared: Path, root: Path, inner: str, names: tuple[str, str]) -> None:
    for split, count in (("train", 40), ("test", 12)):
        for kind, name in zip(("benign", "malignant"), names, strict=True):
            target = root / inner / split / name
            target.mkdir(parents=True)
            for file in lesions(shared, split, kind, count):
                shutil.copy(file, target / f"melanoma_{file.name}")


def melanoma_of_bhaveshmittal(shared: Path, root: Path) -> None:
    melanoma(shared, root, "", ("Benign", "Malignant"))


def melanoma_of_hasnainjaved(shared: Path, root: Path) -> None:
    melanoma(shared, root, "melanoma_cancer_dataset", ("benign", "malignant"))


def photographs(shared: Path, split: str, count: int) -> list[Path]:
    """Real photographs of no one kind."""
    return sorted((shared / "skin2" / split).rglob("*.jpg"))[:count]


def aptos_table(
    shared: Path, root: Path, split: str, table: str, folder: str, count: int, empty: int
) -> None:
    (root / folder).mkdir(parents=True, exist_ok=True)
    rows: list[tuple[str, str]] = []
    for file, grade in zip(photographs(shared, split, count), cycle("01234"), strict=False):
        rows.append((file.stem.lower(), grade))
        Image.open(file).save(root / folder / f"{file.stem.lower()}.png")
    write_csv(root / table, [("id_code", "diagnosis"), *rows, *[("", "")] * empty])


def aptos_of_the_competition(shared: Path, root: Path) -> None:
    aptos_table(shared, root, "train", "train.csv", "train_images", 120, 0)
    write_csv(root / "test.csv", [("id_code",), ("0005cfc8afb6",)])


def aptos_of_mariaherrerot(shared: Path, root: Path) -> None:
    aptos_table(shared, root, "train", "train_1.csv", "train_images/train_images", 80, 0)
    aptos_table(shared, root, "val", "valid.csv", "val_images/val_images", 20, 0)
    aptos_table(shared, root, "test", "test.csv", "test_images/test_images", 20, 5)


def limuc(shared: Path, root: Path) -> None:
    """Eighteen patients of four images, one of each score; six of them are the test set."""
    files = iter(photographs(shared, "train", 72))
    for patient in range(1, 19):
        part = "test_set" if patient > 12 else "train_and_validation_sets"
        for score, file in enumerate(islice(files, 4)):
            folder = root / part / f"Mayo {score}"
            folder.mkdir(parents=True, exist_ok=True)
            image = Image.open(file).convert("RGB").resize((352, 288))
            image.save(folder / f"UC_patient_{patient}_{score + 1}.bmp")


LAYOUTS: list[tuple[str, Callable[[Path, Path], None]]] = [
    ("melanoma", melanoma_of_bhaveshmittal),
    ("melanoma", melanoma_of_hasnainjaved),
    ("aptos", aptos_of_the_competition),
    ("aptos", aptos_of_mariaherrerot),
    ("limuc", limuc),
]

SECOND = (melanoma_of_hasnainjaved, aptos_of_mariaherrerot)
"""Layouts of a set of which another one is tried already; that they are read is tested without a study, too."""


def study(name: str, data: Path, runs: Path, *more: str, moment: str = "none") -> Ended:
    where = ("--dataset", name, "--data", str(data), "--runs-dir", str(runs))
    return agent("run", *where, *QUICK.split(), *more, moment=moment)


def rows_of(file: Path) -> list[dict[str, str]]:
    with file.open(newline="", encoding="utf-8") as opened:
        return list(csv.DictReader(opened))


@pytest.mark.parametrize(
    ("name", "lay_out"),
    [
        pytest.param(*each, marks=pytest.mark.slow if each[1] in SECOND else (), id=each[1].__name__)
        for each in LAYOUTS
    ],
)
def test_a_study_of_each_layout_runs_to_its_report(shared_data, tmp_path, runs, name, lay_out):
    lay_out(shared_data, tmp_path / "data")
    done = study(name, tmp_path / "data", runs)
    assert done.returncode == 0, done.stderr + done.stdout
    folder = runs / "studies" / "s"
    report = (folder / "report.md").read_text()
    assert report.splitlines()[2].startswith(("**Use ", "**Nothing was learnt in 1 epoch"))
    assert "| iteration 1 |" in report or "| **iteration 1** (recommended) |" in report
    from tools.datasets.registry import ENTRIES

    for caution in ENTRIES[name].card.warnings:
        assert f"> Caution: {caution}" in report
        assert " ".join(caution.split()) in " ".join(done.stderr.split() + done.stdout.split())
    rows = rows_of(folder / "splits.csv")
    groups = {
        split: {row["group"] for row in rows if row["split"] == split}
        for split in ("train", "validation", "test")
    }
    assert all(groups.values())
    assert not groups["train"] & groups["test"]
    assert not groups["train"] & groups["validation"]
    store = tracking(runs)
    assert "splits.csv" in {each.path for each in store.client.list_artifacts(store.study_run)}


def test_every_fold_of_patients_has_the_same_test_set(shared_data, tmp_path, runs):
    """Both studies end when their splits are made."""
    limuc(shared_data, tmp_path / "data")
    held, tested = [], set()
    for name, fold in (("one", "1/2"), ("two", "2/2")):
        opened = study(
            "limuc", tmp_path / "data", runs, "--fold", fold, "--study", name, moment="before:prepare"
        )
        assert opened.returncode == -signal.SIGKILL, opened.stderr + opened.stdout
        rows = rows_of(runs / "studies" / name / "splits.csv")
        held.append({row["group"] for row in rows if row["split"] == "validation"})
        tested.add(frozenset(row["file"] for row in rows if row["split"] == "test"))
    assert not held[0] & held[1]
    assert len(held[0] | held[1]) == 12
    assert len(tested) == 1


def test_a_set_that_only_tests_is_refused_with_what_it_tests(tmp_path, shared_data):
    from tools.datasets.known.imagenet import TEN

    for each, file in zip(TEN, photographs(shared_data, "train", len(TEN)), strict=True):
        folder = tmp_path / "sketch" / each.wnid
        folder.mkdir(parents=True)
        shutil.copy(file, folder / "sketch_1.JPEG")
    done = study("imagenet-sketch", tmp_path / "sketch", tmp_path / "runs")
    assert done.returncode == 2
    assert "--dataset imagenet10" in " ".join(done.stderr.split())


def imagenet10(shared: Path, root: Path) -> None:
    """The ten classes, and both sets that test them elsewhere."""
    from tools.datasets.known.imagenet import TEN

    files = iter(photographs(shared, "train", 200))
    folders = [("ten/train/{wnid}", 8), ("ten/val/{wnid}", 4), ("sketch/{wnid}", 3)]
    folders.append(("v2/imagenetv2-matched-frequency-format-val/{index}", 3))
    for each in TEN:
        for folder, count in folders:
            place = root / folder.format(wnid=each.wnid, index=each.index)
            place.mkdir(parents=True)
            for number, file in enumerate(islice(files, count)):
                shutil.copy(file, place / f"{each.wnid}_{number}.JPEG")


@pytest.fixture(scope="module")
def shifted(shared_data, once, empty_store) -> Path:
    """A folder of ImageNet10 and, in `runs`, a study of it that was tested under shift as well."""

    def make(root: Path) -> None:
        imagenet10(shared_data, root)
        (root / "runs").mkdir()
        shutil.copy(empty_store, root / "runs")
        shifts = f"imagenet-v2={root / 'v2'},imagenet-sketch={root / 'sketch'}"
        done = study("imagenet10", root / "ten", root / "runs", "--data.shifts", shifts)
        assert done.returncode == 0, done.stderr + done.stdout
        (root / "stdout").write_text(done.stdout)

    return once("shifted", make)


def test_imagenet10_is_tested_under_shift_as_well(shifted):
    report = (shifted / "runs" / "studies" / "s" / "report.md").read_text()
    for title in ("ImageNet-V2", "ImageNet-Sketch"):
        (section,) = (part for part in report.split("\n### ") if part.startswith(f"On {title}"))
        assert "(30 images)" in section
        assert "| no augmentation |" in section or "| **no augmentation** (recommended) |" in section
        assert "| iteration 1 |" in section or "| **iteration 1** (recommended) |" in section
    said = (shifted / "stdout").read_text()
    assert all(f"On {name}: " in said for name in ("imagenet-v2", "imagenet-sketch"))
    store = tracking(shifted / "runs")
    final = store.client.search_runs([store.experiment_id], "tags.phase = 'final' and tags.kind = 'trial'")
    tested = [run.data.metrics for run in final if "test_accuracy" in run.data.metrics]
    assert tested
    assert all(
        {"test_accuracy_imagenet_v2", "test_accuracy_imagenet_sketch"} <= each.keys() for each in tested
    )
    search = store.client.search_runs([store.experiment_id], "tags.phase = 'search'")
    assert not any(name.startswith("test_") for run in search for name in run.data.metrics)


def test_trials_of_an_earlier_study_without_weights_are_trained_again_for_a_new_test_set(
    shifted, runs, tmp_path
):
    from tools.datasets.known.imagenet import TEN

    copy_trials(shifted / "runs", runs)
    weights = list((runs / "trials").rglob("weights.safetensors"))
    assert weights
    for file in weights:
        file.unlink()
    for each in TEN:
        shutil.copytree(shifted / "sketch" / each.wnid, tmp_path / "elsewhere" / each.name)
    shifts = f"elsewhere={tmp_path / 'elsewhere'}"
    done = study("imagenet10", shifted / "ten", runs, "--data.shifts", shifts)
    assert done.returncode == 0, done.stderr + done.stdout
    assert "### On elsewhere" in (runs / "studies" / "s" / "report.md").read_text()
    assert list((runs / "trials").rglob("weights.safetensors"))


def test_an_external_test_set_of_ones_own_is_a_folder(shared_data, tmp_path, runs):
    melanoma_of_bhaveshmittal(shared_data, tmp_path / "data")
    other = tmp_path / "other hospital"
    for kind, count in (("benign", 9), ("malignant", 6)):
        (other / kind).mkdir(parents=True)
        for file in lesions(shared_data, "val", kind, count):
            shutil.copy(file, other / kind)
    twice = lesions(shared_data, "train", "benign", 1)[0]
    Image.open(twice).save(other / "benign" / "twice.png")
    done = study("melanoma", tmp_path / "data", runs, "--data.shifts", f"hospital-b={other}")
    assert done.returncode == 0, done.stderr + done.stdout
    report = (runs / "studies" / "s" / "report.md").read_text()
    (section,) = (part for part in report.split("\n### ") if part.startswith("On other hospital"))
    assert "(16 images)" in section
    assert (
        "> Caution: 1 of its images are also training or validation images (benign/twice.png = train/"
        in section
    )
    assert "On hospital-b: " in done.stdout


@pytest.mark.parametrize(
    ("shifts", "said"),
    [
        ("elsewhere={root}/pets", "cats, dogs. imagenet10 has"),
        ("imagenet-sketsch", "did you mean 'imagenet-sketch'?"),
        ("cub", "no data set 'cub' to test on"),
        ("imagenet-v2=/nowhere", "was not found in /nowhere"),
    ],
)
def test_a_shift_that_cannot_be_tested_on_is_said_before_training(shifted, tmp_path, runs, shifts, said):
    fill(tmp_path / "pets", {"cats": 3, "dogs": 3})
    done = study("imagenet10", shifted / "ten", runs, "--data.shifts", shifts.format(root=tmp_path))
    assert done.returncode in (1, 2)
    assert said in " ".join(done.stderr.split())
    assert "reference" not in done.stdout
