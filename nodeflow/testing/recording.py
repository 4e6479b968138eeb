"""A graph around one node: the node itself, and a node for each of its inputs that no document can hold."""

from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any, TypeVar, cast

from nodeflow.core.errors import UsageError
from nodeflow.core.files import FILE_WIDGETS
from nodeflow.core.graph import Graph, Link
from nodeflow.core.node import Later, node
from nodeflow.core.plain import plain_value
from nodeflow.core.rows import Row
from nodeflow.core.spec import Input, Output, Spec
from nodeflow.core.suggest import did_you_mean, listing
from nodeflow.core.types import ANY, Type, is_generic
from nodeflow.testing.bench import Bench
from nodeflow.testing.conversion import converted

T = TypeVar("T")

NODE = "node"
"""Id of the node that is tried."""

_GIVEN = "given:"
"""Starts the type id of a node that stands for a value; no pack can have such an id."""


def given(graph: Graph, value: T, *, id: str | None = None) -> T:
    """Record ``value`` itself, such as ``an_image()``, to be linked to: ``g(blur)(given(g, an_image()), radius=3)``.

    Args:
        graph: What is recorded into.
        id: Names the node that stands for the value.
    """
    number = len(graph.functions)
    marked = node(f"{_GIVEN}{number}")(_giving(value))
    return cast(T, graph(marked, id=id or f"given_{number}")())


def _giving(value: object) -> Callable[[], object]:
    """A function that gives ``value`` and declares the type of it."""

    def give() -> object:
        """A value of a test."""
        return value

    if isinstance(value, list):
        kinds = {type(item) for item in cast("list[object]", value)}
        kind: Any = kinds.pop() if len(kinds) == 1 else Any
        give.__annotations__["return"] = list[kind]
    else:
        give.__annotations__["return"] = type(value)
    return give


def around(place: Bench, spec: Spec, inputs: Mapping[str, object]) -> tuple[Graph, Mapping[str, Any]]:
    """A graph of the node and of one node for each value that no document can hold, and the files to set."""
    graph = Graph()
    literals: dict[str, object] = {}
    settings: dict[str, Any] = {}
    for name, value in inputs.items():
        item = spec.input(name)
        if item is None:
            hint = did_you_mean(name, spec.input_names) or f"it has {listing(sorted(spec.input_names))}"
            raise UsageError(f"{spec.id} has no input {name!r}; {hint}")
        plain = value.value if isinstance(value, Later) else value
        if item.widget is not None and item.widget.kind in FILE_WIDGETS:
            path = Path(cast("str | Path", plain))
            literals[name], settings[f"{NODE}.{name}"] = path.name, path
        elif item.widget is not None and item.widget.kind == "secret":
            literals[name] = place.keep_secret(name, str(plain))
        else:
            literals[name] = _literal_or_link(place, graph, item, plain)
    graph.record(spec, literals, id=NODE)
    return graph, settings


def _literal_or_link(place: Bench, graph: Graph, item: Input, value: object) -> object:
    """A value as a document can hold it, else a link to a node that gives it."""
    inner = _inner(item.type).name
    whole = inner in ("list", "any") or not _is_list(value)  # a list for a single value maps; no literal can say so
    if whole and not (item.fields and _names_file(value)):
        with suppress(ValueError):  # no document can hold it
            return plain_value(value)
    made = converted(value, item.type)
    spec = Spec(f"{_GIVEN}{item.name}", outputs=(Output("value", _type_of(place, item.type, made)),))
    place.workplace.registry.add_spec(spec, lambda: made)
    return Link(graph.record(spec, {}, id=f"given_{item.name}").id, "value")


def _is_list(value: object) -> bool:
    return isinstance(value, list)


def _names_file(value: object) -> bool:
    """Whether there is a ``Path`` in rows: the very file, and no name below the folders of models or pictures."""
    match value:
        case list() | tuple():
            return any(map(_names_file, cast("list[object]", value)))
        case dict():
            return any(map(_names_file, cast("dict[object, object]", value).values()))
        case Row():
            return any(map(_names_file, vars(value).values()))
        case _:
            return isinstance(value, Path)


def _type_of(place: Bench, declared: Type, value: object) -> Type:
    """The type of a linked value: its own where packs know it, so that a wrong one is told, else what is declared."""
    inner = _inner(declared)
    if isinstance(value, list):
        members = cast("list[object]", value)
        wanted = inner.args[0] if inner.name == "list" else inner
        return Type("list", (_type_of(place, wanted, members[0]) if members else _inner(wanted),))
    own = type(value).__name__
    return Type(own) if own in place.workplace.registry.sockets else inner


def _inner(type: Type) -> Type:
    plain = type.args[0] if type.name == "optional" else type
    return ANY if is_generic(plain) else plain
