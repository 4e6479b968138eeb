"""Nodes on plain values as they are used: linked, in lists and rows, behind gates, in a session."""

from pathlib import Path
from typing import Any

import pytest

from nodeflow import Session
from nodeflow.api import Graph, node
from nodeflow.core.errors import InvalidDocument, NodeFailed
from nodeflow.session.results import Result
from nodeflow_nodes.control import gate
from nodeflow_nodes.formulas import math_expression
from nodeflow_nodes.latents import empty_latent
from nodeflow_nodes.lists import choose, make_list, split_lines
from nodeflow_nodes.loops import for_each, while_loop
from nodeflow_nodes.primitives import boolean, integer, number, text
from nodeflow_nodes.saving import save_any, save_text
from nodeflow_nodes.showing import preview_any, show_text, show_value
from nodeflow_nodes.texts import Filling, format_text, join_text


@pytest.fixture
def session(tmp_path: Path) -> Session:
    return Session(tmp_path / "home", output_dir=tmp_path / "output")


def value(session: Session, graph: Graph, link: Any) -> Any:
    graph.output("value", link)
    return session.run(graph, write=())["value"].value


def test_linked_texts_are_joined_with_written_ones(session: Session) -> None:
    graph = Graph()
    assert value(session, graph, graph(join_text)([graph(text)("a cat"), "in oil"])) == "a cat, in oil"


def test_a_linked_list_is_joined_whole(session: Session) -> None:
    graph = Graph()
    assert value(session, graph, graph(join_text)(graph(split_lines)("a\nb\nc"), "-")) == "a-b-c"


def test_linked_values_are_filled_into_a_text(session: Session) -> None:
    graph = Graph()
    rows = [Filling(name="n", content=graph(integer)(7)), Filling(name="animal", content="cat")]
    assert value(session, graph, graph(format_text)("{animal} {n:03}", rows)) == "cat 007"


def test_a_list_of_values_fills_a_text_once_for_each(session: Session) -> None:
    graph = Graph()
    rows = [Filling(name="animal", content=graph(split_lines)("cat\ndog"))]
    assert value(session, graph, graph(format_text)("a {animal}", rows)) == ["a cat", "a dog"]


def test_a_template_is_held_against_written_values_before_anything_runs(session: Session) -> None:
    graph = Graph()
    graph.output("text", graph(format_text)("{animals}", [Filling(name="animal", content="cat")]))
    (problem,) = session.check(graph)
    assert "there is no value for {animals}; did you mean {animal}?" in str(problem)


def test_only_texts_and_numbers_are_filled_in(session: Session) -> None:
    graph = Graph()
    folder: Any = graph(empty_latent)(64, 64)
    graph.output("text", graph(format_text)("{thing}", [Filling(name="thing", content=folder)]))
    (problem,) = session.check(graph)
    assert "values[0].content" in str(problem)
    assert "found Latent" in str(problem)


@pytest.mark.parametrize(("a", "kind"), [(3, int), (-3, int), (0.5, float), (True, float)])
def test_variables_of_a_formula_keep_their_kind(a: float, kind: type, session: Session) -> None:
    graph = Graph()
    found = value(session, graph, graph(math_expression)("a", a).number)
    assert (found, type(found)) == (a, kind)


def test_variables_of_a_formula_are_linked_from_any_number(session: Session) -> None:
    graph = Graph()
    wish = graph(math_expression)("a + b if c else d", graph(integer)(2), graph(number)(0.5), graph(boolean)(True))
    assert value(session, graph, wish.number) == 2.5


def test_a_result_without_decimals_goes_where_whole_numbers_do(session: Session) -> None:
    graph = Graph()
    assert value(session, graph, graph(integer)(graph(math_expression)("7 / 2").integer)) == 3


def test_a_wrong_formula_is_told_before_anything_runs(session: Session) -> None:
    graph = Graph()
    graph.output("value", graph(math_expression)("1 / (a - 2)", 2).number)
    with pytest.raises(InvalidDocument, match="division by zero, at character 1 of"):
        session.run(graph)


