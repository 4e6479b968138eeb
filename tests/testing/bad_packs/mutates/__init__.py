"""A node that sorts the list it is given in place."""

from nodeflow.api import Pack, node

pack = Pack("mutates", "1.0")


@node("mutates.Smallest")
def smallest(numbers: list[int]) -> int:
    """The smallest number.

    Args:
        numbers: At least one.
    """
    numbers.append(0)
    numbers.sort()
    return numbers[0]
