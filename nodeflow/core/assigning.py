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
from nodeflow.core.places import input_inside
from nodeflow.core.ranges import check_range
from nodeflow.core.rawlinks import links_in
from nodeflow.core.setinside import Path, set_inside, split_label, written
from nodeflow.core.spec import Input
from nodeflow.core.specs import Specs
from nodeflow.core.subgraphs import with_subgraphs
from nodeflow.core.suggest import listing, nearest, shorten
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
            single use of a sub-graph; with what leads to a place inside a list or rows behind it, as in
            ``stack.rows[0].strength``. A text is read as the declared type has it: ``"20"`` becomes a number for a
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
    labels = {name: split_label(name) for name in settings}
    whole = {name: value for name, value in settings.items() if not labels[name][1]}
    problems.extend(_set_twice(document, labels, specs))
    given = _with_whole(document, whole, specs, draws, problems)
    for name, (base, path) in labels.items():
        sockets = _sockets(document, base, specs) if path else ()
        if path and not any(_is_there(document, socket, specs) for socket in sockets):
            problems.append(_unknown_setting(document, base, name.removeprefix(base)))
            continue
        for socket in sockets:
            input = input_at(document, socket, specs)
            label = socket if base not in document.interface.inputs else base
            try:
                given = _with_part(given, socket, input, label, path, settings[name])
            except Unfit as fault:
                problems.append(Problem(fault.code, fault.message, expected=fault.expected, hint=fault.hint))
                break
    return given, problems


def _set_twice(document: Document, labels: Mapping[str, tuple[str, Path]], specs: Specs) -> Iterator[Problem]:
    """An input of the interface, and a socket that it feeds: only one of the two could count."""
    setters: dict[tuple[str, Path], str] = {}
    for name, (base, path) in labels.items():
        for socket in _sockets(document, base, specs):
            first = setters.setdefault((socket, path), name)
            if first != name:
                message = f'"{first}" and "{name}" both set {socket}'
                yield Problem("setting.twice", message, hint="keep one of them")


def _with_whole(
    document: Document,
    settings: Mapping[str, JsonValue],
    specs: Specs,
    draws: DrawTrial | None,
    problems: list[Problem],
) -> Document:
    """A document with other values of whole inputs."""
    values: dict[str, dict[str, JsonValue]] = {}
    inside: dict[str, dict[str, JsonValue]] = {}
    for name, value in settings.items():
        sockets = _sockets(document, name, specs)
        if not sockets:
            problems.append(_unknown_setting(document, name))
        for socket in sockets:
            input = input_at(document, socket, specs)
            read = _read(input, value)
            use, slash, place = socket.partition("/")
            if slash:
                inside.setdefault(use, {})[place] = written(read)
            else:
                node, _, socket_name = socket.partition(".")
                values.setdefault(node, {})[socket_name] = written(read)
                problems.extend(_narrowed(document, name, socket, input, read, draws))
    document = document.with_inputs(values) if values else document
    for use, places in inside.items():
        document = _with_values_inside(document, use, places)
    return document


def _read(input: Input | None, value: JsonValue) -> JsonValue:
    return parse_text(input.type if input else ANY, value) if isinstance(value, str) else value


def _is_there(document: Document, socket: str, specs: Specs) -> bool:
    """Whether an input is declared, or written down for a node that is not here."""
    node, _, name = socket.partition(".")
    return input_at(document, socket, specs) is not None or _standing(document, node, name)[0] is not None


def _with_part(
    document: Document, socket: str, input: Input | None, label: str, path: Path, value: JsonValue
) -> Document:
    """A document with another value at one place inside an input.

    Raises:
        Unfit: There is no such place.
    """
    node, _, name = socket.partition(".")
    stands, linked = _standing(document, node, name)
    if stands is None and input is not None:
        stands = input.default
    new = set_inside(stands, input, label, path, _read(input and input_inside(input, path), value))
    if linked:
        message = f'"{label}" has links to nodes of its sub-graph, so nothing inside it can be set'
        raise Unfit("setting.unknown", message, hint=f'set all of it: "{label}"')
    use, slash, place = socket.partition("/")
    return _with_values_inside(document, use, {place: new}) if slash else document.with_inputs({node: {name: new}})


def _standing(document: Document, path: str, input: str) -> tuple[JsonValue, bool]:
    """What is given to an input, and whether that has links to nodes inside a sub-graph."""
    use, slash, id = path.rpartition("/")
    node, user = _node_at(document, path), _node_at(document, use) if slash else None
    if user is not None:
        interface = document.graphs[graph_name(user.type) or ""].interface
        for shown, item in interface.inputs.items():
            if f"{id}.{input}" in item.to and (found := _standing(document, use, shown))[0] is not None:
                return found
    value = None if node is None else node.inputs.get(input)
    return value, bool(slash) and any(links_in(value))


def inputs_named(document: Document, name: str, specs: Specs) -> Sequence[Input]:
    """The inputs that a setting of this name would feed, as far as they are known; ``specs`` knows the sub-graphs."""
    base, path = split_label(name)
    inputs = (input_at(document, socket, specs) for socket in _sockets(document, base, specs))
    places = (input_inside(input, path) for input in inputs if input is not None)
    return [place for place in places if place is not None]


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


def _unknown_setting(document: Document, name: str, inside: str = "") -> Problem:
    names = [*document.interface.inputs, *_settable("", document.nodes, document, levels=2)]
    message = f'there is no input "{name}{inside}" to set'
    ends = {known.rpartition(".")[2]: known for known in names}  # people leave the node out
    meant = nearest(name, names) or ends.get(nearest(name, ends) or "")
    hint = None if meant is None else f'did you mean "{meant}{inside}"?'
    return Problem("setting.unknown", message, expected=listing(names), hint=hint)


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
