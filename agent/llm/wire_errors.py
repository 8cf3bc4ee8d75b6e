"""What `wire` raises; apart from it, because whoever judges faults need not know how requests are sent."""


class AnswerTooLong(Exception):
    """The body of an answer is longer than it may be."""


class CallTimeout(Exception):
    """A call took longer than `llm.timeout`, however it was spent."""
