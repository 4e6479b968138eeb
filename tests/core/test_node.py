"""Marks: what decorators leave on functions, and that functions stay what they are."""

import asyncio
from typing import Annotated, Any, TypeVar, get_type_hints

import pytest

from nodeflow.api import Graph, InputError, Kind, Lane, Lazy, Ref, expander, later, migrates, node
from nodeflow.core.node import migration_mark, node_mark

T = TypeVar("T")


@node("test.Add", category="numbers", version=2, lane=Lane.CPU, title="Sum")
def add(a: int, b: int = 1) -> int:
    return a + b


@node("test.Pick")
async def pick(on: bool, yes: Lazy[T], no: Lazy[T]) -> T:
    return await (yes if on else no)


@expander("test.AddTwice")
def add_twice(g: Graph, a: Ref[int]) -> Ref[int]:
    return g(add)(g(add)(a))


def test_a_node_is_tested_by_calling_it() -> None:
    assert add(2, b=3) == 5


def test_the_mark_says_what_the_decorator_was_told() -> None:
    mark = node_mark(add)
    assert mark is not None
    assert (mark.id, mark.category, mark.version) == ("test.Add", "numbers", 2)
    assert (mark.kind, mark.lane, mark.title) == (Kind.PURE, Lane.CPU, "Sum")


def test_nothing_but_a_mark_counts_as_a_mark() -> None:
    class Anything:
        def __getattr__(self, name: str) -> str:
            return name

    assert node_mark(Anything()) is None
    assert migration_mark(Anything()) is None
    assert node_mark(len) is None


def test_rules_are_added_to_the_mark_and_stay_functions() -> None:
    @node("test.Range")
    def spread(low: int, high: int) -> int:
        return high - low

    @spread.check
    def ordered(low: int, high: int) -> None:
        if low > high:
            raise InputError("low", "must not be above high")

    mark = node_mark(spread)
    assert mark is not None
    assert mark.checks == (ordered,)
    with pytest.raises(InputError, match="low: must not be above high"):
        ordered(2, 1)


def test_a_lazy_node_is_tested_with_values_that_are_there_already() -> None:
    assert asyncio.run(pick(True, later(1), later(2))) == 1
    assert asyncio.run(pick(False, later(1), later(2))) == 2


def test_an_expander_is_marked_and_records_when_it_is_called() -> None:
    g = Graph()
    result: Any = add_twice(g, 1)
    assert add_twice.expands
    assert str(result) == "add_2.number"


def test_a_reference_is_the_plain_type_to_a_checker_and_marked_for_the_engine() -> None:
    assert get_type_hints(add_twice, include_extras=True)["a"] == Annotated[int, Ref[int].__metadata__[0]]


def test_a_migration_is_marked_and_stays_a_function() -> None:
    @migrates("test.Add", 1)
    def named(inputs: dict[str, Any]) -> dict[str, Any]:
        return {"a": inputs["x"], "b": 1}

    mark = migration_mark(named)
    assert mark is not None
    assert (mark.id, mark.version) == ("test.Add", 1)
    assert named({"x": 3}) == {"a": 3, "b": 1}
