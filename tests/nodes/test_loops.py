"""Running a sub-graph again and again: for each item, from item to item, and as long as it asks to."""

from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from time import perf_counter
from typing import Annotated, Any

import pytest
import torch

from nodeflow import Session
from nodeflow.api import Graph, InputError, Ref, SubGraph, expander, node
from nodeflow.core.errors import InvalidDocument, NodeFailed
from nodeflow.core.workflow import Document
from nodeflow.diffusion.types import Image
from nodeflow.session.results import Result
from nodeflow_nodes.control import gate
from nodeflow_nodes.formulas import math_expression
from nodeflow_nodes.lists import choose, make_list, split_lines
from nodeflow_nodes.loops import Passed, accumulate, for_each, while_loop
from nodeflow_nodes.primitives import integer, text
from nodeflow_nodes.saving import save_text
from nodeflow_nodes.texts import Filling, format_text, join_text

CALLS: Counter[str] = Counter()


@node("test.Shout")
def shout(word: str, number: int = 0, end: str = "!") -> str:
    """Say a word loudly.

    Args:
        word: What to say.
        number: Which word it is.
        end: What follows.
    """
    CALLS[word] += 1
    if word == "wrong":
        raise InputError("word", "this is the wrong word")
    return f"{number} {word.upper()}{end}"


@node("test.Grey")
def grey(level: float) -> Image:
    """One grey pixel.

    Args:
        level: How light.
    """
    CALLS[f"grey {level}"] += 1
    return Image(torch.full((1, 1, 1, 3), level))


@node("test.Greys")
def greys(levels: list[float]) -> list[Image]:
    """Several grey pixels.

    Args:
        levels: How light each is.
    """
    return [Image(torch.full((1, 1, 1, 3), level)) for level in levels]


@node("test.Darker")
def darker(image: Image) -> Image:
    """Half as light.

    Args:
        image: A picture.
    """
    CALLS[f"darker {image.pixels.max().item()}"] += 1
    return image.replace(pixels=image.pixels / 2)


@pytest.fixture
def session(tmp_path: Path) -> Session:
    CALLS.clear()
    return Session(tmp_path / "home", output_dir=tmp_path / "output")


def shouting() -> Graph:
    """A sub-graph that shouts its item."""
    body = Graph()
    body.output("text", body(shout)(body.input("item", ""), body.input("index", 0), body.input("end", "!")))
    return body


def loop(items: Any, *passed: Passed, body: Graph | None = None, **options: Any) -> Graph:
    """A document with ForEach over ``items`` in it."""
    graph = Graph()
    graph.define("body", body or shouting())
    graph.output("all", graph(for_each, id="loop")(items, "body", passed, **options))
    return graph


def statuses(result: Result) -> Mapping[str, str]:
    return {id: report.status for id, report in result.nodes.items()}


# For each item.


def test_a_sub_graph_runs_once_for_each_item(session: Session) -> None:
    result = session.run(loop(["a", "b", "c"]))
    assert result["all"].value == ["0 A!", "1 B!", "2 C!"]
    assert statuses(result)["loop/item-1/shout"] == "ran"


def test_a_computed_list_is_gone_through_like_a_written_one(session: Session) -> None:
    graph = loop([])
    graph.output("all", graph(for_each, id="each")(graph(split_lines)("a\nb"), "body"))
    assert session.run(graph)["all"].value == ["0 A!", "1 B!"]


def test_values_and_links_are_passed_on_to_each_turn(session: Session) -> None:
    graph = Graph()
    graph.define("body", shouting())
    end = graph(text)("?!")
    graph.output("all", graph(for_each)(["a", "b"], "body", [Passed(name="end", content=end)]))
    assert session.run(graph)["all"].value == ["0 A?!", "1 B?!"]
    assert session.run(loop(["a"], Passed(name="end", content="…")))["all"].value == ["0 A…"]


def test_an_empty_list_makes_no_turn_and_an_empty_list(session: Session) -> None:
    assert session.run(loop([]))["all"].value == []
    assert not CALLS


def test_only_the_item_that_changed_is_computed_again(session: Session) -> None:
    body = Graph()
    body.output("text", body(shout)(body.input("item", "")))
    session.run(loop(["a", "b", "c"], body=body))
    CALLS.clear()
    assert session.run(loop(["a", "x", "c"], body=body))["all"].value == ["0 A!", "0 X!", "0 C!"]
    assert CALLS == {"x": 1}


