"""The typed recorder: calling a node through a graph writes it down instead of running it."""

import inspect
from collections.abc import Callable, Coroutine, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, ParamSpec, TypeVar, cast, get_type_hints, overload

from nodeflow.core import names
from nodeflow.core.errors import UsageError
from nodeflow.core.json import JsonValue
from nodeflow.core.links import Asked
from nodeflow.core.links import Link as Link
from nodeflow.core.node import ExpanderFunction, Later, NodeFunction
from nodeflow.core.plain import plain_value
from nodeflow.core.rows import Row
from nodeflow.core.signature import read_spec
from nodeflow.core.spec import Input, Spec
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
    """

    nodes: dict[str, Recorded] = field(default_factory=dict[str, Recorded])
    inputs: dict[str, tuple[str, list[str]]] = field(default_factory=dict[str, tuple[str, list[str]]])
    outputs: dict[str, Link] = field(default_factory=dict[str, Link])
    title: str = ""
    _specs: dict[Callable[..., Any], Spec] = field(default_factory=dict[Callable[..., Any], Spec], repr=False)
    _counts: dict[str, int] = field(default_factory=dict[str, int], repr=False)

    @property
    def functions(self) -> Mapping[Callable[..., Any], Spec]:
        """The functions that were recorded, each with its spec: what a run of this graph has to know."""
        return self._specs

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

    def each(self, fn: Callable[..., Any], *, id: str | None = None, title: str = "") -> Callable[..., Any]:
        """A recorder that takes lists where ``fn`` takes single values, and so gives lists; nothing is checked."""
        return self._recorder(fn, id, title)

    def record(self, spec: Spec, inputs: Mapping[str, Any], *, id: str | None = None, title: str = "") -> Recorded:
        """Write down a node by its spec; for nodes that are known only while the program runs."""
        if unknown := inputs.keys() - spec.input_names:
            raise UsageError(f"{spec.id} has no input {', '.join(sorted(unknown))}")
        missing = [item.name for item in spec.inputs if item.required and item.name not in inputs]
        if missing:
            raise UsageError(f"{spec.id} needs {', '.join(missing)}")
        node = self._id(spec, id)
        values = {item.name: self._value(node, item, inputs) for item in spec.inputs}
        recorded = self.nodes[node] = Recorded(node, spec, values, title)
        return recorded

    def input(self, name: str, default: T, *, title: str = "") -> T:
        """An input of the whole graph: stands wherever it is passed on, and is set by ``name`` at the run."""
        self.inputs.setdefault(name, (title, []))
        asked: Any = Asked(name, plain_value(default))
        return asked  # type: ignore[no-any-return]

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
        if self.inputs or self.outputs:
            document["interface"] = self._interface()
        return document

    def document(self) -> "Document":
        """The document, ready to be checked, run and saved."""
        from nodeflow.core.workflow import Document

        return Document.from_tree(self.as_json())

    def _recorder(self, fn: Callable[..., Any], id: str | None, title: str) -> Callable[..., Any]:
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
            return self._results(fn, self.record(spec, inputs, id=id, title=title))

        return record

    def _spec(self, fn: Callable[..., Any]) -> Spec:
        if fn not in self._specs:
            self._specs[fn] = read_spec(fn)
        return self._specs[fn]

    def _id(self, spec: Spec, wanted: str | None) -> str:
        if wanted is not None:
            if wanted in self.nodes:
                raise UsageError(f"there is a node {wanted!r} already")
            return wanted
        stem = id = names.snake_case(spec.id.rpartition(".")[2])
        while id in self.nodes:
            self._counts[stem] = self._counts.get(stem, 1) + 1
            id = f"{stem}_{self._counts[stem]}"
        return id

    def _value(self, node: str, item: Input, inputs: Mapping[str, Any]) -> Linked:
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


def _node(item: Recorded) -> JsonValue:
    node: dict[str, JsonValue] = {"type": item.spec.id, "version": item.spec.version}
    if item.title:
        node["title"] = item.title
    fields = {input.name: input.fields for input in item.spec.inputs}
    node["inputs"] = {name: written(value, fields.get(name, ())) for name, value in item.inputs.items()}
    return node


def _linked(place: str, value: Any, rows: bool) -> Linked:
    """A value as a document may hold it, with links where it is a list or a row."""
    if isinstance(value, Later):
        value = value.value
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
