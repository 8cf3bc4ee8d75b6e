"""The command `agent`: what it prints, and how it ends."""

import os
import re
import subprocess
import sys
from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path

import pytest

from agent.cli import COMMANDS, main
from agent.settings.table import sections, settings
from tests.repository import ROOT

Run = Callable[..., tuple[int, str, str]]


@pytest.fixture
def agent(monkeypatch: pytest.MonkeyPatch, capsys) -> Run:
    """Run a command on a screen of 80 columns: (exit code, standard output, standard error)."""
    for name in ("AGENT_RUNS_DIR", "AGENT_CONFIG", "AGENT_DEBUG"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("COLUMNS", "80")

    def run(*words: str, **variables: str) -> tuple[int, str, str]:
        for name, value in variables.items():
            monkeypatch.setenv(name, value)
        code = main(words)
        out, err = capsys.readouterr()
        return code, out, err

    return run


def test_help_lists_every_command(agent: Run) -> None:
    code, out, _ = agent("--help")
    assert code == 0
    assert max(map(len, out.splitlines())) <= 80
    for command in COMMANDS:
        assert re.search(rf"^  {command} +\w", out, re.MULTILINE)


def test_without_a_command_help_is_printed_and_the_usage_is_wrong(agent: Run) -> None:
    code, out, _ = agent()
    assert code == 2
    assert "usage: agent COMMAND" in out


@pytest.mark.parametrize(
    "words",
    ["--version", "--help", "completion", "datasets --json", "list", "list --json", "show nothing --json"],
)
def test_a_reader_that_has_seen_enough_ends_it_quietly(words: str, tmp_path: Path) -> None:
    reading, writing = os.pipe()
    os.close(reading)
    command = [sys.executable, "-m", "agent", *words.split()]
    if words.startswith(("list", "show")):
        command += ["--runs-dir", str(tmp_path)]
    done = subprocess.run(command, stdout=writing, stderr=subprocess.PIPE, text=True, cwd=ROOT)
    os.close(writing)
    assert done.returncode in (0, 1), "help is printed by argparse, which does not mind"
    assert "Broken" not in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="this system has no device that is always full")
@pytest.mark.parametrize("words", ["datasets", "datasets --json", "completion"])
def test_a_full_disk_below_what_is_printed_is_named(words: str) -> None:
    with open("/dev/full", "w") as full:
        command = [sys.executable, "-m", "agent", *words.split()]
        done = subprocess.run(command, stdout=full, stderr=subprocess.PIPE, text=True, cwd=ROOT)
    assert done.returncode == 1
    assert re.search("error: .*No space left on device", done.stderr)
    assert "Traceback" not in done.stderr


def test_version(agent: Run) -> None:
    assert agent("--version") == (0, f"augur {version('augur-vision')}\n", "")


@pytest.mark.parametrize("command", [*COMMANDS, "datasets show", "datasets get", "datasets check"])
def test_every_command_has_help_within_eighty_columns(agent: Run, command: str) -> None:
    code, out, _ = agent(*command.split(), "--help")
    assert code == 0
    assert f"usage: agent {command}" in out
    assert "--quiet" in out
    assert "--debug" in out
    assert max(map(len, out.splitlines())) <= 80


def test_help_of_run_fits_two_screens_and_shows_what_is_usually_set(agent: Run) -> None:
    code, text, _ = agent("run", "--help", COLUMNS="100")
    assert code == 0
    assert len(text.splitlines()) <= 100
    for flag in ("--data ", "--llm ", "--dry-run", "--json", "--budget.wall_clock TIME", "--help-all"):
        assert flag in text
    assert "--llm.requests_per_minute" not in text
    assert text.count("--epochs N") == 1


def test_the_whole_help_of_run_shows_the_short_flags_first_and_then_every_group(agent: Run) -> None:
    _, text, _ = agent("run", "--help-all")
    places = [text.index(f"\n{section}:\n") for section in sections()]
    assert text.index("--dataset") < text.index("--epochs") < places[0]
    assert places == sorted(places)
    for key in settings():
        if "." in key:
            assert f"--{key} " in text


def test_help_of_run_tells_ranges_choices_and_defaults(agent: Run) -> None:
    text = " ".join(agent("run", "--help", COLUMNS="120")[1].split())
    assert "trials of each proposal, one per seed (1 to 100; default: 3)" in text
    assert "--proposer {auto,llm,best_of_n,hybrid,online,random,nearby,tpe,fixed}" in text


def test_an_unknown_command_names_the_nearest(agent: Run) -> None:
    assert agent("rnu") == (2, "", "error: unknown command 'rnu': did you mean 'run'?\n")


