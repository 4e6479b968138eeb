"""Links followed: does the type fit, what do type variables stand for, and which node is mapped over a list."""

from collections.abc import Iterator, Mapping
from types import MappingProxyType
from typing import NamedTuple

from nodeflow.core.forms import Draft
from nodeflow.core.json import JsonValue
from nodeflow.core.literals import literal_type
from nodeflow.core.types import Bindings, Type, fits, is_generic, substitute


class Feed(NamedTuple):
    """A link whose source is known: the type that arrives at an input, or at a place inside one."""

    input: str
    type: Type


class Misfit(NamedTuple):
    """An input, or a place inside one, at which something arrives that it does not take."""

    input: str
    found: Type
    expected: Type
    literal: JsonValue = None


class Inferred(NamedTuple):
    """What is known of a node once all that feeds it is known.

    Attributes:
        depths: Links whose lists are gone through item by item, by how many levels.
        outputs: Types of the outputs as other nodes see them.
    """

    depth: int
    depths: Mapping[str, int]
    outputs: Mapping[str, Type]
    misfits: tuple[Misfit, ...] = ()


_WHOLE: Mapping[str, int] = MappingProxyType({})


def infer(draft: Draft, feeds: list[Feed]) -> Inferred:
    """Type one node from what arrives at it."""
    form = draft.form
    if not (form.generic or draft.nested) and all(feed.type == form.inputs[feed.input].type for feed in feeds):
        return Inferred(0, _WHOLE, form.outputs)
    bindings: dict[str, Type] = {}
    depths: dict[str, int] = {}
    misfits: list[Misfit] = []
    # The flattest first: next to a single value a list is mapped, so that the variable stands for one item.
    for feed in sorted(feeds, key=lambda feed: _levels(feed.type)):
        target = draft.target(feed.input)
        depth = _lift(feed.type, target, bindings)
        if depth is None:
            misfits.append(Misfit(feed.input, feed.type, substitute(target, bindings)))
        elif depth > 0:
            depths[feed.input] = depth
    misfits.extend(_literal_misfits(draft, bindings))
    depth = max(depths.values(), default=0)
    outputs = {name: _listed(substitute(type_, bindings), depth) for name, type_ in form.outputs.items()}
    return Inferred(depth, depths, outputs, tuple(misfits))


def _literal_misfits(draft: Draft, bindings: Bindings) -> Iterator[Misfit]:
    linked = {place.input for place in draft.nested.values()}
    for name, value in draft.literals.items():
        target = draft.form.inputs[name].type
        if is_generic(target) and (name in linked or not isinstance(value, list)):
            yield from _misfits_inside(draft, name, value, target, bindings)


def _misfits_inside(draft: Draft, label: str, value: JsonValue, target: Type, bindings: Bindings) -> Iterator[Misfit]:
    """What of a literal does not go together with what is linked beside it."""
    if isinstance(value, list):
        if target.name == "list":
            for index, item in enumerate(value):
                yield from _misfits_inside(draft, f"{label}[{index}]", item, target.args[0], bindings)
    elif value is not None:
        source = literal_type(value)
        if not fits(source, target, bindings):
            yield Misfit(label, source, substitute(target, bindings), value)


def _lift(source: Type, target: Type, bindings: Bindings) -> int | None:
    """How many list levels must be taken off ``source`` until it fits; None when it never does."""
    depth = 0
    while not fits(source, target, bindings):
        if source.name != "list":
            return None
        source = source.args[0]
        depth += 1
    return depth


def _levels(type_: Type) -> int:
    return 1 + _levels(type_.args[0]) if type_.name == "list" else 0


def _listed(type_: Type, depth: int) -> Type:
    for _ in range(depth):
        type_ = Type("list", (type_,))
    return type_
