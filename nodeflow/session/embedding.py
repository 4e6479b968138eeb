"""The document that is embedded into pictures: every input written out as it ran."""

from nodeflow.core.json import JsonValue
from nodeflow.core.resolved import ResolvedGraph, ResolvedNode
from nodeflow.core.workflow import Document


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
    values: dict[str, JsonValue] = {}
    links = {wire.input: f"{graph.nodes[wire.source].id}.{wire.output}" for wire in node.wires}
    for name in dict.fromkeys([*order, *(input.name for input in node.spec.inputs)]):
        if name in links:
            values[name] = {"link": links[name]}
        elif name in node.literals:
            literal = node.literals[name]
            values[name] = {"value": literal} if isinstance(literal, dict) else literal
    return values
