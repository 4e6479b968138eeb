"""Socket types as plain data, and the one rule by which a link fits a socket."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Generic, Protocol, TypeVar

from nodeflow.core.json import JsonValue

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Type:
    """The type of a socket: an opaque name, with arguments for the few constructors there are.

    Scalars are ``int``, ``float``, ``str`` and ``bool``; ``any`` takes everything; ``list`` has one argument,
    ``optional`` one, ``union`` several; a name that starts with ``$`` is a type variable that is bound once per
    node. Every other name is a socket type such as ``Image``, of which the engine knows nothing.
    """

    name: str
    args: "tuple[Type, ...]" = ()

    def __str__(self) -> str:
        match self.name:
            case "optional":
                return f"{self.args[0]} | None"
            case "union":
                return " | ".join(map(str, self.args))
            case _:
                return self.name + (f"[{', '.join(map(str, self.args))}]" if self.args else "")


@dataclass(frozen=True, slots=True)
class Encoded:
    """A value on its way to the disk or to another process: a small JSON header and raw blobs."""

    header: JsonValue
    blobs: Sequence[bytes | memoryview]


class Codec(Protocol):
    """Turns values of one socket type into bytes and back; never pickle.

    ``decode(encode(value))`` equals ``value`` exactly. ``decode`` raises ValueError on anything malformed.
    """

    def encode(self, value: Any, /) -> Encoded: ...

    def decode(self, encoded: Encoded, /) -> Any: ...


@dataclass(frozen=True, slots=True)
class Socket(Generic[T]):
    """What a pack may say about one of its value types: title, colour in the editor, and how it is kept on disk.

    Attributes:
        type: The Python class; its ``__name__`` is the name of the socket type.
        codec: ``module:attribute`` of a Codec, imported at first use; without one a value stays in memory.
    """

    type: type[T]
    title: str = ""
    color: str = "#888888"
    codec: str | None = None
