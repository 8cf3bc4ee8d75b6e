"""What stands for a study in tests of the scheduler: a real process that lives as it is told to."""

import os
import signal
import sys
import time

from agent.service.events import EventLog
from agent.service.session import LOCK, OUTCOME, PROCESS, Outcome, Ticket, identity
from tools.files import try_lock, write_json


def lives(ticket: Ticket) -> None:
    """Lives as the settings say: 'ends CODE', 'fails' (may be resumed), 'dies', 'waits' until it is told to stop.

    'is stillborn': dies before it says who it is.
    """
    lock = try_lock(ticket.own / LOCK)
    assert lock is not None
    if ticket.settings == "is stillborn":
        EventLog(ticket.own / "lives.txt").say("began")
        os._exit(1)
    write_json(ticket.own / PROCESS, identity())
    EventLog(ticket.own / "lives.txt").say("began")
    word, _, code = ticket.settings.partition(" ")
    if word == "dies":
        os.kill(os.getpid(), signal.SIGKILL)
    if word == "stubborn":
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
    if word in ("waits", "stubborn"):
        signal.signal(signal.SIGTERM, lambda *_: _end(ticket, 143)) if word == "waits" else None
        time.sleep(600)
    _end(ticket, 1 if word == "fails" else int(code), "the store does not answer", word == "fails")


def _end(ticket: Ticket, code: int, message: str = "", resumable: bool = False) -> None:
    outcome = Outcome(code, message if code else "", resumable, 1.0)
    write_json(ticket.own / OUTCOME, vars(outcome))
    sys.exit(code)
