"""Warnings of the tools' own logs, on the terminal."""

import io
import logging

from rich.console import Console

from agent.screen.log_lines import log_shown
from agent.screen.terminal import Terminal


def test_what_a_tool_warns_of_is_a_warning_on_the_terminal_and_nothing_else_is(capfd):
    errors = io.StringIO()
    terminal = Terminal(quiet=True, errors=Console(file=errors, width=200))
    with log_shown(terminal):
        logging.getLogger("tools.training.normalisation").warning("%s is damaged", "normalisation.json")
        logging.getLogger("tools.training.normalisation").info("computed")
        logging.getLogger("another.package").info("loaded")
    assert errors.getvalue().count("warning: ") == 1
    assert "warning: normalisation.json is damaged" in errors.getvalue()
    assert capfd.readouterr().err == "", "it is not written twice"
    logging.getLogger("tools").warning("after it")
    assert "after it" not in errors.getvalue()


def test_information_is_a_note_that_a_quiet_command_leaves_out():
    shown = {}
    for quiet in (False, True):
        out, errors = io.StringIO(), io.StringIO()
        terminal = Terminal(
            quiet, output=Console(file=out, width=200), errors=Console(file=errors, width=200)
        )
        with log_shown(terminal):
            logging.getLogger("agent.llm.meter").info("trying again in %d s", 3)
            logging.getLogger("agent.llm.connect").warning("that setting has no effect")
        shown[quiet] = out.getvalue() + errors.getvalue()
    assert "trying again in 3 s" in shown[False]
    assert "trying again" not in shown[True]
    assert all("that setting has no effect" in each for each in shown.values())
