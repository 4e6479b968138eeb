"""Putting what an expander recorded into the plan, so that keys are those of the same graph drawn by hand."""

from collections.abc import Mapping
from dataclasses import replace
from os import urandom

from nodeflow.core.blocked import Blocked
from nodeflow.core.errors import NodeflowError
from nodeflow.core.resolved import Wire
from nodeflow.engine.board import DONE, Board, Place
from nodeflow.engine.keys import KEY_BYTES
from nodeflow.engine.plan import Plan
from nodeflow.engine.runtime import Constant, Expansion

DEEPEST = 50
MOST_NODES = 1_000_000
SEPARATOR = "/"


def splice(plan: Plan, index: int, expansion: Expansion) -> None:
    """Add the recorded nodes below the id of the expander, and let its outputs stand for theirs.

    Raises:
        NodeflowError: It expands without end, or left an output out.
    """
    board = plan.board
    owner = board.nodes[index]
    stem = board.stems.get(index, owner.id)
    if stem.count(SEPARATOR) >= DEEPEST or len(board.nodes) > MOST_NODES:
        raise NodeflowError("expands without end")
    missing = [output.name for output in owner.spec.outputs if output.name not in expansion.outputs]
    if missing:
        raise NodeflowError(f"recorded nothing for its output {', '.join(missing)}")
    outer = {wire.input: (wire.source, wire.output) for wire in board.wires[index]}
    arguments = {place: outer[name] for place, name in expansion.arguments.items()}
    places: dict[int, int] = {}
    for place, node in enumerate(expansion.graph.nodes):
        if place not in arguments:
            wires = tuple(
                Wire(wire.input, *_moved((wire.source, wire.output), arguments, places), wire.depth)
                for wire in node.wires
            )
            added = places[place] = board.add(replace(node, id=f"{stem}{SEPARATOR}{node.id}", wires=wires))
            if place in expansion.continuing:
                board.stems[added] = stem
    for name, source in expansion.outputs.items():
        if not (isinstance(source, Constant) and isinstance(source.value, Blocked)):
            found = source if isinstance(source, Constant) else _moved(source, arguments, places)
            board.aliases[index, name] = found
    board.state[index] = DONE
    _hold_back(board, index, expansion)
    for added in places.values():
        plan.identities.identify_or_fail(added)


def _hold_back(board: Board, index: int, expansion: Expansion) -> None:
    """Where the expander gives a blocked value instead of a link, it is the one that has it."""
    constants = ((name, source.value) for name, source in expansion.outputs.items() if isinstance(source, Constant))
    blocked = {name: value for name, value in constants if isinstance(value, Blocked)}
    if blocked:
        board.values[index] = tuple(blocked.get(output.name) for output in board.nodes[index].spec.outputs)
        board.keys[index] = urandom(KEY_BYTES)
        board.volatile.add(index)


def _moved(place: Place, arguments: Mapping[int, Place], places: Mapping[int, int]) -> Place:
    found = arguments.get(place[0])
    return found if found is not None else (places[place[0]], place[1])