def test_items_that_move_are_not_computed_again(session: Session) -> None:
    body = Graph()
    body.output("text", body(shout)(body.input("item", "")))
    graph = Graph()
    graph.define("body", body)
    graph.output("all", graph(for_each)(graph(split_lines)("a\nb"), "body"))
    session.run(graph)
    CALLS.clear()
    other = Graph(graphs=graph.graphs)
    other.output("all", other(for_each)(other(split_lines)("b\nnew\na"), "body"))
    assert session.run(other)["all"].value == ["0 B!", "0 NEW!", "0 A!"]
    assert CALLS == {"new": 1}


def test_a_loop_has_the_keys_of_the_same_nodes_drawn_by_hand(session: Session) -> None:
    flat = Graph()
    flat.output("all", flat(make_list)([flat(shout)("a", 0), flat(shout)("b", 1)]))
    session.run(flat)
    result = session.run(loop(["a", "b"]))
    assert "ran" not in {status for id, status in statuses(result).items() if id != "loop"}


def darkening() -> Graph:
    body = Graph()
    body.output("image", body(darker)(body.input("item")))
    return body


def levels(images: Any) -> list[float]:
    return [image.pixels.max().item() for image in images]


def test_pictures_are_items_too(session: Session) -> None:
    graph = Graph()
    graph.define("body", darkening())
    graph.output("all", graph(for_each, id="loop")(graph(greys)([1.0, 0.5]), "body"))
    result = session.run(graph)
    assert levels(result["all"].value) == [0.5, 0.25]
    assert "loop/choose-1" in statuses(result)
    empty = Graph(graphs=graph.graphs)
    empty.output("all", empty(for_each)(empty(greys)([]), "body"))
    assert session.run(empty)["all"].value == []


def test_of_pictures_that_are_linked_one_by_one_only_the_changed_one_is_computed_again(session: Session) -> None:
    def pictures(*chosen: float) -> Graph:
        graph = Graph()
        graph.define("body", darkening())
        graph.output("all", graph(for_each)([graph(grey)(level) for level in chosen], "body"))
        return graph

    session.run(pictures(1.0, 0.5))
    CALLS.clear()
    assert levels(session.run(pictures(1.0, 0.25))["all"].value) == [0.5, 0.125]
    assert CALLS == {"grey 0.25": 1, "darker 0.25": 1}


def test_an_error_names_the_item_and_leaves_the_others(session: Session) -> None:
    running = session.start(loop(["a", "wrong", "c"]))
    result = running.outcome()
    (failure,) = result.failures
    assert str(failure) == 'test.Shout "loop/item-1/shout" · word: this is the wrong word'
    assert CALLS == {"a": 1, "wrong": 1, "c": 1}
    assert statuses(result)["loop/results"] == "skipped"


def test_a_failed_item_is_all_that_is_made_up_for(session: Session) -> None:
    session.start(loop(["a", "wrong", "c"])).outcome()
    CALLS.clear()
    session.run(loop(["a", "right", "c"]))
    assert CALLS == {"right": 1}


def test_an_item_that_does_not_fit_is_told_in_one_line(session: Session) -> None:
    with pytest.raises(InvalidDocument) as caught:
        session.run(loop(["a", 7, 8]))
    assert str(caught.value) == (
        'ForEach "loop" · items[1]: as item of the sub-graph "body": a whole number instead of a text, expected a text;'
        " found 7 [input.rule]"
    )


def test_an_item_that_turns_out_not_to_fit_is_told_in_one_line(session: Session) -> None:
    graph = loop([])
    graph.output("all", graph(for_each, id="each")(graph(make_list)(["a", 7, 8]), "body"))
    with pytest.raises(NodeFailed) as caught:
        session.run(graph)
    message = str(caught.value)
    assert message.startswith('ForEach "each": what it makes cannot run: node "each/item-1" · item: a whole number')
    assert "found 7" in message
    assert "(and 1 more)" in message
    assert "\n" not in message


def test_behind_a_closed_gate_no_turn_is_made(session: Session) -> None:
    graph = loop([])
    graph.output("all", graph(for_each, id="each")(graph(gate)(graph(split_lines)("a\nb"), False, "not now"), "body"))
    assert session.run(graph).withheld == {"all": "not now"}
    assert not CALLS


