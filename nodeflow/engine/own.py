"""The few nodes that the engine adds itself, to put together what expanders record: nobody can name their types."""

from collections.abc import Callable, Mapping, Sequence
from typing import Final, TypeAlias, cast

from nodeflow.core.blocked import Blocked
from nodeflow.core.canonical import record_bytes
from nodeflow.core.json import JsonValue
from nodeflow.core.resolved import ResolvedNode, Wire
from nodeflow.core.spec import Input, Lane, Output, Spec
from nodeflow.core.types import ANY
from nodeflow.engine.inside import Path
from nodeflow.engine.runtime import Constant

Place: TypeAlias = tuple[int, str]


def _own(name: str, *inputs: str) -> Spec:
    return Spec(
        f"({name})", inputs=tuple(Input(each, ANY) for each in inputs), outputs=(Output("out", ANY),), lane=Lane.CPU
    )


ITEM: Final = _own("item", "items", "place")
LIST: Final = _own("list", "items")
VALUE: Final = _own("value", "value")
HELD: Final = _own("held", "reason")


def _item(items: object, place: list[int]) -> object:
    for step in place:
        items = cast("list[object]", items)[step]
    return items


def _held(reason: str) -> Blocked:
    return Blocked(reason)


def _same(**given: object) -> object:
    (value,) = given.values()
    return value


FUNCTIONS: Final[Mapping[str, Callable[..., object]]] = {
    ITEM.id: _item,
    LIST.id: _same,
    VALUE.id: _same,
    HELD.id: _held,
}


def item_of(id: str, source: Place, place: Sequence[int]) -> ResolvedNode:
    """Takes one item out of a list, or out of lists in it."""
    return _node(id, ITEM, {"place": [*place]}, (Wire("items", *source),))


def value_of(id: str, value: JsonValue) -> ResolvedNode:
    """Gives a value that an expander handed out, where a link is needed."""
    return _node(id, VALUE, {"value": value})


def held_back(id: str, blocked: Blocked) -> ResolvedNode:
    """Gives nothing on, with the reason that an expander has given."""
    return _node(id, HELD, {"reason": blocked.reason})


def list_of(id: str, items: list[object]) -> ResolvedNode:
    """Puts a list together; its items are places, constants, and lists of such."""
    wires: list[Wire] = []
    nested: dict[str, tuple[str, Path]] = {}

    def literal(item: object, label: str, path: Path) -> JsonValue:
        if isinstance(item, list):
            members = enumerate(cast("list[object]", item))
            return [literal(member, f"{label}[{at}]", (*path, at)) for at, member in members]
        if isinstance(item, Constant):
            return cast(JsonValue, item.value)
        wires.append(Wire(label, *cast(Place, item)))
        nested[label] = ("items", path)
        return None

    return _node(id, LIST, {"items": literal(items, "items", ())}, tuple(wires), nested or None)


def _node(
    id: str,
    spec: Spec,
    literals: dict[str, JsonValue],
    wires: tuple[Wire, ...] = (),
    nested: Mapping[str, tuple[str, Path]] | None = None,
) -> ResolvedNode:
    return ResolvedNode(id, spec, literals, record_bytes(literals), wires, nested=nested)
