"""Inputs to try a node with: what its author gives, and what can be made from its spec."""

import importlib.util
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final, TypeVar

from nodeflow.core.json import JsonValue
from nodeflow.core.literals import read_literal
from nodeflow.core.node import node_mark
from nodeflow.core.spec import Input, Range, Spec
from nodeflow.core.types import Type, is_generic
from nodeflow.core.unfit import Unfit
from nodeflow.testing.values import a_clip, a_conditioning, a_latent, a_mask, a_model, a_vae, an_image

Give = TypeVar("Give", bound=Callable[[], Mapping[str, object]])
Gives = Mapping[str, Sequence[Callable[[], Mapping[str, object]]]]
"""Examples of authors, by the id of the node."""

FILE: Final = Path("tests", "examples.py")
"""Where a pack's examples are, from the folder of its project, or its own where it has none."""

_MARK = "__nodeflow_example__"
_MOST = 12
_SPAN = 100
_TEXTS = ("example", "a", "1", "#336699", "1.0", "a b", "example.png", "2024-01-31", "https://example.org")
_NUMBERS = (2, 1, 8, 0.5, 64, 0)
_PLAIN: Final[Mapping[str, JsonValue]] = {"any": "example", "dict": {"example": 1}, "bool": True}
_SCALARS = frozenset({"int", "float"})
_SOCKETS: Final[Mapping[str, Callable[[], object]]] = {
    "Image": an_image,
    "Mask": a_mask,
    "Latent": a_latent,
    "Conditioning": a_conditioning,
    "Model": a_model,
    "Vae": a_vae,
    "Clip": a_clip,
}


class Unmakeable(Exception):
    """No example can be made; says of what."""


@dataclass(frozen=True, slots=True)
class Example:
    """Inputs of one run.

    Attributes:
        invented: A value was made up of which the spec says little, so that refusing it is no fault.
        varied: It differs from the defaults, so that the node may refuse the combination.
        given: The author has given it.
    """

    inputs: Mapping[str, object]
    invented: bool = False
    varied: bool = False
    given: bool = False


def example(node: Callable[..., object] | str, /) -> Callable[[Give], Give]:
    """Mark a function that gives inputs for a node; ``nodeflow pack check`` finds those in ``tests/examples.py``.

    Args:
        node: The node's function or its type id.
    """
    mark = node_mark(node)
    id = mark.id if mark is not None else str(node)

    def keep(give: Give) -> Give:
        setattr(give, _MARK, id)
        return give

    return keep


def load_examples(project: Path) -> Gives:
    """The examples of a pack, from its ``tests/examples.py``; none where there is no such file."""
    file = project / FILE
    if not file.is_file():
        return {}
    found: dict[str, list[Callable[[], Mapping[str, object]]]] = {}
    spec = importlib.util.spec_from_file_location("nodeflow_pack_examples", file)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    for value in vars(module).values():
        if isinstance(id := getattr(value, _MARK, None), str):
            found.setdefault(id, []).append(value)
    return found