def test_a_gate_inside_holds_the_list_back_and_leaves_the_other_items(session: Session) -> None:
    body = Graph()
    item = body.input("item", "")
    wish = body(math_expression)("a != 1", body.input("index", 0)).boolean
    body.output("text", body(shout)(body(gate)(body(text)(item), wish, "not this one")))
    result = session.run(loop(["a", "b", "c"], body=body))
    assert CALLS == {"a": 1, "c": 1}
    assert result.withheld == {"all": "not this one"}


def test_what_is_saved_inside_is_saved_for_each_item(session: Session) -> None:
    body = Graph()
    item = body.input("item", "")
    body(save_text)(item, "word")
    body.output("text", body(text)(item))
    result = session.run(loop(["a", "b"], body=body))
    saved = {id: [path.read_text() for path in paths] for id, paths in result.saved.items()}
    assert saved == {"loop/item-0/save_text": ["a"], "loop/item-1/save_text": ["b"]}


def test_one_of_several_outputs_is_collected(session: Session) -> None:
    body = shouting()
    body.output("again", body(shout)("again"))
    assert session.run(loop(["a"], body=body, output="again"))["all"].value == ["0 AGAIN!"]
    with pytest.raises(InvalidDocument, match=r'output: .*"body" has these outputs: text, again; name one'):
        session.run(loop(["a"], body=body))
    with pytest.raises(
        InvalidDocument, match=r"output: .* has no output txet; there are: text, again; did you mean text\?"
    ):
        session.run(loop(["a"], body=body, output="txet"))
    body.outputs.clear()
    with pytest.raises(InvalidDocument, match=r"has these outputs: none; name one"):
        session.run(loop(["a"], body=body))


@pytest.mark.parametrize(
    ("body", "passed", "message"),
    [
        (Graph(), (), r'body: the sub-graph "body" has no input item; there are: none'),
        (
            shouting(),
            (Passed(name="edn", content="?"),),
            r'passed\[0\].name: .* no input edn; there are: item.*; did you mean end\?; found "edn"',
        ),
    ],
)
def test_a_sub_graph_that_takes_something_else_is_told(
    body: Graph, passed: tuple[Passed, ...], message: str, session: Session
) -> None:
    body.output("text", body(text, id="extra")("x"))
    with pytest.raises(InvalidDocument, match=message):
        session.run(loop(["a"], *passed, body=body, output="text"))


def test_a_sub_graph_that_is_not_there_is_told_before_anything_runs(session: Session) -> None:
    graph = loop(["a"])
    graph.output("other", graph(for_each, id="other")(["a"], "bodi"))
    (problem,) = session.check(graph)
    assert str(problem) == (
        'ForEach "other" · body: the document has no such sub-graph; found "bodi"; expected body'
        ' → did you mean "body"? [graph.unknown]'
    )


@pytest.mark.parametrize(
    ("names", "message"),
    [
        (("end", "end"), r"passed\[1\].name: end is given twice"),
        (("index",), r"passed\[0\].name: index is given by the loop itself"),
    ],
)
def test_names_that_cannot_be_passed_on_are_refused_also_beside_links(
    names: tuple[str, ...], message: str, session: Session
) -> None:
    graph = Graph()
    graph.define("body", shouting())
    rows = [Passed(name=name, content=graph(text)("x")) for name in names]
    graph.output("all", graph(for_each)(["a"], "body", rows))
    with pytest.raises(InvalidDocument, match=message):
        session.run(graph)


def test_items_that_are_lists_with_links_in_them_are_gone_through(session: Session) -> None:
    body = Graph()
    body.output("first", body(choose)(body.input("item"), 0))
    graph = Graph()
    graph.define("body", body)
    light, dark = graph(grey)(1.0), graph(grey)(0.25)
    graph.output("all", graph(for_each)([[light, dark], [dark]], "body"))
    assert levels(session.run(graph)["all"].value) == [1.0, 0.25]


def test_a_thousand_items_take_a_moment(session: Session) -> None:
    started = perf_counter()
    words = [f"w{number}" for number in range(1000)]
    assert len(session.run(loop(words), write=())["all"].value) == 1000
    assert perf_counter() - started < 10  # 0.5 s on an idle machine


def test_what_feeds_a_loop_from_afar_counts(session: Session) -> None:
    """An expander is not remembered by its own inputs: what it records is, by all that is above it."""

    def graph(ending: str) -> Graph:
        graph = Graph()
        graph.define("body", shouting())
        end = graph(join_text)([graph(text)(ending)])
        graph.output("all", graph(for_each)(["a"], "body", [Passed(name="end", content=end)]))
        return graph

    assert session.run(graph("?"))["all"].value == ["0 A?"]
    assert session.run(graph("…"))["all"].value == ["0 A…"]
    assert session.run(graph("?"))["all"].value == ["0 A?"]
    assert CALLS == {"a": 2}


