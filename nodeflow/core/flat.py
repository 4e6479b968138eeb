"""What is left of a document when its sub-graphs are written out and its modes carried out."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import NamedTuple

from nodeflow.core.forms import Draft, Form
from nodeflow.core.names import graph_name, place_in
from nodeflow.core.nodes import NodeReader
from nodeflow.core.remains import Nothing, Why
from nodeflow.core.routes import Routes, Scope
from nodeflow.core.spec import Kind
from nodeflow.core.workflow import Node

Place = tuple[str, str]
"""Path of a plain node, and one of its outputs; empty for the node itself."""


class Seat(NamedTuple):
    """A plain node that is to run, where it stands."""

    scope: Scope
    id: str
    node: Node
    form: Form


class Somewhere(NamedTuple):
    """A node that would run if nothing was wrong.

    Attributes:
        places: What problems may call it, and the uses of sub-graphs that it lies in.
    """

    path: str
    type: str
    places: tuple[str, ...]


def inside(graph: str) -> str:
    """What stands for all places inside the definition of a sub-graph."""
    return f"{graph}/…"


@dataclass(frozen=True, slots=True)
class Flat:
    """What is left of a document when sub-graphs and modes are gone.

    Attributes:
        drafts: The nodes that run.
        unjudged: Sources of links about which all has been said.
        results: The outputs of the interface that there are.
        absent: Those that are not, with the reason; None where a plain value stands instead.
        graphs: Sub-graphs that take part.
        quiet: Something saves, shows or is a result, were it not for a mode.
    """

    drafts: list[Draft]
    unjudged: set[str]
    results: Mapping[str, Place]
    absent: Mapping[str, Nothing | None]
    graphs: set[str]
    quiet: bool
    _routes: Routes
    _reader: NodeReader
    _seats: Mapping[str, Seat]

    def form(self, path: str) -> Form | None:
        """The form of a node, whether it runs or not; None when there is none."""
        found = self._routes.find(path)
        return None if found is None else self._reader.form_of(found[0].nodes[found[1]])

    def source(self, path: str, output: str) -> Place | Nothing | None:
        """The output of a node that runs for which an output stands; None when a plain value stands there."""
        found = self._routes.find(path)
        return None if found is None else self._routes.source(*found, output)

    def everything(self) -> Iterator[Somewhere]:
        """All nodes that would run if nothing was wrong, also those that cannot be read."""
        return self._everything(self._routes.top, ())

    def _everything(self, scope: Scope, around: tuple[str, ...]) -> Iterator[Somewhere]:
        for id, node in scope.nodes.items():
            path, graph = scope.path + id, graph_name(node.type)
            if node.mode is not None or path in self._routes.silent:
                continue
            places = (path, *((place_in(scope.graph, id),) if scope.graph else ()), *around)
            if graph is None:
                yield Somewhere(path, node.type, places)
            elif self._reader.form_of(node) is None:
                yield Somewhere(path, node.type, (*places, place_in(graph), inside(place_in(graph))))
            else:
                yield from self._everything(self._routes.inside(scope, id), (*places, place_in(graph)))

    def effects(self, path: str) -> list[str]:
        """The effects inside the use of a sub-graph."""
        inside = f"{path}/"
        return [at for at, seat in self._seats.items() if at.startswith(inside) and is_effect(seat)]

    def reason(self, path: str) -> Nothing | None:
        """Why a node that gives nothing does not run."""
        found = self._routes.find(path)
        mode = None if found is None else found[0].nodes[found[1]].mode
        if path in self._routes.silent:
            return Nothing(Why.MUTED, self._routes.silent[path], "")
        return None if mode is None else Nothing(Why.MUTED if mode == "mute" else Why.BYPASSED, path, "")


def is_effect(seat: Seat) -> bool:
    """Whether a node saves or shows something."""
    return seat.form.spec.kind is Kind.EFFECT
