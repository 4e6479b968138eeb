"""A node that returns three values and declares two."""

from typing import NamedTuple

from nodeflow.api import Pack, node

pack = Pack("wrong_length", "1.0")


class Halves(NamedTuple):
    """Two numbers.

    Attributes:
        first: The smaller one.
        second: The larger one.
    """

    first: int
    second: int


@node("wrong_length.Halve")
def halve(number: int = 7) -> Halves:
    """Split a number.

    Args:
        number: What is split.
    """
    return number // 2, number - number // 2, number  # type: ignore[return-value]
