"""Values that keep nodes from running: found, taken out of results, and put into words."""

from collections.abc import Iterable, Iterator, Mapping
from typing import cast

from nodeflow.core.blocked import Blocked


def blocked_in(value: object) -> Blocked | None:
    """``value`` if it is blocked, or the first item of a list that is, at any level."""
    if isinstance(value, Blocked):
        return value
    return next(_all_in(cast(object, value)), None) if isinstance(value, list) else None


def first_blocked(values: Iterable[object]) -> Blocked | None:
    """What keeps a node with these inputs from running; None when nothing does."""
    return next(filter(None, map(blocked_in, values)), None)


def first_blocked_whole(arguments: Mapping[str, object], depths: Mapping[str, int]) -> Blocked | None:
    """What keeps a mapped node from running at all; a list that is spread blocks the calls for its own items only."""
    return first_blocked(
        [] if name in depths and isinstance(value, list) else value for name, value in arguments.items()
    )


def without_blocked(value: object) -> object:
    """A list without its blocked items, at every level; everything else as it is."""
    if not isinstance(value, list):
        return value
    items = cast("list[object]", value)
    return [without_blocked(item) for item in items if not isinstance(item, Blocked)]


def reason_of(blocked: Blocked) -> str:
    """What to say of a node that does not run, or of a result that is not there."""
    return blocked.reason or "held back by a node above"


def reason_in(outputs: Iterable[object]) -> str:
    """What to say of a node that gave these outputs; empty when none is blocked."""
    for output in outputs:
        found = [*_all_in(output)]
        if found and isinstance(output, list):
            return of_items(found, _count(cast("list[object]", output)))
        if found:
            return reason_of(found[0])
    return ""


def of_items(blocked: list[Blocked], count: int) -> str:
    """What to say of a node whose calls for some items were not made."""
    return f"{len(blocked)} of {count} items: {reason_of(blocked[0])}"


def _all_in(value: object) -> Iterator[Blocked]:
    """What is blocked, in order; a list that holds itself is looked through once."""
    waiting, opened = [value], set[int]()
    while waiting:
        found = waiting.pop()
        if isinstance(found, Blocked):
            yield found
        elif isinstance(found, list) and id(cast("list[object]", found)) not in opened:
            items = cast("list[object]", found)
            opened.add(id(items))
            waiting += reversed(items)


def _count(items: list[object]) -> int:
    return sum(_count(cast("list[object]", item)) if isinstance(item, list) else 1 for item in items)
