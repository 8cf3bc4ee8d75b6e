"""`agent paper` as a user runs it: cell by cell, killed and resumed, with data or without."""

import json
import shutil
from pathlib import Path

import pytest

from agent.cli import main
from tests.agent.studies import Ended, agent, environment
from tests.loopback.autopilot import autopilot
from tests.loopback.clients import FAKE_KEY, KEY_VARIABLES
from tests.loopback.server import LoopbackServer

SMALL = "--scale small --execution.workers 1 --execution.threads 1 --data.decode_workers 1"
TWO = "resnet18/none,resnet18/trivial-augment"


def paper(runs: Path, name: str, cells: str, *more: str, **how) -> Ended:
    return agent("paper", name, *SMALL.split(), "--cells", cells, "--runs-dir", str(runs), *more, **how)


@pytest.fixture(scope="module")
def resumed(once, empty_store) -> Path:
    """Two cells: killed in the training of the second, and then run to the end."""

    def make(folder: Path) -> None:
        shutil.copy(empty_store, folder)
        killed = paper(folder, "apg-aptos", TWO, moment="epoch:2")
        assert killed.returncode == -9, killed.stderr + killed.stdout
        done = paper(folder, "apg-aptos", TWO, "--json")
        assert done.returncode == 0, done.stderr + done.stdout
        (folder / "stdout.json").write_text(done.stdout)
        (folder / "stderr").write_text(done.stderr)

    return once("paper", make)


def test_after_a_kill_the_same_command_trains_only_what_is_left(resumed):
    told = (resumed / "stderr").read_text()
    assert "1 cell finished before, read back" in told
    assert "cell 1 of 1: resnet18/trivial-augment" in told
    results = [json.loads(file.read_text()) for file in resumed.glob("trials/*/result.json")]
    assert len(results) == 2


def test_the_numbers_stand_beside_the_printed_ones_marked_as_a_smoke_run(resumed):
    document = json.loads((resumed / "stdout.json").read_text())
    kept = json.loads((resumed / "papers/apg-aptos-smoke/table.json").read_text())
    assert {key: document[key] for key in kept} == kept
    assert document["smoke_run"]
    run = {each["arm"]: each for each in document["table"] if each["ours"] is not None}
    assert {arm: each["printed"] for arm, each in run.items()} == {"none": 0.8388, "trivial-augment": 0.8497}
    cells = {each["cell"]: each for each in document["cells"] if each["finished"]}
    assert set(cells) == set(TWO.split(","))
    for cell in cells.values():
        entry = resumed / "studies" / cell["study"] / "report.csv"
        assert list(cell["scores"]["validation"]) == ["0"]
        assert f",{cell['scores']['validation']['0']}" in entry.read_text()
    assert "SMOKE RUN" in (resumed / "papers/apg-aptos-smoke/table.md").read_text()


def test_finished_cells_are_read_back_and_nothing_is_opened(resumed, tmp_path):
    shutil.copytree(resumed, tmp_path / "r")
    shutil.rmtree(tmp_path / "r" / "trials")
    (tmp_path / "r" / "mlflow.db").unlink()
    done = paper(tmp_path / "r", "apg-aptos", TWO)
    assert done.returncode == 0, done.stderr + done.stdout
    assert "2 cells finished before, read back" in done.stdout
    assert not (tmp_path / "r" / "trials").exists()
    assert "No Augmentation" in done.stdout


