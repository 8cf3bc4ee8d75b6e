"""`agent cache`: the folders of decoded images, whether they are whole, and making room."""

import os
import time
from pathlib import Path

import numpy as np
import pytest
from filelock import FileLock

from agent.cli import main
from tests.tools.datasets.images import card, fill, in_memory
from tools.datasets.cache.build import build_cache
from tools.datasets.cache.upkeep import DAY
from tools.datasets.config import DataConfig
from tools.datasets.registry import open_dataset
from tools.datasets.types import Dataset


@pytest.fixture
def runs(tmp_path, monkeypatch) -> Path:
    monkeypatch.setenv("COLUMNS", "100")
    monkeypatch.delenv("AGENT_RUNS_DIR", raising=False)
    return tmp_path / "runs"


@pytest.fixture
def told(capsys, runs):
    """Run the command: (exit code, standard output, standard error)."""

    def run(*words: str) -> tuple[int, str, str]:
        code = main(["cache", *words, "--runs-dir", str(runs)])
        out, err = capsys.readouterr()
        return code, out, err

    return run


def shelve(runs: Path, name: str, size: int = 8, days: float = 0, per_split: int = 4) -> Path:
    """Build the cache of a small data set, last used so many days ago; its folder."""
    made = in_memory(per_split)
    dataset = Dataset(card(name=name), made.records, made.source)
    folder = build_cache(dataset, DataConfig(), size, runs / "cache").folder.parent.parent
    then = time.time() - days * DAY
    os.utime(folder / "used", (then, then))
    return folder


def row(out: str, name: str) -> list[str]:
    (found,) = (line.split() for line in out.splitlines() if line.startswith(f"{name} "))
    return found


def damage(folder: Path) -> None:
    pixels = np.load(folder / "pixels.npy", mmap_mode="r+")
    pixels[3] += 1
    pixels.flush()


# the list


def test_every_folder_is_listed_with_its_size_and_when_it_was_used(told, runs):
    shelve(runs, "cells", days=40)
    shelve(runs, "moles", 16)
    code, out, _ = told()
    assert code == 0
    name, size, images, mib, views, day, _, state = row(out, "cells")
    assert (name, size, images, views, state) == ("cells", "8", "12", "1", "finished")
    assert day == time.strftime("%Y-%m-%d", time.localtime(time.time() - 40 * DAY))
    assert float(mib) > 0
    assert row(out, "moles")[1] == "16"
    assert "content.sqlite" in out


def test_other_splits_of_the_same_images_are_views_of_one_folder(told, runs, tmp_path):
    root = fill(tmp_path / "mine", {"cat": 10, "dog": 10})
    for fold in (None, "1/2"):
        config = DataConfig(path=root, fold=fold)
        build_cache(open_dataset(config), config, 8, runs / "cache")
    assert row(told()[1], "mine")[4] == "2"


def test_using_the_images_again_is_seen(told, runs):
    folder = shelve(runs, "cells", days=40)
    shelve(runs, "cells")
    assert time.time() - (folder / "used").stat().st_mtime < 60


def test_an_interrupted_build_says_how_far_it_came(told, runs):
    folder = shelve(runs, "cells")
    partial = folder.rename(folder.with_name(folder.name + ".partial"))
    (partial / "unreadable.json").unlink()
    book = np.load(partial / "book.npy", mmap_mode="r+")
    book["there"][5:] = 0
    book.flush()
    found = row(told()[1], "cells")
    assert found[2:5] == ["5", "of", "12"]
    assert found[-1] == "interrupted"


def test_a_folder_that_is_being_built_is_said_to_be(told, runs):
    folder = shelve(runs, "cells")
    with FileLock(f"{folder}.lock"):
        assert row(told()[1], "cells")[-2:] == ["being", "made"]


def test_what_no_version_uses_any_more_is_left_over(told, runs):
    folder = shelve(runs, "cells")
    orphan = runs / "cache/gone-8px-0123456789abcdef.lock"
    orphan.touch()
    old = runs / "cache/old-32px-0123456789abcdef"
    old.mkdir()
    (old / "meta.json").write_text('{"format": 1}')
    _, out, _ = told()
    assert row(out, orphan.name)[2:] == ["the", "lock", "of", "a", "folder", "that", "is", "gone"]
    assert row(out, old.name)[2:] == ["another", "version", "of", "the", "program"]
    code, _, _ = told("--left-over")
    assert code == 0
    assert not orphan.exists()
    assert not old.exists()
    assert folder.is_dir()


def test_an_empty_shelf_says_so(told, runs):
    code, out, _ = told()
    assert code == 0
    assert str(runs / "cache") in out


def test_listing_leaves_everything_as_it_is(told, runs):
    shelve(runs, "cells")
    before = {path: path.stat().st_mtime_ns for path in (runs / "cache").rglob("*") if path.is_file()}
    told()
    told("--verify")
    assert {path for path in (runs / "cache").rglob("*") if path.is_file()} == set(before)
    assert all(
        path.stat().st_mtime_ns == then for path, then in before.items() if not path.name.endswith("lock")
    )


# making room


