"""A value that an input does not take, before node and input are known."""


class Unfit(Exception):
    """A value that its input does not take; becomes a ``Problem`` once node and input are known.

    Attributes:
        at: Where in a list the value stands; empty when all of it is meant.
    """

    def __init__(self, code: str, message: str, expected: str | None = None, hint: str | None = None) -> None:
        self.code = code
        self.message = message
        self.expected = expected
        self.hint = hint
        self.at: tuple[int, ...] = ()
        super().__init__(message)
