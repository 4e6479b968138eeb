"""A node one of whose outputs is of another type than declared."""

from typing import NamedTuple

from nodeflow.api import Pack, node

pack = Pack("wrong_field", "1.0")


class Halves(NamedTuple):
    """Two numbers.

    Attributes:
        first: The smaller one.
        words: The larger one in words.
    """

    first: int
    words: list[str]


@node("wrong_field.Halve")
def halve(number: int = 7) -> Halves:
    """Split a number.

    Args:
        number: What is split.
    """
    return Halves(number // 2, [number - number // 2])  # type: ignore[list-item]