def test_data_that_are_missing_are_named_with_what_helps_for_each(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    assert main(["paper", "aga-imagenet10", "--cells", "resnet18"]) == 1
    told = capsys.readouterr().err
    for name in ("imagenet10", "imagenet-v2", "imagenet-sketch"):
        assert f"was not found in {tmp_path / 'data' / name}" in told
    assert told.count("To get it:") == 3
    assert "kaggle competitions download" in told
    assert not (tmp_path / "runs").exists()


def test_without_a_key_the_rows_of_a_language_model_stay_blank_with_the_reason(tmp_path):
    done = paper(tmp_path, "apg-aptos", "llm-2-*", "--json", env=environment())
    assert done.returncode == 1
    document = json.loads(done.stdout)
    why = {each["cell"]: each["why_not"] for each in document["cells"] if each["why_not"]}
    assert len(why) == 4
    assert "OPENAI_API_KEY" in why["resnet18/llm-2-chatgpt"]
    assert "GOOGLE_API_KEY" in why["mobilenet-v2/llm-2-gemini"]
    assert not (tmp_path / "trials").exists()


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (("apg-apots",), "did you mean 'apg-aptos'"),
        ((), "name a protocol"),
        (("apg-aptos", "--model.name", "resnet50"), "run some of them with --cells"),
        (("apg-aptos", "--budget.trials", "3"), "a cell is finished or it is not"),
        (("apg-aptos", "--llm", "gpt-5"), "write provider:model"),
        (("apg-aptos", "--cells", "vgg*"), "fits no cell of apg-aptos"),
        (("apg-aptos", "--scale", "small", "--data", "x"), "makes its own images"),
    ],
)
def test_what_cannot_be_meant_is_refused_with_what_helps(tmp_path, monkeypatch, capsys, words, told):
    monkeypatch.chdir(tmp_path)
    assert main(["paper", *words]) == 2
    assert told in " ".join(capsys.readouterr().err.split())


def test_the_protocols_are_listed(capsys):
    assert main(["paper", "--list", "--json"]) == 0
    listed = {each["protocol"]: each for each in json.loads(capsys.readouterr().out)["protocols"]}
    assert listed["apg-aptos"]["cells"] == 18
    assert listed["aga-imagenet10"]["data"] == ["imagenet10", "imagenet-v2", "imagenet-sketch"]


def test_the_plan_counts_trainings_and_says_how_long_without_any_data(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    words = [
        "paper",
        "apg-aptos",
        "--plan",
        "--json",
        "--cells",
        "resnet18/none,resnet18/llm-3-gemini",
        "--data.image_size",
        "32",
    ]
    assert main([*words, "--model.stem", "imagenet", "--execution.workers", "1"]) == 0
    plan = json.loads(capsys.readouterr().out)
    trainings = {each["cell"]: each["trainings"] for each in plan["cells"]}
    # 3 seeds; no augmentation, 10 iterations, and the test of both under 3 fresh seeds and of the best's parts
    assert trainings == {"resnet18/none": 3, "resnet18/llm-3-gemini": 3 + 30 + 6 + 6}
    assert plan["llm_calls"] == 10
    assert plan["missing"] == ["aptos"]
    none, llm = (each["seconds"] for each in plan["cells"])
    assert llm == pytest.approx(none * 45 / 3)
    assert not (tmp_path / "runs" / "trials").exists()


@pytest.mark.slow
def test_a_row_of_a_language_model_is_a_study_and_shows_its_best_proposal(tmp_path):
    with LoopbackServer(brain=autopilot) as server:
        llm = ("--llm", "openai:loopback", "--llm-base-url", server.openai_url)
        keys = dict.fromkeys(KEY_VARIABLES, FAKE_KEY)
        cell = "resnet18/llm-2-chatgpt"
        killed = paper(tmp_path, "apg-aptos", cell, *llm, env=environment(**keys), moment="before:train")
        assert killed.returncode == -9
        done = paper(tmp_path, "apg-aptos", cell, *llm, "--json", env=environment(**keys))
    assert done.returncode == 0, done.stderr + done.stdout
    document = json.loads(done.stdout)
    (found,) = [each for each in document["cells"] if each["finished"]]
    assert (found["cell"], found["iteration"]) == (cell, 1)
    assert any("llm.model = openai:loopback" in each for each in document["changed"])
    assert (tmp_path / "studies" / found["study"] / "report.md").exists()


@pytest.mark.slow
def test_a_row_with_backgrounds_is_scored_on_all_test_sets(tmp_path):
    done = paper(tmp_path, "aga-imagenet10", "resnet18", "--json")
    assert done.returncode == 0, done.stderr + done.stdout
    document = json.loads(done.stdout)
    run = {(each["on"], each["arm"]) for each in document["table"] if each["ours"] is not None}
    places = ("test", "imagenet-v2", "imagenet-sketch")
    assert run == {(on, arm) for on in places for arm in ("none", "aga", "aga over none")}
    aga = next(each for each in document["cells"] if each["cell"] == "resnet18/aga")
    assert "backgrounds(" in aga["policy"]
