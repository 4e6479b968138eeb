"""A document as it is saved: of today's node versions, with every input written, defaults included.

So an update of a pack that changes a default never changes an old picture. Nodes of packs that are not installed,
and those that no migration reaches, are kept as they are.
"""

from collections.abc import Mapping, Sequence
from typing import cast

from nodeflow.core.fields import RESERVED
from nodeflow.core.json import JsonValue
from nodeflow.core.names import graph_name
from nodeflow.core.spec import Input, Spec
from nodeflow.core.specs import Specs
from nodeflow.core.subgraphs import with_subgraphs
from nodeflow.core.upgrade import migrate
from nodeflow.core.workflow import Document, Node
from nodeflow.core.written import written

Tree = dict[str, JsonValue]


def complete(document: Document, specs: Specs) -> Document:
    """What to save; completing it again changes nothing."""
    migrated, _ = migrate(document, specs)
    known = with_subgraphs(migrated, specs).specs
    tree = {**migrated.tree, "nodes": _completed(migrated.tree["nodes"], migrated.nodes, known)}
    if migrated.graphs:
        graphs = cast(dict[str, Tree], migrated.tree["graphs"])
        tree["graphs"] = {
            name: {**graphs[name], "nodes": _completed(graphs[name]["nodes"], definition.nodes, known)}
            for name, definition in migrated.graphs.items()
        }
    return migrated.with_tree(tree)


def _completed(nodes: JsonValue, typed: Mapping[str, Node], specs: Mapping[str, Spec]) -> JsonValue:
    return {id: _complete_node(node, typed[id], specs) for id, node in cast(dict[str, Tree], nodes).items()}


def _complete_node(node: Tree, typed: Node, specs: Mapping[str, Spec]) -> JsonValue:
    spec = specs.get(typed.type)
    if spec is None:
        return node
    if graph_name(typed.type) is not None:  # what is not given to a use of a sub-graph is written inside it
        return {**node, "inputs": _whole(typed.inputs, spec.inputs)} if typed.inputs else node
    if typed.version != spec.version:
        return node
    return {**node, "version": typed.version, "inputs": _filled(typed.inputs, spec.inputs)}


def _filled(given: Mapping[str, JsonValue], inputs: Sequence[Input], *, escaped: bool = False) -> Tree:
    """The inputs of a node, or the fields of a row, with every default written out."""
    missing = (input for input in inputs if not input.required and input.name not in given)
    return _whole(given, inputs, escaped=escaped) | {
        input.name: input.default if escaped else written(input.default, input.fields) for input in missing
    }


def _whole(given: Mapping[str, JsonValue], inputs: Sequence[Input], *, escaped: bool = False) -> Tree:
    """What is given, with every default of the rows in it."""
    rows = {input.name: input.fields for input in inputs if input.fields}
    return {name: _rows(value, rows[name], escaped) if name in rows else value for name, value in given.items()}


def _rows(value: JsonValue, fields: Sequence[Input], escaped: bool) -> JsonValue:
    """The rows of an input, each with every default; what stands for rows that come later is left as it is."""
    if isinstance(value, list):
        return [_rows(row, fields, escaped) for row in value]
    if not isinstance(value, dict):
        return value
    if escaped or value.keys().isdisjoint(RESERVED):
        return _filled(value, fields, escaped=escaped)
    return {"value": _rows(value["value"], fields, True)} if value.keys() == {"value"} else value
