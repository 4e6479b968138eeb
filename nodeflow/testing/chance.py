"""The generators of random numbers that everybody shares, disturbed for a while."""

import random
import sys
from collections.abc import Callable, Generator
from contextlib import ExitStack, contextmanager

Disturb = Callable[[int], None]


@contextmanager
def disturbed() -> Generator[Disturb]:
    """Gives a function that brings them into another state, as whatever ran before would have; undone at the end."""
    with ExitStack() as undo:
        undo.callback(random.setstate, random.getstate())
        numpy, torch = sys.modules.get("numpy"), sys.modules.get("torch")
        if numpy is not None:
            undo.callback(numpy.random.set_state, numpy.random.get_state())
        if torch is not None:
            undo.callback(torch.set_rng_state, torch.get_rng_state())
        yield _disturb


def _disturb(turn: int) -> None:
    random.seed(turn + 1)
    numpy, torch = sys.modules.get("numpy"), sys.modules.get("torch")
    if numpy is not None:
        numpy.random.seed(turn + 1)
    if torch is not None:
        torch.manual_seed(turn + 1)
