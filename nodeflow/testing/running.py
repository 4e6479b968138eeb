"""One node, or a small graph, run by the real engine on plain Python values."""

from collections.abc import Callable, Coroutine, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Generic, ParamSpec, TypeVar, cast, get_type_hints, overload

from nodeflow.core.errors import UsageError
from nodeflow.core.files import FILE_WIDGETS
from nodeflow.core.graph import Graph, Link
from nodeflow.core.node import ExpanderFunction, Later, NodeFunction, node
from nodeflow.core.plain import plain_value
from nodeflow.core.rows import Row
from nodeflow.core.spec import Input, Output, Spec
from nodeflow.core.suggest import did_you_mean, listing
from nodeflow.core.types import ANY, Type, is_generic
from nodeflow.session.results import Result
from nodeflow.session.sources import Source
from nodeflow.testing.bench import Bench, bench, registry_for
from nodeflow.testing.conversion import converted

P = ParamSpec("P")
R = TypeVar("R")
T = TypeVar("T")

NODE = "node"
"""Id of the node that is tried."""


@dataclass(frozen=True, slots=True)
class SavedFile:
    """A file that a node wrote by ``run.save``.

    Attributes:
        name: As it stands in the output folder, such as ``cats/cat_00001.png``.
    """

    name: str
    data: bytes


@dataclass(frozen=True, slots=True)
class NodeRun(Generic[R]):
    """What one run of one node gave.

    Attributes:
        value: What the node returned: the value of its one output, the NamedTuple of several, None for an effect.
        outputs: The same by name.
        warnings: What it said by ``run.warn``.
        shown: What it showed by ``run.show``.
        saved: What it wrote by ``run.save``, in memory; the files themselves are gone.
    """

    value: R
    outputs: Mapping[str, object]
    warnings: tuple[str, ...] = ()
    shown: tuple[object, ...] = ()
    saved: tuple[SavedFile, ...] = ()


@dataclass(frozen=True, slots=True)
class GraphRun:
    """What one run of a graph gave.

    Attributes:
        outputs: Values by the names that the graph declares, or ``node.output`` for targets.
        warnings: By node id.
        shown: By node id.
        saved: By node id.
        status: How each node ended: ``ran``, ``skipped``.
    """

    outputs: Mapping[str, object]
    warnings: Mapping[str, tuple[str, ...]]
    shown: Mapping[str, tuple[object, ...]]
    saved: Mapping[str, tuple[SavedFile, ...]]
    status: Mapping[str, str]

    def __getitem__(self, name: str) -> object:
        return self.outputs[name]


@overload
def run_node(fn: ExpanderFunction[Graph, ..., R], /, **inputs: object) -> NodeRun[R]: ...


@overload
def run_node(fn: NodeFunction[..., Coroutine[Any, Any, R]], /, **inputs: object) -> NodeRun[R]: ...


@overload
def run_node(fn: NodeFunction[..., R], /, **inputs: object) -> NodeRun[R]: ...


def run_node(fn: Callable[..., Any], /, **inputs: object) -> NodeRun[Any]:
    """Run one node through the engine: no server, no GPU, no models; the pack of ``fn`` is all that is installed.

    Pictures of Pillow, numpy arrays and tensors become an Image, a Mask or a Latent where the node declares one. A
    list handed to a single-valued input maps the node, a ``Path`` is the very file of a file input, and the input of
    a secret takes its value.

    Args:
        fn: A function marked with ``@node`` or ``@expander``.
        inputs: By name; those with a default may be left out.

    Raises:
        NodeFailed: The node raised, returned another number of values than it declares, or changed an input.
        InvalidDocument: A value is not what an input takes.
        UsageError: There is no such input, or one is missing.
    """
    registry = registry_for([fn])
    with bench(registry) as place:
        return run_on(place, fn, inputs)


def run_on(place: Bench, fn: Callable[..., Any], inputs: Mapping[str, object]) -> NodeRun[Any]:
    """``run_node`` on a bench that is used for several runs."""
    spec = place.workplace.registry.add_node(fn)
    return run_spec(place, spec, inputs, _builder(fn, spec))


def run_spec(
    place: Bench,
    spec: Spec,
    inputs: Mapping[str, object],
    build: Callable[..., Any] | None = None,
) -> NodeRun[Any]:
    """Run one node that the registry of ``place`` knows.

    Args:
        build: Makes one value of the outputs, in order, where there are several.
    """
    graph, settings = _recorded(place, spec, inputs)
    targets = [f"{NODE}.{output.name}" for output in spec.outputs] or [NODE]
    result = place.start(graph, settings, targets=targets, write=()).result()
    values = [result[target].value for target in targets] if spec.outputs else []
    outputs = dict(zip((output.name for output in spec.outputs), values, strict=True))
    value = build(*values) if build is not None else next(iter(values), None)
    return NodeRun(
        value,
        outputs,
        warnings=tuple(message for id, message in result.warnings if id == NODE),
        shown=tuple(result.shown.get(NODE, ())),
        saved=_saved(place, result).get(NODE, ()),
    )


def run_graph(
    graph: Source,
    inputs: Mapping[str, Any] | None = None,
    *,
    targets: Sequence[str] | None = None,
    packs: Sequence[str] = (),
) -> GraphRun:
    """Run a recorded graph or a document through the engine, on a home that has only the packs it needs.

    Args:
        graph: A ``Graph``, or the path or the bytes of a document.
        inputs: Values by name of the interface or by ``node.input``.
        targets: Node ids or ``node.output`` to run up to; what the graph declares as outputs by default.
        packs: Import names of packs that a document needs; those of recorded functions are found by themselves.

    Raises:
        NodeFailed: A node failed.
        InvalidDocument: With everything that is wrong with the graph.
    """
    functions = list(graph.functions) if isinstance(graph, Graph) else []
    with bench(registry_for(functions, packs)) as place:
        result = place.start(graph, inputs, targets=targets, write=()).result()
        warnings: dict[str, list[str]] = {}
        for id, message in result.warnings:
            warnings.setdefault(id, []).append(message)
        return GraphRun(
            outputs={name: output.value for name, output in result.items()},
            warnings={id: tuple(messages) for id, messages in warnings.items()},
            shown={id: tuple(values) for id, values in result.shown.items() if values},
            saved=_saved(place, result),
            status={id: report.status for id, report in result.nodes.items()},
        )


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


_GIVEN = "given:"
"""Starts the type id of a node that stands for a value; no pack can have such an id."""


def _recorded(place: Bench, spec: Spec, inputs: Mapping[str, object]) -> tuple[Graph, Mapping[str, Any]]:
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


def _builder(fn: Callable[..., Any], spec: Spec) -> Callable[..., Any] | None:
    if not spec.multiple:
        return None
    result: Any = get_type_hints(fn)["return"]
    return cast("Callable[..., Any]", result)


def _saved(place: Bench, result: Result) -> Mapping[str, tuple[SavedFile, ...]]:
    """The files of a run, taken into memory."""
    found: dict[str, tuple[SavedFile, ...]] = {}
    for id, paths in result.saved.items():
        files: list[SavedFile] = []
        for path in paths:
            files.append(SavedFile(path.relative_to(place.outputs.folder).as_posix(), path.read_bytes()))
            path.unlink()
        if files:
            found[id] = tuple(files)
    return found
