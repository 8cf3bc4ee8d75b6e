"""The language model without feedback: what it knows beforehand, drawn N times. The control for `llm`."""

from agent.proposers.llm import LLMProposer


class BestOfNProposer(LLMProposer):
    """Arm `best_of_n`. Same model, same task, same tools to look at the images, but no result of any kind.

    Neither the reference nor the baselines nor its own earlier scores are shown. Its earlier policies are named,
    without scores, since an exact repeat is refused and a model at low temperature would spend all repairs on it.
    """

    name = "best_of_n"
    feedback = False