def test_the_images_of_a_data_set_are_removed_with_their_lock(told, runs):
    gone, other_size, kept = shelve(runs, "cells"), shelve(runs, "cells", 16), shelve(runs, "moles")
    code, out, _ = told("--prune", "cells")
    assert code == 0
    assert not gone.exists()
    assert not other_size.exists()
    assert not Path(f"{gone}.lock").exists()
    assert kept.is_dir()
    assert "MiB freed" in out
    again = shelve(runs, "cells")
    assert again == gone


def test_one_folder_is_named_by_the_beginning_of_its_name(told, runs):
    small, large = shelve(runs, "cells"), shelve(runs, "cells", 16)
    assert told("--prune", "cells-16px")[0] == 0
    assert small.is_dir()
    assert not large.exists()


def test_a_beginning_that_fits_several_folders_removes_none(told, runs):
    folders = [shelve(runs, "cells"), shelve(runs, "cells", per_split=6)]
    code, _, err = told("--prune", "cells-8px")
    assert code == 2
    assert "'cells-8px' matches 2 folders" in err
    assert all(folder.is_dir() for folder in folders)


def test_what_was_not_used_for_long_is_removed(told, runs):
    old, new = shelve(runs, "cells", days=31), shelve(runs, "moles", days=29)
    assert told("--older-than", "30")[0] == 0
    assert not old.exists()
    assert new.is_dir()


def test_both_conditions_must_hold(told, runs):
    old, new = shelve(runs, "cells", days=31), shelve(runs, "moles", days=31)
    assert told("--prune", "cells", "--older-than", "30")[0] == 0
    assert not old.exists()
    assert new.is_dir()


def test_all_leaves_nothing_but_the_index(told, runs):
    shelve(runs, "cells")
    shelve(runs, "moles")
    (runs / "cache/gone-8px-0123456789abcdef.lock").touch()
    (runs / "cache/content.sqlite").write_bytes(b"hashes")
    assert told("--all")[0] == 0
    assert [path.name for path in (runs / "cache").iterdir()] == ["content.sqlite"]


def test_a_dry_run_shows_and_removes_nothing(told, runs):
    folder = shelve(runs, "cells")
    orphan = runs / "cache/gone-8px-0123456789abcdef.lock"
    orphan.touch()
    code, out, _ = told("--all", "--dry-run")
    assert code == 0
    assert folder.name in out
    assert "nothing was removed" in out
    assert folder.is_dir()
    assert orphan.exists()


def test_what_is_being_built_is_kept(told, runs):
    busy, free = shelve(runs, "cells"), shelve(runs, "moles")
    with FileLock(f"{busy}.lock"):
        code, _, err = told("--all")
    assert code == 0
    assert busy.is_dir()
    assert not free.exists()
    assert f"{busy.name} is kept: it is being built" in " ".join(err.split())


def test_what_a_running_study_opened_is_kept(told, runs):
    unused, used = shelve(runs, "moles", days=1), shelve(runs, "cells")
    study = runs / "studies/s"
    study.mkdir(parents=True)
    (study / "config.yaml").write_text("study: s\n")
    begun = time.time() - 3600
    os.utime(study / "config.yaml", (begun, begun))
    with FileLock(study / "lock"):
        _, _, err = told("--all")
    assert used.is_dir()
    assert not unused.exists()
    assert f"{used.name} is kept: the study s is running and may read it" in " ".join(err.split())
    assert told("--all")[0] == 0
    assert not used.exists()


def test_a_removal_that_was_interrupted_is_left_over_and_finished(told, runs):
    folder = shelve(runs, "cells")
    doomed = folder.rename(folder.with_name(folder.name + ".removing"))
    assert "an interrupted removal" in " ".join(told()[1].split())
    assert told("--left-over")[0] == 0
    assert not doomed.exists()


# checking


def test_damaged_pixels_are_found_and_counted(told, runs):
    folder = shelve(runs, "cells")
    shelve(runs, "moles")
    assert told("--verify")[0] == 0
    damage(folder)
    code, out, _ = told("--verify")
    assert code == 1
    assert "damaged: 1 of 12 images are not as they were written" in " ".join(row(out, folder.name))
    assert "1 of 2 folders is damaged" in out


def test_a_lost_file_is_damage(told, runs):
    folders = [shelve(runs, "cells"), shelve(runs, "moles"), shelve(runs, "leaves")]
    (folders[0] / "pixels.npy").unlink()
    (folders[1] / "book.npy").unlink()
    (meta,) = folders[2].glob("views/*/meta.json")
    meta.write_text("{")
    code, out, _ = told("--verify")
    assert code == 1
    assert "3 of 3 folders are damaged" in out


# wrong words


def test_wrong_words_are_wrong_usage_and_remove_nothing(told, runs):
    folders = [shelve(runs, "cells"), shelve(runs, "cells", 16)]
    for words, hint in (
        ("--prune cell", "did you mean 'cells'?"),
        ("--prune cells-", "did you mean 'cells'?"),
        ("--older-than soon", "such as 30"),
        ("--older-than -1", "--older-than"),
        ("--all --prune cells", "omit --prune"),
        ("--dry-run", "add --prune NAME"),
        ("--verify --all", "--verify only"),
        ("--purne cells", "did you mean '--prune'?"),
    ):
        code, _, err = told(*words.split())
        assert (code, hint in err) == (2, True), (words, err)
    assert all(folder.is_dir() for folder in folders)
