"""Nodes that run a sub-graph again and again: for each item of a list, from item to item, and as long as it asks to."""

import math
from collections.abc import Mapping, Sequence
from typing import Annotated, Any, Literal, TypeVar, cast

from nodeflow.api import Field, Graph, InputError, Ref, Row, SubGraph, expander
from nodeflow_nodes.lists import choose, make_list
from nodeflow_nodes.primitives import boolean

T = TypeVar("T")

Body = Annotated[str, SubGraph(), Field(min_length=1)]
Turns = Annotated[int, Field(ge=0, le=100_000)]
TurnNumber = Annotated[int, Field(ge=0, le=2**53 - 1)]

_OWN = frozenset(("item", "index", "state"))


class Passed(Row):
    """A further input of a sub-graph, the same in each turn.

    Attributes:
        name: Of the input.
        content: Its value, or a link to one.
    """

    name: str
    content: Any = None


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
    loop = _Loop(graph, body, passed, output)
    results = [loop.turn(f"item-{place}", item=_item(graph, items, place), index=place) for place in range(len(items))]
    return graph(make_list, id="results")(results)


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
    loop = _Loop(graph, body, passed, output or "state", fallback=not output)
    for place in range(len(items)):
        state = loop.turn(f"item-{place}", item=_item(graph, items, place), index=place, state=state)
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
        raise InputError("limit", f"{index} turns were made, and another is asked for; {way_out}")
    loop = _Loop(graph, body, passed, "state")
    results = loop.results(f"turn-{index}", index=index, state=state)
    if "again" not in results:
        raise InputError("body", f'the sub-graph "{body}" has no output again, which says whether to go on')
    # Through a node of its own the wish for another turn is never known before that turn has run.
    wish = graph(boolean, id=f"again-{index}")(results["again"])
    turn = graph.again(while_loop, id=f"turns-{index + 1}")
    result: T = turn(results["state"], body, passed, limit - 1, at_limit, wish, index + 1)
    return result


@for_each.check
@accumulate.check
@while_loop.check
def _names_are_given_once(passed: Sequence[Mapping[str, Any]]) -> None:
    seen: set[str] = set()
    for number, row in enumerate(passed):
        name = row.get("name")
        if name in _OWN:
            raise InputError(f"passed[{number}].name", f"{name} is given by the loop itself; use another name")
        if name in seen:
            raise InputError(f"passed[{number}].name", f"{name} is given twice")
        if isinstance(name, str):
            seen.add(name)


class _Loop:
    """Uses of one sub-graph that differ by what the loop gives to each.

    Args:
        output: Name of the output that counts; empty for the only one.
        fallback: The only output will do where there is none of that name.
    """

    def __init__(
        self, graph: Graph, body: str, passed: Sequence[Passed], output: str, *, fallback: bool = False
    ) -> None:
        self._graph = graph
        self._body = body
        self._takes = graph.takes(body)
        self._gives = graph.gives(body)
        self._passed = {row.name: row.content for row in passed}
        for name in self._passed:
            if name not in self._takes:
                raise InputError("passed", f'the sub-graph "{body}" has no input {name}; {_listed(self._takes)}')
        self._output = self._chosen(output, fallback)

    def turn(self, id: str, **own: Any) -> Any:
        """Records one use, and gives the output that counts."""
        return self.results(id, **own)[self._output]

    def results(self, id: str, **own: Any) -> Mapping[str, Any]:
        """Records one use, and gives all its outputs."""
        for name in own:
            if name not in self._takes and name != "index":
                raise InputError("body", f'the sub-graph "{self._body}" has no input {name}; {_listed(self._takes)}')
        given = {name: value for name, value in own.items() if name in self._takes}
        return self._graph.call(self._body, {**self._passed, **given}, id=id)

    def _chosen(self, output: str, fallback: bool) -> str:
        if output in self._gives:
            return output
        if len(self._gives) == 1 and (fallback or not output):
            return self._gives[0]
        wanted = f"no output {output}" if output else "several outputs; name one of them in output"
        raise InputError(
            "output" if output else "body", f'the sub-graph "{self._body}" has {wanted}; {_listed(self._gives)}'
        )


def _item(graph: Graph, items: Sequence[object], place: int) -> object:
    """An item to hand on: itself where a document can hold it, else a link to where it comes from."""
    if _is_json(items[place]):
        return items[place]
    linked = f"items[{place}]"
    if linked in graph.given:
        return graph.given[linked]
    return graph(choose, id=f"choose-{place}")(cast("list[object]", graph.given["items"]), place)


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


def _listed(names: Sequence[str]) -> str:
    return f"there are {', '.join(names)}" if names else "there are none"
