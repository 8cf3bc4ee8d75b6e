"""Addresses of databases, kept apart from their passwords: a setting holds what may be seen and stored. Light.

What is cut off (user, password) is remembered for this process only, under what is left.
"""

import os
from collections.abc import Mapping
from urllib.parse import parse_qsl, quote, unquote, urlencode, urlsplit

_SCHEMES = ("postgresql", "postgres")
_HIDDEN = ("user", "password", "sslpassword", "passfile")
"""Parameters that are cut off with the password."""

_full: dict[str, str] = {}


def without_password(address: str) -> str:
    """`address` of a PostgreSQL database without user and password, which this process remembers.

    Raises:
        ValueError: it is none; the text repeats nothing of it.
    """
    bare = _bare(address)
    if bare != address.strip():
        _full[bare] = address.strip()
    return bare


def with_password(bare: str, variable: str, environ: Mapping[str, str] = os.environ) -> str:
    """The full address for `bare`: as this process was given it, or as `variable` has it, where that is the same place.

    Otherwise `bare` itself: user and password then come from PGUSER, PGPASSWORD or ~/.pgpass.
    """
    if bare in _full:
        return _full[bare]
    found = environ.get(variable, "")
    try:
        return found if found and _bare(found) == bare else bare
    except ValueError:
        return bare


def secrets_of(address: str) -> list[str]:
    """What of a full address must not be shown: its password, as it is written and as it is meant."""
    parts = urlsplit(address)
    found = [parts.password or "", *(value for key, value in parse_qsl(parts.query) if key in _HIDDEN)]
    return [text for each in found if each for text in (each, unquote(each))]


def _bare(address: str) -> str:
    text = address.strip()
    if any(character.isspace() for character in text):
        raise ValueError("the address holds a space")
    try:
        parts = urlsplit(text)
        host, port = parts.hostname, parts.port
    except ValueError as error:
        raise ValueError("the address cannot be read (is its port a number?)") from error
    if parts.scheme not in _SCHEMES:
        raise ValueError("it is the address of a PostgreSQL database: postgresql://HOST:PORT/DATABASE")
    if "@" in parts.path + parts.query + parts.fragment or parts.fragment:
        raise ValueError(
            "there is an '@' or '#' behind the host: write /, ?, # and @ in a password as %2F, %3F, %23 and %40"
        )
    query = [(key, value) for key, value in parse_qsl(parts.query) if key not in _HIDDEN]
    if not host and not any(key == "host" for key, _ in query):
        raise ValueError("the address names no host")
    place = (f"[{host}]" if host and ":" in host else quote(host or "", safe="")) + (
        f":{port}" if port else ""
    )
    kept = f"?{urlencode(query, safe='/')}" if query else ""
    return f"postgresql://{place}/{parts.path.strip('/')}{kept}"
