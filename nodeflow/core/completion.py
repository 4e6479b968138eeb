"""A document as it is saved: of today's node versions, with every input written, defaults included.

So an update of a pack that changes a default never changes an old picture. Nodes of packs that are not installed,
and those that no migration reaches, are kept as they are.
"""

from collections.abc import Mapping
from typing import cast

from nodeflow.core.json import JsonValue
from nodeflow.core.spec import Spec
from nodeflow.core.specs import Specs
from nodeflow.core.upgrade import migrate
from nodeflow.core.workflow import Document, Node

Tree = dict[str, JsonValue]


def complete(document: Document, specs: Specs) -> Document:
    """What to save; completing it again changes nothing."""
    migrated, _ = migrate(document, specs)
    tree = {**migrated.tree, "nodes": _completed(migrated.tree["nodes"], migrated.nodes, specs)}
    if migrated.graphs:
        graphs = cast(dict[str, Tree], migrated.tree["graphs"])
        tree["graphs"] = {
            name: {**graphs[name], "nodes": _completed(graphs[name]["nodes"], definition.nodes, specs)}
            for name, definition in migrated.graphs.items()
        }
    return Document.from_tree(tree)


def _completed(nodes: JsonValue, typed: Mapping[str, Node], specs: Specs) -> JsonValue:
    return {id: _complete_node(node, typed[id], specs) for id, node in cast(dict[str, Tree], nodes).items()}


def _complete_node(node: Tree, typed: Node, specs: Specs) -> JsonValue:
    spec = specs.specs.get(typed.type)
    if spec is None or typed.version != spec.version:
        return node
    missing = _defaults(spec, typed.inputs)
    inputs = {**typed.inputs, **missing}
    return {**node, "version": typed.version, "inputs": inputs}


def _defaults(spec: Spec, given: Mapping[str, JsonValue]) -> Tree:
    return {
        input.name: {"value": input.default} if isinstance(input.default, dict) else input.default
        for input in spec.inputs
        if not input.required and input.name not in given
    }
