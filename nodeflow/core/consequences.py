"""What is wrong with a document that was written out, and what modes bring about, in the places it is written in."""

from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Final

from nodeflow.core.errors import Problem
from nodeflow.core.flat import Seat
from nodeflow.core.names import place_in
from nodeflow.core.remains import Gap, Nothing, Why, written_label
from nodeflow.core.routes import Arrival, Written
from nodeflow.core.spec import Input

Key = tuple[str, str, str | None]
"""What makes two problems one: the code, the node where it is defined, the input; without a node, the message."""

_NOTHING: Final[Mapping[str, str]] = {}


class Report:
    """Collects problems of the written out document, and says each once, where the document has it.

    Args:
        known: What has been said so far.
        seats: The nodes by path.
    """

    def __init__(self, known: Iterable[Problem], seats: Mapping[str, Seat]) -> None:
        self.problems: list[Problem] = []
        self._known: set[Key] = {_key(item) for item in known}
        self._seats = seats
        self._origins: dict[tuple[str, str], Arrival] = {}

    def arrived(self, path: str, input: str, arrival: Arrival | Nothing | None) -> None:
        """Remember from where an input of a node has its value."""
        if isinstance(arrival, Arrival):
            self._origins[path, input] = arrival
        else:
            self._origins.pop((path, input), None)

    def add(self, problem: Problem) -> None:
        """A problem of a plain node, which may come from what is written elsewhere."""
        seat = self._seats.get(problem.node or "")
        if seat is None:
            self._say(problem, _key(problem))
            return
        name, bracket, rest = (problem.input or "").partition("[")
        arrival = self._origins.get((problem.node or "", name))
        place = Written(seat.scope, seat.id, name, None) if arrival is None else arrival.origin
        label = bracket + rest
        if arrival is not None and arrival.gaps:
            label = written_label(label, arrival.gaps)
        if arrival is None and problem.code == "input.missing":
            place = self._wanting(place)
        if arrival is not None and arrival.through:
            message = f'{problem.message} (handed on by the bypassed "{arrival.through}")'
            problem = replace(problem, message=message)
        self.at(place, problem, place.input + label or None)

    def gap(self, path: str, input: Input, gap: Gap) -> None:
        """An item of a list is left out, or a field of a row falls back to its default."""
        arrival = self._origins[path, input.name]
        problem = _left_out(arrival.origin, input, gap)
        if problem is not None:
            self.at(arrival.origin, problem, arrival.origin.input + ("" if arrival.through else gap.label))

    def at(self, place: Written, problem: Problem, input: str | None) -> None:
        """A problem with what is written at a place."""
        scope = place.scope
        node = place_in(scope.graph, place.node) if scope.graph else place.node
        moved = replace(problem, node=place.path, input=input, type=scope.nodes[place.node].type)
        self._say(moved, (problem.code, node, input))

    def _wanting(self, place: Written) -> Written:
        """Where a value that nobody gives would have to be given."""
        scope = place.scope
        name = scope.fed.get(place.node, _NOTHING).get(place.input)
        if name is None or scope.parent is None:
            return place
        return self._wanting(Written(scope.parent, scope.use, name, None))

    def _say(self, problem: Problem, key: Key) -> None:
        if key not in self._known:
            self._known.add(key)
            self.problems.append(problem)


def _key(problem: Problem) -> Key:
    return problem.code, problem.node or problem.message, problem.input


def not_run(path: str, type_: str, input: str, muted: str) -> Problem:
    """Because of a muted node another one lacks what it needs."""
    message = f'"{muted}" is muted, so this node does not run'
    hint = f'feed {input} from another node, or take the mute off "{muted}"'
    return Problem("mode.muted", message, path, input, hint=hint, severity="warning", type=type_)


def loss(origin: Written, input: Input, nothing: Nothing) -> Problem:
    """Something does not come to an input; the place is for the report to add."""
    if nothing.why is Why.MUTED:
        message = f'"{nothing.node}" is muted, so what holds without a link is used'
        return Problem("mode.muted", message, severity="warning")
    if nothing.why is Why.BYPASSED:
        message = f'the bypassed "{nothing.node}" has nothing to hand on in place of its output {nothing.output}'
        hint = f'feed {origin.input} from another node, or take the bypass off "{nothing.node}"'
        return Problem("mode.bypass", message, expected=f"a value of type {input.type}", hint=hint)
    message = f'the bypassed "{nothing.node}" hands on what it gets from itself'
    return Problem("link.cycle", message, hint=f'feed "{nothing.node}" from another node')


def _left_out(origin: Written, input: Input, gap: Gap) -> Problem | None:
    """What to say of a place inside to which nothing comes; None where a field has a default and nothing is muted."""
    told = loss(origin, input, gap.nothing)
    if gap.within is None:
        return told if gap.nothing.why is Why.MUTED else None
    if gap.nothing.why is Why.MUTED:
        return replace(told, message=f'"{gap.nothing.node}" is muted, so this item is left out')
    if gap.nothing.why is Why.BYPASSED:
        return replace(told, message=f"{told.message}, so this item is left out", expected=None, severity="warning")
    return told


def absence(name: str, source: str, nothing: Nothing) -> Problem:
    """An output of the interface is not there."""
    message = f'the result "{name}" is absent'
    if nothing.why is Why.MUTED:
        reason, code = f'"{nothing.node}" is muted', "mode.muted"
    else:
        reason, code = f'the bypassed "{nothing.node}" has nothing to hand on', "mode.bypass"
    return Problem(code, f"{message}: {reason}", found=source, severity="warning")
