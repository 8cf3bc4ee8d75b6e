"""Makes the arm that is configured, and says what 'auto' chose. Light to import until an arm is made."""

from collections.abc import Callable
from pkgutil import resolve_name

from agent.llm import CallRecord, StartedCall, configured_model, connect, with_server
from agent.llm.providers import server_of
from agent.memory.candidate import proposed_by_fixed
from agent.proposers import Proposer
from agent.settings.config import Arm, LLMConfig, SearchConfig
from agent.settings.secrets import mask
from tools.errors import ConfigurationError

ARMS = {
    "llm": "agent.proposers.llm:LLMProposer",
    "best_of_n": "agent.proposers.best_of_n:BestOfNProposer",
    "hybrid": "agent.proposers.hybrid:HybridProposer",
    "online": "agent.proposers.online:OnlineProposer",
    "random": "agent.proposers.random:RandomProposer",
    "nearby": "agent.proposers.nearby:NearbyProposer",
    "tpe": "agent.proposers.tpe:TPEProposer",
    "fixed": "agent.proposers.fixed:FixedProposer",
}
"""`search.proposer` → its class, imported when the arm is made."""
LLM_ARMS = ("llm", "best_of_n", "hybrid", "online")
"""Arms that ask a language model: they are made from its client."""


def resolve_arm(search: SearchConfig, llm: LLMConfig) -> tuple[Arm, str]:
    """The arm that will propose ('auto' resolved), and a sentence that says which and why.

    Raises:
        ConfigurationError: the configured model has no provider prefix, or an LLM arm has no model.
    """
    model = configured_model(llm)
    arm = search.proposer
    if arm == "auto":
        if model is None:
            return "nearby", (
                "nearby (auto: no language model is configured and no key is set; name one with --llm)"
            )
        why = "it is configured" if llm.model else "its key is in the environment"
        return "llm", f"llm, {model}{_elsewhere(llm)} (auto: {why})"
    if arm in LLM_ARMS:
        if model is None:
            raise ConfigurationError(
                f"search.proposer is {arm!r}, but no language model is configured: name one with --llm "
                "provider:model, or set OPENAI_API_KEY or GOOGLE_API_KEY"
            )
        return arm, f"{arm}, {model}{_elsewhere(llm)}"
    return arm, arm


def _elsewhere(llm: LLMConfig) -> str:
    """Where a variable sends the client to another server, its address and the variable."""
    server = server_of(llm.model_copy(update={"model": configured_model(llm)}))
    return f" at {mask(server.address)} ({server.variable})" if server and server.variable else ""


def resolved(llm: LLMConfig) -> LLMConfig:
    """`llm` with the model and the server that will be asked, wherever they come from: what a study records.

    Raises:
        ConfigurationError: see `agent.llm.configured_model` and `agent.llm.with_server`.
    """
    return with_server(llm.model_copy(update={"model": configured_model(llm)}))


def make_proposer(
    search: SearchConfig,
    llm: LLMConfig,
    on_call: Callable[[CallRecord], None],
    on_start: Callable[[StartedCall], None] = lambda call: None,
) -> tuple[Proposer, str]:
    """The arm, ready to propose, and the sentence for the first line of the output.

    Args:
        search: which arm, and the list of the arm `fixed`.
        llm: the model of the arms that ask one.
        on_call: gets every attempt to call the model, as it ends.
        on_start: is told of every attempt before it goes out.

    Raises:
        ConfigurationError: see `resolve_arm` and `agent.llm.connect`.
    """
    arm, sentence = resolve_arm(search, llm)
    kind = resolve_name(ARMS[arm])
    if arm in LLM_ARMS:
        config = resolved(llm)
        return kind(connect(config), config, on_call, on_start), sentence
    return (kind(proposed_by_fixed(search)) if arm == "fixed" else kind()), sentence
