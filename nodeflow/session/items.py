"""One picture of a batch alone: the document that makes only it, the same as it was among the others."""

from collections.abc import Callable, Collection, Iterator, Mapping
from pathlib import Path
from typing import Final, cast

from nodeflow.core.errors import UsageError
from nodeflow.core.json import JsonValue
from nodeflow.core.spec import Input, Spec
from nodeflow.core.specs import Specs
from nodeflow.core.upgrade import migrate
from nodeflow.core.workflow import Document
from nodeflow.diffusion.batches import Item
from nodeflow.session.reproduction import read_original
from nodeflow.storage.embedded import SUFFIXES

Tree = dict[str, JsonValue]
Makes = Callable[[Spec, Mapping[str, JsonValue]], bool]
"""Whether a node with these inputs is where a batch begins."""

ANY_SIZE: Final = 0
"""Size of a batch that is not known before it is made."""

_TAKE: Final = "TakeItem"
_BATCHES: Final = frozenset({"Image", "Latent", "Mask"})


def chosen_item(source: object, wanted: bool | int) -> Item:
    """The item that somebody asks for.

    Args:
        source: What the document is read from.
        wanted: True for the item that the picture ``source`` shows, else its number from 1.

    Raises:
        UsageError: The picture was not one of a batch, or the batch has no such item.
        InvalidDocument: ``source`` is no picture that carries the record of its run.
    """
    recorded = _recorded(source) if wanted is True or _is_picture(source) else None
    if wanted is True:
        if recorded is None:
            raise UsageError(f"{source} does not say which picture of a batch it is; give its number, from 1")
        return recorded
    size = ANY_SIZE if recorded is None else recorded.batch_size
    if wanted < 1 or 0 < size < wanted:
        raise UsageError(f"item {wanted}: items are counted from 1{f'; the batch has {size}' if size else ''}")
    return Item(wanted - 1, size)


def alone(document: Document, item: Item, specs: Specs) -> Document:
    """A document in which every batch is cut down to one item, right where it is made.

    A batch is made by a node with an input marked as ``BatchSize``; where there is none of the right size, by a node
    that loads a picture file, which may hold several.

    Raises:
        UsageError: No node of the document makes such a batch.
    """
    if item.batch_size == 1 or document.faults:  # what is wrong with it is said when it is checked
        return document
    if _is_cut(document, item):
        return document
    migrated, _ = migrate(document, specs)
    for makes in (_marked(item), _loads):
        cut = _cut(migrated.tree, item, specs, makes)
        if cut is not migrated.tree:
            return Document.from_tree(cut)
    size = f"a batch of {item.batch_size}" if item.batch_size else f"a batch with an item {item.index + 1}"
    raise UsageError(f"no node of this document makes {size}, so none of its pictures can be made alone")


def _is_cut(document: Document, item: Item) -> bool:
    """Whether this is the document of a picture that was made alone."""
    parts = [document.nodes, *(graph.nodes for graph in document.graphs.values())]
    takers = [node for nodes in parts for node in nodes.values() if node.type == _TAKE]
    wanted = {"index": item.index, "batch_size": item.batch_size}
    return any({name: node.inputs.get(name) for name in wanted} == wanted for node in takers)


def _is_picture(source: object) -> bool:
    return isinstance(source, str | Path) and Path(source).suffix.lower() in SUFFIXES


def _recorded(source: object) -> Item | None:
    if not isinstance(source, str | Path):
        raise UsageError("only the file of a picture tells which item of a batch it is; give its number, from 1")
    match read_original(Path(source)).record.get("item"):
        case [int(index), int(size)] if 0 <= index < size:
            return Item(index, size)
        case _:
            return None


def _marked(item: Item) -> Makes:
    """Whether a node makes a batch of the item's size, as far as that is known before it runs."""

    def makes(spec: Spec, inputs: Mapping[str, JsonValue]) -> bool:
        given = [inputs.get(input.name, input.default) for input in spec.inputs if _has_widget(input, "batch")]
        return any(_may_be(size, item) for size in given)

    return makes


