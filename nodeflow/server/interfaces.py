"""What a workflow takes and gives: for people, for forms, and as JSON Schema."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final, cast

from pydantic import JsonValue

from nodeflow.core.assigning import inputs_named
from nodeflow.core.canonical import MAX_SAFE_INTEGER
from nodeflow.core.drawing import is_draw
from nodeflow.core.interface import as_range
from nodeflow.core.reading import integral
from nodeflow.core.secrets import NAME, SECRET
from nodeflow.core.spec import Input, Range
from nodeflow.core.specs import Specs
from nodeflow.core.subgraphs import with_subgraphs
from nodeflow.core.types import Type
from nodeflow.core.upgrade import migrate
from nodeflow.core.workflow import Document, InterfaceInput
from nodeflow.protocol.workflows import InputInfo, ResultInfo

Schema = dict[str, JsonValue]

DIALECT: Final = "https://json-schema.org/draft/2020-12/schema"


@dataclass(frozen=True, slots=True)
class Interface:
    """What a workflow shows to whoever calls it.

    Attributes:
        schema: Of the object of all inputs.
    """

    inputs: tuple[InputInfo, ...]
    outputs: tuple[ResultInfo, ...]
    schema: Schema

    def widget(self, name: str) -> str | None:
        """The widget of an input; None when there is no such input."""
        return next((each.widget for each in self.inputs if each.name == name), None)


def interface_of(document: Document, known: Specs) -> Interface:
    """Reads the interface of a document.

    Args:
        document: As it is published.
        known: The nodes there are.
    """
    document, _ = migrate(document, known)
    specs = with_subgraphs(document, known)
    declared = sorted(document.interface.inputs.items(), key=lambda item: item[1].order or 0)
    sockets = {name: inputs_named(document, name, specs) for name, _ in declared}
    values = {name: _value(document, item, sockets[name]) for name, item in declared}
    inputs = tuple(_info(name, item, sockets[name], values[name]) for name, item in declared)
    schema: Schema = {
        "$schema": DIALECT,
        "type": "object",
        "properties": {name: _property(item, sockets[name], values[name], specs) for name, item in declared},
        "required": [each.name for each in inputs if each.required],
        "additionalProperties": False,
    }
    title = document.meta.get("title")
    if isinstance(title, str):
        schema["title"] = title
    return Interface(inputs, tuple(_results(document, specs)), schema)


_NOTHING: Final = object()


def _value(document: Document, item: InterfaceInput, sockets: Sequence[Input]) -> object:
    """What stands where the input goes: the document's own value, else the default of the node."""
    for socket in item.to:
        node, _, name = socket.partition(".")
        given = document.nodes[node].inputs if node in document.nodes else {}
        if name in given:
            return _unescaped(given[name])
    return next((each.default for each in sockets if not each.required), _NOTHING)


def _unescaped(value: JsonValue) -> JsonValue:
    """A literal object without the escape it is written in."""
    return value["value"] if isinstance(value, dict) and value.keys() == {"value"} else value


def _info(name: str, item: InterfaceInput, sockets: Sequence[Input], value: object) -> InputInfo:
    first = sockets[0] if sockets else None
    widget = first.widget if first is not None else None
    return InputInfo(
        name=name,
        title=item.title or name,
        type=str(first.type) if first is not None else "any",
        required=value is _NOTHING,
        value=None if value is _NOTHING else cast("JsonValue", value),
        widget=widget.kind if widget is not None else "",
        lines=widget.lines if widget is not None else None,
        help=first.help if first is not None else "",
    )


def _results(document: Document, specs: Specs) -> Iterable[ResultInfo]:
    for name, item in sorted(document.interface.outputs.items(), key=lambda each: each[1].order or 0):
        node, _, output = item.source.partition(".")
        spec = specs.specs.get(document.nodes[node].type) if node in document.nodes else None
        found = spec.output(output) if spec is not None else None
        yield ResultInfo(name=name, title=item.title or name, type=str(found.type) if found is not None else "any")


def _property(item: InterfaceInput, sockets: Sequence[Input], value: object, specs: Specs) -> Schema:
    accepted: list[Schema] = []
    for socket in sockets:
        schema = _accepted(socket, specs)
        if schema not in accepted:
            accepted.append(schema)
    if item.range is not None:
        accepted.append(_bounds(as_range(item.range)))
    made = _merged(accepted)
    if item.title:
        made["title"] = item.title
    if sockets and sockets[0].help:
        made["description"] = sockets[0].help
    if value is not _NOTHING and not is_draw(cast("JsonValue", value)):
        made["default"] = cast("JsonValue", value)
    return made


