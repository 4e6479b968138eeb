"""Letting an expander record its graph, and checking that graph like any document."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, cast

from nodeflow.core.errors import NodeflowError, RecordedWrongly
from nodeflow.core.files import GRAPH, Files
from nodeflow.core.graph import Graph, Link
from nodeflow.core.json import JsonValue
from nodeflow.core.names import graph_name
from nodeflow.core.registry import Registry
from nodeflow.core.resolved import ResolvedGraph
from nodeflow.core.spec import Output, Spec
from nodeflow.core.subgraphs import Extended
from nodeflow.core.types import ANY, substitute
from nodeflow.core.validate import Resolution, resolve
from nodeflow.core.workflow import Document
from nodeflow.engine.inside import Nested, Path, has_widget, put_inside
from nodeflow.engine.runtime import Constant, Expansion

_ARGUMENT = "argument:"
"""Starts the type id of a node that stands for a linked input of the expander; no pack can have such an id."""
_VALUE = "value"


@dataclass(frozen=True, slots=True)
class Expanders:
    """Calls the expanders of one run.

    Attributes:
        graphs: Sub-graphs of the running document, which expanders may use.
    """

    registry: Registry
    files: Files
    graphs: Mapping[str, JsonValue]
    _specs: dict[Callable[..., Any], Spec] = field(default_factory=dict[Callable[..., Any], Spec])

    def expand(self, spec: Spec, values: Mapping[str, object], linked: Nested) -> Expansion:
        """Calls an expander with a fresh graph.

        Args:
            spec: The expander.
            values: Inputs whose value is known.
            linked: Inputs, and places inside lists and rows, that are linked; where the input has no value yet, the
                expander gets a reference.

        Raises:
            RecordedWrongly: What it recorded cannot run; the first problem is told, with the recorded node it is about.
        """
        ids = {name: f"argument-{number}" for number, name in enumerate(linked)}
        places = {name: Link(id, _VALUE) for name, id in ids.items()}
        graph = Graph(graphs=dict(self.graphs), given=places, specs=self._specs)
        references = {name: link for name, link in places.items() if _is_reference(spec, linked[name][0])}
        result = self.registry.implementation(spec)(graph, **put_inside({**values, **references}, linked))
        results = _results(spec, result)
        document = _document(graph, results, ids.values())
        arguments = {_ARGUMENT + id: _argument(spec, id, *linked[name]) for name, id in ids.items()}
        resolved = _checked(resolve(document, Extended(self.registry, arguments), self.files))
        return Expansion(
            graph=resolved,
            arguments={resolved.index[id]: name for name, id in ids.items() if id in resolved.index},
            outputs={
                name: resolved.outputs[name] if isinstance(value, Link) else Constant(value)
                for name, value in results.items()
            },
            continuing=[resolved.index[id] for id in graph.continuing if id in resolved.index],
        )


def _checked(resolution: Resolution) -> ResolvedGraph:
    if resolution.graph is not None:
        for id, inputs in resolution.drawn.items():
            raise NodeflowError(f"what it records cannot run: {id}.{inputs[0]} is a draw; record a value instead")
        return resolution.graph
    first, *others = resolution.errors
    raise RecordedWrongly(first, len(others))


def _uses_subgraphs(graph: Graph) -> bool:
    """Whether a recorded node is a sub-graph, or takes the name of one."""
    specs = {id(node.spec): node.spec for node in graph.nodes.values()}.values()
    return any(
        graph_name(spec.id) is not None or any(has_widget(item, (GRAPH,)) for item in spec.inputs) for spec in specs
    )


def _is_reference(spec: Spec, name: str) -> bool:
    input = spec.input(name)
    return input is not None and input.lazy


def _argument(spec: Spec, id: str, name: str, path: Path) -> Spec:
    """What stands for an input, or for a place inside it, whose type has been checked where it was linked."""
    input = spec.input(name)
    assert input is not None, f"{spec.id} has no input {name}"
    return Spec(_ARGUMENT + id, outputs=(Output(_VALUE, ANY if path else substitute(input.type, {})),))


def _document(graph: Graph, results: Mapping[str, object], ids: Iterable[str]) -> Document:
    """What was recorded, with a node for each argument."""
    for name, value in results.items():
        if isinstance(value, Link):
            graph.outputs[name] = value
    if not _uses_subgraphs(graph):
        graph.graphs = {}  # to look at them would take longer than all else
    tree = graph.as_json()
    nodes = tree["nodes"]
    assert isinstance(nodes, dict)
    placeholders: dict[str, JsonValue] = {id: {"type": _ARGUMENT + id} for id in ids}
    tree["nodes"] = {**placeholders, **nodes}
    return Document.from_tree(tree)


def _results(spec: Spec, result: object) -> Mapping[str, object]:
    names = [output.name for output in spec.outputs]
    values = cast("tuple[object, ...]", result) if spec.multiple and isinstance(result, tuple) else (result,)
    return dict(zip(names, values, strict=False))
