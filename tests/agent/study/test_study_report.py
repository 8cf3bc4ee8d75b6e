"""`agent report` and `agent watch`, and what a reviewer sees of a study in MLflow."""

import json
import shutil
from urllib.parse import parse_qs, urlsplit

import pytest

from agent.memory.views import PREFIX, view_address, view_key
from tests.agent.studies import MODEL, agent, copy_trials, run, tracking


@pytest.fixture(scope="module")
def reported(finished, tmp_path_factory):
    """A copy of the finished study, which may be changed."""
    runs = tmp_path_factory.mktemp("reported") / "runs"
    shutil.copytree(finished, runs)
    return runs


def page_of(runs):
    return (runs / "studies/s/report.html").read_text(encoding="utf-8")


def test_a_study_ends_with_a_page_whose_first_words_are_its_result(finished):
    study, page = tracking(finished), page_of(finished)
    words = page[page.index('class="answer"') :]
    assert study.study_tags()["sentence"][:60] in words[:200]
    for name in ("no augmentation", "trivial_augment_wide", "iteration 1", "iteration 2"):
        assert name in words
    logged = {item.path for item in study.client.list_artifacts(study.study_run)}
    assert {"report.html", "report.json", "report.md", "search.png", "plots"} <= logged
    plots = {item.path for item in study.client.list_artifacts(study.study_run, "plots")}
    assert {"plots/gains.png", "plots/confusion-1.png"} <= plots


def test_the_page_of_a_finished_study_is_written_again_without_the_test_set(finished, reported):
    before, folder = page_of(reported), reported / "studies/s"
    for name in ("report.html", "report.md", "report.json"):
        (folder / name).unlink()
    shutil.rmtree(reported / "cache")  # with the images of all splits
    done = agent("report", "s", "--runs-dir", str(reported))
    assert done.returncode == 0, done.stderr
    assert "report.html" in done.stdout
    # The command that explains it names the folder where it lies now.
    assert page_of(reported).replace(str(reported), str(finished)) == before
    assert (folder / "report.md").exists()
    assert "Report: " in agent("show", "s", "--runs-dir", str(reported)).stdout


def test_a_study_that_an_earlier_version_finished_is_shown_as_it_was_recorded(reported):
    folder, store = reported / "studies/s", tracking(reported)
    store.client.set_tag(store.study_run, "sentence", "Use <this>.")
    (folder / "report.json").unlink(missing_ok=True)
    for file in (reported / "artifacts").rglob("report.json"):
        file.unlink()
    done = agent("report", "s", "--runs-dir", str(reported))
    assert done.returncode == 0, done.stderr
    page = page_of(reported)
    assert "Use &lt;this&gt;." in page
    assert "Final comparison, as recorded" in page
    assert "gain over seeds and images (points)" in page


def test_a_study_that_was_killed_has_a_page_that_says_so_and_how_to_resume_it(finished, runs):
    copy_trials(finished, runs)
    assert run(runs, "--proposer", "tpe", moment="before:finalise").returncode != 0
    nobody = agent("watch", "--runs-dir", str(runs))
    assert nobody.returncode == 2
    assert "No study is running" in nobody.stderr
    done = agent("report", "s", "--runs-dir", str(runs))
    assert done.returncode == 0, done.stderr
    page = page_of(runs)
    assert "not finished" in page
    assert "agent resume s --runs-dir" in page
    assert "iteration 2" in page
    assert "The choice and the test come at the end" in " ".join(page.split())
    assert not (runs / "studies/s/report.json").exists()
    assert "agent resume s" in agent("show", "s", "--runs-dir", str(runs)).stdout  # and not: see the report


def test_runs_are_named_by_what_was_tried_and_carry_it_as_parameters(finished):
    store = tracking(finished)
    where = "tags.study = 's' and tags.kind = 'iteration' and tags.phase = 'search'"
    iterations = store.client.search_runs([store.experiment_id], where)
    assert len(iterations) == 2
    for each in iterations:
        data = each.data
        names = [data.params[f"op{n}"] for n in range(1, 4) if f"op{n}" in data.params]
        assert data.params["operations"] == " + ".join(names)
        assert str(each.info.run_name).startswith(f"it {data.tags['iteration']} · {names[0]}")
        gain = 100 * data.metrics["gain_over_reference"]
        assert f"{abs(gain):.1f}" in str(each.info.run_name).rpartition(" · ")[2]
        assert 0 <= float(data.params["op1.p"]) <= 1
        assert data.params["model"] == MODEL
        assert data.params["epochs"] == "2"
        assert data.tags["verdict"]
    trials = store.client.search_runs([store.experiment_id], "tags.kind = 'trial' and tags.phase = 'search'")
    assert {each.info.run_name for each in trials} == {f"it {n} · seed {s}" for n in (1, 2) for s in (0, 1)}
    assert all("op1" in each.data.params for each in trials)


def test_the_studys_own_run_has_the_series_of_its_iterations_and_its_data_set(finished):
    store = tracking(finished)
    study = store.client.get_run(store.study_run)
    series = store.client.get_metric_history(store.study_run, "iteration_validation_accuracy")
    assert [point.step for point in series] == [1, 2]
    assert {"reference_validation_accuracy", "baseline_trivial_augment_wide_validation_accuracy"} <= set(
        study.data.metrics
    )
    assert study.inputs is not None
    (data,) = study.inputs.dataset_inputs
    assert data.dataset.name == "demo"
    assert json.loads(data.dataset.profile or "") == {"train": 100, "validation": 200, "test": 1000}


def test_the_address_of_a_study_opens_its_candidates_by_gain(finished):
    store = tracking(finished)
    page = view_address("http://127.0.0.1:5000/", store.experiment_id, store.study_run)
    key = parse_qs(urlsplit(page.replace("#", "")).query)["viewStateShareKey"][0]
    assert key == view_key(store.study_run)
    tags = store.client.get_experiment(store.experiment_id).tags
    state = json.loads(tags[PREFIX + key])
    assert state["orderByKey"] == "metrics.`gain_over_reference`"  # the default policy was not trained
    assert state["orderByAsc"] is False
    shown = store.client.search_runs([store.experiment_id], state["searchFilter"])
    assert {each.data.tags["candidate"] for each in shown} == {
        "no augmentation",
        "trivial_augment_wide",
        "iteration 1",
        "iteration 2",
    }
    known = shown[0].data
    for column in state["selectedColumns"]:
        kind, _, name = column.replace("`", "").partition(".")
        assert any(name in getattr(each.data, kind) for each in shown), column
    assert known.params["operations"]
