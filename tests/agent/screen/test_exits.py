"""How a command ends when it is interrupted, fails, or breaks: in processes of their own, with real signals."""

import signal
import subprocess
import sys
import textwrap

import pytest

from tests.repository import ROOT

PREAMBLE = """
import signal, sys
from agent.screen.exits import run_to_exit_code
from agent.screen.terminal import Terminal
from tools.errors import AugurError, ConfigurationError

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
    [(signal.SIGINT, 130, "interrupted"), (signal.SIGTERM, 143, "terminated")],
    ids=["Ctrl-C", "SIGTERM"],
)
def test_a_signal_closes_everything_and_says_how_to_resume(number: int, code: int, word: str) -> None:
    process = start(WAITS)
    wait_for(process, "ready")
    process.send_signal(number)
    status, output, errors = finish(process)
    assert status == code
    assert "closed in order" in output
    assert errors == f"error: {word}. Go on with: agent resume digits --runs-dir here\n"


def test_commands_that_open_no_study_offer_no_resuming() -> None:
    process = start(WAITS, "resume=None")
    wait_for(process, "ready")
    process.send_signal(signal.SIGTERM)
    assert finish(process)[2] == "error: terminated.\n"


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
    process.stdin.write("go on\n")
    process.stdin.flush()
    status, output, _ = finish(process)
    assert status == 143
    assert "closed in order" in output


@pytest.mark.parametrize(("error", "code"), [("AugurError", 1), ("ConfigurationError", 2)])
def test_an_error_for_the_user_is_one_message(error: str, code: int) -> None:
    process = start(f"def action(): raise {error}('the disk is full: make room')")
    assert finish(process) == (code, "", "error: the disk is full: make room\n")


def test_a_fault_of_augur_shows_where_it_happened_and_how_to_resume() -> None:
    process = start(
        """
        def action():
            terminal.opening("digits", [("arm", "tpe")])
            raise KeyError("broken")
        """
    )
    status, _, errors = finish(process)
    assert status == 1
    assert "KeyError: 'broken'" in errors
    assert "agent resume digits" in errors.splitlines()[-1]


@pytest.mark.parametrize("code", [0, 1])
def test_a_command_decides_its_own_code(code: int) -> None:
    assert finish(start(f"def action(): return {code}"))[0] == code


def test_sigterm_does_afterwards_what_it_did_before() -> None:
    process = start(
        """
        before = signal.getsignal(signal.SIGTERM)
        run_to_exit_code(lambda: 0, terminal)
        def action():
            return 0
        if signal.getsignal(signal.SIGTERM) is not before:
            sys.exit("the handler stayed")
        """
    )
    assert finish(process)[0] == 0
