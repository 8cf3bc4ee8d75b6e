"""Studies whose seeds take turns with folds of the training and validation images."""

from pathlib import Path

import pytest
import yaml

from tests.agent.studies import TINY, Ended, agent, copy_trials, resume, tracking
from tests.tools.datasets.images import photo
from tools.datasets.cache.read import open_cache
from tools.training.config import fold_of_seed
from tools.training.trial_store import TrialStore
from tools.training.views import fold_view

QUICK = (
    f"{TINY} --epochs 1 --seeds 2 --iterations 1 --search.final_seeds 2 --search.top_k 1 --search.baselines [] "
    "--search.backgrounds off --proposer random --modality xray --data.leak_guard exact --study s"
)


def grey_images(root: Path) -> Path:
    for number in range(60):
        place = root / "ab"[number % 2]
        place.mkdir(parents=True, exist_ok=True)
        photo(number).convert("L").save(place / f"{number:02d}.png")
    return root


def run(images: Path, runs: Path, *more: str, moment: str = "none") -> Ended:
    return agent("run", "--data", str(images), *QUICK.split(), "--runs-dir", str(runs), *more, moment=moment)


@pytest.fixture(scope="module")
def images(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return grey_images(tmp_path_factory.mktemp("images"))


@pytest.fixture(scope="module")
def study(images: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Ended]:
    runs = tmp_path_factory.mktemp("runs")
    ended = run(images, runs)
    assert ended.returncode == 0, ended.stdout + ended.stderr
    return runs, ended


def trials(runs: Path) -> list[dict[str, str]]:
    store = tracking(runs)
    found = store.client.search_runs(
        [store.experiment_id], "tags.study = 's' and tags.kind = 'trial'", max_results=1000
    )
    return [item.data.tags for item in found]


def test_every_seed_is_validated_on_its_own_fold_by_all_candidates(study: tuple[Path, Ended]) -> None:
    runs, _ = study
    (view,) = (runs / "cache").glob("*/views/*")
    pool = sum(len(open_cache(view).split(name)) for name in ("train", "validation"))
    found = trials(runs)
    assert {tags["phase"] for tags in found} >= {"reference", "search", "final"}
    searched = {tags["fold"] for tags in found if tags["phase"] == "search"}
    assert searched == {"1 of 6", "2 of 6"}
    for tags in found:
        fold = fold_of_seed(int(tags["seed"]), 6)
        assert tags["fold"] == str(fold)
        predictions = TrialStore(runs / "trials").predictions(tags["trial_key"], "validation")
        assert predictions is not None
        validated = fold_view(view, "validation", fold)
        assert predictions.labels.tolist() == validated.labels.tolist()
        assert len(validated) < pool / 4


def test_the_start_tells_folds_and_grey_and_the_study_remembers(study: tuple[Path, Ended]) -> None:
    runs, ended = study
    told = " ".join(ended.stdout.split())
    assert "folds: seeds take turns with 6 folds of the 52 training and validation images" in told
    assert "grey: the images have no colour, so operations on colour are left out (saturation, hue" in told
    assert tracking(runs).study_tags()["folds"] == "6"
    shown = agent("show", "s", "--runs-dir", str(runs))
    assert "seeds take turns with 6 folds" in " ".join(shown.stdout.split())
    assert "take turns with 6 folds" in (runs / "studies" / "s" / "report.md").read_text()


def test_a_study_that_is_killed_resumes_with_its_folds(
    images: Path, tmp_path: Path, study: tuple[Path, Ended]
) -> None:
    copy_trials(study[0], tmp_path)
    run(images, tmp_path, moment="after:prepare")
    ended = resume(tmp_path)
    assert ended.returncode == 0, ended.stdout + ended.stderr
    keys = [{tags["trial_key"] for tags in trials(runs)} for runs in (study[0], tmp_path)]
    assert keys[0] == keys[1]


def test_a_study_that_began_without_folds_goes_on_without(images: Path, tmp_path: Path) -> None:
    """As an earlier version left it: no setting in its file, no tag in MLflow."""
    run(images, tmp_path, "--data.folds", "off", moment="after:prepare")
    store = tracking(tmp_path)
    store.client.delete_tag(store.study_run, "folds")
    file = tmp_path / "studies" / "s" / "config.yaml"
    settings = yaml.safe_load(file.read_text())
    del settings["data"]["folds"]
    file.write_text(yaml.safe_dump(settings))
    ended = resume(tmp_path)
    assert ended.returncode == 0, ended.stdout + ended.stderr
    assert "folds:" not in ended.stdout
    assert not any("fold" in tags for tags in trials(tmp_path))
