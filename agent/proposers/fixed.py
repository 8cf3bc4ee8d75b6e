"""Published policies, one in each iteration."""

from collections.abc import Sequence

from agent.memory.history import History
from agent.memory.proposal import Proposal
from tools.errors import ConfigurationError
from tools.policy.catalogue import CATALOGUE
from tools.policy.named import named_policy


class FixedProposer:
    """Arm `fixed`: iteration i proposes the i-th policy of a list."""

    name = "fixed"
    at_once = False

    def __init__(self, policies: Sequence[str]) -> None:
        """`policies`: as `tools.policy.named` reads them.

        Raises:
            ConfigurationError: the list is empty, or one of them is no policy.
        """
        if not policies:
            whole = ", ".join(name for name, spec in CATALOGUE.items() if spec.whole_policy)
            raise ConfigurationError(
                "search.proposer is fixed, but search.baselines has nothing for it to propose besides the default "
                f"policy: name policies such as {whole}"
            )
        for text in policies:
            try:
                named_policy(text, "unknown")
            except ConfigurationError as error:
                raise ConfigurationError(f"search.baselines: {error}") from None
        self._policies = tuple(policies)

    def ask(self, history: History) -> Proposal:
        """The policy of this iteration.

        Raises:
            ConfigurationError: there are more iterations than policies.
        """
        if history.iteration > len(self._policies):
            raise ConfigurationError(
                f"the arm fixed has {len(self._policies)} policies (search.baselines), but iteration "
                f"{history.iteration} needs another: set search.iterations to {len(self._policies)}"
            )
        named = named_policy(self._policies[history.iteration - 1], history.card.modality)
        known = CATALOGUE.get(named.name)
        why = f"Published policy, unchanged: {known.summary}" if known else named.why
        return Proposal.of(named.policy, why)
