"""The token that a client must show. Light: the client reads it as well."""

import hmac
import os
import secrets
import stat
from collections.abc import Mapping
from hashlib import sha256
from pathlib import Path

from agent.service.config import TOKEN_VARIABLE
from tools.errors import AugurError, ConfigurationError

_SHORTEST = 16
_READABLE_BY_OTHERS = stat.S_IRWXG | stat.S_IRWXO


def token_of(file: Path, environ: Mapping[str, str]) -> str:
    """The service's token: from its variable, else from its file, which is made at the first start.

    Raises:
        ConfigurationError: it is too short to be safe.
        AugurError: others can read the file.
    """
    if given := environ.get(TOKEN_VARIABLE):
        return checked_token(given, TOKEN_VARIABLE)
    file.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    try:
        descriptor = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except FileExistsError:
        return read_token(file)
    with os.fdopen(descriptor, "w", encoding="ascii") as stream:
        token = secrets.token_urlsafe(32)
        stream.write(f"{token}\n")
        stream.flush()
        os.fsync(descriptor)
    return token


def read_token(file: Path) -> str:
    """The token in a file.

    Raises:
        ConfigurationError: there is none, it is empty, or it is too short.
        AugurError: the file cannot be read, or others can read it.
    """
    try:
        mode = file.stat().st_mode
        text = file.read_text(encoding="utf-8", errors="replace").strip()
    except OSError as error:
        raise ConfigurationError(f"the token file {file} cannot be read: {error.strerror}") from None
    if os.name == "posix" and mode & _READABLE_BY_OTHERS:
        raise AugurError(
            f"the token file {file} can be read by others (mode {stat.S_IMODE(mode):04o}): chmod 600 {file}, and, if "
            "others use this machine, delete it, so that a new token is made"
        )
    if not text:
        raise ConfigurationError(
            f"the token file {file} is empty: delete it, and `agent serve` makes a new token when it starts"
        )
    return checked_token(text, str(file))


def is_token(shown: str, token: str) -> bool:
    """Whether a client showed the token; takes the same time for every wrong one."""
    return hmac.compare_digest(shown.encode(), token.encode())


def reading_pass(token: str) -> str:
    """What the page keeps as its cookie: it can only read, and does not tell the token."""
    return hmac.new(token.encode(), b"augur page", sha256).hexdigest()


def pass_name(token: str) -> str:
    """The name of that cookie. A browser sends the cookies of one service to every other on the host, so that each
    service needs a name of its own."""
    return f"augur_page_{hmac.new(token.encode(), b'augur page name', sha256).hexdigest()[:8]}"


def checked_token(token: str, place: str) -> str:
    """`token`, which `place` holds.

    Raises:
        ConfigurationError: it is too short to be safe, or cannot be sent in a header.
    """
    if len(token) < _SHORTEST or any(letter.isspace() for letter in token) or not token.isascii():
        raise ConfigurationError(
            f"the token in {place} must have {_SHORTEST} characters or more, in ASCII without blanks: "
            "python -c 'import secrets; print(secrets.token_urlsafe(32))' makes one"
        )
    return token
