"""How many bytes a value holds, with storage that several values share counted once."""

from collections.abc import Hashable, Iterator, Mapping
from sys import getsizeof
from typing import Protocol, TypeAlias, cast, runtime_checkable

Part: TypeAlias = tuple[Hashable, int]
"""One piece of storage: its identity and its bytes."""

_SCALARS = frozenset((int, float, bool, type(None)))
SCALAR_BYTES = 32


@runtime_checkable
class SharesStorage(Protocol):
    """A value that shares storage with others, such as a model and its patched version.

    Attributes:
        storages: Identity of each piece of storage to its bytes. An identity must stay valid as long as the value.
    """

    @property
    def storages(self) -> Mapping[Hashable, int]: ...


def small_size(value: object) -> int | None:
    """Bytes of a number, a text or None; None for every other value."""
    kind = type(value)
    if kind in _SCALARS:
        return SCALAR_BYTES
    if kind is str:
        return SCALAR_BYTES + len(cast(str, value))
    return None


def parts(value: object) -> Iterator[Part]:
    """The pieces of storage that ``value`` holds, containers opened."""
    stack = [value]
    while stack:
        found = stack.pop()
        if isinstance(found, list | tuple):
            stack.extend(cast("list[object]", found))
        elif isinstance(found, dict):
            stack.extend(cast("dict[object, object]", found).values())
        elif isinstance(found, SharesStorage):
            yield from found.storages.items()
        else:
            yield id(found), own_size(found)


def own_size(value: object) -> int:
    """Bytes of one value: what it says itself by ``nbytes``, else what Python knows."""
    nbytes = getattr(value, "nbytes", None)
    return nbytes if isinstance(nbytes, int) else getsizeof(value, SCALAR_BYTES)


def total_size(value: object) -> int:
    """Bytes of a value, each piece of storage counted once."""
    return sum(dict(parts(value)).values())
