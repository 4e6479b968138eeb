"""What a value holds in memory, storage that several values share counted once; what it takes to be ready for use."""

from collections.abc import Hashable, Iterable, Iterator, Mapping
from sys import getsizeof
from typing import Protocol, TypeAlias, cast, runtime_checkable

Part: TypeAlias = tuple[Hashable, int]
"""One piece of storage: its identity and its bytes."""

SCALARS = frozenset((int, float, bool, type(None)))
"""Types whose values hold nothing but themselves."""

SCALAR_BYTES = 32


@runtime_checkable
class SharesStorage(Protocol):
    """A value that shares storage with others, such as a model and its patched version.

    Attributes:
        storages: Identity of each piece of storage to its bytes. An identity must stay valid as long as the value.
    """

    @property
    def storages(self) -> Mapping[Hashable, int]: ...


@runtime_checkable
class ReadyLater(Protocol):
    """A value that puts work off until it is used, such as a network that lies in its file until then.

    Attributes:
        ready_seconds: About what it takes from nothing until it is ready for use.
    """

    @property
    def ready_seconds(self) -> float: ...


def text_size(value: object) -> int | None:
    """Bytes of a text; None for every other value."""
    return SCALAR_BYTES + len(value) if isinstance(value, str) else None


def parts(value: object) -> Iterator[Part]:
    """The pieces of storage that ``value`` holds, containers opened once each, also those that hold themselves."""
    for found in _leaves(value):
        if isinstance(found, SharesStorage):
            yield from found.storages.items()
        else:
            yield id(found), own_size(found)


def seconds_to_ready(value: object) -> float:
    """What it takes again until ``value``, or what it contains, is ready for use, as far as that is said there."""
    return sum(found.ready_seconds for found in _leaves(value) if isinstance(found, ReadyLater))


def _leaves(value: object) -> Iterator[object]:
    stack = [value]
    opened: set[int] = set()
    while stack:
        found = stack.pop()
        inside = _inside(found)
        if inside is None:
            yield found
        elif id(found) not in opened:
            opened.add(id(found))
            stack.extend(inside)


def _inside(value: object) -> Iterable[object] | None:
    """What a container holds; None when it is no container."""
    if isinstance(value, dict):
        return cast("dict[object, object]", value).values()
    return cast("list[object]", value) if isinstance(value, list | tuple) else None


def own_size(value: object) -> int:
    """Bytes of one value: what it says itself by ``nbytes``, else what Python knows."""
    nbytes = getattr(value, "nbytes", None)
    return nbytes if isinstance(nbytes, int) else getsizeof(value, SCALAR_BYTES)


def total_size(value: object) -> int:
    """Bytes of a value, each piece of storage counted once."""
    return sum(dict(parts(value)).values())
