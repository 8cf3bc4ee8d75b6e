"""`agent explain` on a finished study, and the explanation in the finish."""

import shutil

import pytest
from PIL import Image

from agent.memory.candidate import REFERENCE
from evaluators.explanation import FILE, FOLDER, read_explanation
from tests.agent.studies import SMALL, agent, copy_trials, run, tracking

QUICK = ("gradcam", "corruptions", "attribution", "features")
"""The frozen network alone takes minutes for the 1,300 images; tests/evaluators/test_frozen.py has it."""


@pytest.fixture(scope="module")
def explained(finished, tmp_path_factory):
    """(runs folder, how the command ended): on few images, without what takes a minute."""
    runs = tmp_path_factory.mktemp("explained") / "runs"
    shutil.copytree(finished, runs)
    few = ("--images", "2", "--methods", "gradcam", "--least-score", "0", "--sections", ",".join(QUICK))
    return runs, agent("explain", "s", *few, "--runs-dir", str(runs))


@pytest.mark.slow
def test_what_was_asked_for_is_computed_and_shown(explained):
    runs, done = explained
    assert done.returncode == 0, done.stderr + done.stdout
    found = read_explanation(runs / "studies" / "s")
    assert found is not None
    assert (found.study, found.reference) == ("s", REFERENCE)
    assert found.winner != REFERENCE
    assert found.attribution
    assert found.features
    assert (found.frozen, found.backgrounds) == (None, None)
    assert found.corruptions is not None
    assert found.corruptions.seeds == 3
    assert {each.name for each in found.calibration} == {REFERENCE, found.winner}
    assert sum(map(sum, found.confusion[REFERENCE])) == 3 * found.test_images
    for shown in ("takes about", "calibration", "Mean corruption error", "Grad-CAM, AIC"):
        assert shown in done.stdout, done.stdout


@pytest.mark.slow
def test_pictures_are_listed_written_and_logged(explained):
    runs, _ = explained
    folder = runs / "studies" / "s" / FOLDER
    found = read_explanation(runs / "studies" / "s")
    assert found is not None
    assert {each.file for each in found.pictures} == {file.name for file in folder.glob("*.png")}
    assert {"reliability.png", "confusion.png", "learning_curves.png", "features.png"} <= {
        each.file for each in found.pictures
    }
    for each in found.pictures:
        assert each.title
        assert each.alt
        with Image.open(folder / each.file) as picture:
            assert min(picture.size) > 100
    store = tracking(runs)
    logged = {file.path for file in store.client.list_artifacts(store.study_run, FOLDER)}
    assert logged == {f"{FOLDER}/{file.name}" for file in folder.iterdir()}
    assert f"{FOLDER}/{FILE}" in logged


@pytest.mark.slow
def test_the_study_is_shown_as_finished_afterwards(explained):
    runs, _ = explained
    store = tracking(runs)
    assert store.client.get_run(store.study_run).info.status == "FINISHED"


def test_what_cannot_be_explained_is_refused(finished):
    for words, why in (
        (("explain", "nowhere"), "is neither a study"),
        (("explain", "s", "--methods", "lime"), "choose from ig, gradcam, xrai"),
        (("explain", "s", "--sections", "corruption"), "did you mean"),
        (("explain", "s", "--images", "0"), "at least 1"),
    ):
        done = agent(*words, "--runs-dir", str(finished))
        assert done.returncode == 2
        assert why in done.stderr


def test_a_study_that_has_not_finished_stays_sealed(finished, tmp_path):
    runs = tmp_path / "runs"
    shutil.copytree(finished, runs)
    store = tracking(runs)
    store.client.set_terminated(store.study_run, "KILLED")
    done = agent("explain", "s", "--runs-dir", str(runs))
    assert done.returncode == 2
    assert "sealed" in done.stderr
    assert not (runs / "studies" / "s" / FOLDER).exists()


def test_the_finish_describes_what_is_stored_without_taking_long(runs, finished):
    copy_trials(finished, runs)
    done = run(runs, "--proposer", "tpe", "--report.explain", "auto", size=SMALL)
    assert done.returncode == 0, done.stderr + done.stdout
    found = read_explanation(runs / "studies" / "s")
    assert found is not None
    assert found.calibration
    assert found.attribution is None
    assert any("agent explain s" in note for note in found.notes)
