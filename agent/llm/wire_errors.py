"""What `wire` raises; apart from it, because whoever judges faults need not know how requests are sent."""


class NotInProtocol(Exception):
    """A server answered that all is well, but not as the protocol says; holds what is wrong, or the error it sent."""


class AnswerTooLong(Exception):
    """The body of an answer is longer than it may be."""


class CallTimeout(Exception):
    """A call took longer than `llm.timeout`, however it was spent."""
