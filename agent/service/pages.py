"""What a browser shows of the service: its studies, and the documentation of its API. Nothing comes from a network."""

from functools import cache
from pathlib import Path
from typing import Any

from starlette.responses import HTMLResponse, Response

from agent.service.config import ServiceConfig
from agent.service.files import NoSuchFile

_FOLDER = Path(__file__).parent / "page"
_KINDS = {
    "service.js": "text/javascript; charset=utf-8",
    "curves.js": "text/javascript; charset=utf-8",
    "style.css": "text/css; charset=utf-8",
}
_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src 'self' data:; "
    "base-uri 'none'; form-action 'self'; frame-ancestors 'none'"
)
REPORT_POLICY = "sandbox allow-scripts allow-popups; frame-ancestors 'none'"
"""A report brings a stricter policy of its own. Here it may also not act as the page that links to it."""


def start_page(config: ServiceConfig) -> Response:
    """The page of all studies. It holds none of them itself: its script asks, with the token."""
    return _page("index.html.j2", folder=str(config.runs_dir))


def documentation(schema: dict[str, Any]) -> Response:
    """The page on what can be asked, made from the OpenAPI description."""
    return _page("docs.html.j2", api=schema)


def part(name: str) -> Response:
    """A file that a page needs.

    Raises:
        NoSuchFile: it needs none of that name.
    """
    if name not in _KINDS:
        raise NoSuchFile(f"/page/{name}: the page has no such file")
    return Response(_text(name), media_type=_KINDS[name])


def _page(template: str, **facts: Any) -> Response:
    from jinja2 import Environment, StrictUndefined

    made = Environment(autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True)
    return HTMLResponse(
        made.from_string(_text(template)).render(**facts), headers={"Content-Security-Policy": _POLICY}
    )


@cache
def _text(name: str) -> str:
    return (_FOLDER / name).read_text(encoding="utf-8")
