"""Rules over several inputs: when they are tried, what they see, and what is told of what they find."""

from collections.abc import Callable, Sequence
from typing import Annotated, Any

import pytest

from nodeflow.api import Field, Graph, Graphs, InputError, Ref, Row, Secret, SubGraph, expander, node
from nodeflow.core.errors import Problem
from nodeflow.core.files import NoFiles
from nodeflow.core.json import JsonValue
from nodeflow.core.links import Link
from nodeflow.core.packs import Manifest
from nodeflow.core.registry import Registry
from nodeflow.core.spec import Spec
from nodeflow.core.validate import check
from nodeflow.core.whereabouts import whereabouts
from nodeflow.core.workflow import Document


class Part(Row):
    """A part of a whole.

    Attributes:
        name: What it is called.
        size: How large it is.
    """

    name: str
    size: float = 1.0


@node("test.Size")
def size(value: float = 1.0) -> float:
    return value


def problems(*functions: Callable[..., Any], graphs: JsonValue = None, **nodes: Any) -> tuple[Problem, ...]:
    """What is wrong with a document of these nodes, each a function's id and its inputs."""
    registry = Registry()
    for function in (size, *functions):
        registry.add_node(function)
    tree: dict[str, JsonValue] = {
        "nodeflow": 1,
        "nodes": {id: {"type": type_, "version": 1, "inputs": inputs} for id, (type_, inputs) in nodes.items()},
    }
    document = Document.from_tree(tree if graphs is None else {**tree, "graphs": graphs})
    return tuple(problem for problem in check(document, registry, NoFiles()) if problem.code != "run.nothing")


def refusing(label: str, **about: Any) -> Callable[..., Any]:
    """A node with a rule that finds fault with a place."""

    @node("test.Refusing", **about)
    def refused(
        parts: Sequence[Part] = (), keys: Sequence[str] = (), key: Annotated[str, Secret()] = "", other: float = 0
    ) -> float: ...

    @refused.check
    def _refuses(parts: Ref[Sequence[Part]]) -> None:
        raise InputError(label, "is refused")

    return refused


TWO = [{"name": "a"}, {"name": "b", "size": {"link": "size.number"}}]


@pytest.mark.parametrize(
    ("label", "found"),
    [
        ("parts[0].name", '"a"'),
        ("parts[0]", '{"name":"a","size":1}'),
        ("parts[1].size", None),
        ("parts[1]", None),
        ("parts", None),
        ("parts[7].name", None),
        ("parts[0].nmae", None),
        ("parts[0].name.first", None),
        ("keys[0]", '"x"'),
        ("keys", '["x"]'),
        ("key", None),
        ("other", None),
        ("gone", None),
    ],
)
def test_what_stands_at_the_place_is_told_unless_it_is_linked_or_secret(label: str, found: str | None) -> None:
    inputs = {"parts": TWO, "keys": ["x"], "other": {"link": "size.number"}}
    (problem,) = problems(refusing(label), size=("test.Size", {}), one=("test.Refusing", inputs))
    assert (problem.code, problem.node, problem.input, problem.message) == ("input.rule", "one", label, "is refused")
    assert problem.found == found


@pytest.mark.parametrize("wrong", [{"parts": [{"nmae": "a"}]}, {"parts": 5}, {"parts": [{"name": 5}]}])
def test_a_rule_is_not_tried_on_what_cannot_be_read(wrong: dict[str, JsonValue]) -> None:
    assert {problem.code for problem in problems(refusing("parts"), one=("test.Refusing", wrong))}.isdisjoint(
        ("input.rule", "pack.failed")
    )


def test_a_rule_is_tried_beside_an_input_that_it_does_not_look_at() -> None:
    found = problems(refusing("parts"), one=("test.Refusing", {"parts": [], "other": "x"}))
    assert [problem.code for problem in found] == ["literal.type", "input.rule"]


def test_a_rule_with_a_default_is_not_tried_when_the_input_is_needed_and_missing() -> None:
    @node("test.Needy")
    def needy(value: float) -> float: ...

    @needy.check
    def _refuses(value: float = 0) -> None:
        raise InputError("value", "is refused")

    assert [problem.code for problem in problems(needy, one=("test.Needy", {}))] == ["input.missing"]


def test_a_reference_is_seen_with_its_links_and_a_value_only_without() -> None:
    seen: list[Any] = []

    @node("test.Seeing")
    def seeing(parts: Sequence[Part] = (), things: Sequence[Any] = (), whole: float = 0) -> float: ...

    @seeing.check
    def _references(parts: Ref[Sequence[Part]], things: Ref[Sequence[Any]], whole: Ref[float]) -> None:
        seen.append((parts, things, whole))

    @seeing.check
    def _values(parts: Sequence[Part]) -> None:
        raise AssertionError("a part of it is linked")

    link = {"link": "size.number"}
    inputs = {"parts": TWO, "things": [1, [link, "x"]], "whole": link}
    assert problems(seeing, size=("test.Size", {}), one=("test.Seeing", inputs)) == ()
    known = Link("size", "number")
    parts = [Part(name="a"), Part(name="b", size=known)]  # type: ignore[arg-type]
    assert seen == [(parts, [1, [known, "x"]], known)]


