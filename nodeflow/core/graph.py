"""The typed recorder: calling a node through a graph writes it down instead of running it."""

import inspect
from collections.abc import Callable, Coroutine, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, ParamSpec, TypeVar, cast, get_type_hints, overload

from nodeflow.core import names
from nodeflow.core.errors import UsageError
from nodeflow.core.json import JsonValue
from nodeflow.core.links import UNSET, Asked, Unset
from nodeflow.core.links import Link as Link
from nodeflow.core.node import ExpanderFunction, Later, NodeFunction
from nodeflow.core.overriding import opened, sockets
from nodeflow.core.places import item_type
from nodeflow.core.plain import plain_value
from nodeflow.core.rows import Row
from nodeflow.core.signature import read_spec
from nodeflow.core.spec import Input, Output, Spec
from nodeflow.core.types import ANY
from nodeflow.core.written import Linked, written

if TYPE_CHECKING:
    from nodeflow.core.workflow import Document

P = ParamSpec("P")
R = TypeVar("R")
T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Recorded:
    """One recorded call.

    Attributes:
        inputs: Every input that is set or has a default: a literal or a ``Link``; links also stand in lists and rows.
    """

    id: str
    spec: Spec
    inputs: Mapping[str, Linked]
    title: str = ""


@dataclass(slots=True)
class Graph:
    """Records nodes: ``latent = g(ksampler)(model, positive, negative, empty)``.

    A checker sees the signature of the node itself, so that a link of a wrong type is refused while it is typed.

    Attributes:
        graphs: Definitions of sub-graphs by name, as a document has them; an expander finds those of the running
            document here.
        given: In an expander: links to its own inputs, by name, and by label for places inside lists and rows, such as
            ``items[2]``; also of inputs whose value it was given.
        continuing: In an expander: the nodes recorded by ``again``.
        specs: Of functions that were recorded, here or in graphs that share it.
    """

    nodes: dict[str, Recorded] = field(default_factory=dict[str, Recorded])
    inputs: dict[str, tuple[str, list[str]]] = field(default_factory=dict[str, tuple[str, list[str]]])
    outputs: dict[str, Link] = field(default_factory=dict[str, Link])
    title: str = ""
    graphs: dict[str, JsonValue] = field(default_factory=dict[str, JsonValue])
    given: Mapping[str, Link] = field(default_factory=dict[str, Link])
    continuing: list[str] = field(default_factory=list[str])
    specs: dict[Callable[..., Any], Spec] = field(default_factory=dict[Callable[..., Any], Spec], repr=False)
    _counts: dict[str, int] = field(default_factory=dict[str, int], repr=False)

    @property
    def functions(self) -> Mapping[Callable[..., Any], Spec]:
        """The functions that were recorded, each with its spec: what a run of this graph has to know."""
        return self.specs

    @overload
    def __call__(
        self, fn: ExpanderFunction["Graph", P, R], *, id: str | None = None, title: str = ""
    ) -> Callable[P, R]: ...

    @overload
    def __call__(
        self, fn: NodeFunction[P, Coroutine[Any, Any, R]], *, id: str | None = None, title: str = ""
    ) -> Callable[P, R]: ...

    @overload
    def __call__(self, fn: NodeFunction[P, R], *, id: str | None = None, title: str = "") -> Callable[P, R]: ...

    def __call__(self, fn: Callable[..., Any], *, id: str | None = None, title: str = "") -> Callable[..., Any]:
        """A recorder with the signature of ``fn``; ``id`` names the node, else its type does."""
        return self._recorder(fn, id, title)

    def again(self, fn: ExpanderFunction["Graph", P, R], *, id: str) -> Callable[P, R]:
        """A recorder for an expander that goes on where this one ends, as a loop does for its next turn.

        What it records stands beside what is recorded here, so that neither ids nor depth grow with the turns; the
        ids of each turn must be its own.
        """
        record = self._recorder(fn, id, "")

        def record_beside(*args: P.args, **inputs: P.kwargs) -> R:
            result: R = record(*args, **inputs)
            self.continuing.append(id)
            return result

        return record_beside

    def define(self, name: str, graph: "Graph") -> None:
        """Make a recorded graph a sub-graph of this one, to be used by ``call`` as often as is wished.

        Its ``input`` and ``output`` are the inputs and outputs of the sub-graph. An input need not have a default.
        """
        tree = graph.as_json()
        self.graphs |= cast("dict[str, JsonValue]", tree.get("graphs", {}))
        self.graphs[name] = {part: tree[part] for part in ("nodes", "interface") if part in tree}
        self.specs |= graph.functions

    def takes(self, name: str) -> Sequence[str]:
        """Names of the inputs of a sub-graph; raises UsageError when there is none of that name."""
        return tuple(sockets(self.graphs, name, "inputs"))

    def gives(self, name: str) -> Sequence[str]:
        """Names of the outputs of a sub-graph; raises UsageError when there is none of that name."""
        return tuple(sockets(self.graphs, name, "outputs"))

    def call(
        self,
        name: str,
        inputs: Mapping[str, Any],
        *,
        overrides: Mapping[str, Any] | None = None,
        id: str | None = None,
        title: str = "",
    ) -> Mapping[str, Any]:
        """Record a use of a sub-graph; what it gives is by name of its outputs.

        Args:
            name: Of the sub-graph, in the running document or by ``define``.
            inputs: Values and links, by name of its inputs; what is left out has the value that stands inside.
            overrides: Other values and links for this use, at any place inside: ``{"s1.steps": 5}``, and
                ``inner/s1.steps`` for a sub-graph in it.
            id: Names the node, else the sub-graph does.
            title: Shown on the node.

        Raises:
            UsageError: There is no such sub-graph, input, or place.
        """
        known = self.takes(name)
        if unknown := [given for given in inputs if given not in known]:
            expected = ", ".join(known) or "none"
            raise UsageError(f'the sub-graph "{name}" has no input {", ".join(unknown)}; its inputs: {expected}')
        labels = {place: f"override_{number}" for number, place in enumerate(overrides or {})}
        used = opened(self.graphs, name, labels) if labels else name
        values = {given: value for given, value in inputs.items() if given in self.takes(used)}
        values |= {labels[place]: value for place, value in (overrides or {}).items()}
        spec = Spec(
            names.GRAPH_PREFIX + used,
            inputs=tuple(Input(given, ANY) for given in values),
            outputs=tuple(Output(output, ANY) for output in self.gives(used)),
        )
        node = self.record(spec, values, id=id or self._free_id(name), title=title)
        return {output.name: Link(node.id, output.name) for output in spec.outputs}

    def each(self, fn: Callable[..., Any], *, id: str | None = None, title: str = "") -> Callable[..., Any]:
        """A recorder that takes lists where ``fn`` takes single values, and so gives lists; checkers see no types.

        The lists are those that nodes give: ``g.each(blur)(g(make_list)([one, two]))``. One that is written out where a
        single value is taken is refused with a UsageError, because no document can hold it.
        """
        return self._recorder(fn, id, title, mapped=True)

    def record(self, spec: Spec, inputs: Mapping[str, Any], *, id: str | None = None, title: str = "") -> Recorded:
        """Write down a node by its spec; for nodes that are known only while the program runs."""
        if unknown := inputs.keys() - spec.input_names:
            raise UsageError(f"{spec.id} has no input {', '.join(sorted(unknown))}")
        missing = [item.name for item in spec.inputs if item.required and item.name not in inputs]
        if missing:
            raise UsageError(f"{spec.id} needs {', '.join(missing)}")
        node = self._id(spec, id)
        read = ((item.name, self._value(node, item, inputs)) for item in spec.inputs)
        values = {name: value for name, value in read if value is not UNSET}
        recorded = self.nodes[node] = Recorded(node, spec, values, title)
        return recorded

    @overload
    def input(self, name: str, *, title: str = "") -> Any: ...

    @overload
    def input(self, name: str, default: T, *, title: str = "") -> T: ...

    def input(self, name: str, default: Any = UNSET, *, title: str = "") -> Any:
        """An input of the whole graph: stands wherever it is passed on, and is set by ``name`` at the run.

        Without a default it has to be set, as an input of a sub-graph that is always linked.
        """
        self.inputs.setdefault(name, (title, []))
        return Asked(name, UNSET if default is UNSET else plain_value(default))

    def output(self, name: str, value: object) -> None:
        """A result of the whole graph: ``value`` is what a recorded call gave back."""
        if not isinstance(value, Link):
            raise UsageError(f"the output {name!r} must be what a recorded node gives, and {value!r} is not")
        self.outputs[name] = value

    def as_json(self) -> dict[str, JsonValue]:
        """The document as a JSON value."""
        nodes: dict[str, JsonValue] = {item.id: _node(item) for item in self.nodes.values()}
        document: dict[str, JsonValue] = {"nodeflow": 1}
        if self.title:
            document["meta"] = {"title": self.title}
        document["nodes"] = nodes
        if self.graphs:
            document["graphs"] = self.graphs
        if self.inputs or self.outputs:
            document["interface"] = self._interface()
        return document

    def document(self) -> "Document":
        """The document, ready to be checked, run and saved."""
        from nodeflow.core.workflow import Document

        return Document.from_tree(self.as_json())

    def _recorder(
        self, fn: Callable[..., Any], id: str | None, title: str, *, mapped: bool = False
    ) -> Callable[..., Any]:
        spec = self._spec(fn)
        offered = inspect.signature(fn).parameters
        order = [name for name in offered if name in spec.input_names]

        def record(*args: Any, **inputs: Any) -> Any:
            if len(args) > len(order):
                raise UsageError(f"{spec.id} has {len(order)} inputs, and {len(args)} were given")
            for name, value in zip(order, args, strict=False):
                if name in inputs:
                    raise UsageError(f"{spec.id}: {name} is given twice")
                inputs[name] = value
            if mapped:
                _refuse_written_lists(spec, inputs)
            return self._results(fn, self.record(spec, inputs, id=id, title=title))

        return record

    def _spec(self, fn: Callable[..., Any]) -> Spec:
        if fn not in self.specs:
            self.specs[fn] = read_spec(fn)
        return self.specs[fn]

    def _id(self, spec: Spec, wanted: str | None) -> str:
        if wanted is not None:
            if wanted in self.nodes:
                raise UsageError(f"there is a node {wanted!r} already")
            return wanted
        return self._free_id(names.snake_case(spec.id.rpartition(".")[2]))

    def _free_id(self, stem: str) -> str:
        id = stem
        while id in self.nodes:
            self._counts[stem] = self._counts.get(stem, 1) + 1
            id = f"{stem}_{self._counts[stem]}"
        return id

    def _value(self, node: str, item: Input, inputs: Mapping[str, Any]) -> Linked | Unset:
        value = inputs.get(item.name, item.default)
        if isinstance(value, Later):
            value = value.value
        if isinstance(value, Asked):
            self.inputs[value.name][1].append(f"{node}.{item.name}")
            return value.default
        return _linked(f"{node}.{item.name}", value, bool(item.fields))

    def _interface(self) -> dict[str, JsonValue]:
        inputs: dict[str, JsonValue] = {}
        for name, (title, targets) in self.inputs.items():
            inputs[name] = {"to": [*targets], "title": title} if title else {"to": [*targets]}
        outputs: dict[str, JsonValue] = {name: {"from": str(link)} for name, link in self.outputs.items()}
        return {"inputs": inputs, "outputs": outputs}

    @staticmethod
    def _results(fn: Callable[..., Any], node: Recorded) -> Any:
        links = [Link(node.id, item.name) for item in node.spec.outputs]
        if node.spec.multiple:
            return get_type_hints(fn)["return"](*links)
        return links[0] if links else None


