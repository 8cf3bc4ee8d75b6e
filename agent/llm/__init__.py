"""The language model behind the arms: how to connect to it, what a call costs, what can go wrong.

`check_llm` says in milliseconds what is wrong with a choice of model, `connect` makes the client, `Meter` makes the
calls. It reports every attempt before it goes out and as it ends, so that the ledger is right even after the process
was killed. Light to import.
"""

from agent.llm.asking import make_ask
from agent.llm.connect import connect
from agent.llm.faults import ContentFault, TransportError
from agent.llm.meter import Meter
from agent.llm.prices import is_price_known
from agent.llm.providers import DEFAULT_MODELS, check_llm, configured_model, provider_of, with_server
from agent.llm.records import CallRecord, StartedCall

__all__ = [
    "DEFAULT_MODELS",
    "CallRecord",
    "ContentFault",
    "Meter",
    "StartedCall",
    "TransportError",
    "check_llm",
    "configured_model",
    "connect",
    "is_price_known",
    "make_ask",
    "provider_of",
    "with_server",
]
