"""The document that is embedded into pictures: every input written out as it ran."""

from nodeflow.core.json import JsonValue
from nodeflow.core.links import Link
from nodeflow.core.resolved import ResolvedGraph, ResolvedNode
from nodeflow.core.workflow import Document
from nodeflow.core.written import Linked, link_inside, written


def written_out(document: Document, graph: ResolvedGraph) -> Document:
    """``document`` with settings, defaults and migrated inputs filled in for every node of ``graph``.

    Nodes that the run did not need stay as they are, and so does everything else, in its order.
    """
    nodes = document.tree["nodes"]
    assert isinstance(nodes, dict), "a document has nodes"
    filled: dict[str, JsonValue] = dict(nodes)
    for node in graph.nodes:
        before = filled.get(node.id)
        if isinstance(before, dict):
            order = before.get("inputs")
            inputs = _inputs(node, graph, list(order) if isinstance(order, dict) else [])
            filled[node.id] = {**before, "type": node.spec.id, "version": node.spec.version, "inputs": inputs}
    return Document.from_tree({**document.tree, "nodes": filled})


def _inputs(node: ResolvedNode, graph: ResolvedGraph, order: list[str]) -> JsonValue:
    values: dict[str, Linked] = dict(node.literals)
    for wire in node.wires:
        name, path = (node.nested or {}).get(wire.input, (wire.input, ()))
        values[name] = link_inside(values.get(name), path, Link(graph.nodes[wire.source].id, wire.output))
    fields = {input.name: input.fields for input in node.spec.inputs}
    return {name: written(values[name], fields[name]) for name in dict.fromkeys([*order, *fields]) if name in values}