def test_a_bad_value_is_one_message_without_a_traceback(agent: Run) -> None:
    code, out, err = agent("run", "--epochs", "0")
    assert (code, out) == (2, "")
    assert err == (
        "error: training.epochs = '0' (flag --epochs): must be a whole number, 1 to 10,000; or auto; or none\n"
    )


def test_debug_adds_the_traceback_by_flag_and_by_variable(agent: Run) -> None:
    for done in (agent("run", "--epochs", "0", "--debug"), agent("run", "--epochs", "0", AGENT_DEBUG="1")):
        assert done[0] == 2
        assert "Traceback" in done[2]


def test_an_unknown_variable_ends_a_run_before_it_begins(agent: Run) -> None:
    code, _, err = agent("run", AGENT_SEARCH__ITERATION="4")
    assert code == 2
    assert "AGENT_SEARCH__ITERATIONS" in err


def test_resume_looks_in_the_usual_runs_folder_where_none_is_named(
    agent: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    code, _, err = agent("resume", "digits")
    assert (code, f"There is no study 'digits' in {tmp_path / 'runs/studies'}" in err) == (2, True)
    code, _, err = agent("resume", "digits", AGENT_RUNS_DIR=str(tmp_path / "elsewhere"))
    assert (code, f"in {tmp_path / 'elsewhere/studies'}" in err) == (2, True)


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("run", "--data", ""), "data.path is empty (flag --data): give a path"),
        (("run", "--dataset", "demo", "--runs-dir", ""), "runs_dir is empty (flag --runs-dir): give a path"),
        (("resume", "study", "--data", ""), "data.path is empty (flag --data): give a path"),
        (("datasets", "check", "--data", ""), "data.path is empty (flag --data): give a path"),
        (("list", "--runs-dir", ""), "--runs-dir: it is empty: give a path"),
        (("evaluate", "study", "--folder", ""), "--folder: it is empty: give a path"),
        (("fit", "study", "--out", ""), "--out: it is empty: give a path"),
        (("predict", "", "photo.jpg"), "FOLDER: it is empty: give a path"),
        (("run", "--dataset", "", "--dry-run"), "there is no data set ''"),
        (("run", "--study", "a/b"), "must be up to 80 letters, digits, dots, dashes and underscores"),
        (("run", "--fold", "abc"), "must be a fold and how many there are, such as 1/5"),
        (("run", "--augmentations", "2-"), "must be a number or a range, such as 2 or 2-3"),
        (("run", "--llm-base-url", "ftp://x"), "must be an address that begins with http:// or https://"),
        (("run", "--llm", "gpt"), "must be 'provider:model', such as openai:gpt-5-mini"),
        (("explain", "study", "--minutes", "1"), "--minutes 1: 2 or more"),
    ],
)
def test_a_value_of_the_wrong_form_is_refused_with_the_form_that_is_right(
    agent: Run, words: tuple[str, ...], said: str
) -> None:
    code, _, err = agent(*words)
    assert (code, said in " ".join(err.split())) == (2, True), err


def test_an_empty_path_in_a_file_is_refused_with_its_place(agent: Run, tmp_path: Path) -> None:
    (tmp_path / "study.yaml").write_text("study: s\ndata:\n  path: ''\n")
    code, _, err = agent("run", "--config", str(tmp_path / "study.yaml"), "--dry-run")
    assert (code, "data.path is empty" in err, "study.yaml" in err) == (2, True, True)


@pytest.mark.parametrize("words", [("resume",), ("show",), ("list", "--prot", "1"), ("ui", "--port", "x")])
def test_wrong_words_for_a_command_are_wrong_usage(agent: Run, words: tuple[str, ...]) -> None:
    code, _, err = agent(*words)
    assert code == 2
    assert err.startswith("error: ")
    assert "Traceback" not in err


def test_the_folder_of_runs_is_taken_from_the_flag_and_from_the_variable(agent: Run, tmp_path: Path) -> None:
    code, _, err = agent("ui", AGENT_RUNS_DIR=str(tmp_path / "a"))
    assert code == 1
    assert str(tmp_path / "a") in err
    assert str(tmp_path / "b") in agent("ui", "--runs-dir", str(tmp_path / "b"))[2]


def test_resuming_an_unknown_study_names_the_nearest(agent: Run, tmp_path: Path) -> None:
    folder = tmp_path / "studies" / "digits-resnet18"
    folder.mkdir(parents=True)
    (folder / "config.yaml").write_text("study: digits-resnet18\n", encoding="utf-8")
    code, _, err = agent("resume", "digit-resnet18", "--runs-dir", str(tmp_path))
    assert code == 2
    assert "digits-resnet18" in err


def test_as_a_process_it_works_on_a_screen_without_the_characters() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "agent", "run", "--help"],
        cwd=ROOT,
        env={"PYTHONIOENCODING": "ascii"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0
    assert "--dataset" in done.stdout
