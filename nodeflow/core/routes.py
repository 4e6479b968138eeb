"""Where values come from: links followed into and out of sub-graphs and through bypassed nodes."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final, NamedTuple

from nodeflow.core.json import JsonValue
from nodeflow.core.modes import passes_through
from nodeflow.core.names import graph_name
from nodeflow.core.nodes import NodeReader
from nodeflow.core.rawlinks import link_of, link_to, links_in
from nodeflow.core.remains import Gap, Nothing, Remains, Why
from nodeflow.core.spec import Input, Spec
from nodeflow.core.workflow import Document, Node, fed_inputs

_NOTHING: Final[Mapping[str, str]] = {}


@dataclass(slots=True, eq=False)
class Scope:
    """The document itself, or one use of a sub-graph.

    Attributes:
        path: What the ids of its nodes start with: ``outer/``, or nothing for the document.
        graph: Name of the sub-graph; empty for the document.
        fed: The inputs of its nodes that the interface feeds.
        outputs: What the interface gives: name to ``node.output``.
        parent: Where it is used.
        use: Id there of the node that uses it.
    """

    path: str
    graph: str
    nodes: Mapping[str, Node]
    fed: Mapping[str, Mapping[str, str]]
    outputs: Mapping[str, str]
    parent: "Scope | None" = None
    use: str = ""
    inner: "dict[str, Scope]" = field(default_factory=dict[str, "Scope"])


class Written(NamedTuple):
    """A value where it is written down."""

    scope: Scope
    node: str
    input: str
    value: JsonValue

    @property
    def path(self) -> str:
        """The path of the node."""
        return self.scope.path + self.node


class End(NamedTuple):
    """Where a link leads.

    Attributes:
        link: Output of a plain node, by paths; None for a value.
        written: The value.
        through: Path of the last bypassed node on the way; empty when there was none.
        instead: What a better way led to, where there was one.
    """

    link: tuple[str, str] | None = None
    written: Written | None = None
    through: str = ""
    instead: Nothing | None = None


class Arrival(NamedTuple):
    """What an input gets: a value, in which all links lead to plain nodes.

    Attributes:
        origin: Where the document says so; for a socket that an interface feeds that is at the use.
        through: Path of the bypassed node that handed it on; empty when there was none.
        instead: What a value that would have come first led to, where there was one.
        gaps: Places inside to which nothing comes.
    """

    value: JsonValue
    origin: Written
    through: str = ""
    instead: Nothing | None = None
    gaps: Sequence[Gap] = ()


class Routes:
    """Follows the links of one document.

    Attributes:
        top: The document itself.
        silent: Plain nodes that never give anything, with the muted node that is the reason; may grow.
        unjudged: Sources that cannot be followed, about which all has been said elsewhere.
    """

    def __init__(self, document: Document, reader: NodeReader) -> None:
        self.top = Scope("", "", document.nodes, {}, {})
        self.silent: dict[str, str] = {}
        self.unjudged: set[str] = set()
        self._graphs = document.graphs
        self._reader = reader
        self._fed: dict[str, Mapping[str, Mapping[str, str]]] = {}
        self._passing: dict[tuple[str, str], Input | None] = {}
        self._ends: dict[tuple[str, str], End] = {}

    def inside(self, scope: Scope, id: str) -> Scope:
        """The use of a sub-graph that a node is."""
        inner = scope.inner.get(id)
        if inner is None:
            name = graph_name(scope.nodes[id].type) or ""
            definition = self._graphs[name]
            if name not in self._fed:
                self._fed[name] = fed_inputs(definition)
            outputs = {shown: item.source for shown, item in definition.interface.outputs.items()}
            path = f"{scope.path}{id}/"
            inner = scope.inner[id] = Scope(path, name, definition.nodes, self._fed[name], outputs, scope, id)
        return inner

    def written(self, scope: Scope, id: str, input: str) -> Iterator[Written]:
        """The values that are given to an input, the one that counts first."""
        name = scope.fed.get(id, _NOTHING).get(input)
        if name is not None and scope.parent is not None:
            yield from self.written(scope.parent, scope.use, name)
        inputs = scope.nodes[id].inputs
        if input in inputs:
            yield Written(scope, id, input, inputs[input])

    def arrival(self, scope: Scope, id: str, input: Input) -> Arrival | Nothing | None:
        """What comes to an input; None where nothing is written."""
        absence: Nothing | None = None
        for written in self.written(scope, id, input.name):
            end = self._end(written)
            if isinstance(end, End):
                gaps: list[Gap] = []
                value = self._value(end, input, gaps)
                if not isinstance(value, Nothing):
                    return Arrival(value, written, end.through, absence or end.instead, gaps)
                end = value
            absence = absence or end
        return absence

    def source(self, scope: Scope, id: str, output: str) -> tuple[str, str] | Nothing | None:
        """The output of a plain node that an output stands for; None when a value stands there."""
        end = self._end(Written(scope, id, output, link_to(f"{id}.{output}")))
        return end.link if isinstance(end, End) else end

    def find(self, path: str) -> tuple[Scope, str] | None:
        """The node at a path; None when there is none."""
        scope = self.top
        *uses, id = path.split("/")
        for use in uses:
            node = scope.nodes.get(use)
            if node is None or graph_name(node.type) is None or self._reader.form_of(node) is None:
                return None
            scope = self.inside(scope, use)
        return (scope, id) if id in scope.nodes else None

    def _end(self, start: Written) -> End | Nothing:
        """Where a value comes from, the next best way taken wherever one leads to nothing."""
        waiting = [(start, "")]
        met: dict[tuple[str, str], None] = {}
        absence: Nothing | None = None
        while waiting:
            written, through = waiting.pop()
            link = link_of(written.value)
            if link is None:
                return self._keep(met, absence, End(None, written, through))
            step = (written.scope.path + link[0], link[1])
            if step in met:
                absence = absence or Nothing(Why.CIRCLE, *step)
                continue
            met[step] = None
            known = self._ends.get(step)
            if known is not None and not (known.link and known.link[0] in self.silent):
                return self._keep(met, absence, known)
            behind = self._behind(written.scope, *link)
            if isinstance(behind, Nothing):
                absence = absence or behind
            elif isinstance(behind, End):
                return self._keep(met, absence, End(behind.link, None, through))
            else:
                bypassed = written.scope.nodes[link[0]].mode is not None
                waiting.extend((item, step[0] if bypassed else through) for item in reversed(behind))
        assert absence is not None, "a way that was not followed to its end has a reason"
        return absence

    def _keep(self, met: Iterable[tuple[str, str]], absence: Nothing | None, end: End) -> End:
        if absence is not None:
            return end._replace(instead=absence)
        self._ends.update(dict.fromkeys(met, end))
        return end

    def _behind(self, scope: Scope, id: str, output: str) -> End | Nothing | list[Written]:
        """One step towards where an output comes from."""
        path = scope.path + id
        node = scope.nodes.get(id)
        if node is not None and node.mode == "mute":
            return Nothing(Why.MUTED, path, output)
        form = self._reader.form_of(node) if node is not None else None
        if node is None or form is None or output not in form.outputs:
            path += "" if form is None else "/"  # a node that is there, but has no such output: a name of no node
            self.unjudged.add(path)
            return End((path, output))
        if node.mode == "bypass":
            return self._passed(scope, id, form.spec, output)
        if graph_name(node.type) is not None:
            inner = self.inside(scope, id)
            return [Written(inner, "", output, link_to(inner.outputs[output]))]
        if path in self.silent:
            return Nothing(Why.MUTED, self.silent[path], output)
        return End((path, output))

    def _passed(self, scope: Scope, id: str, spec: Spec, output: str) -> Nothing | list[Written]:
        key = (spec.id, output)
        if key not in self._passing:
            self._passing[key] = passes_through(spec, output)
        input = self._passing[key]
        if input is not None:
            written = list(self.written(scope, id, input.name))
            if not written and not input.required and input.default is not None:
                default: JsonValue = {"value": input.default} if isinstance(input.default, dict) else input.default
                written = [Written(scope, id, input.name, default)]
            if written:
                return written
        return Nothing(Why.BYPASSED, scope.path + id, output)

    def _value(self, end: End, input: Input | None, gaps: list[Gap]) -> JsonValue | Nothing:
        if end.written is None:
            assert end.link is not None, "a way ends in a link or in a value"
            return link_to(".".join(end.link))
        value, scope = end.written.value, end.written.scope
        if not isinstance(value, list):
            return value
        remains = Remains(lambda link: self._linked_inside(self._end(Written(scope, "", "", link_to(".".join(link))))))
        followed = remains.of(value, input)
        gaps += remains.gaps
        return followed

    def _linked_inside(self, end: End | Nothing) -> JsonValue | Nothing:
        if isinstance(end, Nothing):
            return end
        if end.written is not None and any(links_in(end.written.value)):
            # Lists with links put into lists with links: their size could double at every step.
            return Nothing(Why.BYPASSED, end.through, "")
        return self._value(end, None, [])
