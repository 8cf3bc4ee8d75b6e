"""The page of the service in a real browser."""

import time
from pathlib import Path

import pytest

from tests.agent.service.services import Service
from tests.chromium import Browser, browser, needs_chromium


def until_shown(tab: Browser, expression: str) -> None:
    deadline = time.monotonic() + 120
    while not tab.evaluate(f"Boolean({expression})"):
        assert time.monotonic() < deadline, tab.evaluate("document.body.innerText")
        time.sleep(0.1)


@needs_chromium
def test_the_page_shows_what_runs_waits_and_has_ended_and_acts(runs: Path) -> None:
    service = Service(runs).start()
    try:
        service.submit("runs-now", training__epochs=1500, search__seed=5)
        service.submit("waits", search__seed=6)
        service.submit("gone", search__seed=8)
        service.ask("POST", "/api/studies/gone/cancel")
        with browser() as tab:
            tab.open_address(f"{service.address}/", 1100)
            until_shown(tab, "!document.getElementById('login').hidden")
            assert "runs-now" not in tab.evaluate("document.body.innerText")
            tab.evaluate(
                f"document.getElementById('token').value = '{service.token}'; "
                "document.querySelector('#login button').click()"
            )
            until_shown(tab, "document.querySelector('.card svg polyline')")
            assert tab.evaluate("getComputedStyle(document.getElementById('login')).display") == "none"
            text = tab.evaluate("document.body.innerText")
            assert all(
                word in text for word in ("runs-now", "Training now", "waits", "queued", "gone", "cancelled")
            )
            tab.evaluate("document.querySelector('#queue button[aria-label=\"pause waits\"]').click()")
            until_shown(tab, "document.querySelector('#queue').innerText.includes('paused')")
            assert service.state("waits") == "paused"
            report = "document.querySelector('.card a[href$=\"/report\"]').href"
            assert tab.evaluate(f"fetch({report}).then((answer) => answer.status)") in (200, 409)
            for width in (1100, 390):
                tab.open_address(f"{service.address}/", width)
                until_shown(tab, "document.querySelector('.card')")
                assert tab.evaluate("document.documentElement.scrollWidth <= window.innerWidth")
            tab.open_address(f"{service.address}/docs", 1100)
            assert "/api/studies/{name}/pause" in tab.evaluate("document.body.innerText")
            outside = [url for url in tab.requests if not url.startswith(service.address)]
            assert outside == ["about:blank"] or outside == []
            # A first request without the token is refused, which the browser's console notes.
            assert [each for each in tab.complaints if "401" not in each] == []
    finally:
        service.stop()


@pytest.mark.parametrize("name", ["service.js", "curves.js"])
def test_no_text_of_a_study_is_ever_read_as_html(name: str) -> None:
    from agent.service import pages

    script = (pages._FOLDER / name).read_text()
    assert not any(
        word in script for word in ("innerHTML", "outerHTML", "insertAdjacentHTML", "document.write")
    )
