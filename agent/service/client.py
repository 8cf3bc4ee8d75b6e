"""The client of a service: what `agent submit` and `agent follow` speak. Light: the standard library alone."""

import json
import os
import time
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from http.client import HTTPException
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlsplit

from agent.service.config import (
    DEFAULT_PORT,
    SERVER_VARIABLE,
    TOKEN_VARIABLE,
    known_address,
    token_file,
)
from agent.service.token import checked_token, read_token
from agent.settings.arguments import FlagParser, given_path
from agent.settings.secrets import mask
from tools.errors import AugurError, ConfigurationError

_TIMEOUT = 60.0
"""Seconds without a byte; streams of events carry one every 15 s."""
_PATIENCE = 120.0
"""Seconds for which a service that is away is asked again while a study is followed."""
_LONGEST_WAIT = 30.0
"""Seconds to wait, at most, where it says that it is asked too often."""
_OF_A_PROXY = (502, 503, 504)
"""What a proxy answers while the service behind it is away."""


@dataclass(frozen=True)
class Event:
    """A server-sent event."""

    kind: str
    data: str
    id: str


def add_service_flags(parser: FlagParser) -> None:
    """Add the flags that say which service is meant."""
    parser.add_argument(
        "--server",
        metavar="URL",
        default=os.environ.get(SERVER_VARIABLE) or None,
        help=f"address of the service ({SERVER_VARIABLE}); the one of the folder of runs if unset",
    )
    parser.add_argument(
        "--token-file",
        type=given_path,
        metavar="PATH",
        help=f"file with its token ({TOKEN_VARIABLE} holds the token itself); the service's own file if unset",
    )


