"""What reading the inputs of nodes starts from and ends with: a form for each type, a draft for each node."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from nodeflow.core.canonical import quote, record_text
from nodeflow.core.json import JsonValue
from nodeflow.core.secrets import SECRET
from nodeflow.core.spec import Input, Spec
from nodeflow.core.specs import Specs
from nodeflow.core.types import Type, is_generic


class Form:
    """A spec made ready for reading many nodes of its type."""

    def __init__(self, spec: Spec, specs: Specs) -> None:
        self.spec = spec
        self.inputs: Mapping[str, Input] = {item.name: item for item in spec.inputs}
        self.required = [item.name for item in spec.inputs if item.required]
        self.defaults: Mapping[str, JsonValue] = {item.name: item.default for item in spec.inputs if not item.required}
        self.names = sorted(self.inputs)
        self.places = {name: Place(name, name) for name in self.names}
        self.prefixes = {name: f"{quote(name)}:" for name in self.names}
        self.default_texts = {name: record_text(value) for name, value in self.defaults.items()}
        self.outputs: Mapping[str, Type] = {item.name: item.type for item in spec.outputs}
        self.generic = any(map(is_generic, [*(item.type for item in spec.inputs), *self.outputs.values()]))
        self.secrets = frozenset(item.name for item in spec.inputs if _names_secrets(item))
        self._specs = specs
        self._tables: dict[str, Sequence[JsonValue]] = {}

    def choices(self, input: Input) -> Sequence[JsonValue] | None:
        """The values that an input may have, closed or open; None when it is no choice."""
        table = input.open_choices
        if table is None:
            return input.choices
        if table not in self._tables:
            self._tables[table] = tuple(self._specs.choices(table))
        return self._tables[table]


def _names_secrets(input: Input) -> bool:
    """Whether an input, or a field of its rows, is the name of a secret."""
    own = input.widget is not None and input.widget.kind == SECRET
    return own or any(map(_names_secrets, input.fields))


class Place(NamedTuple):
    """Where a value stands: an input, or somewhere inside its list or rows.

    Attributes:
        label: As messages and wires have it: ``rows[0].strength``.
        escaped: An object here is a literal, whatever its keys.
    """

    label: str
    input: str
    path: tuple[str | int, ...] = ()
    escaped: bool = False

    def inside(self, key: str | int) -> "Place":
        """A member of the value that stands here."""
        if isinstance(key, str):
            step = f".{key}" if key.isidentifier() else f"[{quote(key)}]"
        else:
            step = f"[{key}]"
        return Place(self.label + step, self.input, (*self.path, key), self.escaped)


class Nested(NamedTuple):
    """A place inside the literal of an input that a link feeds.

    Attributes:
        input: The input whose literal it is.
        path: Keys and positions that lead there.
        type: What is taken there.
    """

    input: str
    path: tuple[str | int, ...]
    type: Type


@dataclass(slots=True)
class Draft:
    """A node whose inputs are read and whose links are not yet followed.

    Attributes:
        literals: Null stands where a link feeds a place inside.
        links: Input, or label of a place inside its literal such as ``rows[0].strength``, to (node id, output name).
        nested: The labels among ``links``.
        drawn: Inputs and labels whose literal is one of those that their draw may give.
        wrong: Inputs that are not given as they should be, which has been told.
    """

    id: str
    form: Form
    literals: dict[str, JsonValue]
    links: dict[str, tuple[str, str]]
    nested: dict[str, Nested]
    drawn: list[str]
    record: bytes = b""
    wrong: list[str] = field(default_factory=list[str])

    def target(self, socket: str) -> Type:
        """The type that an input, or a place inside one, takes."""
        input = self.form.inputs.get(socket)
        return self.nested[socket].type if input is None else input.type

    def places(self) -> dict[str, tuple[str, tuple[str | int, ...]]]:
        """Where the links inside literals lead: each label to its input, and what leads to the place inside."""
        return {label: (place.input, place.path) for label, place in self.nested.items()}

    @property
    def known(self) -> dict[str, JsonValue]:
        """The literals that no link is part of."""
        linked = {place.input for place in self.nested.values()}
        return {name: value for name, value in self.literals.items() if name not in linked}
