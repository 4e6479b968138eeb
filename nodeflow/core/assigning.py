"""Values put into a document by name: of the interface's inputs, of ``node.input``, and of inputs inside sub-graphs."""

import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from typing import Final, cast

from nodeflow.core.drawing import DrawTrial, is_draw
from nodeflow.core.errors import InvalidDocument, Problem
from nodeflow.core.interface import as_range
from nodeflow.core.json import JsonValue
from nodeflow.core.names import GRAPH_PREFIX, graph_name
from nodeflow.core.overriding import opened
from nodeflow.core.ranges import check_range
from nodeflow.core.spec import Input
from nodeflow.core.specs import Specs
from nodeflow.core.subgraphs import with_subgraphs
from nodeflow.core.suggest import did_you_mean, listing, nearest, shorten
from nodeflow.core.texts import parse_text
from nodeflow.core.types import ANY
from nodeflow.core.unfit import Unfit
from nodeflow.core.workflow import Document, Node

Tree = dict[str, JsonValue]

_NO_NAME: Final = re.compile(r"[^A-Za-z0-9]+")


def assign(document: Document, values: Mapping[str, JsonValue], specs: Specs) -> Document:
    """A document with other values in it.

    Args:
        document: Stays as it is.
        values: By name of an input of the interface, by ``node.input``, or by ``use/node.input`` for one inside a
            single use of a sub-graph. A text is read as the declared type has it: ``"20"`` becomes a number for a
            number and stays a text for a text. An object with the key ``draw`` is a draw.
        specs: The nodes there are.

    Raises:
        InvalidDocument: When a name is unknown or a value is outside the range that the interface declares.
    """
    assigned, problems = apply_settings(document, values, with_subgraphs(document, specs))
    if problems:
        raise InvalidDocument(problems)
    return assigned


def apply_settings(
    document: Document, settings: Mapping[str, JsonValue], specs: Specs, draws: DrawTrial | None = None
) -> tuple[Document, list[Problem]]:
    """``assign`` that goes on after a problem and hands all of them back.

    Args:
        document: Stays as it is.
        settings: Values by name.
        specs: The nodes there are, the sub-graphs of the document included.
        draws: Tells what settings that are draws may give, so that this is held against the interface too.
    """
    problems: list[Problem] = []
    values: dict[str, dict[str, JsonValue]] = {}
    inside: dict[str, dict[str, JsonValue]] = {}
    for name, value in settings.items():
        sockets = _sockets(document, name, specs)
        if not sockets:
            problems.append(_unknown_setting(document, name))
        for socket in sockets:
            input = input_at(document, socket, specs)
            read = parse_text(input.type if input else ANY, value) if isinstance(value, str) else value
            use, slash, place = socket.partition("/")
            if slash:
                inside.setdefault(use, {})[place] = _written(read)
            else:
                node, _, socket_name = socket.partition(".")
                values.setdefault(node, {})[socket_name] = _written(read)
                problems.extend(_narrowed(document, name, socket, input, read, draws))
    document = document.with_inputs(values) if values else document
    for use, places in inside.items():
        document = _with_values_inside(document, use, places)
    return document, problems


def inputs_named(document: Document, name: str, specs: Specs) -> Sequence[Input]:
    """The inputs that a setting of this name would feed, as far as they are known; ``specs`` knows the sub-graphs."""
    inputs = (input_at(document, socket, specs) for socket in _sockets(document, name, specs))
    return [input for input in inputs if input is not None]


def input_at(document: Document, socket: str, specs: Specs) -> Input | None:
    """The input called ``node.input``, or ``use/node.input`` inside a sub-graph."""
    path, _, name = socket.partition(".")
    node = _node_at(document, path)
    spec = None if node is None else specs.specs.get(node.type)
    return None if spec is None else spec.input(name)


def _node_at(document: Document, path: str) -> Node | None:
    nodes = document.nodes
    *uses, id = path.split("/")
    for use in uses:
        graph = graph_name(nodes[use].type) if use in nodes else None
        if graph is None or graph not in document.graphs:
            return None
        nodes = document.graphs[graph].nodes
    return nodes.get(id)


