"""The language model without feedback: its prior knowledge, drawn N times. The control for `llm`."""

from agent.proposers.llm import LLMProposer


class BestOfNProposer(LLMProposer):
    """Arm `best_of_n`. Same model, same task, same tools to inspect the images, but no result of any kind.

    It sees neither the reference nor the baselines nor its own earlier scores. Its earlier policies are listed, without
    scores: a repeat is refused, and a model at a low temperature would spend all its repairs on repeating itself.
    """

    name = "best_of_n"
    feedback = False
