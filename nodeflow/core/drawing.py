"""Draws found in a document: read, tried against their inputs, and replaced by the values that they give."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final, cast

from pydantic import ValidationError
from pydantic_core import ErrorDetails

from nodeflow.core.draws import DRAWS, TABLE, CounterDraw, Draw, DrawSource
from nodeflow.core.errors import NodeflowError, PackFailed
from nodeflow.core.json import JsonValue
from nodeflow.core.raised import told
from nodeflow.core.specs import Specs
from nodeflow.core.suggest import did_you_mean, listing
from nodeflow.core.unfit import Unfit
from nodeflow.core.wanted import OUTSIDE, wanted
from nodeflow.core.workflow import Document

Tree = dict[str, JsonValue]

_PLAIN: Final = frozenset({"link", "value"})
"""Objects with one of these keys alone are no draws and hold none."""


def is_draw(value: JsonValue) -> bool:
    """Whether a value of a document is meant as a draw."""
    return isinstance(value, dict) and "draw" in value


def has_draw(document: Document) -> bool:
    """Whether there is a draw anywhere in a document: also inside lists and rows, and in sub-graphs, used or not."""
    scopes = (document.nodes, *(graph.nodes for graph in document.graphs.values()))
    waiting = [value for nodes in scopes for node in nodes.values() for value in node.inputs.values()]
    while waiting:
        value = waiting.pop()
        if isinstance(value, list):
            waiting.extend(value)
        elif isinstance(value, dict):
            if "draw" in value:
                return True
            if not _is_plain(value):
                waiting.extend(value.values())
    return False


def _is_plain(value: Mapping[str, JsonValue]) -> bool:
    """Whether an object is a link or an escaped literal, so that nothing in it is a draw."""
    return len(value) == 1 and not _PLAIN.isdisjoint(value)


def read_draw(value: Mapping[str, JsonValue], specs: Specs) -> Draw:
    """The draw that an object with the key ``draw`` describes.

    Raises:
        Unfit: There is no such draw, its fields are wrong, or the pack that it belongs to cannot be used.
    """
    name = value["draw"]
    model = _model(name, specs) if isinstance(name, str) else None
    if model is None:
        names = [*DRAWS, *specs.choices(TABLE)]
        raise Unfit("draw.unknown", "there is no such draw", listing(names), _hint(name, names))
    try:
        return model.model_validate(dict(value))
    except ValidationError as error:
        raise _wrong_field(str(name), error.errors(include_url=False)[0], model) from None


def _wrong_field(name: str, details: ErrorDetails, model: type[Draw]) -> Unfit:
    field, fields = ".".join(map(str, details["loc"])), model.model_fields
    match details["type"]:
        case "extra_forbidden":
            message, hint = f"draw {name}: there is no field {field}", did_you_mean(field, fields)
            return Unfit("draw.field", message, listing(fields), hint)
        case "missing":
            return Unfit("draw.field", f"draw {name}: the field {field} is missing", listing(fields))
        case kind if kind == OUTSIDE:
            return Unfit("draw.field", f"draw {name}, {field}: {wanted(details)}")
        case _:
            return Unfit("draw.field", f"draw {name}: the field {field} is wrong", f"{field} as {wanted(details)}")


def _hint(name: JsonValue, names: Sequence[str]) -> str | None:
    if not isinstance(name, str):
        return None
    pack, dot, _ = name.partition(".")
    return did_you_mean(name, names) or (f"install the pack {pack}" if dot else None)


def _model(name: str, specs: Specs) -> type[Draw] | None:
    try:
        return specs.draw(name)
    except PackFailed as error:
        raise Unfit("pack.failed", f"the draw {name} cannot be used", hint=str(error)) from None


@dataclass(frozen=True, slots=True)
class DrawTrial:
    """Tells which values the draws of a document may give, without drawing for good."""

    specs: Specs
    source: DrawSource
    _counters: dict[str, CounterDraw] = field(default_factory=dict[str, CounterDraw])

    def samples(self, value: Mapping[str, JsonValue]) -> tuple[JsonValue, ...]:
        """Every kind of value that a draw may give; at least one.

        Raises:
            Unfit: It is no draw, or has nothing to give.
        """
        draw = read_draw(value, self.specs)
        if isinstance(draw, CounterDraw) and (first := self._counters.setdefault(draw.name, draw)) != draw:
            message = f'the document counts "{draw.name}" in two ways'
            raise Unfit("draw.counter", message, f"start {first.start} and step {first.step}, as elsewhere in it")
        found = _called(value, lambda: tuple(draw.samples(self.source)))
        if not found:
            raise Unfit("draw.empty", f"the draw {value['draw']} has nothing to give")
        return found


def _called(value: Mapping[str, JsonValue], call: Callable[[], tuple[JsonValue, ...]]) -> tuple[JsonValue, ...]:
    try:
        return call()
    except (Unfit, NodeflowError):
        raise
    except Exception as error:  # noqa: BLE001 - a draw may be foreign code, and its failure concerns one input only
        raise Unfit("pack.failed", f"the draw {value['draw']} failed", hint=told(error)) from None


@dataclass(frozen=True, slots=True)
class Drawn:
    """A document without draws.

    Attributes:
        document: As it was, with literals in the places of draws.
        values: What was drawn, by ``node.input`` as the document writes it; inputs inside sub-graphs start with
            ``graph:NAME/``, and places inside lists and rows go on as in ``stack.rows[0].strength``.
    """

    document: Document
    values: Mapping[str, JsonValue]


def draw_all(document: Document, specs: Specs, source: DrawSource) -> Drawn:
    """Draw once for every draw of a document, those of its sub-graphs included.

    What cannot be drawn stays as it is, for the check of the document to complain about where it matters.
    """
    drawing = _Drawing(specs, source, {})
    nodes = drawing.nodes("", cast(Tree, document.tree["nodes"]))
    tree = {**document.tree, "nodes": nodes}
    if document.graphs:
        tree["graphs"] = {
            name: {**graph, "nodes": drawing.nodes(f"graph:{name}/", cast(Tree, graph["nodes"]))}
            for name, graph in cast("dict[str, Tree]", document.tree["graphs"]).items()
        }
    return Drawn(Document.from_tree(tree) if drawing.values else document, drawing.values)


def draw_settings(settings: Mapping[str, JsonValue], specs: Specs, source: DrawSource) -> Mapping[str, JsonValue]:
    """What the draws among some settings give, by name: one value each, however many inputs a setting feeds."""
    drawing = _Drawing(specs, source, {})
    for name, value in settings.items():
        if is_draw(value):
            drawing.value(name, value)
    return drawing.values


@dataclass(frozen=True, slots=True)
class _Drawing:
    specs: Specs
    source: DrawSource
    values: dict[str, JsonValue]

    def nodes(self, prefix: str, nodes: Tree) -> JsonValue:
        return {id: self._node(prefix + id, cast(Tree, node)) for id, node in nodes.items()}

    def _node(self, id: str, node: Tree) -> JsonValue:
        if "inputs" not in node:
            return node
        inputs = cast(Tree, node["inputs"])
        return {**node, "inputs": {name: self.value(f"{id}.{name}", value) for name, value in inputs.items()}}

    def value(self, label: str, value: JsonValue) -> JsonValue:
        match value:
            case dict() if "draw" in value:
                return self._drawn(label, value)
            case dict() if _is_plain(value):
                return value
            case dict():
                return {key: self.value(f"{label}.{key}", inner) for key, inner in value.items()}
            case list():
                return [self.value(f"{label}[{place}]", inner) for place, inner in enumerate(value)]
            case _:
                return value

    def _drawn(self, label: str, value: Tree) -> JsonValue:
        try:
            draw = read_draw(value, self.specs)
            (picked,) = _called(value, lambda: (draw.pick(self.source),))
        except Unfit:
            return value
        self.values[label] = picked
        return {"value": picked} if _holds_object(picked) else picked


def _holds_object(value: JsonValue) -> bool:
    return isinstance(value, dict) or (isinstance(value, list) and any(map(_holds_object, value)))
