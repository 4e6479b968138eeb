"""Nodes that run a sub-graph again and again: for each item of a list, from item to item, and as long as it asks to."""

import math
from collections.abc import Iterable, Mapping, Sequence
from typing import Annotated, Any, Literal, TypeVar, cast

from nodeflow.api import Field, Graph, InputError, Ref, Row, SubGraph, expander
from nodeflow_nodes.lists import choose, make_list
from nodeflow_nodes.primitives import boolean

T = TypeVar("T")

Body = Annotated[str, SubGraph(), Field(min_length=1)]
Turns = Annotated[int, Field(ge=0, le=100_000)]
TurnNumber = Annotated[int, Field(ge=0, le=2**53 - 1)]


class Passed(Row):
    """A further input of a sub-graph, the same in each turn.

    Attributes:
        name: Of the input.
        content: Its value, or a link to one.
    """

    name: str
    content: Any


@expander("ForEach", category="control", title="For each item")
def for_each(
    graph: Graph,
    items: list[Any],
    body: Body,
    passed: Ref[Sequence[Passed]] = (),
    output: str = "",
) -> Ref[list[Any]]:
    """Run a sub-graph once for each item of a list, and collect what it gives into a list.

    The sub-graph gets the item as its input `item` and, if it has such an input, its number from 0 on as `index`. A
    result is remembered for each item by itself, as far as items are texts or numbers, or linked one by one.

    Args:
        items: The list.
        body: Name of the sub-graph.
        passed: Further inputs of the sub-graph, the same for each item.
        output: Which output of the sub-graph to collect; may be empty when there is only one.
    """
    loop = _Loop(graph, body, passed)
    collected = loop.output(output)
    turns = [loop.turn(f"item-{place}", item=_item(graph, items, place), index=place) for place in range(len(items))]
    return graph(make_list, id="results")([results[collected] for results in turns])


@expander("Accumulate", category="control", title="From item to item")
def accumulate(
    graph: Graph,
    items: list[Any],
    state: Ref[T],
    body: Body,
    passed: Ref[Sequence[Passed]] = (),
    output: str = "",
) -> Ref[T]:
    """Run a sub-graph for one item of a list after the other, each time on what it gave the time before.

    The sub-graph gets the item as its input `item`, what came out so far as `state`, and, if it has such an input, the
    number of the item from 0 on as `index`. What it gives is the next `state`; after the last item it is the result.

    Args:
        items: The list; if it is empty, the result is the first state.
        state: What the first item starts from.
        body: Name of the sub-graph.
        passed: Further inputs of the sub-graph, the same for each item.
        output: Which output of the sub-graph is the next state; empty for its only one, or the one called `state`.
    """
    loop = _Loop(graph, body, passed)
    following = loop.output(output, usual="state")
    for place in range(len(items)):
        state = loop.turn(f"item-{place}", item=_item(graph, items, place), index=place, state=state)[following]
    return state


@expander("WhileLoop", category="control", title="As long as it asks to")
def while_loop(
    graph: Graph,
    state: Ref[T],
    body: Body,
    passed: Ref[Sequence[Passed]] = (),
    limit: Turns = 100,
    at_limit: Literal["fail", "stop"] = "fail",
    again: bool = True,
    index: TurnNumber = 0,
) -> Ref[T]:
    """Run a sub-graph on what it gave the time before, as long as it asks to.

    The sub-graph gets what came out so far as its input `state` and, if it has such an input, the number of the turn as
    `index`. It gives the next `state`, and by its output `again` whether another turn is to follow.

    Args:
        state: What the first turn starts from.
        body: Name of the sub-graph.
        passed: Further inputs of the sub-graph, the same for each turn.
        limit: How many turns there are at most.
        at_limit: Whether to `fail` when the sub-graph asks for more than that, or to `stop` with what came out so far.
        again: Whether to begin at all.
        index: Number of the first turn.
    """
    if not again or (limit == 0 and at_limit == "stop"):
        return state
    if limit == 0:
        way_out = "raise it, or set at_limit to stop"
        raise InputError("limit", f"it is reached before turn {index}, which is asked for; {way_out}")
    loop = _Loop(graph, body, passed)
    loop.require_outputs("state", "again")
    results = loop.turn(f"turn-{index}", index=index, state=state)
    # Through a node of its own the wish for another turn is never known before that turn has run.
    wish = graph(boolean, id=f"again-{index}")(results["again"])
    turn = graph.again(while_loop, id=f"turns-{index + 1}")
    result: T = turn(results["state"], body, passed, limit - 1, at_limit, wish, index + 1)
    return result


