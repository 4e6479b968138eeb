"""Putting what an expander recorded into the plan, so that keys are those of the same graph drawn by hand."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import TypeAlias, cast

from nodeflow.core.blocked import Blocked
from nodeflow.core.errors import NodeflowError
from nodeflow.core.resolved import ResolvedNode, Wire
from nodeflow.engine.board import DONE, Place
from nodeflow.engine.failures import EndlessExpansion
from nodeflow.engine.mapping import Arguments, Call, Calls
from nodeflow.engine.own import held_back, item_of, list_of
from nodeflow.engine.plan import Plan
from nodeflow.engine.runtime import Constant, Expansion

DEEPEST = 50
MOST_NODES = 1_000_000
SEPARATOR = "/"

Found: TypeAlias = Mapping[str, "Place | Constant"]
"""Where the outputs of an expander really come from."""


def splice(plan: Plan, index: int, expansion: Expansion) -> None:
    """Add the recorded nodes below the id of the expander, and let its outputs stand for theirs.

    Raises:
        EndlessExpansion: It is recorded by itself, again and again.
        NodeflowError: It left an output out.
    """
    adding = _Adding(plan, index)
    adding.check([expansion])
    adding.finish(adding.recorded(expansion, adding.outer, adding.stem))


def splice_items(plan: Plan, index: int, calls: Calls, arguments: Arguments, expansions: Sequence[Expansion]) -> None:
    """The same for an expander that is mapped: each item is expanded by itself, and outputs become lists.

    Args:
        arguments: What was spread over the calls.
        expansions: What was recorded for each item.

    Raises:
        EndlessExpansion: It is recorded by itself, again and again.
        NodeflowError: It left an output out.
    """
    adding = _Adding(plan, index)
    adding.check(expansions)
    found = [adding.for_item(call, arguments, expansion) for call, expansion in zip(calls, expansions, strict=True)]
    names = [output.name for output in plan.board.nodes[index].spec.outputs]
    lists = calls.fold([tuple(each[name] for name in names) for each in found], len(names))
    adding.finish(
        {name: adding.listed(name, cast("list[object]", items)) for name, items in zip(names, lists, strict=True)}
    )


class _Adding:
    """Adds nodes in the place of one expander."""

    def __init__(self, plan: Plan, index: int) -> None:
        board = plan.board
        self._plan = plan
        self._board = board
        self._index = index
        self._owner = board.nodes[index]
        self._added: list[int] = []
        self._items: dict[tuple[str, tuple[int, ...]], Place] = {}
        self.stem = board.stems.get(index, self._owner.id)
        self.outer = {wire.input: (wire.source, wire.output) for wire in board.wires[index]}

    def check(self, expansions: Iterable[Expansion]) -> None:
        """Refuse what is wrong before anything is added."""
        if self.stem.count(SEPARATOR) >= DEEPEST or len(self._board.nodes) > MOST_NODES:
            raise EndlessExpansion("expands without end; does a sub-graph run itself?")
        names = [output.name for output in self._owner.spec.outputs]
        for expansion in expansions:
            missing = [name for name in names if name not in expansion.outputs]
            if missing:
                raise NodeflowError(f"recorded nothing for its output {', '.join(missing)}")

    def recorded(self, expansion: Expansion, outer: Mapping[str, Place], stem: str) -> Found:
        """Add what was recorded, with ids that begin with ``stem``.

        Args:
            outer: Where the linked inputs come from.
        """
        board = self._board
        arguments = {place: outer[name] for place, name in expansion.arguments.items()}
        places: dict[int, int] = {}
        for place, node in enumerate(expansion.graph.nodes):
            if place not in arguments:
                wires = tuple(
                    Wire(wire.input, *_moved((wire.source, wire.output), arguments, places), wire.depth)
                    for wire in node.wires
                )
                added = places[place] = self._add(replace(node, id=f"{stem}{SEPARATOR}{node.id}", wires=wires))
                if place in expansion.continuing:
                    board.stems[added] = stem
        return {
            name: self._constant(f"{stem}.{name}", source)
            if isinstance(source, Constant)
            else _moved(source, arguments, places)
            for name, source in expansion.outputs.items()
        }

    def for_item(self, call: Call, arguments: Arguments, expansion: Expansion) -> Found:
        """Add what was recorded for one item; what it takes of a list is that item."""
        stem = self.stem + "".join(f"[{step}]" for step in call.path)
        outer = dict(self.outer)
        for wire in self._board.wires[self._index]:
            if wire.depth and wire.input in expansion.arguments.values():
                outer[wire.input] = self._item(wire, _place(arguments[wire.input], call.path[: wire.depth]))
        return self.recorded(expansion, outer, stem)

    def listed(self, name: str, items: list[object]) -> Place:
        """One output of all items."""
        return self._add(list_of(f"{self.stem}.{name}", items)), "out"

    def finish(self, found: Found) -> None:
        """The outputs of the expander are ``found``, and what was added belongs to the plan."""
        board = self._board
        for name, source in found.items():
            board.aliases[self._index, name] = source
        board.state[self._index] = DONE
        for added in self._added:
            self._plan.identities.identify_or_fail(added)

    def _item(self, wire: Wire, place: tuple[int, ...]) -> Place:
        known = self._items.get((wire.input, place))
        if known is None:
            id = f"{self.stem}.{wire.input}" + "".join(f"[{step}]" for step in place)
            known = self._items[wire.input, place] = self._add(item_of(id, (wire.source, wire.output), place)), "out"
        return known

    def _constant(self, id: str, constant: Constant) -> Place | Constant:
        if isinstance(constant.value, Blocked):
            return self._add(held_back(id, constant.value)), "out"
        return constant

    def _add(self, node: ResolvedNode) -> int:
        added = self._board.add(node)
        self._added.append(added)
        return added


def _moved(place: Place, arguments: Mapping[int, Place], places: Mapping[int, int]) -> Place:
    found = arguments.get(place[0])
    return found if found is not None else (places[place[0]], place[1])


def _place(items: object, path: Sequence[int]) -> tuple[int, ...]:
    """Where the item for one call is: a shorter list repeats its last one, and what is no list is its only one."""
    place: list[int] = []
    for step in path:
        if isinstance(items, list):
            members = cast("list[object]", items)
            place.append(min(step, len(members) - 1))
            items = members[place[-1]]
    return tuple(place)