class Client:
    """Speaks to one service."""

    def __init__(self, address: str, token: str | None) -> None:
        self.address, self._token = address.rstrip("/"), token

    @classmethod
    def of(
        cls, server: str | None, file: Path | None, runs_dir: Path, environ: Mapping[str, str]
    ) -> "Client":
        """The client that flags and variables describe.

        The token in the folder of runs goes to the service of that folder only.

        Raises:
            ConfigurationError: the address is none, or there is no token for it.
        """
        own = known_address(runs_dir) or f"http://127.0.0.1:{DEFAULT_PORT}"
        address = (server or own).rstrip("/")
        if not _is_address(address):
            raise ConfigurationError(
                f"--server {mask(address)!r}: must be an address such as http://127.0.0.1:8765"
            )
        if file is not None:
            return cls(address, read_token(file))
        if token := environ.get(TOKEN_VARIABLE):
            return cls(address, checked_token(token, TOKEN_VARIABLE))
        local = token_file(runs_dir)
        return cls(address, read_token(local) if address == own and local.is_file() else None)

    def submit(self, submission: Mapping[str, Any]) -> dict[str, Any]:
        """Queue a study; what the service says of it.

        Raises:
            AugurError: it refuses, or does not answer.
        """
        return self._json("/api/studies", submission)

    def result(self, study: str) -> dict[str, Any]:
        """All of a study, as `agent show --json` prints it."""
        return self._json(f"/api/studies/{quote(study)}/result")

    def events(self, study: str) -> Iterator[Event]:
        """What happens to a study, until it has ended; a lost connection is made again, and nothing is missed.

        Raises:
            AugurError: the service refuses, or is away for too long.
        """
        last, answered, away = "", False, None
        while True:
            pause = 1.0
            try:
                for event in self._stream(study, last):
                    last, answered, away = event.id or last, True, None
                    yield event
                    if event.kind == "end":
                        return
            except (OSError, HTTPException, _Away, _TooMany) as error:
                if not answered:
                    raise error if isinstance(error, _TooMany) else self._nobody(error) from None
                if isinstance(error, _TooMany):
                    pause = error.wait
                away = away or time.monotonic()  # not since the last event: a study may say nothing for hours
                if time.monotonic() - away > _PATIENCE:
                    raise AugurError(
                        f"the service at {mask(self.address)} has not answered for {_PATIENCE:.0f} s ({error}). The "
                        "study goes on where it can; once the service answers, agent follow shows it again."
                    ) from None
            time.sleep(pause)

    def _stream(self, study: str, last: str) -> Iterator[Event]:
        headers = {"Accept": "text/event-stream", **({"Last-Event-ID": last} if last else {})}
        with self._open(f"/api/studies/{quote(study)}/events", None, headers) as answer:
            if answer.headers.get_content_type() != "text/event-stream":
                raise AugurError(
                    f"what answers at {mask(self.address)} is no service of Augur's: see what listens there, or name "
                    f"another with --server ({SERVER_VARIABLE})"
                )
            fields: dict[str, str] = {}
            for raw in answer:
                line = raw.decode("utf-8", "replace").rstrip("\r\n")
                if not line and fields:
                    yield Event(fields.get("event", ""), fields.get("data", ""), fields.get("id", ""))
                    fields = {}
                elif line and not line.startswith(":"):
                    name, _, value = line.partition(":")
                    value = value.removeprefix(" ")
                    fields[name] = f"{fields[name]}\n{value}" if name in fields else value

    def _json(self, path: str, body: Mapping[str, Any] | None = None) -> dict[str, Any]:
        data = None if body is None else json.dumps(body).encode()
        try:
            with self._open(path, data, {"Content-Type": "application/json"}) as answer:
                return json.load(answer)
        except _Away as error:
            raise self._nobody(error) from None
        except (OSError, HTTPException, ValueError) as error:
            raise AugurError(
                f"the answer of {mask(self.address)} was cut off or is none of Augur's ({error}): try again, or see "
                "what listens there"
            ) from None

    def _open(self, path: str, data: bytes | None, headers: Mapping[str, str]) -> Any:
        request = urllib.request.Request(self.address + path, data=data, headers=dict(headers))
        if self._token:
            # Not carried along where the service sends us elsewhere.
            request.add_unredirected_header("Authorization", f"Bearer {self._token}")
        try:
            return urllib.request.urlopen(request, timeout=_TIMEOUT)
        except urllib.error.HTTPError as error:
            if error.code in _OF_A_PROXY:
                raise _Away(f"{error.code} {error.reason}") from None
            raise self._refusal(error) from None
        except urllib.error.URLError as error:
            raise _Away(str(error.reason)) from None

    def _nobody(self, error: Exception) -> AugurError:
        return AugurError(
            f"no service answers at {mask(self.address)} ({error}): start one with `agent serve`, or name another "
            f"with --server ({SERVER_VARIABLE})"
        )

    def _refusal(self, error: urllib.error.HTTPError) -> AugurError:
        try:
            text = str(json.loads(error.read(100_000))["error"])
        except (ValueError, KeyError, TypeError, OSError):
            text = f"it answers {error.code} {error.reason}: it is none of Augur's, or something stands before it"
        if error.code == 401:
            text += f". Name it with --token-file PATH or {TOKEN_VARIABLE}"
        if error.code == 429:
            return _TooMany(f"{mask(self.address)}: {text}", error.headers.get("Retry-After", ""))
        kind = ConfigurationError if error.code in (401, 422) else AugurError
        return kind(f"{mask(self.address)}: {text}")


def _is_address(text: str) -> bool:
    """Whether `text` is where a service can listen; a user and a password in it would not be sent."""
    try:
        parts = urlsplit(text)
        port = parts.port
    except ValueError:
        return False
    known = parts.scheme in ("http", "https") and bool(parts.hostname) and parts.username is None
    return known and port != 0 and not any(letter.isspace() for letter in text)


class _Away(Exception):
    """Nothing answers at the address."""


class _TooMany(AugurError):
    """The service gets more requests than it takes."""

    def __init__(self, text: str, wanted: str) -> None:
        """`wanted`: seconds to wait, as the service says it."""
        super().__init__(text)
        self.wait = min(max(float(wanted), 1.0), _LONGEST_WAIT) if wanted.isdecimal() else 1.0
