"""The language model behind the arms: how it is reached, what a call costs, what goes wrong.

`connect` makes the client, `Meter` makes the calls: every attempt, failed or not, is reported as it happens,
so that a ledger that writes each one down is right even after the process is killed. Light to import.
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
