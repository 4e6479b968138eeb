"""Which links of a run bring values that must be looked at before a node gets them, decided once per kind of link."""

from collections.abc import Sequence
from functools import partial
from typing import NamedTuple

from nodeflow.core.json import JsonValue
from nodeflow.core.linked import demands, held
from nodeflow.core.node import Later
from nodeflow.core.places import input_inside
from nodeflow.core.resolved import Wire
from nodeflow.core.spec import Input
from nodeflow.core.types import ANY, Type
from nodeflow.engine.board import Board
from nodeflow.engine.handing import Given
from nodeflow.engine.mapping import Arguments
from nodeflow.engine.nodetypes import NodeType
from nodeflow.engine.runtime import Services


class Hold(NamedTuple):
    """A link whose values are looked at.

    Attributes:
        label: The input that it feeds, or the place inside one.
        input: What is taken there.
        source: Where the values come from, for messages.
    """

    label: str
    input: Input
    source: str


class Holds:
    """The links of one run."""

    def __init__(self, board: Board, services: Services) -> None:
        self._board = board
        self._services = services
        self._known: dict[tuple[NodeType, str, NodeType | None, str, int], Input | None] = {}
        self._tables: dict[str, Sequence[JsonValue]] = {}

    def given(self, index: int) -> Given | None:
        """What makes of the values that a node gets before it starts what its inputs declare; mostly nothing."""
        board = self._board
        found: list[Hold] = []
        types = board.types
        strict, nested = types[index].strict, board.nodes[index].nested
        for wire in board.eager(index):
            if wire.input in strict or types[wire.source].vague or nested:
                hold = self.on(index, wire, (wire.source, wire.output))
                found += [] if hold is None else [hold]
        return partial(self._read_all, found) if found else None

    def on(self, index: int, wire: Wire, place: tuple[int, str] | None) -> Hold | None:
        """The link ``wire`` into a node, if its values must be looked at.

        Args:
            place: The output that they really come from; None for a value that an expander handed out.
        """
        board = self._board
        source = None if place is None else board.types[place[0]]
        output = wire.output if place is None else place[1]
        kind = (board.types[index], wire.input, source, output, wire.depth)
        if kind not in self._known:
            self._known[kind] = self._decide(index, wire, ANY if source is None else _type(source, output, wire.depth))
        input = self._known[kind]
        return None if input is None else Hold(wire.input, input, f"{board.nodes[wire.source].id}.{wire.output}")

    def _read_all(self, holds: Sequence[Hold], arguments: Arguments) -> Arguments:
        read = dict(arguments)
        for hold in holds:
            value = read[hold.label]
            later = isinstance(value, Later)
            found = self.read(hold, value.value if isinstance(value, Later) else value)
            read[hold.label] = Later(found) if later else found
        return read

    def read(self, hold: Hold, value: object) -> object:
        """One value as its input has it; raises InputError."""
        return held(hold.input, value, hold.label, self._choices, hold.source)

    def _decide(self, index: int, wire: Wire, type: Type) -> Input | None:
        node = self._board.nodes[index]
        name, path = (node.nested or {}).get(wire.input, (wire.input, ()))
        whole = node.spec.input(name)
        input = None if whole is None else input_inside(whole, path)
        return input if input is not None and demands(input, type) else None

    def _choices(self, input: Input) -> Sequence[JsonValue] | None:
        table = input.open_choices
        if table is None:
            return input.choices
        if table not in self._tables:
            self._tables[table] = self._services.choices(table)
        return self._tables[table]


def _type(source: NodeType, name: str, depth: int) -> Type:
    """The type of an output, or of what is in its lists."""
    type = source.spec.outputs[source.position[name]].type
    for _ in range(depth):
        if type.name != "list":
            return ANY
        type = type.args[0]
    return type
