"""Sub-graphs of which a single use has other values inside: a definition made over, with inputs for these."""

from collections.abc import Collection, Mapping
from typing import cast

from nodeflow.core.errors import UsageError
from nodeflow.core.json import JsonValue
from nodeflow.core.names import GRAPH_PREFIX
from nodeflow.core.suggest import did_you_mean

Tree = dict[str, JsonValue]


def definition(graphs: Mapping[str, JsonValue], name: str) -> Tree:
    """The definition of a sub-graph, as a document has it.

    Raises:
        UsageError: There is none of that name.
    """
    if name not in graphs:
        known = ", ".join(graphs) or "none"
        hint = did_you_mean(name, graphs)
        raise UsageError(f'there is no sub-graph "{name}"; there are: {known}' + (f" → {hint}" if hint else ""))
    return cast(Tree, graphs[name])


def sockets(graphs: Mapping[str, JsonValue], name: str, side: str) -> Tree:
    """What the interface of a sub-graph declares: its ``inputs`` or its ``outputs``, by name."""
    interface = cast(Tree, definition(graphs, name).get("interface", {}))
    return cast(Tree, interface.get(side, {}))


def opened(graphs: dict[str, JsonValue], name: str, places: Mapping[str, str]) -> str:
    """Adds a sub-graph that is another one with further inputs, and gives its name; an equal one is added once.

    Args:
        graphs: Definitions by name.
        name: The sub-graph to make over.
        places: Inputs inside it, as ``node.input`` or ``inner/node.input``, to the names of the new inputs. What fed
            such a place does so no longer.

    Raises:
        UsageError: There is no such place.
    """
    tree = definition(graphs, name)
    nodes = dict(cast(dict[str, Tree], tree["nodes"]))
    deeper: dict[str, dict[str, str]] = {}
    targets: dict[str, str] = {}
    closed: set[str] = set()
    for place, label in places.items():
        first, slash, rest = place.partition("/")
        node, dot, input = (first, "", "") if slash else first.partition(".")
        if node not in nodes or not (rest if slash else dot and input):
            hint = did_you_mean(node, nodes) or f"write one such as {next(iter(nodes), 'node')}.steps"
            raise UsageError(f'the sub-graph "{name}" has no input {place} → {hint}')
        if slash:
            deeper.setdefault(node, {})[rest] = label
        targets[label] = f"{node}.{label if slash else input}"
    for node, inner in deeper.items():
        type_ = str(nodes[node].get("type"))
        if not type_.startswith(GRAPH_PREFIX):
            raise UsageError(f'"{node}" in the sub-graph "{name}" is no sub-graph, and nothing is inside it')
        used = type_.removeprefix(GRAPH_PREFIX)
        made = opened(graphs, used, inner)
        gone = sockets(graphs, used, "inputs").keys() - sockets(graphs, made, "inputs").keys()
        kept = {input: value for input, value in cast(Tree, nodes[node].get("inputs", {})).items() if input not in gone}
        nodes[node] = {**nodes[node], "type": GRAPH_PREFIX + made, "inputs": kept}
        closed |= {f"{node}.{input}" for input in gone}
    interface = _with_inputs(cast(Tree, tree.get("interface", {})), targets, closed)
    made_over: Tree = {**tree, "nodes": cast(JsonValue, nodes), "interface": interface}
    return _added(graphs, name, made_over)


def _with_inputs(interface: Tree, targets: Mapping[str, str], closed: Collection[str]) -> Tree:
    taken = {*targets.values(), *closed}
    inputs: Tree = {}
    for name, declared in cast(dict[str, Tree], interface.get("inputs", {})).items():
        rest: list[JsonValue] = [place for place in cast(list[JsonValue], declared["to"]) if place not in taken]
        if rest:
            inputs[name] = {**declared, "to": rest}
    added: Tree = {label: {"to": [place]} for label, place in targets.items()}
    return {**interface, "inputs": {**inputs, **added}}


def _added(graphs: dict[str, JsonValue], stem: str, tree: Tree) -> str:
    number = 2
    while (name := f"{stem}-{number}") in graphs:
        if graphs[name] == tree:
            return name
        number += 1
    graphs[name] = tree
    return name
