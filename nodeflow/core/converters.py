"""Nodes that turn one type into another, and which of them would close a gap between two sockets."""

from collections.abc import Iterable, Iterator

from nodeflow.core.spec import Form, Input, Kind, Spec
from nodeflow.core.types import Type, fits, is_generic


def converter_fault(spec: Spec) -> str:
    """Why a node that is marked ``converts=True`` cannot be one, or nothing."""
    if spec.kind is not Kind.PURE:
        return f"a converter is pure, and this node is of the kind {spec.kind.value}"
    if spec.form is Form.EXPANDER:
        return "a converter computes its value, and an expander only records"
    if len(spec.outputs) != 1:
        return f"a converter has exactly one output, and this node has {len(spec.outputs)}"
    required = [item.name for item in spec.inputs if item.required]
    if len(required) != 1:
        found = ", ".join(required) or "none"
        return f"a converter has exactly one required input, and this node has {len(required)} ({found})"
    return ""


def source_of(spec: Spec) -> Input:
    """The input of a converter."""
    return next(item for item in spec.inputs if item.required)


def converters(specs: Iterable[Spec], source: Type, target: Type) -> tuple[str, ...]:
    """The ids of the nodes that take ``source`` and give what fits ``target``, those of exactly these types first.

    A list may go through a converter item by item, like through any node.
    """
    known = [spec for spec in specs if spec.converts]
    found: dict[str, bool] = {}
    for wanted, given in _levels(source, target):
        for spec in known:
            if spec.id not in found and _bridges(spec, wanted, given):
                found[spec.id] = (source_of(spec).type, spec.outputs[0].type) != (wanted, given)
    return tuple(sorted(found, key=lambda id: (found[id], id)))


def _bridges(spec: Spec, source: Type, target: Type) -> bool:
    output = spec.outputs[0].type
    # What gives anything would be offered everywhere, and says nothing.
    vague = output.name == "any" or is_generic(output)
    return not vague and fits(source, source_of(spec).type, {}) and fits(output, target, {})


def _levels(source: Type, target: Type) -> Iterator[tuple[Type, Type]]:
    """The two types, and those of their items where the source is a list."""
    while True:
        yield source, target
        if source.name != "list":
            return
        source = source.args[0]
        target = target.args[0] if target.name == "list" else target
