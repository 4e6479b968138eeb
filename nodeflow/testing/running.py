"""One node, or a small graph, run by the real engine on plain Python values."""

from collections.abc import Callable, Coroutine, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Generic, ParamSpec, TypeVar, cast, get_type_hints, overload

from nodeflow.core.blocked import Blocked
from nodeflow.core.errors import Problem
from nodeflow.core.graph import Graph
from nodeflow.core.node import ExpanderFunction, NodeFunction
from nodeflow.core.spec import Spec
from nodeflow.session.results import Result
from nodeflow.session.sources import Source
from nodeflow.testing.bench import Bench, bench, registry_for
from nodeflow.testing.recording import NODE, around

P = ParamSpec("P")
R = TypeVar("R")
T = TypeVar("T")


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
        value: What the node returned: the value of its one output, the NamedTuple of several, None for an effect; where
            it held a value back, a ``Blocked`` that tells why.
        outputs: The same by name.
        warnings: What it said by ``run.warn``.
        shown: What it showed by ``run.show``.
        saved: What it wrote by ``run.save``, in memory; the files themselves are gone.
        doubts: What whoever runs a document with the node is warned of beforehand, such as a rule that crashes.
    """

    value: R
    outputs: Mapping[str, object]
    warnings: tuple[str, ...] = ()
    shown: tuple[object, ...] = ()
    saved: tuple[SavedFile, ...] = ()
    doubts: tuple[Problem, ...] = ()


@dataclass(frozen=True, slots=True)
class GraphRun:
    """What one run of a graph gave.

    Attributes:
        outputs: Values by the names that the graph declares, or ``node.output`` for targets.
        warnings: By node id.
        shown: By node id.
        saved: By node id.
        status: How each node ended: ``ran``, ``skipped``.
        withheld: For outputs that a node held back, the reason.
    """

    outputs: Mapping[str, object]
    warnings: Mapping[str, tuple[str, ...]]
    shown: Mapping[str, tuple[object, ...]]
    saved: Mapping[str, tuple[SavedFile, ...]]
    status: Mapping[str, str]
    withheld: Mapping[str, str]

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
    graph, settings = around(place, spec, inputs)
    targets = [f"{NODE}.{output.name}" for output in spec.outputs] or [NODE]
    running = place.start(graph, settings, targets=targets, write=())
    result = running.result()
    values = [_value(result, target) for target in targets] if spec.outputs else []
    outputs = dict(zip((output.name for output in spec.outputs), values, strict=True))
    value = build(*values) if build is not None else next(iter(values), None)
    return NodeRun(
        value,
        outputs,
        warnings=tuple(message for id, message in result.warnings if id == NODE),
        shown=tuple(result.shown.get(NODE, ())),
        saved=_saved(place, result).get(NODE, ()),
        doubts=tuple(problem for problem in running.problems if problem.node == NODE),
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
            withheld=dict(result.withheld),
        )


def _value(result: Result, target: str) -> object:
    return result[target].value if target in result else Blocked(result.withheld.get(target, ""))


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
