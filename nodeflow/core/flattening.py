"""A document with its sub-graphs written out and its modes carried out: plain nodes, whose ids are paths.

Every use of a sub-graph gives its nodes once more, called ``use/node``. Nothing of that is in a key, so the results
are those of the same graph drawn without sub-graphs.
"""

from collections.abc import Iterable, Sequence
from typing import NamedTuple

from nodeflow.core.consequences import Report, absence, loss, not_run
from nodeflow.core.errors import Problem
from nodeflow.core.flat import Flat, Place, Seat, is_effect
from nodeflow.core.forms import Draft
from nodeflow.core.json import JsonValue
from nodeflow.core.names import graph_name
from nodeflow.core.nodes import NodeReader
from nodeflow.core.rawlinks import link_of, links_in
from nodeflow.core.remains import Gap, Nothing, Why
from nodeflow.core.routes import Arrival, Routes, Scope
from nodeflow.core.spec import Input, Kind
from nodeflow.core.subgraphs import all_in
from nodeflow.core.workflow import Document, Node


class _Loss(NamedTuple):
    """An input to which something does not come.

    Attributes:
        fatal: The node cannot do without.
        gap: The place inside that it would come to; None where the whole input is meant.
    """

    input: Input
    nothing: Nothing
    fatal: bool
    gap: Gap | None = None


class Flattening:
    """Writes out one document.

    Args:
        document: Its sub-graphs have been looked at.
        reader: Knows them.
        drafts: Its own nodes, read.
        known: What has been said so far.

    Attributes:
        report: What else is wrong.
    """

    def __init__(
        self, document: Document, reader: NodeReader, drafts: Sequence[Draft], known: Iterable[Problem]
    ) -> None:
        self._document = document
        self._reader = reader
        self._read = {draft.id: draft for draft in drafts}
        self._routes = Routes(document, reader)
        self._seats: dict[str, Seat] = {}
        self._graphs: set[str] = set()
        self._inputs: dict[str, dict[str, JsonValue]] = {}
        self._losses: dict[str, list[_Loss]] = {}
        self._stuck: set[str] = set()
        self.report = Report(known, self._seats)

    def flat(self) -> Flat:
        """Write it out."""
        self._seat_all(self._routes.top)
        for path in self._seats:
            self._feed(path)
        self._silence()
        self._tell_losses()
        results, absent = self._results()
        drafts = self._drafts()
        unjudged = self._routes.unjudged | self._stuck
        effects = any(draft.form.spec.kind is Kind.EFFECT for draft in self._read.values())
        quiet = bool(absent) or effects or any(map(is_effect, self._seats.values()))
        return Flat(drafts, unjudged, results, absent, self._graphs, quiet, self._routes, self._reader, self._seats)

    def _seat_all(self, scope: Scope) -> None:
        self._graphs.add(scope.graph)
        for id, node in scope.nodes.items():
            form, graph = self._reader.form_of(node), graph_name(node.type)
            if node.mode is not None:
                continue
            if graph is not None and form is None:
                self._graphs |= all_in(self._document.graphs, graph, self._reader.specs)
            elif graph is not None:
                self._seat_all(self._routes.inside(scope, id))
            elif form is not None:
                self._seats[scope.path + id] = Seat(scope, id, node, form)

    def _feed(self, path: str) -> None:
        """Work out what comes to the inputs of a node; one that lacks something does not run."""
        scope, id, node, form = self._seats[path]
        if not scope.graph and self._is_fed_plainly(node):
            self._inputs[path], self._losses[path] = node.inputs, []
            return
        inputs: dict[str, JsonValue] = {}
        losses: list[_Loss] = []
        for name in dict.fromkeys([*node.inputs, *scope.fed.get(id, ())]):
            input = form.inputs.get(name)
            if input is None:
                continue
            arrival = self._routes.arrival(scope, id, input)
            self.report.arrived(path, name, arrival)
            if isinstance(arrival, Arrival):
                inputs[name] = arrival.value
                losses += [_Loss(input, arrival.instead, False)] if arrival.instead is not None else []
                losses += [_Loss(input, gap.nothing, False, gap) for gap in arrival.gaps]
            elif arrival is not None:
                losses.append(_Loss(input, arrival, input.required))
                if input.required and arrival.why is Why.MUTED:
                    self._routes.silent[path] = arrival.node
        self._inputs[path] = inputs
        self._losses[path] = losses

    def _is_fed_plainly(self, node: Node) -> bool:
        """Whether a node of the document itself gets what it says, as most do: values, and links to plain nodes."""
        for value in node.inputs.values():
            if isinstance(value, dict | list):
                link = link_of(value)
                if link is None or link[0] not in self._seats or link[0] in self._routes.silent:
                    return False
        return True

    def _silence(self) -> None:
        """Feed the nodes below silent ones once more, until no other one falls silent."""
        waiting = list(self._routes.silent)
        below: dict[str, dict[str, None]] = {}
        for path in self._seats if waiting else ():
            self._note_sources(path, below)
        while waiting:
            for path in list(below.get(waiting.pop(), ())):
                if path not in self._routes.silent:
                    self._feed(path)
                    self._note_sources(path, below)
                    if path in self._routes.silent:
                        waiting.append(path)

    def _note_sources(self, path: str, below: dict[str, dict[str, None]]) -> None:
        for source, _ in links_in(list(self._inputs[path].values())):
            below.setdefault(source, {})[path] = None

    def _tell_losses(self) -> None:
        for path, losses in self._losses.items():
            scope, id, node, _ = self._seats[path]
            for input, nothing, fatal, gap in losses:
                if gap is not None:
                    self.report.gap(path, input, gap)
                    continue
                origin = next(self._routes.written(scope, id, input.name))
                if nothing.why is Why.MUTED and fatal:
                    self.report.add(not_run(path, node.type, input.name, nothing.node))
                elif nothing.why is Why.MUTED or fatal:
                    self.report.at(origin, loss(origin, input, nothing), origin.input)
                if nothing.why is not Why.MUTED and fatal:
                    self._stuck.add(path)

    def _results(self) -> tuple[dict[str, Place], dict[str, Nothing | None]]:
        """The outputs of the interface that there are, and those that are not."""
        results: dict[str, Place] = {}
        absent: dict[str, Nothing | None] = {}
        for name, item in self._document.interface.outputs.items():
            node, _, output = item.source.partition(".")
            end = self._routes.source(self._routes.top, node, output)
            if end is None or isinstance(end, Nothing):
                absent[name] = end
                if end is not None:
                    self.report.add(absence(name, item.source, end))
            else:
                results[name] = end
        return results, absent

    def _drafts(self) -> list[Draft]:
        found: list[Problem] = []
        drafts: list[Draft] = []
        for path, seat in self._seats.items():
            if path in self._routes.silent or path in self._stuck:
                continue
            inputs = self._inputs[path]
            if not seat.scope.graph and inputs == seat.node.inputs:
                drafts.append(self._read[path])
            else:
                drafts.append(self._reader.read_again(path, seat.node, inputs, found))
        for problem in found:
            self.report.add(problem)
        return drafts
