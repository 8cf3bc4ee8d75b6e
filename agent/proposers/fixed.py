"""Published policies, one in each iteration."""

from collections.abc import Sequence

from agent.memory.history import History
from agent.memory.proposal import Proposal
from tools.errors import ConfigurationError
from tools.policy.catalogue import CATALOGUE, default_operation


class FixedProposer:
    """Arm `fixed`: iteration i proposes the i-th operation of a list, at its defaults."""

    name = "fixed"

    def __init__(self, operations: Sequence[str]) -> None:
        """`operations`: names in the catalogue.

        Raises:
            ConfigurationError: the list is empty, or a name is not in the catalogue.
        """
        unknown = [name for name in operations if name not in CATALOGUE]
        if unknown or not operations:
            whole = ", ".join(name for name, spec in CATALOGUE.items() if spec.whole_policy)
            problem = f"has unknown operations ({', '.join(map(repr, unknown))})" if unknown else "is empty"
            raise ConfigurationError(f"search.baselines {problem}: name operations such as {whole}")
        self._operations = tuple(operations)

    def ask(self, history: History) -> Proposal:
        """The policy of this iteration.

        Raises:
            ConfigurationError: there are more iterations than policies.
        """
        if history.iteration > len(self._operations):
            raise ConfigurationError(
                f"the arm fixed has {len(self._operations)} policies (search.baselines), but iteration "
                f"{history.iteration} needs another: set search.iterations to {len(self._operations)}"
            )
        name = self._operations[history.iteration - 1]
        return Proposal(
            hypothesis=f"Published policy, unchanged: {CATALOGUE[name].summary}",
            expected_gain=0.0,
            policy=[default_operation(name)],
        )
