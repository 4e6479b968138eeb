"""What a document or a sub-graph shows to whoever runs it: is there what the interface declares."""

from collections.abc import Collection, Iterator
from typing import NamedTuple

from nodeflow.core.errors import Problem
from nodeflow.core.ranges import is_inside, spell_range
from nodeflow.core.spec import Input, Range, Spec
from nodeflow.core.specs import Specs
from nodeflow.core.suggest import did_you_mean, listing, shorten
from nodeflow.core.workflow import Bounds, Definition, Document


class Place(NamedTuple):
    """An input or output of a node of the document, as far as it is known."""

    node: str
    name: str
    spec: Spec | None

    @property
    def input(self) -> Input | None:
        return None if self.spec is None else self.spec.input(self.name)


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


def _place(graph: Document | Definition, specs: Specs, socket: str) -> Place:
    node, _, name = socket.partition(".")
    known = graph.nodes.get(node)
    spec = specs.specs.get(known.type) if known else None
    return Place(node, name, spec if known and spec and known.version == spec.version else None)


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
