"""Nodes that run a sub-graph again and again: for each item of a list, from item to item, and as long as it asks to."""

import math
import re
from collections.abc import Collection, Iterable, Mapping, Sequence
from difflib import get_close_matches
from typing import Annotated, Any, Literal, TypeVar, cast

from nodeflow.api import Field, Graph, Graphs, InputError, Ref, Row, SubGraph, expander
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
    loop = _Loop(graph, body, passed, ("item",))
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
    loop = _Loop(graph, body, passed, ("item", "state"))
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
    loop = _Loop(graph, body, passed, ("state",))
    loop.require_outputs("state", "again")
    results = loop.turn(f"turn-{index}", index=index, state=state)
    # Through a node of its own the wish for another turn is never known before that turn has run.
    wish = graph(boolean, id=f"again-{index}")(results["again"])
    turn = graph.again(while_loop, id=f"turns-{index + 1}")
    result: T = turn(results["state"], body, passed, limit - 1, at_limit, wish, index + 1)
    return result


@for_each.check
def _each_item_fits(items: Ref[object], body: str, passed: Ref[Sequence[Passed]], output: str, graphs: Graphs) -> None:
    loop = _Body(graphs, body, passed, ("item",))
    loop.output(output)
    for place, item in _known_items(items).items():
        loop.try_turn(graphs, {"item": place}, item=item, index=0)


@accumulate.check
def _each_item_and_the_state_fit(
    items: Ref[object], state: Ref[object], body: str, passed: Ref[Sequence[Passed]], output: str, graphs: Graphs
) -> None:
    loop = _Body(graphs, body, passed, ("item", "state"))
    loop.output(output, usual="state")
    for place, item in _known_items(items).items():
        loop.try_turn(graphs, {"item": place, "state": "state"}, item=item, state=state, index=0)


@while_loop.check
def _the_state_fits(state: Ref[object], body: str, passed: Ref[Sequence[Passed]], graphs: Graphs) -> None:
    loop = _Body(graphs, body, passed, ("state",))
    loop.require_outputs("state", "again")
    loop.try_turn(graphs, {"state": "state"}, state=state, index=0)


def _known_items(items: object) -> Mapping[str, object]:
    """The items by their places, or the link that brings them all."""
    if not isinstance(items, list):
        return {"items": items}
    return {f"items[{place}]": item for place, item in enumerate(cast("list[object]", items))}


class _Body:
    """The sub-graph of a loop: what may be given to it and taken from it, in a check and in a run alike."""

    def __init__(self, graphs: Graph | Graphs, body: str, passed: Sequence[Passed], own: Collection[str]) -> None:
        """Looks at a sub-graph.

        Args:
            graphs: Where it is.
            body: Its name.
            passed: What it is given in each turn.
            own: The inputs that it must have for what the loop gives it.

        Raises:
            InputError: It lacks an input, or ``passed`` has a name that it may not have.
        """
        self.body = body
        self.takes = graphs.takes(body)
        self._gives = graphs.gives(body)
        self._require("body", "input", own, self.takes)
        if not isinstance(passed, list | tuple):
            raise InputError("passed", "write the rows down; not all of them, but the content of each can be linked")
        self._check_names([row.name for row in passed], {*own, "index"})
        self.passed = {row.name: row.content for row in passed}

    def output(self, chosen: str, *, usual: str = "") -> str:
        """The output that counts: the chosen one, else the usual one, else the only one there is."""
        if chosen:
            self._require("output", "output", (chosen,), self._gives)
            return chosen
        if usual in self._gives:
            return usual
        if len(self._gives) != 1:
            listed = ", ".join(self._gives) or "none"
            raise InputError("output", f'the sub-graph "{self.body}" has these outputs: {listed}; name one')
        return self._gives[0]

    def require_outputs(self, *names: str) -> None:
        """Refuses a sub-graph that does not give all of these."""
        self._require("body", "output", names, self._gives)

    def inputs(self, own: Mapping[str, object]) -> dict[str, object]:
        """All that the sub-graph is given in a turn."""
        return {**self.passed, **{name: value for name, value in own.items() if name in self.takes}}

    def try_turn(self, graphs: Graphs, places: Mapping[str, str], **own: object) -> None:
        """Refuses what the sub-graph does not take.

        Args:
            graphs: Where it is.
            places: From which input of the loop each of its own comes.
            own: What the loop gives.
        """
        try:
            graphs.check(self.body, self.inputs(own))
        except InputError as error:
            name = re.split(r"[.\[]", error.input, maxsplit=1)[0]
            contents = {passed: f"passed[{row}].content" for row, passed in enumerate(self.passed)}
            place = {**contents, "index": "body", **places}.get(name)
            inside = error.input.removeprefix(name)
            said = f'as {name} of the sub-graph "{self.body}": {error.message}'
            raise InputError("passed" if place is None else place + inside, said) from None

    def _check_names(self, names: Sequence[object], own: Collection[str]) -> None:
        for row, name in enumerate(names):
            place = f"passed[{row}].name"
            if not isinstance(name, str):
                raise InputError(place, "write the name down; only the content can be linked")
            if name in names[:row]:
                raise InputError(place, f"{name} is given twice")
            if name in own and name in self.takes:
                raise InputError(
                    place, f"{name} is given by the loop itself; call the input of the sub-graph otherwise"
                )
            self._require(place, "input", (name,), self.takes)

    def _require(self, input: str, kind: str, names: Iterable[str], known: Sequence[str]) -> None:
        for name in names:
            if name not in known:
                listed = ", ".join(known) or "none"
                meant = "".join(f"; did you mean {close}?" for close in get_close_matches(name, known, 1))
                raise InputError(input, f'the sub-graph "{self.body}" has no {kind} {name}; there are: {listed}{meant}')


class _Loop(_Body):
    """Uses of one sub-graph that differ by what the loop gives to each."""

    def __init__(self, graph: Graph, body: str, passed: Sequence[Passed], own: Collection[str]) -> None:
        super().__init__(graph, body, passed, own)
        self._graph = graph

    def turn(self, id: str, **own: Any) -> Mapping[str, Any]:
        """Records one use, and gives its outputs by name."""
        return self._graph.call(self.body, self.inputs(own), id=id)


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
