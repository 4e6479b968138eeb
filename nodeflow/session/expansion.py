"""Letting an expander record its graph, and checking that graph like any document."""

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import cast

from nodeflow.core.files import Files
from nodeflow.core.graph import Graph, Link
from nodeflow.core.json import JsonValue
from nodeflow.core.migrations import Migration
from nodeflow.core.registry import Registry
from nodeflow.core.spec import Output, Spec
from nodeflow.core.types import substitute
from nodeflow.core.validate import resolve
from nodeflow.core.workflow import Document
from nodeflow.engine.runtime import Constant, Expansion

_ARGUMENT = "argument:"
"""Starts the type id of a node that stands for a linked input of the expander; no pack can have such an id."""
_VALUE = "value"


def expand(
    registry: Registry, files: Files, spec: Spec, values: Mapping[str, object], linked: Collection[str]
) -> Expansion:
    """Calls the expander with a fresh graph.

    Args:
        values: Inputs whose value is known.
        linked: Names of inputs that have no value yet; the expander gets a reference for each.

    Raises:
        InvalidDocument: What it recorded cannot run; the problems name the recorded nodes.
    """
    graph = Graph()
    places = {name: Link(_node_id(name), _VALUE) for name in linked}
    result = registry.implementation(spec)(graph, **values, **places)
    results: dict[str, object] = dict(_results(spec, result))
    for name, value in results.items():
        if isinstance(value, Link):
            graph.outputs[name] = value
    document = _with_arguments(graph, linked)
    specs = _WithArguments(registry, {_ARGUMENT + name: _argument(spec, name) for name in linked})
    resolution = resolve(document, specs, files)
    resolved = resolution.require()
    return Expansion(
        graph=resolved,
        arguments={resolved.index[_node_id(name)]: name for name in linked if _node_id(name) in resolved.index},
        outputs={
            name: resolved.outputs[name] if isinstance(value, Link) else Constant(value)
            for name, value in results.items()
        },
    )


@dataclass(frozen=True, slots=True)
class _WithArguments:
    """The registry, and beside it the placeholders of one expansion."""

    registry: Registry
    arguments: Mapping[str, Spec]

    @property
    def specs(self) -> Mapping[str, Spec]:
        return {**self.registry.specs, **self.arguments}

    def missing(self, id: str) -> str | None:
        return self.registry.missing(id)

    def choices(self, table: str) -> Sequence[str]:
        return self.registry.choices(table)

    def checks(self, spec: Spec) -> Sequence[Callable[..., None]]:
        return self.registry.checks(spec)

    def migration(self, id: str, version: int) -> Migration | None:
        return self.registry.migration(id, version)


def _argument(spec: Spec, name: str) -> Spec:
    input = spec.input(name)
    assert input is not None, f"{spec.id} has no input {name}"
    return Spec(_ARGUMENT + name, outputs=(Output(_VALUE, substitute(input.type, {})),))


def _node_id(name: str) -> str:
    return f"argument-{name}"


def _with_arguments(graph: Graph, linked: Collection[str]) -> Document:
    tree = graph.as_json()
    nodes = tree["nodes"]
    assert isinstance(nodes, dict)
    placeholders: dict[str, JsonValue] = {_node_id(name): {"type": _ARGUMENT + name} for name in linked}
    tree["nodes"] = {**placeholders, **nodes}
    return Document.from_tree(tree)


def _results(spec: Spec, result: object) -> Mapping[str, object]:
    names = [output.name for output in spec.outputs]
    values = cast("tuple[object, ...]", result) if spec.multiple and isinstance(result, tuple) else (result,)
    return dict(zip(names, values, strict=False))
