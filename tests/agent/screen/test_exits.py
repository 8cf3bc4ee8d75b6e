"""How a command ends when it is interrupted (in its own process, with real signals), fails, or breaks."""

import signal
import subprocess
import sys
import textwrap
from collections.abc import Callable

import pytest

from agent.screen.exits import run_to_exit_code
from agent.screen.terminal import Terminal
from tests.repository import ROOT
from tools.errors import AugurError, ConfigurationError

PREAMBLE = """
import signal, sys
from agent.screen.exits import run_to_exit_code
from agent.screen.terminal import Terminal

def say(text):
    print(text, flush=True)

terminal = Terminal()
"""


def start(action: str, arguments: str = "resume=' --runs-dir here'") -> subprocess.Popen[str]:
    code = (
        PREAMBLE + textwrap.dedent(action) + f"\nsys.exit(run_to_exit_code(action, terminal, {arguments}))\n"
    )
    pipe = subprocess.PIPE
    return subprocess.Popen(
        [sys.executable, "-c", code], cwd=ROOT, stdin=pipe, stdout=pipe, stderr=pipe, text=True
    )


def finish(process: subprocess.Popen[str]) -> tuple[int, str, str]:
    output, errors = process.communicate(timeout=60)
    return process.returncode, output, errors


WAITS = """
    def action():
        terminal.opening("digits", [("arm", "tpe")])
        try:
            say("ready")
            while True:
                signal.pause()
        finally:
            say("closed in order")
"""


def wait_for(process: subprocess.Popen[str], word: str) -> None:
    assert process.stdout is not None
    for line in process.stdout:
        if word in line:
            return
    raise AssertionError(
        f"it ended before it said {word!r}: {process.stderr.read() if process.stderr else ''}"
    )


@pytest.mark.parametrize(
    ("number", "code", "word"),
    [(signal.SIGINT, 130, "Interrupted"), (signal.SIGTERM, 143, "Terminated")],
    ids=["Ctrl-C", "SIGTERM"],
)
def test_a_signal_closes_everything_and_says_how_to_resume(number: int, code: int, word: str) -> None:
    process = start(WAITS)
    wait_for(process, "ready")
    process.send_signal(number)
    status, output, errors = finish(process)
    assert status == code
    assert "closed in order" in output
    assert errors == f"{word}. Resume with: agent resume digits --runs-dir here\n"


def test_commands_that_open_no_study_offer_no_resuming() -> None:
    process = start(WAITS, "resume=None")
    wait_for(process, "ready")
    process.send_signal(signal.SIGTERM)
    assert finish(process)[2] == "Terminated.\n"


def test_a_second_sigterm_does_not_cut_the_closing_short() -> None:
    process = start(
        """
        def action():
            try:
                say("ready")
                signal.pause()
            finally:
                say("closing")
                sys.stdin.readline()
                say("closed in order")
        """
    )
    wait_for(process, "ready")
    process.send_signal(signal.SIGTERM)
    wait_for(process, "closing")
    process.send_signal(signal.SIGTERM)
    assert process.stdin is not None
    process.stdin.write("continue\n")
    process.stdin.flush()
    status, output, _ = finish(process)
    assert status == 143
    assert "closed in order" in output


def ends(action: Callable[[Terminal], int], capsys) -> tuple[int, str, str]:
    """Exit code, standard output and standard error of a command that opens the study 'digits'."""
    terminal = Terminal(quiet=True)
    terminal.opening("digits", [("arm", "tpe")])
    code = run_to_exit_code(lambda: action(terminal), terminal, resume="")
    return code, *capsys.readouterr()


def test_an_error_for_the_user_is_one_message(capsys) -> None:
    def fail(error: type[AugurError]) -> Callable[[Terminal], int]:
        def action(terminal: Terminal) -> int:
            raise error("the disk is full: make room")

        return action

    assert ends(fail(AugurError), capsys) == (1, "", "error: the disk is full: make room\n")
    assert ends(fail(ConfigurationError), capsys)[0] == 2


def test_a_resumable_error_says_how_to_resume(capsys) -> None:
    class Unreachable(AugurError):
        resumable = True

    def action(terminal: Terminal) -> int:
        raise Unreachable("the LLM does not answer.")

    code, _, errors = ends(action, capsys)
    assert code == 1
    assert errors.endswith("agent resume digits\n")


def test_a_fault_of_augur_shows_where_it_happened_and_how_to_resume(capsys) -> None:
    def action(terminal: Terminal) -> int:
        raise KeyError("broken")

    status, _, errors = ends(action, capsys)
    assert status == 1
    assert "KeyError: 'broken'" in errors
    assert "agent resume digits" in errors.splitlines()[-1]


def test_a_command_decides_its_own_code(capsys) -> None:
    assert [ends(lambda terminal, code=code: code, capsys)[0] for code in (0, 1)] == [0, 1]


def test_sigterm_does_afterwards_what_it_did_before(capsys) -> None:
    before = signal.getsignal(signal.SIGTERM)
    ends(lambda terminal: 0, capsys)
    assert signal.getsignal(signal.SIGTERM) is before


def test_what_the_system_refuses_is_told_with_the_file_and_how_to_resume(capsys, tmp_path) -> None:
    terminal = Terminal()
    terminal.study = "s"
    missing = tmp_path / "gone"
    assert run_to_exit_code(lambda: len(missing.read_text()), terminal, resume=" --runs-dir here") == 1
    told = capsys.readouterr().err
    assert f"{missing}: No such file or directory" in told
    assert "Resume with: agent resume s --runs-dir here" in told
    assert "Traceback" not in told


def test_a_command_that_resumes_nothing_does_not_promise_it(capsys) -> None:
    class Away(AugurError):
        resumable = True

    def fail() -> int:
        raise Away("The server is away.")

    assert run_to_exit_code(fail, Terminal()) == 1
    assert "Nothing is lost" not in capsys.readouterr().err
