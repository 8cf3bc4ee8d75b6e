"""A study of real photographs with the default chain, killed ten times while it makes images: it ends the same."""

import os
import random
import shutil
import tempfile
import time
from pathlib import Path

import pytest

from tests.agent.studies import TINY, conclusions, environment, outcome, resume, session

COUNTS = {"train": 20, "val": 3, "test": 3}
KILLS = 10
STUDY = (
    f"{TINY} --image-size 64 --proposer tpe --search.backgrounds always --seeds 1 --iterations 2 --search.top_k 1 "
    "--search.choosing_seeds 1 --search.final_seeds 2 --search.baselines []"
)


def some_photographs(source: Path, folder: Path) -> Path:
    """A part of antsbees2: the first of each class in each split."""
    for split, count in COUNTS.items():
        for name in ("ants", "bees"):
            (folder / split / name).mkdir(parents=True)
            for file in sorted((source / split / name).glob("*.jpg"))[:count]:
                shutil.copy(file, folder / split / name)
    return folder


def files_of(runs: Path) -> dict[str, bytes]:
    """Every finished synthetic image and what says how it was made, and all that it was made from."""
    return {
        file.relative_to(runs).as_posix(): file.read_bytes()
        for part in ("sets", "masks", "cutouts", "known", "backgrounds")
        for file in sorted((runs / "aga" / part).rglob("*"))
        if file.is_file() and not file.name.endswith(".lock")
    }


def count_of(runs: Path) -> int:
    """How many files of images there are, those of a set in the making too; folders may go while they are walked."""
    return sum(name.endswith((".png", ".json")) for _, _, names in os.walk(runs / "aga") for name in names)


def killed_at(made: int, runs: Path, data: Path) -> bool:
    """One session, begun or resumed, that SIGKILL ends once so many files of images are there; whether it did."""
    begun = (runs / "studies/s/config.yaml").exists()
    first = ("resume", "s") if begun else ("run", *STUDY.split(), "--data", str(data), "--study", "s")
    with tempfile.TemporaryDirectory() as folder:
        process = session(folder, "none", (*first, "--runs-dir", str(runs)), environment())
        process.start()
        while process.is_alive():
            if count_of(runs) >= made:
                process.kill()
                process.join()
                return True
            time.sleep(0.02)
        assert process.exitcode == 0, (Path(folder) / "stderr").read_text()
        return False


@pytest.mark.slow
@pytest.mark.timeout(1800)
def test_ten_kills_while_images_of_photographs_are_made_change_nothing(
    shared_data: Path, tmp_path: Path
) -> None:
    data = some_photographs(shared_data / "antsbees2", tmp_path / "photos")
    whole, runs = tmp_path / "whole", tmp_path / "killed"
    assert not killed_at(1 << 30, whole, data)
    files = files_of(whole)
    last = sum(Path(name).suffix in (".png", ".json") for name in files)
    moments = sorted(random.Random(11).sample(range(1, last), KILLS))
    kills = sum(killed_at(made, runs, data) for made in moments)
    assert kills == KILLS
    done = resume(runs)
    assert done.returncode == 0, done.stderr
    assert files_of(runs) == files
    assert outcome(runs) == outcome(whole)
    assert conclusions(runs) == conclusions(whole)