@for_each.check
@accumulate.check
@while_loop.check
def _names_are_given_once(passed: Sequence[Mapping[str, Any]]) -> None:
    _require_different([row.get("name") for row in passed])


def _require_different(names: Sequence[str | None]) -> None:
    """Refuses a name that is there twice; None is one that is not known yet."""
    for place, name in enumerate(names):
        if name is not None and name in names[:place]:
            raise InputError(f"passed[{place}].name", f"{name} is given twice")


class _Loop:
    """Uses of one sub-graph that differ by what the loop gives to each."""

    def __init__(self, graph: Graph, body: str, passed: Sequence[Passed]) -> None:
        self._graph = graph
        self._body = body
        self._takes = graph.takes(body)
        self._gives = graph.gives(body)
        self._passed = {row.name: row.content for row in passed}
        _require_different([row.name for row in passed])
        self._require("passed", "input", self._passed, self._takes)

    def output(self, chosen: str, *, usual: str = "") -> str:
        """The output that counts: the chosen one, else the usual one, else the only one there is."""
        if chosen:
            self._require("output", "output", (chosen,), self._gives)
            return chosen
        if usual in self._gives:
            return usual
        if len(self._gives) != 1:
            listed = ", ".join(self._gives) or "none"
            raise InputError("output", f'the sub-graph "{self._body}" has these outputs: {listed}; name one')
        return self._gives[0]

    def require_outputs(self, *names: str) -> None:
        """Refuses a sub-graph that does not give all of these."""
        self._require("body", "output", names, self._gives)

    def turn(self, id: str, **own: Any) -> Mapping[str, Any]:
        """Records one use, and gives its outputs by name."""
        self._require("body", "input", own.keys() - {"index"}, self._takes)
        if twice := own.keys() & self._passed.keys():
            raise InputError(
                "passed", f"{min(twice)} is given by the loop itself; call the input of the sub-graph otherwise"
            )
        given = {name: value for name, value in own.items() if name in self._takes}
        return self._graph.call(self._body, {**self._passed, **given}, id=id)

    def _require(self, input: str, kind: str, names: Iterable[str], known: Sequence[str]) -> None:
        for name in names:
            if name not in known:
                listed = ", ".join(known) or "none"
                raise InputError(input, f'the sub-graph "{self._body}" has no {kind} {name}; there are: {listed}')


def _item(graph: Graph, items: Sequence[object], place: int) -> object:
    """An item to hand on: itself where a document can hold it, else a link to where it comes from."""
    if not _is_json(items[place]) and "items" in graph.given:
        return graph(choose, id=f"choose-{place}")(cast("list[object]", graph.given["items"]), place)
    return _linked(graph, items[place], f"items[{place}]")


def _linked(graph: Graph, value: object, label: str) -> object:
    """A value that was written down, with the links that stood in it."""
    if _is_json(value):
        return value
    if label in graph.given:
        return graph.given[label]
    if isinstance(value, list):
        parts = cast("list[object]", value)
        return [_linked(graph, part, f"{label}[{place}]") for place, part in enumerate(parts)]
    return value


def _is_json(value: object) -> bool:
    match value:
        case None | bool() | int() | str():
            return True
        case float():
            return math.isfinite(value)
        case list():
            return all(map(_is_json, cast("list[object]", value)))
        case dict():
            return all(map(_is_json, cast("dict[str, object]", value).values()))
        case _:
            return False