def _refuse_written_lists(spec: Spec, inputs: Mapping[str, Any]) -> None:
    """Refuse lists that are no links, where the input takes single values."""
    for item in spec.inputs:
        if isinstance(inputs.get(item.name), list | tuple) and item_type(item.type) is None:
            reason = f"a list that is written out cannot stand for one {item.type}"
            raise UsageError(f"{spec.id}: {item.name}: {reason}; link to a node that gives it, such as MakeList")


def _node(item: Recorded) -> JsonValue:
    node: dict[str, JsonValue] = {"type": item.spec.id, "version": item.spec.version}
    if item.title:
        node["title"] = item.title
    fields = {input.name: input.fields for input in item.spec.inputs}
    node["inputs"] = {name: written(value, fields.get(name, ())) for name, value in item.inputs.items()}
    return node


def _linked(place: str, value: Any, rows: bool) -> Linked:
    """A value as a document may hold it, with links where it is a list or a row."""
    match value:
        case Link():
            return value
        case Asked():
            reason = f"the graph's input {value.name!r} cannot stand inside a list; record a node that hands it on"
            raise UsageError(f"{place}: {reason}")
        case list() | tuple():
            items = cast("list[Any]", value)
            return [_linked(f"{place}[{index}]", item, rows) for index, item in enumerate(items)]
        case Row():
            return {name: _linked(f"{place}.{name}", part, rows) for name, part in vars(value).items()}
        case dict() if rows:
            members = cast("dict[str, Any]", value)
            return {name: _linked(f"{place}.{name}", member, rows) for name, member in members.items()}
        case _:
            try:
                return plain_value(value)
            except ValueError as error:
                raise UsageError(f"{place}: {error}; link to a node that makes it") from None
