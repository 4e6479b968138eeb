"""A document with its sub-graphs written out and its modes carried out: plain nodes, whose ids are paths.

Every use of a sub-graph gives its nodes once more, called ``use/node``. Nothing of that is in a key, so the results
are those of the same graph drawn without sub-graphs.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Final, NamedTuple

from nodeflow.core.errors import Problem
from nodeflow.core.forms import Draft, Form
from nodeflow.core.json import JsonValue
from nodeflow.core.names import graph_name, place_in
from nodeflow.core.nodes import NodeReader
from nodeflow.core.routes import Arrival, Nothing, Routes, Scope, Why, Written, link_of, links_in
from nodeflow.core.spec import Input, Kind
from nodeflow.core.subgraphs import all_in
from nodeflow.core.workflow import Document, Node

Place = tuple[str, str]
"""Path of a plain node, and one of its outputs; empty for the node itself."""

Key = tuple[str, str, str | None]
"""What makes two problems one: the code, the node where it is defined, the input; without a node, the message."""

_NOTHING: Final[Mapping[str, str]] = {}


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
        return None if found is None else self._reader.form(found[0].nodes[found[1]].type)

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
            elif self._reader.form(node.type) is None:
                yield Somewhere(path, node.type, (*places, place_in(graph), inside(place_in(graph))))
            else:
                yield from self._everything(self._routes.inside(scope, id), (*places, place_in(graph)))

    def effects(self, path: str) -> list[str]:
        """The effects inside the use of a sub-graph."""
        inside = f"{path}/"
        return [at for at, seat in self._seats.items() if at.startswith(inside) and _is_effect(seat)]

    def reason(self, path: str) -> Nothing | None:
        """Why a node that gives nothing does not run."""
        found = self._routes.find(path)
        mode = None if found is None else found[0].nodes[found[1]].mode
        if path in self._routes.silent:
            return Nothing(Why.MUTED, self._routes.silent[path], "")
        return None if mode is None else Nothing(Why.MUTED if mode == "mute" else Why.BYPASSED, path, "")


def _is_effect(seat: Seat) -> bool:
    return seat.form.spec.kind is Kind.EFFECT


class Report:
    """Collects problems of the written out document, and says each once, where the document has it.

    Args:
        known: What has been said so far.
        seats: The nodes by path.
    """

    def __init__(self, known: Iterable[Problem], seats: Mapping[str, Seat]) -> None:
        self.problems: list[Problem] = []
        self._known: set[Key] = {_key(item) for item in known}
        self._seats = seats
        self._origins: dict[tuple[str, str], Arrival] = {}

    def arrived(self, path: str, input: str, arrival: Arrival | Nothing | None) -> None:
        """Remember from where an input of a node has its value."""
        if isinstance(arrival, Arrival):
            self._origins[path, input] = arrival
        else:
            self._origins.pop((path, input), None)

    def add(self, problem: Problem) -> None:
        """A problem of a plain node, which may come from what is written elsewhere."""
        seat = self._seats.get(problem.node or "")
        if seat is None:
            self._say(problem, _key(problem))
            return
        name, bracket, rest = (problem.input or "").partition("[")
        arrival = self._origins.get((problem.node or "", name))
        place = Written(seat.scope, seat.id, name, None) if arrival is None else arrival.origin
        if arrival is None and problem.code == "input.missing":
            place = self._wanting(place)
        if arrival is not None and arrival.through:
            message = f'{problem.message} (handed on by the bypassed "{arrival.through}")'
            problem = replace(problem, message=message)
        self.at(place, problem, f"{place.input}{bracket}{rest}" or None)

    def at(self, place: Written, problem: Problem, input: str | None) -> None:
        """A problem with what is written at a place."""
        scope = place.scope
        node = place_in(scope.graph, place.node) if scope.graph else place.node
        moved = replace(problem, node=place.path, input=input, type=scope.nodes[place.node].type)
        self._say(moved, (problem.code, node, input))

    def _wanting(self, place: Written) -> Written:
        """Where a value that nobody gives would have to be given."""
        scope = place.scope
        name = scope.fed.get(place.node, _NOTHING).get(place.input)
        if name is None or scope.parent is None:
            return place
        return self._wanting(Written(scope.parent, scope.use, name, None))

    def _say(self, problem: Problem, key: Key) -> None:
        if key not in self._known:
            self._known.add(key)
            self.problems.append(problem)


def _key(problem: Problem) -> Key:
    return problem.code, problem.node or problem.message, problem.input


class _Loss(NamedTuple):
    """An input to which something does not come.

    Attributes:
        fatal: The node cannot do without.
    """

    input: Input
    nothing: Nothing
    fatal: bool


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
        quiet = bool(absent) or effects or any(map(_is_effect, self._seats.values()))
        return Flat(drafts, unjudged, results, absent, self._graphs, quiet, self._routes, self._reader, self._seats)

    def _seat_all(self, scope: Scope) -> None:
        self._graphs.add(scope.graph)
        for id, node in scope.nodes.items():
            form, graph = self._reader.form(node.type), graph_name(node.type)
            if node.mode is not None:
                continue
            if graph is not None and form is None:
                self._graphs |= all_in(self._document.graphs, graph)
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
            arrival = self._routes.arrival(scope, id, name)
            self.report.arrived(path, name, arrival)
            if isinstance(arrival, Arrival):
                inputs[name] = arrival.value
                losses += [_Loss(input, arrival.instead, False)] if arrival.instead is not None else []
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
            for input, nothing, fatal in losses:
                origin = next(self._routes.written(scope, id, input.name))
                if nothing.why is Why.MUTED and fatal:
                    self.report.add(_not_run(path, node.type, input.name, nothing.node))
                elif nothing.why is Why.MUTED or fatal:
                    self.report.at(origin, _loss(origin, input, nothing), origin.input)
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
                self.report.add(_absent(name, item.source, end))
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


def _not_run(path: str, type_: str, input: str, muted: str) -> Problem:
    message = f'"{muted}" is muted, so this node does not run'
    hint = f'feed {input} from another node, or take the mute off "{muted}"'
    return Problem("mode.muted", message, path, input, hint=hint, severity="warning", type=type_)


def _loss(origin: Written, input: Input, nothing: Nothing) -> Problem:
    if nothing.why is Why.MUTED:
        message = f'"{nothing.node}" is muted, so what holds without a link is used'
        return Problem("mode.muted", message, severity="warning")
    if nothing.why is Why.BYPASSED:
        message = f'the bypassed "{nothing.node}" has nothing to hand on in place of its output {nothing.output}'
        hint = f'feed {origin.input} from another node, or take the bypass off "{nothing.node}"'
        return Problem("mode.bypass", message, expected=f"a value of type {input.type}", hint=hint)
    message = f'the bypassed "{nothing.node}" hands on what it gets from itself'
    return Problem("link.cycle", message, hint=f'feed "{nothing.node}" from another node')


def _absent(name: str, source: str, nothing: Nothing | None) -> Problem:
    message = f'the result "{name}" is absent'
    if nothing is None:
        reason, code = "a bypassed node hands on a value that no node makes", "mode.bypass"
    elif nothing.why is Why.MUTED:
        reason, code = f'"{nothing.node}" is muted', "mode.muted"
    else:
        reason, code = f'the bypassed "{nothing.node}" has nothing to hand on', "mode.bypass"
    return Problem(code, f"{message}: {reason}", found=source, severity="warning")