def test_hints_that_nobody_can_read_are_done_without() -> None:
    @node("test.Odd")
    def odd(value: float = 0, other: float = 0) -> float: ...

    @odd.check
    def _unknown_name(value: "Nowhere") -> None:  # type: ignore[name-defined]  # noqa: F821
        raise InputError("value", f"is {value}")

    @odd.check
    def _no_socket(other: tuple[int, int]) -> None:
        raise InputError("other", f"is {other}")

    assert [str(problem) for problem in problems(odd, one=("test.Odd", {}))] == [
        'test.Odd "one" · value: is 0.0; found 0 [input.rule]'
    ]


@expander("test.Twice")
def twice(graph: Graph, body: Annotated[str, SubGraph()], first: Ref[Any] = 0) -> Ref[float]: ...


@twice.check
def _fits(first: Ref[Any], body: str, graphs: Graphs) -> None:
    if list(graphs.takes(body)) != ["value"] or list(graphs.gives(body)) != ["out"]:
        raise InputError("body", "takes or gives something else")
    try:
        graphs.check(body, {"value": first})
    except InputError as error:
        raise InputError("first", f"as {error.input}: {error.message}") from None


def body(**interface: Any) -> JsonValue:
    nodes: JsonValue = {"n": {"type": "test.Size", "version": 1, "inputs": {}}}
    shown = {"inputs": {"value": {"to": ["n.value"]}}, "outputs": {"out": {"from": "n.number"}}}
    return {"nodes": nodes, "interface": {**shown, **interface}}


@pytest.mark.parametrize(
    ("first", "message"),
    [
        (3, None),
        ({"link": "size.number"}, None),
        ("x", 'as value: a text instead of a number, expected a number; found "x"'),
        ({"value": {"a": 1}}, 'as value: an object instead of a number, expected a number; found {"a":1}'),
    ],
)
def test_a_rule_may_ask_what_a_sub_graph_takes(first: JsonValue, message: str | None) -> None:
    nodes = {"size": ("test.Size", {}), "one": ("test.Twice", {"body": "b", "first": first})}
    found = [str(problem) for problem in problems(twice, graphs={"b": body()}, **nodes)]
    assert found == ([] if message is None else [f'test.Twice "one" · first: {message} [input.rule]'])


def test_a_rule_may_ask_what_a_sub_graph_is_called_with_and_gives() -> None:
    found = problems(twice, graphs={"b": body(outputs={})}, one=("test.Twice", {"body": "b"}))
    assert [problem.message for problem in found] == ["takes or gives something else"]


def test_an_input_that_a_sub_graph_does_not_have_is_told_without_more() -> None:
    @expander("test.Astray")
    def astray(graph: Graph, body: Annotated[str, SubGraph(), Field(min_length=1)]) -> Ref[float]: ...

    @astray.check
    def _asks(body: str, graphs: Graphs) -> None:
        graphs.check(body, {"valu": 1})

    (problem,) = problems(astray, graphs={"b": body()}, one=("test.Astray", {"body": "b"}))
    assert (problem.input, problem.message) == ("valu", 'there is no input "valu", expected value')


def test_of_a_sub_graph_that_contains_itself_no_rule_says_more() -> None:
    circle: JsonValue = {"nodes": {"n": {"type": "graph:b", "version": 1, "inputs": {}}}}
    found = problems(twice, graphs={"b": circle}, one=("test.Twice", {"body": "b"}))
    assert [problem.code for problem in found] == ["graph.recursive"]


def test_a_rule_that_crashes_is_named_with_its_place() -> None:
    @node("test.Crashing")
    def crashing(value: float = 0) -> float: ...

    @crashing.check
    def _divides(value: float) -> None:
        print(1 / value)

    line = _divides.__code__.co_firstlineno + 2
    (problem,) = problems(crashing, one=("test.Crashing", {}))
    assert (problem.code, problem.severity) == ("pack.failed", "warning")
    assert problem.hint is not None
    assert problem.hint.startswith(f"{__file__}:{line}: ")
    assert problem.hint.endswith("_divides: ZeroDivisionError: float division by zero")


def test_a_rule_that_is_no_function_of_the_authors_is_named_without_a_place() -> None:
    assert whereabouts(min, error=ValueError("no line of it raised this")) == "min"


def test_rules_whose_code_is_gone_cannot_be_tried() -> None:
    registry = Registry()
    spec = Spec("gone.Ruled", checks=True, implementation="a_module_that_is_gone:ruled", pack="gone")
    registry.add(Manifest("gone", package="a_module_that_is_gone", specs=(spec,)))
    tree: JsonValue = {"nodeflow": 1, "nodes": {"one": {"type": "gone.Ruled", "version": 1, "inputs": {}}}}
    found = check(Document.from_tree(tree), registry, NoFiles())
    (problem,) = [problem for problem in found if problem.code == "pack.failed"]
    assert problem.message == "the rules of this node cannot be tried"
    assert "a_module_that_is_gone" in str(problem.hint)
