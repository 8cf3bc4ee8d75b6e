"""The page of the service in a real browser, over a real connection; what the studies say is written by hand."""

import base64
import multiprocessing
import os
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import quote

import pytest
import uvicorn

from agent.service import pages
from agent.service.app import make_app
from agent.service.config import ServiceConfig
from agent.service.events import FILE, EventLog
from agent.service.jobs import Jobs
from agent.service.queue import Queue
from agent.service.scheduler import Scheduler
from agent.service.submission import as_stored
from agent.settings.config import StudyConfig
from tests.agent.service.services import until
from tests.chromium import Browser, browser, needs_chromium

TOKEN = "the+token/of%this=test"
EVIL = "<img src=x onerror=alert(1)>"


@pytest.fixture
def queue(tmp_path: Path) -> Queue:
    """One study that runs, one that waits, one that failed."""
    config = ServiceConfig(runs_dir=tmp_path)
    config.folder.mkdir()
    queue = Queue(config.folder / "queue.db")
    settings = as_stored(StudyConfig())
    for name in ("failed", "runs", "waits"):
        queue.add(name, settings)
    queue.claim(9)
    queue.end("failed", "failed", f"data.path = '/data': nothing is there {EVIL}")
    queue.claim(9)
    config.own("runs").mkdir(parents=True)
    said = EventLog(config.own("runs") / FILE)
    said.say("session")
    said.say("metric", metric="macro_f1")
    said.say("phase", title="iteration 2", total=3)
    for number, score in enumerate((0.62, 0.68, 0.705)):
        said.say("candidate", name=f"iteration {number}", policy=f"rotate {EVIL}", mean=score, std=0.01)
    said.say("ended", key="a", label="iteration 2 · seed 0", score=0.7)
    for seed in (1, 2):
        for epoch in range(1, 8):
            score = 0.7 - 0.3 / epoch - 0.01 * seed
            label = f"iteration 2 · seed {seed}"
            said.say("epoch", key=str(seed), label=label, epoch=epoch, epochs=12, score=score)
    said.say("said", text=f"iteration 2: 3 trials {EVIL}")
    return queue


@pytest.fixture
def address(tmp_path: Path, queue: Queue) -> Iterator[str]:
    """Of a server on the loopback that serves the API; no process of a study is started."""
    config, context = ServiceConfig(runs_dir=tmp_path), multiprocessing.get_context("fork")
    asked = Jobs(context)
    app = make_app(config, queue, Scheduler(queue, config, context, asked), asked, TOKEN)
    server = uvicorn.Server(uvicorn.Config(app, port=0, log_level="warning", lifespan="off"))
    thread = threading.Thread(target=server.run)
    thread.start()
    until(lambda: server.started, "the server does not start")
    yield f"http://127.0.0.1:{server.servers[0].sockets[0].getsockname()[1]}"
    server.should_exit = True
    thread.join()


def until_shown(tab: Browser, expression: str) -> None:
    deadline = time.monotonic() + 60
    while not tab.evaluate(f"Boolean({expression})"):
        assert time.monotonic() < deadline, tab.evaluate("document.body.innerText")
        time.sleep(0.05)


def screenshot(tab: Browser, name: str) -> None:
    """For whoever wants to look: into the folder that AUGUR_SCREENSHOTS names."""
    if folder := os.environ.get("AUGUR_SCREENSHOTS"):
        picture = tab.call("Page.captureScreenshot", captureBeyondViewport=True)["data"]
        (Path(folder) / name).write_bytes(base64.b64decode(picture))


@needs_chromium
def test_the_page_shows_what_runs_waits_and_has_ended_and_acts(address: str, queue: Queue) -> None:
    with browser() as tab:
        tab.open_address(f"{address}/", 1100)
        until_shown(tab, "!document.getElementById('login').hidden")
        assert "runs" not in tab.evaluate("document.getElementById('studies').innerText")
        login = (
            "document.getElementById('token').value = '{}'; document.querySelector('#login button').click()"
        )
        tab.evaluate(login.format("wrong-token-wrong-token"))
        until_shown(tab, "document.getElementById('fault').innerText.includes('not the token')")
        tab.evaluate(login.format(TOKEN))
        until_shown(tab, "document.querySelectorAll('.card svg polyline').length == 2")
        assert tab.evaluate("getComputedStyle(document.getElementById('login')).display") == "none"
        text = tab.evaluate("document.body.innerText")
        for words in (
            "iteration 2: 1 of 3 trials",
            "seed 1, epoch 7 of 12",
            "iteration 2, 70.5",
            "nothing is there",
        ):
            assert words in text
        assert text.count(EVIL) == 2  # as text, and in no other way
        assert tab.evaluate("document.querySelectorAll('img').length") == 0
        screenshot(tab, "service.png")
        tab.evaluate("document.querySelector('button[aria-label=\"pause waits\"]').click()")
        until_shown(tab, "document.querySelector('#queue').innerText.includes('paused')")
        assert queue.get("waits").state == "paused"
        tab.evaluate("document.querySelector('button[aria-label=\"resume failed\"]').click()")
        until_shown(tab, "document.querySelector('#ended').hidden")
        assert queue.get("failed").state == "queued"
        assert (
            tab.evaluate("fetch('/api/studies/runs').then((answer) => answer.status)") == 200
        )  # by the cookie
        tab.open_address(f"{address}/", 390)
        until_shown(tab, "document.querySelector('.card')")
        assert tab.evaluate("document.documentElement.scrollWidth <= window.innerWidth")
        screenshot(tab, "service-narrow.png")
        assert {url for url in tab.requests if not url.startswith(address)} <= {"about:blank"}
        # A request without the token, or with a wrong one, is refused, which the browser's console notes.
        assert [each for each in tab.complaints if "401" not in each] == []


@needs_chromium
def test_the_page_takes_a_token_from_its_address_and_says_which_cannot_be_one(address: str) -> None:
    with browser() as tab:
        tab.open_address(f"{address}/", 1100)
        until_shown(tab, "!document.getElementById('login').hidden")
        tab.evaluate("document.getElementById('token').value = 'costs-5-€-or-more-now'")
        tab.evaluate("document.querySelector('#login button').click()")
        until_shown(tab, "document.getElementById('fault').innerText.includes('outside ASCII')")
        for token in (TOKEN, quote(TOKEN)):
            tab.evaluate("sessionStorage.clear()")
            tab.evaluate(f"location.hash = '#token={token}'")
            until_shown(tab, "document.querySelector('.card')")
            assert tab.evaluate("sessionStorage.getItem('augur-token')") == TOKEN
            assert tab.evaluate("location.hash") == ""


@needs_chromium
def test_the_documentation_names_every_request_and_needs_no_network(address: str) -> None:
    with browser() as tab:
        tab.open_address(f"{address}/docs", 1100)
        text = tab.evaluate("document.body.textContent")  # with what is folded up
        assert all(words in text for words in ("/api/studies/{name}/pause", "last-event-id", "Submission"))
        screenshot(tab, "service-docs.png")
        assert {url for url in tab.requests if not url.startswith(address)} <= {"about:blank"}
        assert tab.complaints == []


@pytest.mark.parametrize("name", ["service.js", "curves.js"])
def test_no_text_of_a_study_is_ever_read_as_html(name: str) -> None:
    script = (pages._FOLDER / name).read_text()
    assert not any(
        word in script for word in ("innerHTML", "outerHTML", "insertAdjacentHTML", "document.write")
    )
