"""The language model behind the arms: how to connect to it, what a call costs, what can go wrong.

`connect` makes the client, `Meter` makes the calls. It reports every attempt as it happens, so that the ledger is right
even after the process was killed. Light to import.
"""

from agent.llm.asking import make_ask
from agent.llm.connect import DEFAULT_MODELS, configured_model, connect, provider_of
from agent.llm.faults import ContentFault, TransportError
from agent.llm.meter import CallRecord, Meter
from agent.llm.prices import is_price_known

__all__ = [
    "DEFAULT_MODELS",
    "CallRecord",
    "ContentFault",
    "Meter",
    "TransportError",
    "configured_model",
    "connect",
    "is_price_known",
    "make_ask",
    "provider_of",
]
