"""A node that draws from the generator that everybody draws from."""

import random

from nodeflow.api import Pack, node

pack = Pack("unseeded", "1.0")


@node("unseeded.Roll")
def roll(sides: int = 1000) -> int:
    """Roll a die.

    Args:
        sides: How many it has.
    """
    return random.randrange(sides)