# From item to item.


def adding() -> Graph:
    body = Graph()
    total = body(math_expression)("a * 10 + b", body.input("state", 0), body.input("item", 0))
    body.output("state", total.integer)
    body.output("seen", total.number)
    return body


def folded(items: Any, start: Any) -> Graph:
    graph = Graph()
    graph.define("body", adding())
    graph.output("end", graph(accumulate, id="fold")(items, start, "body"))
    return graph


def test_each_item_goes_on_from_the_one_before(session: Session) -> None:
    assert session.run(folded([1, 2, 3], 0))["end"].value == 123


def test_without_items_the_first_state_is_the_last(session: Session) -> None:
    assert session.run(folded([], 7))["end"].value == 7


def test_items_after_the_changed_one_are_computed_again(session: Session) -> None:
    session.run(folded([1, 2, 3], 0))
    result = statuses(session.run(folded([1, 5, 3], 0)))
    kinds = [result[f"fold/item-{place}/math_expression"] for place in range(3)]
    assert kinds == ["hit-memory", "ran", "ran"]


def test_the_only_output_is_the_next_state_whatever_its_name(session: Session) -> None:
    body = Graph()
    words = [body(text)(body.input("state", "")), body(text)(body.input("item", ""))]
    body.output("text", body(join_text)(words, " "))
    graph = Graph()
    graph.define("body", body)
    graph.output("end", graph(accumulate)(["a", "b"], "start:", "body"))
    graph.output("one", graph(accumulate)(["a"], "start:", "body", output="text"))
    result = session.run(graph)
    assert (result["end"].value, result["one"].value) == ("start: a b", "start: a")


def test_a_thousand_states_follow_each_other(session: Session) -> None:
    body = Graph()
    body.output("state", body(math_expression)("a + b", body.input("state", 0), body.input("item", 0)).integer)
    graph = Graph()
    graph.define("body", body)
    graph.output("end", graph(accumulate)(list(range(1000)), 0, "body"))
    assert session.run(graph)["end"].value == sum(range(1000))


# As long as it asks to.


def doubling(bound: int) -> Graph:
    """Doubles its state as long as that is below a bound."""
    body = Graph()
    double = body(math_expression, id="double")("a * 2", body.input("state", 1))
    wish = body(math_expression, id="wish")("a < b", double.integer, body.input("bound", bound))
    body.output("state", double.integer)
    body.output("again", wish.boolean)
    return body


def repeated(bound: int, **options: Any) -> Graph:
    graph = Graph()
    graph.define("body", doubling(bound))
    graph.output("end", graph(while_loop, id="loop")(1, "body", **options))
    return graph


def test_turns_follow_as_long_as_they_are_asked_for(session: Session) -> None:
    result = session.run(repeated(20))
    assert result["end"].value == 32
    assert "loop/turn-4/double" in result.nodes
    assert "loop/turn-5/double" not in result.nodes


def test_a_loop_that_is_not_begun_hands_its_state_on(session: Session) -> None:
    assert session.run(repeated(20, again=False))["end"].value == 1


def test_at_the_limit_a_loop_fails_or_stops(session: Session) -> None:
    assert session.run(repeated(20, limit=5))["end"].value == 32
    assert session.run(repeated(20, limit=3, at_limit="stop"))["end"].value == 8
    with pytest.raises(NodeFailed) as caught:
        session.run(repeated(20, limit=3))
    expected = (
        'WhileLoop "loop/turns-3" · limit: it is reached before turn 3, which is asked for; raise it, or set at_limit'
    )
    assert str(caught.value).startswith(expected)


def test_a_loop_that_ran_is_remembered(session: Session) -> None:
    session.run(repeated(20))
    result = statuses(session.run(repeated(20)))
    assert "ran" not in {status for id, status in result.items() if id.endswith(("double", "wish"))}


