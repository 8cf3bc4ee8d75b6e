"""What stands before every request: the token, the rate and the size, and the headers of every answer."""

import asyncio
import time
from collections import OrderedDict
from collections.abc import Awaitable, Callable
from contextlib import suppress
from math import ceil

from starlette.datastructures import Headers, MutableHeaders
from starlette.requests import cookie_parser
from starlette.responses import JSONResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from agent.service.config import ServiceConfig
from agent.service.token import is_token, pass_name, reading_pass

OPEN = ("/health", "/", "/docs", "/openapi.json", "/page/")
"""Paths that need no token; they tell nothing of any study. One that ends with a slash stands for all below it."""
_CLIENTS = 4_096
"""Whose rate is remembered."""
_PATIENCE, _PATIENCE_SECONDS = 8, 5.0
"""How much of a refused request is read before the answer: in bodies of the greatest size, and in seconds."""
_HEADERS = {
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "X-Frame-Options": "DENY",
    "Cache-Control": "no-store",
}


class Guard:
    """ASGI middleware."""

    def __init__(self, app: ASGIApp, config: ServiceConfig, token: str | None) -> None:
        """`token` None: whoever reaches the service may use it."""
        self._app, self._config, self._token = app, config, token
        self._cookie, self._pass = ("", "") if token is None else (pass_name(token), reading_pass(token))
        self._rates: OrderedDict[str, tuple[float, float]] = OrderedDict()
        """Client → (requests that it may make now, when that was)."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request, or refuse it."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        headers = Headers(scope=scope)
        refusal = self._too_many(scope) or self._stranger(scope, headers) or self._too_long(headers)
        if refusal is not None:
            await _discard(receive, _PATIENCE * self._config.largest_body)
            await refusal(scope, receive, _with_headers(send))
            return
        await self._app(scope, self._measured(receive), _with_headers(send))

    def _too_many(self, scope: Scope) -> JSONResponse | None:
        client = (scope.get("client") or ("",))[0]
        rate, now = self._config.requests_per_second, time.monotonic()
        burst = max(2 * rate, 1.0)
        left, before = self._rates.pop(client, (burst, now))
        left = min(burst, left + (now - before) * rate)
        # A refused request costs nothing: who asks too often is slowed down, not shut out.
        self._rates[client] = (left - 1 if left >= 1 else left, now)
        if len(self._rates) > _CLIENTS:
            self._rates.popitem(last=False)
        if left >= 1:
            return None
        text = f"more than {rate:g} requests in a second from {client}: ask less often, or follow the events of a study"
        return JSONResponse({"error": text}, 429, {"Retry-After": str(ceil((1 - left) / rate))})

    def _stranger(self, scope: Scope, headers: Headers) -> JSONResponse | None:
        path = scope["path"]
        if self._token is None or any(
            path == each or (len(each) > 1 and each.endswith("/") and path.startswith(each)) for each in OPEN
        ):
            return None
        kind, _, shown = headers.get("authorization", "").partition(" ")
        if kind.lower() == "bearer" and is_token(shown.strip(), self._token):
            return None
        cookie = cookie_parser(headers.get("cookie", "")).get(self._cookie, "")
        if scope["method"] in ("GET", "HEAD") and is_token(cookie, self._pass):
            return None
        text = (
            "this service needs its token, in the header `Authorization: Bearer TOKEN`. It is in the file `token` of "
            "the folder `service` in the service's folder of runs"
        )
        return JSONResponse({"error": text}, 401, {"WWW-Authenticate": "Bearer"})

    def _too_long(self, headers: Headers) -> JSONResponse | None:
        length = headers.get("content-length", "0")
        return self._refused() if not length.isdigit() or int(length) > self._config.largest_body else None

    def _refused(self) -> JSONResponse:
        text = (
            f"the request is longer than {self._config.largest_body:,} bytes: send settings only, and copy images to "
            "the service's machine"
        )
        return JSONResponse({"error": text}, 413)

    def _measured(self, receive: Receive) -> Receive:
        """A body without a length counts as it comes; too long a one is cut off, which is no valid JSON any more."""
        taken = 0

        async def measured() -> Message:
            nonlocal taken
            message = await receive()
            if message["type"] == "http.request":
                taken += len(message.get("body", b""))
                if taken > self._config.largest_body:
                    return {"type": "http.disconnect"}
            return message

        return measured


async def _discard(receive: Receive, most: int) -> None:
    """Read what is left of a refused request, up to `most` bytes: a client that is still sending would see a broken
    connection, and not why it was refused."""
    taken = 0
    with suppress(TimeoutError):
        async with asyncio.timeout(_PATIENCE_SECONDS):
            while taken <= most:
                message = await receive()
                taken += len(message.get("body", b""))
                if message["type"] != "http.request" or not message.get("more_body"):
                    return


def _with_headers(send: Send) -> Callable[[Message], Awaitable[None]]:
    async def with_headers(message: Message) -> None:
        if message["type"] == "http.response.start":
            headers = MutableHeaders(scope=message)
            for name, value in _HEADERS.items():
                headers.setdefault(name, value)
        await send(message)

    return with_headers
