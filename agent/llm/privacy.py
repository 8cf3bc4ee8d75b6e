"""What may leave the machine: whether a server is near, whose names go out, and texts without names of files.

The rule: pictures go to a server outside this machine and this private network only with consent
(`agent/starting/consent.py`); names of a user's classes go there only where they were written for others to read; names
of files never go out. Light: imports no client.
"""

import os
import re
import socket
from collections.abc import Mapping
from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network
from urllib.parse import urlsplit

from agent.llm.providers import OFFICIAL_URLS, server_of
from agent.settings.config import LLMConfig
from tools.datasets.types import Card

FILE = "(a file on the user's machine)"
"""What stands in a text for the name of a file."""

_NEAR = tuple(
    map(
        ip_network,
        (
            "127.0.0.0/8",
            "10.0.0.0/8",
            "172.16.0.0/12",
            "192.168.0.0/16",
            "169.254.0.0/16",
            "::1/128",
            "fc00::/7",
            "fe80::/10",
        ),
    )
)
"""Addresses of this machine and of private networks (RFC 1918, 3927, 4193, 4291)."""
_LOCAL_PROVIDERS = {"ollama": ("OLLAMA_HOST", "localhost")}
"""Providers whose client asks this machine, unless a variable names another."""

_SUFFIXES = (
    "png|jpe?g?|tiff?|bmp|gif|webp|heic|heif|dcm|pp?m|pgm|npy|npz|csv|tsv|parquet|json|ya?ml|pth?|"
    "safetensors|py"
)
_FILE = re.compile(
    # A name may have spaces, so that nobody can say where it begins: all since the last end of a clause goes.
    rf"[^\n;:]*\.(?:{_SUFFIXES})\b(?::[A-Za-z_]\w*)?"
    # /data/x, ~/x/y; and C:\x, of which the colon ends a clause
    r"|(?<![\w:/.])(?:~|\b[A-Za-z]:)?(?:[/\\][\w.@+~%=,()-]+){2,}",
    re.IGNORECASE,
)


def host_of(config: LLMConfig, environ: Mapping[str, str] = os.environ) -> str:
    """The host that is asked; where it is the provider's own and its client alone knows the address, the provider."""
    provider = (config.model or "").partition(":")[0]
    server = server_of(config, environ)
    address = server.address if server else OFFICIAL_URLS.get(provider, "")
    if not address and provider in _LOCAL_PROVIDERS:
        variable, usual = _LOCAL_PROVIDERS[provider]
        address = environ.get(variable, "").strip() or usual
    parts = urlsplit(address if "//" in address else f"//{address}")
    return parts.hostname or provider


def is_near(config: LLMConfig, environ: Mapping[str, str] = os.environ) -> bool:
    """Whether the server of a model is on this machine or in this private network.

    A name counts as near where all its addresses are: it is looked up. What cannot be looked up is not near, nor is
    the server of a provider.
    """
    host = host_of(config, environ)
    if not host or host == (config.model or "").partition(":")[0]:
        return False
    if host == "localhost" or host.endswith(".localhost"):
        return True
    addresses = _addresses(host)
    return bool(addresses) and all(map(_is_near, addresses))


def tells_names(config: LLMConfig, card: Card, environ: Mapping[str, str] = os.environ) -> bool:
    """Whether the model may be told the names of the classes (`llm.names`)."""
    if config.names != "card":
        return config.names == "on"
    return not card.private or is_near(config, environ)


def without_files(text: str) -> str:
    """`text` with `FILE` in the place of each path, and of each name that ends like a file of data or code.

    Errors name files, whose names may be those of patients: what is passed on of an error goes through here. With a
    name goes the part of the sentence before it.
    """
    return _FILE.sub(FILE, text)


def _addresses(host: str) -> list[IPv4Address | IPv6Address]:
    try:
        return [ip_address(host)]
    except ValueError:
        pass
    try:
        found = {str(each[4][0]).partition("%")[0] for each in socket.getaddrinfo(host, None)}
    except (OSError, UnicodeError):
        return []
    return [ip_address(each) for each in found]


def _is_near(address: IPv4Address | IPv6Address) -> bool:
    if isinstance(address, IPv6Address) and address.ipv4_mapped:
        address = address.ipv4_mapped
    return any(address in network for network in _NEAR)
