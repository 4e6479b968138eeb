"""What a document shows to whoever runs it: is what it declares there, and where do the values given go."""

from collections.abc import Collection, Iterator, Mapping
from typing import NamedTuple

from nodeflow.core.drawing import is_draw
from nodeflow.core.errors import InvalidDocument, Problem
from nodeflow.core.json import JsonValue
from nodeflow.core.ranges import check_range, is_inside, spell_range
from nodeflow.core.spec import Input, Range, Spec
from nodeflow.core.specs import Specs
from nodeflow.core.suggest import did_you_mean, listing, shorten
from nodeflow.core.texts import parse_text
from nodeflow.core.types import ANY
from nodeflow.core.unfit import Unfit
from nodeflow.core.workflow import Bounds, Definition, Document


class Place(NamedTuple):
    """An input or output of a node of the document, as far as it is known."""

    node: str
    name: str
    spec: Spec | None

    @property
    def input(self) -> Input | None:
        return None if self.spec is None else self.spec.input(self.name)


def assign(document: Document, values: Mapping[str, JsonValue], specs: Specs) -> Document:
    """A document with other values in it.

    Args:
        document: Stays as it is.
        values: By name of an input of the interface, or by ``node.input``. A text is read as the declared type has
            it: ``"20"`` becomes a number for a number and stays a text for a text. An object with the key ``draw``
            is a draw.
        specs: The nodes there are.

    Raises:
        InvalidDocument: When a name is unknown or a value is outside the range that the interface declares.
    """
    assigned, problems = apply_settings(document, values, specs)
    if problems:
        raise InvalidDocument(problems)
    return assigned


def apply_settings(
    document: Document, settings: Mapping[str, JsonValue], specs: Specs
) -> tuple[Document, list[Problem]]:
    """``assign`` that goes on after a problem and hands all of them back."""
    problems: list[Problem] = []
    values: dict[str, dict[str, JsonValue]] = {}
    for name, value in settings.items():
        sockets = _sockets(document, name)
        if not sockets:
            problems.append(_unknown_setting(document, name))
        for socket in sockets:
            place = _place(document, specs, socket)
            type_ = place.input.type if place.input else ANY
            read = parse_text(type_, value) if isinstance(value, str) else value
            values.setdefault(place.node, {})[place.name] = _written(read)
            problems.extend(_narrowed(document, name, place, read))
    return (document.with_inputs(values) if values else document), problems


def _written(value: JsonValue) -> JsonValue:
    """A value as an input of a document has it."""
    return {"value": value} if isinstance(value, dict) and not is_draw(value) else value


def interface_problems(graph: Document | Definition, specs: Specs, ids: Collection[str]) -> Iterator[Problem]:
    """Sockets that the interface names and that are not there, ranges it widens, inputs it feeds twice.

    Args:
        graph: Migrated, so that its sockets have the names of today.
        specs: The nodes there are.
        ids: All nodes of the graph, also those that cannot be read.
    """
    fed: dict[str, str] = {}
    for name, declared in graph.interface.inputs.items():
        for socket in declared.to:
            place = _place(graph, specs, socket)
            first = fed.setdefault(socket, name)
            if first != name:
                message = f'the interface inputs "{first}" and "{name}" both feed it'
                yield Problem("interface.conflict", message, place.node, place.name)
            names = None if place.spec is None else [item.name for item in place.spec.inputs]
            yield from _socket_problems(ids, f'input "{name}"', place, names)
            if declared.range and place.input:
                yield from _range_problems(name, place, declared.range, place.input.range or Range())
    for name, result in graph.interface.outputs.items():
        place = _place(graph, specs, result.source)
        names = None if place.spec is None else [item.name for item in place.spec.outputs]
        yield from _socket_problems(ids, f'output "{name}"', place, names)


def _sockets(document: Document, name: str) -> list[str]:
    declared = document.interface.inputs.get(name)
    if declared is not None:
        return declared.to
    node, dot, _ = name.partition(".")
    return [name] if dot and node in document.nodes else []


def _place(graph: Document | Definition, specs: Specs, socket: str) -> Place:
    node, _, name = socket.partition(".")
    known = graph.nodes.get(node)
    return Place(node, name, specs.specs.get(known.type) if known else None)


def _unknown_setting(document: Document, name: str) -> Problem:
    names = [*document.interface.inputs]
    names.extend(f"{id}.{input}" for id, node in document.nodes.items() for input in node.inputs)
    message = f'there is no input "{name}" to set'
    return Problem("setting.unknown", message, expected=listing(names), hint=did_you_mean(name, names))


def _narrowed(document: Document, name: str, place: Place, value: JsonValue) -> Iterator[Problem]:
    """Holds a value against the range that the interface declares; the socket's own is checked with the node."""
    declared = document.interface.inputs.get(name)
    if declared is None or declared.range is None or not isinstance(value, int | float) or isinstance(value, bool):
        return
    whole = place.input is not None and place.input.type.name == "int"
    try:
        check_range(value, as_range(declared.range), whole=whole)
    except Unfit as fault:
        message = f'{fault.message} of the interface input "{name}"'
        yield Problem(fault.code, message, place.node, place.name, shorten(value), fault.expected, fault.hint)


def _socket_problems(ids: Collection[str], what: str, place: Place, names: Collection[str] | None) -> Iterator[Problem]:
    if place.node not in ids:
        known, wrong = ids, place.node
    elif names is not None and place.name not in names:
        known, wrong = names, place.name
    else:
        return
    message = f"the interface's {what} names a socket that is not there"
    found, hint = f"{place.node}.{place.name}", did_you_mean(wrong, known)
    node = place.node if place.spec else None
    yield Problem("interface.socket", message, node, None, found, listing(known), hint)


def _range_problems(name: str, place: Place, narrowed: Bounds, declared: Range) -> Iterator[Problem]:
    # An open bound may stand exactly on the declared one, so it is held against that bound as if it were closed.
    closed = Range(ge=_first(declared.ge, declared.gt), le=_first(declared.le, declared.lt))
    outside = [limit for limit in (narrowed.ge, narrowed.le) if limit is not None and not is_inside(limit, declared)]
    outside += [limit for limit in (narrowed.gt, narrowed.lt) if limit is not None and not is_inside(limit, closed)]
    if outside:
        message = f'the range of the interface input "{name}" goes beyond that of the input it feeds'
        found, expected = ", ".join(map(shorten, outside)), spell_range(declared)
        yield Problem("interface.range", message, place.node, place.name, found, expected)


def _first(*bounds: float | None) -> float | None:
    return next((bound for bound in bounds if bound is not None), None)


def as_range(bounds: Bounds) -> Range:
    """The bounds that an interface declares, as those of an input."""
    return Range(bounds.ge, bounds.gt, bounds.le, bounds.lt, bounds.multiple_of)