_TIGHTER: Final[Mapping[str, Callable[[float, float], float]]] = {
    "minimum": max, "exclusiveMinimum": max, "maximum": min, "exclusiveMaximum": min
}  # fmt: skip


def _merged(schemas: Sequence[Schema]) -> Schema:
    """One schema for what all of them accept; numbers, the usual case, in plain words."""
    merged: Schema = {}
    for schema in schemas:
        for name, told in schema.items():
            if name in _TIGHTER and name in merged:
                merged[name] = _TIGHTER[name](cast("float", merged[name]), cast("float", told))
            elif merged.setdefault(name, told) != told:
                return {"allOf": [*schemas]}
    return merged


def _accepted(input: Input, specs: Specs) -> Schema:
    """What an input takes as a value."""
    choices = input.choices if input.open_choices is None else specs.choices(input.open_choices)
    schema = _of_type(input.type, input.range or Range(), choices, input.fields, specs)
    if input.widget is not None:
        if input.widget.kind == SECRET:
            schema = {**schema, "pattern": f"^{NAME.pattern}$"}
        schema = {**schema, "x-widget": input.widget.kind}
        if input.widget.folder is not None:
            schema["x-folder"] = input.widget.folder
    return schema


def _of_type(
    type_: Type, bounds: Range, choices: Sequence[JsonValue] | None, fields: Sequence[Input], specs: Specs
) -> Schema:
    match type_.name:
        case "list":
            items = _row(fields, specs) if fields else _of_type(type_.args[0], Range(), choices, (), specs)
            return {"type": "array", "items": items, **_lengths(bounds, "Items")}
        case "optional":
            return {"anyOf": [_of_type(type_.args[0], bounds, choices, fields, specs), {"type": "null"}]}
        case "union":
            return {"anyOf": [_of_type(member, bounds, choices, fields, specs) for member in type_.args]}
        case _ if choices is not None:
            return {"enum": list(choices)}
        case name if name.startswith("$"):
            return {}
        case name if name in _PLAIN:
            return _PLAIN[name](bounds)
        case _:
            return {"not": {}, "description": f"a {type_} cannot be written down"}


def _whole(bounds: Range) -> Schema:
    open_below = bounds.ge is None and bounds.gt is None
    widest: Schema = {"minimum": 0 if open_below else -MAX_SAFE_INTEGER, "maximum": MAX_SAFE_INTEGER}
    return {"type": "integer", **widest, **_bounds(bounds)}


def _text(bounds: Range) -> Schema:
    form: Schema = {} if bounds.pattern is None else {"pattern": bounds.pattern}
    return {"type": "string", **_lengths(bounds, "Length"), **form}


_PLAIN: Final[Mapping[str, Callable[[Range], Schema]]] = {
    "int": _whole,
    "float": lambda bounds: {"type": "number", **_bounds(bounds)},
    "str": _text,
    "Path": _text,
    "bool": lambda _: {"type": "boolean"},
    "dict": lambda _: {"type": "object"},
    "any": lambda _: {},
}
"""Types whose values can be written down."""


def _row(fields: Sequence[Input], specs: Specs) -> Schema:
    properties: Schema = {field.name: _accepted(field, specs) for field in fields}
    needed: list[JsonValue] = [field.name for field in fields if field.required]
    return {"type": "object", "properties": properties, "required": needed, "additionalProperties": False}


_BOUNDS: Final[Mapping[str, str]] = {
    "ge": "minimum", "gt": "exclusiveMinimum", "le": "maximum", "lt": "exclusiveMaximum", "multiple_of": "multipleOf"
}  # fmt: skip


def _bounds(bounds: Range) -> Schema:
    """Bounds of a number; other values are free of them."""
    found = ((told, cast("float | None", getattr(bounds, name))) for name, told in _BOUNDS.items())
    return {told: integral(float(limit)) for told, limit in found if limit is not None}


def _lengths(bounds: Range, of: str) -> Schema:
    found = {f"min{of}": bounds.min_length, f"max{of}": bounds.max_length}
    return {name: limit for name, limit in found.items() if limit is not None}
