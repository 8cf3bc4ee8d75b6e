"""The command `agent` as a process: what it prints, how it ends, what it imports."""

import os
import re
import subprocess
import sys
from importlib.metadata import version
from pathlib import Path

import pytest

from agent.settings.table import sections, settings
from tests.repository import ROOT


def agent(*words: str, **variables: str) -> subprocess.CompletedProcess[str]:
    environ = {name: value for name, value in os.environ.items() if not name.startswith("AGENT_")}
    return subprocess.run(
        [sys.executable, "-m", "agent", *words],
        cwd=ROOT,
        env={**environ, "COLUMNS": "80", **variables},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


def test_help_lists_every_command_and_ends_well() -> None:
    done = agent("--help")
    assert done.returncode == 0
    assert max(map(len, done.stdout.splitlines())) <= 80
    for command in ("run", "resume", "datasets", "cache", "list", "show", "ui", "doctor"):
        assert re.search(rf"^  {command} +\w", done.stdout, re.MULTILINE)


def test_without_a_command_help_is_printed_and_the_usage_is_wrong() -> None:
    done = agent()
    assert done.returncode == 2
    assert "usage: agent COMMAND" in done.stdout


def test_version() -> None:
    done = agent("--version")
    assert (done.returncode, done.stdout) == (0, f"augur {version('augur')}\n")


@pytest.mark.parametrize(
    "command",
    ["run", "resume", "datasets", "datasets get", "datasets check", "cache", "list", "show", "ui", "doctor"],
)
def test_every_command_has_help_within_eighty_columns(command: str) -> None:
    done = agent(*command.split(), "--help")
    assert done.returncode == 0
    assert f"usage: agent {command}" in done.stdout
    assert "--quiet" in done.stdout
    assert max(map(len, done.stdout.splitlines())) <= 80


def test_help_of_run_shows_the_short_flags_first_and_then_every_group() -> None:
    text = agent("run", "--help").stdout
    places = [text.index(f"\n{section}:\n") for section in sections()]
    assert text.index("--dataset") < text.index("--epochs") < places[0]
    assert places == sorted(places)
    for key in settings():
        if "." in key:
            assert f"--{key} " in text


def test_help_of_run_tells_ranges_choices_and_defaults() -> None:
    text = " ".join(agent("run", "--help", COLUMNS="120").stdout.split())
    assert "trials of each proposal (1 to 100; default: 3)" in text
    assert "--proposer {auto,llm,best_of_n,random,tpe,fixed}" in text


def test_an_unknown_command_names_the_nearest() -> None:
    done = agent("rnu")
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr == "error: unknown command 'rnu': did you mean run?\n"


def test_a_bad_value_is_one_message_without_a_traceback() -> None:
    done = agent("run", "--epochs", "0")
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr == (
        "error: training.epochs = '0' (flag --epochs): must be a whole number, 1 to 10,000; or none\n"
    )


@pytest.mark.parametrize("how", ["flag", "variable"])
def test_debug_adds_the_traceback(how: str) -> None:
    words = ["run", "--epochs", "0"]
    done = agent(*words, "--debug") if how == "flag" else agent(*words, AGENT_DEBUG="1")
    assert done.returncode == 2
    assert "Traceback" in done.stderr


def test_an_unknown_variable_ends_a_run_before_it_begins() -> None:
    done = agent("run", AGENT_SEARCH__ITERATION="4")
    assert done.returncode == 2
    assert "AGENT_SEARCH__ITERATIONS" in done.stderr


@pytest.mark.parametrize("words", [("resume",), ("show",), ("list", "--prot", "1"), ("ui", "--port", "x")])
def test_wrong_words_for_a_command_are_wrong_usage(words: tuple[str, ...]) -> None:
    done = agent(*words)
    assert done.returncode == 2
    assert done.stderr.startswith("error: ")
    assert "Traceback" not in done.stderr


def test_the_folder_of_runs_is_taken_from_the_flag_and_from_the_variable(tmp_path: Path) -> None:
    by_variable = agent("ui", AGENT_RUNS_DIR=str(tmp_path / "a"))
    assert by_variable.returncode == 1
    assert f"no studies in {tmp_path / 'a'}" in by_variable.stderr
    assert by_variable.stderr.count("\n") == 1
    by_flag = agent("ui", "--runs-dir", str(tmp_path / "b"), AGENT_RUNS_DIR=str(tmp_path / "a"))
    assert f"no studies in {tmp_path / 'b'}" in by_flag.stderr


def test_resuming_an_unknown_study_names_the_nearest(tmp_path: Path) -> None:
    folder = tmp_path / "studies" / "digits-resnet18"
    folder.mkdir(parents=True)
    (folder / "config.yaml").write_text("study: digits-resnet18\n", encoding="utf-8")
    done = agent("resume", "digit-resnet18", "--runs-dir", str(tmp_path))
    assert done.returncode == 2
    assert "digits-resnet18" in done.stderr


def test_a_screen_without_the_characters_does_not_end_a_command() -> None:
    done = agent("run", "--help", PYTHONIOENCODING="ascii")
    assert done.returncode == 0


HEAVY = ("torch", "torchvision", "mlflow", "langchain", "langgraph", "optuna", "cv2", "pandas", "sklearn")


@pytest.mark.parametrize(
    "code",
    [
        "import agent.cli; agent.cli.main(['--help'])",
        "import agent.cli; agent.cli.main(['run', '--help'])",
        "import agent.cli; agent.cli.main(['datasets', 'check', '--help'])",
        "import agent.cli; agent.cli.main(['datasets'])",
        "import agent.cli; agent.cli.main(['cache', '--runs-dir', 'no/runs'])",
        "import agent.settings.sources; agent.settings.sources.load_config(['--epochs', '3'], {})",
        "import agent.screen.terminal, agent.screen.exits, agent.commands.doctor, agent.commands.ui, agent.screen.live",
        "import agent.cli; agent.cli.main(['run', '--epochs', '0'])",
    ],
)
def test_nothing_heavy_is_imported_before_it_is_needed(code: str) -> None:
    check = f"import sys; print([name for name in {HEAVY} if name in sys.modules])"
    done = subprocess.run(
        [sys.executable, "-c", f"{code}\n{check}"], cwd=ROOT, capture_output=True, text=True, check=True
    )
    assert done.stdout.splitlines()[-1] == "[]"
