"""The language model chooses a policy, and may change it while the classifier is trained (arXiv 2410.13453v4).

What it is asked for in the middle of a training is decided by `agent/steps/search/online.py`; here it only writes one
policy at a time.
"""

from dataclasses import replace

from agent.memory.history import History
from agent.proposers.llm import Answer, LLMProposer


class OnlineProposer(LLMProposer):
    """Arm `online`: `ask` gives the policy that a training begins with, or that of the epochs that follow."""

    name = "online"
    at_once = False

    def ask(self, history: History) -> Answer:
        """One policy.

        Raises:
            TransportError: the model cannot be reached.
        """
        return super().ask(replace(history, candidates=1))