def test_a_formula_without_a_value_fails_when_it_runs(session: Session) -> None:
    graph = Graph()
    graph.output("value", graph(math_expression)("1 / a", graph(integer)(0)).number)
    with pytest.raises(NodeFailed, match='MathExpression "math_expression" · expression: division by zero') as caught:
        session.run(graph)
    assert caught.value.traceback is None


def test_one_of_several_linked_values_is_chosen(session: Session) -> None:
    graph = Graph()
    items = [graph(text)("a"), graph(text)("b")]
    assert value(session, graph, graph(choose)(items, graph(integer)(5), "wrap")) == "b"


def test_a_list_of_linked_values_maps_what_it_feeds(session: Session) -> None:
    graph = Graph()
    words = graph(make_list)([graph(text)("a"), "b"])
    assert value(session, graph, graph.each(format_text)("{0}!", [Filling(name="w", content=words)])) == ["a!", "b!"]


def test_what_is_shown_comes_with_the_result(session: Session) -> None:
    graph = Graph()
    lines = graph(split_lines)("a\nb")
    graph.each(show_text, id="texts")(lines)
    graph(show_value, id="value")(lines)
    graph(preview_any, id="any")(graph(number)(0.5))
    result = session.run(graph)
    assert result.shown == {"texts": ("a", "b"), "value": (["a", "b"],), "any": (0.5,)}


def test_what_is_shown_is_shown_at_every_run(session: Session) -> None:
    graph = Graph()
    graph(show_text, id="show")(graph(text)("a"))
    for _ in range(2):
        assert session.run(graph).shown == {"show": ("a",)}


def test_values_are_saved_in_files_of_their_kind(session: Session) -> None:
    graph = Graph()
    graph(save_text, id="text")(graph(text, id="word")("a"), "words/a", "md")
    graph(save_any, id="any")(graph(make_list)([1, 2]))
    result = session.run(graph)
    assert result.saved["text"][0].read_text() == "a"
    assert result.saved["text"][0].name == "a_00001.md"
    assert result.saved["any"][0].read_text() == "[1, 2]"


@node("test.Half")
def half() -> str:
    return "a\ud800"


@pytest.mark.parametrize(("save", "input"), [(save_text, "text"), (save_any, "value")])
def test_a_text_with_half_of_a_character_is_refused_in_one_line(session: Session, save: Any, input: str) -> None:
    graph = Graph()
    graph(save, id="save")(graph(half)())
    with pytest.raises(NodeFailed, match=f"{input}: the text has half of a character") as caught:
        session.run(graph)
    assert not caught.value.traceback


def test_a_closed_gate_keeps_what_is_below_from_running(session: Session) -> None:
    graph = Graph()
    word = graph(gate, id="gate")(graph(text, id="word")("a"), graph(boolean)(False), "too dark")
    graph(save_text, id="save")(graph(join_text, id="join")([word]))
    result = session.run(graph)
    assert {id: result.nodes[id].status for id in ("join", "save")} == {"join": "skipped", "save": "skipped"}
    assert "word" not in result.nodes or result.nodes["word"].status == "skipped"
    assert not result.saved


def test_a_gate_that_opens_lets_the_same_nodes_run(session: Session) -> None:
    def gated(is_open: bool) -> Result:
        graph = Graph()
        word = graph(gate)(graph(text)("a"), is_open, "shut")
        graph.output("value", graph(join_text)([word]))
        return session.run(graph)

    assert gated(False).withheld == {"value": "shut"}
    assert gated(True)["value"].value == "a"
    assert gated(False).withheld == {"value": "shut"}


def test_explaining_a_loop_says_what_is_known(session: Session) -> None:
    body = Graph()
    body.output("state", body(join_text)([body(text)(body.input("state", "")), body(text)(body.input("item", "x"))]))
    body.output("again", body(boolean)(False))
    graph = Graph()
    graph.define("body", body)
    each = graph(for_each, id="each")(graph(split_lines, id="lines")("a\nb"), "body", output="state")
    graph.output("all", each)
    graph.output("end", graph(while_loop, id="loop")("start", "body"))
    before = {item.node: item.state.value for item in session.explain(graph)}
    assert {before[id] for id in ("lines", "each", "loop")} == {"run"}
    session.run(graph)
    after = {item.node: item.state.value for item in session.explain(graph)}
    assert after["lines"].startswith("hit")
    assert after["loop"] == "run"