def _may_be(size: JsonValue, item: Item) -> bool:
    if not isinstance(size, int):
        return True
    return size == item.batch_size if item.batch_size else size > item.index


def _loads(spec: Spec, _inputs: Mapping[str, JsonValue]) -> bool:
    return any(
        _has_widget(input, kind) for input in spec.inputs for kind in ("image_file", "input_file", "output_image")
    )


def _has_widget(input: Input, kind: str) -> bool:
    return input.widget is not None and input.widget.kind == kind


def _cut(tree: Tree, item: Item, specs: Specs, makes: Makes, *, inside: bool = False) -> Tree:
    """A document, or the definition of a sub-graph, with the batches of its nodes cut; the same where there is none."""
    nodes = cast("dict[str, Tree]", tree["nodes"])
    takers: dict[str, Tree] = {}
    moved: dict[str, str] = {}
    asked = _asked(tree) if inside or item.batch_size == ANY_SIZE else frozenset[str]()
    for source in _sources(nodes, specs, makes, asked):
        taker = _free_id(f"{source.partition('.')[0]}-item", nodes.keys() | takers.keys())
        takers[taker] = _taker(source, item, specs)
        moved[source] = f"{taker}.{specs.specs[_TAKE].outputs[0].name}"
    graphs = cast("dict[str, Tree]", tree.get("graphs", {}))
    inner = {name: _cut(graph, item, specs, makes, inside=True) for name, graph in graphs.items()}
    if not moved and all(inner[name] is graphs[name] for name in graphs):
        return tree
    renewed: Tree = {**tree, "nodes": {**{id: _relinked(node, moved) for id, node in nodes.items()}, **takers}}
    if graphs:
        renewed["graphs"] = cast(JsonValue, inner)
    if "interface" in tree:
        renewed["interface"] = _reread(cast(Tree, tree["interface"]), moved)
    return renewed


def _asked(graph: Tree) -> frozenset[str]:
    """The sockets that an interface feeds: whoever uses or runs the graph may give them other values."""
    inputs = cast("dict[str, Tree]", cast(Tree, graph.get("interface", {})).get("inputs", {}))
    return frozenset(str(socket) for declared in inputs.values() for socket in cast("list[JsonValue]", declared["to"]))


def _sources(nodes: Mapping[str, Tree], specs: Specs, makes: Makes, asked: Collection[str]) -> Iterator[str]:
    for id, node in nodes.items():
        spec = specs.specs.get(str(node.get("type")))
        if spec is None:
            continue
        unknown: Tree = {item.name: None for item in spec.inputs if f"{id}.{item.name}" in asked}
        if makes(spec, {**cast(Tree, node.get("inputs", {})), **unknown}):
            yield from (f"{id}.{output.name}" for output in spec.outputs if output.type.name in _BATCHES)


def _taker(source: str, item: Item, specs: Specs) -> Tree:
    inputs: Tree = {"value": {"link": source}, "index": item.index, "batch_size": item.batch_size}
    return {"type": _TAKE, "version": specs.specs[_TAKE].version, "inputs": inputs}


def _free_id(wanted: str, taken: set[str]) -> str:
    number, id = 1, wanted
    while id in taken:
        number += 1
        id = f"{wanted}-{number}"
    return id


def _relinked(value: JsonValue, moved: Mapping[str, str]) -> JsonValue:
    match value:
        case {"link": str(link)} if link in moved:
            return {"link": moved[link]}
        case {"value": _, **others} if not others:
            return value
        case dict():
            return {name: _relinked(member, moved) for name, member in value.items()}
        case list():
            return [_relinked(member, moved) for member in value]
        case _:
            return value


def _reread(interface: Tree, moved: Mapping[str, str]) -> Tree:
    outputs = cast("dict[str, Tree]", interface.get("outputs", {}))
    renewed = {name: {**each, "from": moved.get(str(each["from"]), each["from"])} for name, each in outputs.items()}
    return {**interface, "outputs": cast(JsonValue, renewed)} if outputs else interface