def _sockets(document: Document, name: str, specs: Specs) -> Sequence[str]:
    declared = document.interface.inputs.get(name)
    if declared is not None:
        return declared.to
    path, dot, _ = name.partition(".")
    if "/" in path:
        return [name] if input_at(document, name, specs) is not None else []
    return [name] if dot and path in document.nodes else []


def _written(value: JsonValue) -> JsonValue:
    """A value as an input of a document has it."""
    return {"value": value} if isinstance(value, dict) and not is_draw(value) else value


def _unknown_setting(document: Document, name: str) -> Problem:
    names = [*document.interface.inputs, *_settable("", document.nodes, document, levels=2)]
    message = f'there is no input "{name}" to set'
    ends = {known.rpartition(".")[2]: known for known in names}  # people leave the node out
    meant = did_you_mean(name, names) or did_you_mean(ends.get(nearest(name, ends) or "", ""), names)
    return Problem("setting.unknown", message, expected=listing(names), hint=meant)


def _settable(path: str, nodes: Mapping[str, Node], document: Document, *, levels: int) -> Iterator[str]:
    for id, node in nodes.items():
        yield from (f"{path}{id}.{input}" for input in node.inputs)
        graph = graph_name(node.type)
        if levels > 1 and graph in document.graphs:
            yield from _settable(f"{path}{id}/", document.graphs[graph].nodes, document, levels=levels - 1)


def _narrowed(
    document: Document, name: str, socket: str, input: Input | None, value: JsonValue, draws: DrawTrial | None
) -> Iterator[Problem]:
    """Holds a value against the range that the interface declares; the socket's own is checked with the node."""
    declared = document.interface.inputs.get(name)
    if declared is None or declared.range is None:
        return
    bounds, whole = as_range(declared.range), input is not None and input.type.name == "int"
    for number in _numbers(value, draws):
        try:
            check_range(number, bounds, whole=whole)
        except Unfit as fault:
            drawn = f"the draw may give {shorten(number)}: " if is_draw(value) else ""
            message = f'{drawn}{fault.message} of the interface input "{name}"'
            node, _, socket_name = socket.partition(".")
            yield Problem(fault.code, message, node, socket_name, shorten(value), fault.expected, fault.hint)
            return


def _numbers(value: JsonValue, draws: DrawTrial | None) -> Iterator[int | float]:
    """The number that is given, or the numbers that a draw may give."""
    if isinstance(value, dict) and is_draw(value) and draws is not None:
        with suppress(Unfit):  # what is wrong with the draw itself is said of the input that gets it
            for sample in draws.samples(value):
                yield from _numbers(sample, None)
    elif isinstance(value, int | float) and not isinstance(value, bool):
        yield value


def _with_values_inside(document: Document, use: str, values: Mapping[str, JsonValue]) -> Document:
    """A document in which one use of a sub-graph has other values inside: it uses a definition of its own."""
    node = document.nodes[use]
    name = graph_name(node.type) or ""
    graphs = dict(cast(Tree, document.tree["graphs"]))
    labels = dict(zip(values, _labels(document, values), strict=True))
    made = opened(graphs, name, labels)
    before = document.graphs[name].interface.inputs
    after = cast(Tree, cast(Tree, cast(Tree, graphs[made])["interface"])["inputs"])
    inputs: Tree = {name: value for name, value in node.inputs.items() if name in after or name not in before}
    inputs |= {labels[place]: value for place, value in values.items()}
    tree = document.with_tree({**document.tree, "graphs": graphs})
    return tree.with_nodes({use: {"type": GRAPH_PREFIX + made, "inputs": inputs}})


def _labels(document: Document, places: Mapping[str, JsonValue]) -> Iterator[str]:
    """A name for each place that no interface has."""
    taken = {name for graph in document.graphs.values() for name in graph.interface.inputs}
    for place in places:
        stem = label = _NO_NAME.sub("_", place)
        number = 2
        while label in taken:
            label, number = f"{stem}_{number}", number + 1
        taken.add(label)
        yield label
