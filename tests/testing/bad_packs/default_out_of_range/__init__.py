"""A default that its own range refuses."""

from typing import Annotated

from nodeflow.api import Field, Pack, node

pack = Pack("default_out_of_range", "1.0")


@node("default_out_of_range.Add")
def add(number: Annotated[int, Field(ge=1, le=10)] = 11) -> int:
    """Add one.

    Args:
        number: To which one is added.
    """
    return number + 1