def test_turns_know_their_number(session: Session) -> None:
    body = Graph()
    index = body.input("index", 0)
    body.output(
        "state",
        body(format_text)(
            "{a}{b}",
            [
                Filling(name="a", content=body(text)(body.input("state", ""))),
                Filling(name="b", content=body(integer)(index)),
            ],
        ),
    )
    body.output("again", body(math_expression)("a < 5", index).boolean)
    graph = Graph()
    graph.define("body", body)
    graph.output("end", graph(while_loop)("", "body", index=2))
    assert session.run(graph)["end"].value == "2345"


def test_a_thousand_turns_need_no_recursion(session: Session) -> None:
    body = Graph()
    count = body(math_expression, id="count")("a + 1", body.input("state", 0))
    body.output("state", count.integer)
    body.output("again", body(math_expression)("a < 1000", count.integer).boolean)
    graph = Graph()
    graph.define("body", body)
    graph.output("end", graph(while_loop)(0, "body", limit=2000))
    assert session.run(graph)["end"].value == 1000


def test_a_sub_graph_that_cannot_ask_is_told(session: Session) -> None:
    graph = Graph()
    graph.define("body", adding())
    graph.output("end", graph(while_loop)(0, "body"))
    with pytest.raises(InvalidDocument, match='body: the sub-graph "body" has no output again'):
        session.run(graph)


# In each other.


def test_loops_stand_in_loops_and_in_sub_graphs(session: Session) -> None:
    words = Graph()
    words.define("shouting", shouting())
    lines = words(split_lines)(words.input("item", ""))
    words.output("texts", words(for_each, id="inner")(lines, "shouting"))
    outer = Graph()
    outer.define("words", words)
    outer.output("texts", outer(for_each, id="outer")(["a\nb", "c"], "words"))
    graph = Graph()
    graph.define("all", outer)
    graph.output("all", graph.call("all", {}, id="use")["texts"])
    result = session.run(graph)
    assert result["all"].value == [["0 A!", "1 B!"], ["0 C!"]]
    assert "use/outer/item-0/inner/item-1/shout" in result.nodes


def test_a_loop_in_a_turn_may_last_differently_each_time(session: Session) -> None:
    body = Graph()
    body.define("doubling", doubling(0))
    end = body(while_loop, id="until")(
        1, "doubling", [Passed(name="bound", content=body(integer)(body.input("item", 0)))]
    )
    body.output("end", end)
    assert session.run(loop([3, 100, 10], body=body))["all"].value == [4, 128, 16]


def test_a_sub_graph_that_repeats_itself_without_end_is_stopped(session: Session) -> None:
    def repeating(name: Any) -> Graph:
        body = Graph(graphs={"body": {"nodes": {}}})
        given = body(text)(body.input("item", ""))
        body.output("out", body(for_each, id="again")([given, "b"], body(text)("body") if name is text else name))
        return loop(["a"], body=body)

    with pytest.raises(NodeFailed, match="expands without end"):
        session.run(repeating(text))
    with pytest.raises(InvalidDocument, match=r'the sub-graph "body" contains itself; found body → body'):
        session.run(repeating("body"))


# Calls of sub-graphs in expanders of one's own.


@expander("test.Twice")
def twice(graph: Graph, word: Ref[str], body: Annotated[str, SubGraph()], end: Ref[str] = "?") -> Ref[list[str]]:
    """Call a sub-graph twice, the second time with another ending.

    Args:
        word: What to say.
        body: The sub-graph.
        end: The other ending.
    """
    first = graph.call(body, {"item": word})
    second = graph.call(body, {"item": word}, overrides={"shout.end": end, "shout.number": 5})
    return graph(make_list)([first["text"], second["text"]])


def test_a_call_may_have_other_values_inside(session: Session) -> None:
    graph = Graph()
    graph.define("body", shouting())
    word, end = graph(text, id="word")("a"), graph(text, id="end")("…")
    graph.output("all", graph(twice)(word, "body", end))
    graph.output("same", graph(shout)(word, 5, end))
    result = session.run(graph)
    assert result["all"].value == ["0 A!", "5 A…"]
    assert CALLS == {"a": 2}  # the third has the key of the second


def test_what_is_passed_on_has_a_name_and_a_content(session: Session) -> None:
    tree: Any = loop(["a"]).as_json()
    tree["nodes"]["loop"]["inputs"]["passed"] = [{"name": "end"}, {"content": "?", "nmae": "end"}]
    problems = [str(problem) for problem in session.check(Document.from_tree(tree)) if problem.node == "loop"]
    assert len(problems) == 3
    assert "passed[0].content: this field is needed" in problems[0]
    assert 'did you mean "name"?' in "".join(problems)
