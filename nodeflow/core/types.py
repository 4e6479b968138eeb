"""Socket types as plain data, and the one rule by which a link fits a socket."""

from collections.abc import MutableMapping, Sequence
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


ANY = Type("any")

Bindings = MutableMapping[str, Type]
"""What the type variables of one node stand for, filled in link by link."""


def fits(source: Type, target: Type, bindings: Bindings) -> bool:
    """Whether a value of type ``source`` may be handed to a socket of type ``target``.

    An int widens to a float; ``any`` fits everywhere and takes everything; a value fits an optional or a union when
    it fits one of its members. A type variable is bound by the first type that reaches it, and widened by a later
    one into which the earlier fits.
    """
    if target.name.startswith("$"):
        return _binds(source, target.name, bindings)
    if "any" in (source.name, target.name):
        return True
    if source.name == "union":
        return all(fits(member, target, bindings) for member in source.args)
    if target.name == "union":
        return any(fits(source, member, bindings) for member in target.args)
    if target.name == "optional":
        return fits(source.args[0] if source.name == "optional" else source, target.args[0], bindings)
    if (source.name, target.name) == ("int", "float"):
        return True
    return (
        source.name == target.name
        and len(source.args) == len(target.args)
        and all(fits(inner, outer, bindings) for inner, outer in zip(source.args, target.args, strict=True))
    )


def _binds(source: Type, variable: str, bindings: Bindings) -> bool:
    bound = bindings.setdefault(variable, source)
    if fits(source, bound, {}):
        return True
    if not fits(bound, source, {}):
        return False
    bindings[variable] = source
    return True


def substitute(type: Type, bindings: Bindings) -> Type:
    """``type`` with its variables replaced by what they are bound to; an unbound one may be anything."""
    if type.name.startswith("$"):
        return bindings.get(type.name, ANY)
    if not type.args:
        return type
    return Type(type.name, tuple(substitute(inner, bindings) for inner in type.args))


def is_generic(type: Type) -> bool:
    """Whether a type variable occurs in ``type``."""
    return type.name.startswith("$") or any(map(is_generic, type.args))


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
