"""Finding the value that keeps a node from running."""

from collections.abc import Iterable
from typing import cast

from nodeflow.core.blocked import Blocked


def blocked_in(value: object) -> Blocked | None:
    """``value`` if it is blocked, or the first item of a list that is."""
    if isinstance(value, Blocked):
        return value
    if isinstance(value, list):
        return next((item for item in cast("list[object]", value) if isinstance(item, Blocked)), None)
    return None


def first_blocked(values: Iterable[object]) -> Blocked | None:
    """What keeps a node with these inputs from running; None when nothing does."""
    return next(filter(None, map(blocked_in, values)), None)
