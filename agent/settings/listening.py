"""Where a command listens: what `--host` may be, and the address that clients are told. Light."""

import argparse

_EVERYWHERE = {"0.0.0.0": "127.0.0.1", "::": "::1"}
"""Hosts that stand for all addresses of this machine → one at which this machine reaches itself."""


def given_host(text: str) -> str:
    """A host on the command line. An empty one would be any address: mostly a variable that was not set."""
    if not text.strip():
        raise argparse.ArgumentTypeError(
            "it is empty: 127.0.0.1 is reached from this machine alone, 0.0.0.0 from others too"
        )
    return text


def reached_at(host: str, port: int) -> str:
    """The address of what listens there, for clients on this machine."""
    shown = _EVERYWHERE.get(host, host)
    return f"http://{f'[{shown}]' if ':' in shown else shown}:{port}"