@dataclass(frozen=True, slots=True)
class Maker:
    """Makes values for inputs.

    Attributes:
        choices: The names in an open table.
        picture: A picture file, made when it is first asked for.
        pool: Values by type that nodes gave, for types that only a pack knows.
    """

    choices: Callable[[str], Sequence[JsonValue]]
    picture: Callable[[], Path]
    pool: dict[str, object] = field(default_factory=dict[str, object])

    def examples(self, spec: Spec, given: Sequence[Mapping[str, object]] = ()) -> list[Example]:
        """What to try a node with: the author's examples, else one of its defaults and some that differ from them.

        Raises:
            Unmakeable: A required input has a type of which nobody gives a value.
        """
        if given:
            return [Example(inputs, given=True) for inputs in given]
        needed = [item for item in spec.inputs if item.required]
        base = {item.name: self.value(item) for item in needed}
        invented = any(map(_is_invented, needed))
        varied = [Example({**base, **change}, invented, True) for change in self._changes(spec)]
        return [Example(base, invented), *varied][:_MOST]

    def value(self, item: Input) -> object:
        """A value for one input.

        Raises:
            Unmakeable: There is none.
        """
        choices = self.choices(item.open_choices) if item.open_choices else item.choices
        if choices is not None:
            if not choices:
                raise Unmakeable(f'"{item.name}" is one of {item.open_choices}, of which there are none')
            return _listed(item, choices[0])
        match item.widget.kind if item.widget is not None else None:
            case "image_file" | "output_image":
                return self.picture()
            case "image_folder":
                return self.picture().parent
            case "model_file" | "input_file" | "graph" as kind:
                raise Unmakeable(f'"{item.name}" is a {kind.replace("_", " ")}')
            case "secret":
                return "an-example-of-a-secret"
            case "color":
                return "#336699"
            case _:
                return self._of_type(item, item.type)

    def _of_type(self, item: Input, type: Type) -> object:
        if item.fields and type.name not in ("list", "optional"):
            return {field.name: self.value(field) for field in item.fields if field.required}
        plain = _PLAIN.get("any" if type.name.startswith("$") else type.name)
        if plain is not None:
            return plain
        match type.name:
            case "optional" | "union":
                return self._of_type(item, type.args[0])
            case "list":
                return [self._of_type(_member(item, type.args[0]), type.args[0]) for _ in range(_length(item))]
            case "int" | "float":
                return _fitting(item, _numbers(item, type.name), "a number in its range")
            case "str" | "Path":
                return _fitting(item, _texts(item.range or Range()), "a text of the form asked for")
            case name if name in _SOCKETS:
                return _SOCKETS[name]()
            case name if name in self.pool:
                return self.pool[name]
            case name:
                raise Unmakeable(f'"{item.name}" is a value of type {name}')

    def _changes(self, spec: Spec) -> Iterator[Mapping[str, object]]:
        """Inputs away from their defaults, one at a time: numbers in their ranges, optional values, other choices."""
        optional = [item for item in spec.inputs if not item.required]
        for item in optional:
            if _is_narrow(item):
                yield {item.name: _middle(item)}
            inner = item.type.args[0].name if item.type.name == "optional" else item.type.name
            if item.default is None and (inner in _SOCKETS or inner in self.pool):
                yield {item.name: self.value(item)}
            for choice in (not item.default,) if inner == "bool" else item.choices or ():
                if choice != item.default:
                    yield {item.name: _listed(item, choice)}


def _is_invented(item: Input) -> bool:
    """Whether a value for it says nothing about what the author had in mind."""
    if item.choices or item.open_choices or item.widget is not None:
        return False
    type = item.type
    while type.name in ("list", "optional", "union"):
        type = type.args[0]
    return type.name in ("str", "Path", "dict", "any") or is_generic(type) or bool(item.fields)


def _member(item: Input, type: Type) -> Input:
    """An input of one item of a list, without the bounds of the list."""
    return Input(item.name, type, fields=item.fields)


def _length(item: Input) -> int:
    """How many items a list has: two, as far as its bounds allow."""
    bounds = item.range or Range()
    return min(max(bounds.min_length or 0, 2), 2 if bounds.max_length is None else bounds.max_length)


def _listed(item: Input, choice: JsonValue) -> object:
    return [choice] if item.type.name == "list" else choice


def _is_narrow(item: Input) -> bool:
    bounds = item.range
    if bounds is None or item.type.name not in _SCALARS or item.widget is not None:
        return False
    return bounds.le is not None and bounds.ge is not None and 0 < bounds.le - bounds.ge <= _SPAN


def _middle(item: Input) -> object:
    return _fitting(item, _numbers(item, item.type.name), "a number in its range")


def _numbers(item: Input, type: str) -> Iterator[float]:
    """Candidates, the likeliest first: inside a narrow range, then small numbers, then the ends of the range."""
    bounds = item.range or Range()
    step = bounds.multiple_of or (1 if type == "int" else None)
    if _is_narrow(item) and bounds.ge is not None and bounds.le is not None:
        middle = (bounds.ge + bounds.le) / 2
        # Whole numbers often say how often something is done: a few times are enough.
        yield min(step * round(middle / step), bounds.ge + 2 * step) if step else middle
    if bounds.multiple_of:
        yield bounds.multiple_of * 8
    yield from _NUMBERS
    for bound, sign in ((bounds.ge, 0), (bounds.gt, 1), (bounds.le, 0), (bounds.lt, -1)):
        if bound is not None:
            yield bound + sign * (step or 0.001)


def _texts(bounds: Range) -> Iterator[str]:
    yield from _TEXTS
    yield _TEXTS[1] * (bounds.min_length or 1)
    yield _TEXTS[0][: bounds.max_length]


def _fitting(item: Input, candidates: Iterator[JsonValue] | Iterator[float] | Iterator[str], what: str) -> object:
    """The first candidate that the input takes."""
    for candidate in candidates:
        whole = int(candidate) if isinstance(candidate, float) and candidate.is_integer() else candidate
        try:
            return read_literal(item, whole)
        except Unfit:
            continue
    raise Unmakeable(f'"{item.name}" is {what}, and none was found')
