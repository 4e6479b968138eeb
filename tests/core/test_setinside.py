"""Settings for places inside lists and rows: ``stack.rows[0].strength``, also inside sub-graphs."""

from typing import Any

import pytest

from nodeflow.core.assigning import assign, inputs_named
from nodeflow.core.errors import InvalidDocument
from nodeflow.core.setinside import split_label
from nodeflow.core.subgraphs import with_subgraphs
from nodeflow.core.validate import resolve
from nodeflow.core.workflow import Document

FILE = "emoji-tiny.safetensors"


def link(socket: str) -> Any:
    return {"link": socket}


def node(type_: str, **inputs: Any) -> Any:
    return {"type": type_, "version": {"Sample": 2, "Whole": 3, "Number": 2}.get(type_, 1), "inputs": inputs}


STACK = {
    "nodes": {"stack": node("Stack"), "n": node("Number", value=1.0), "sum": node("Numbers", values=[1.0])},
    "interface": {
        "inputs": {"model": {"to": ["stack.model"]}, "loras": {"to": ["stack.rows"]}},
        "outputs": {"model": {"from": "stack.model"}},
    },
}
AROUND = {
    "nodes": {"mid": node("graph:stack", loras=[{"file": FILE}])},
    "interface": {"inputs": {"model": {"to": ["mid.model"]}}, "outputs": {"model": {"from": "mid.model"}}},
}


def document(rows: Any = None, interface: Any = None, **nodes: Any) -> Document:
    given = [{"file": FILE}, {"file": FILE, "strength": link("n.number")}] if rows is None else rows
    made = {
        "load": node("Load", checkpoint=FILE),
        "n": node("Number", value=0.5),
        "stack": node("Stack", model=link("load.model"), rows=given),
        "use": node("graph:stack", model=link("load.model"), loras=given),
        "outer": node("graph:around", model=link("load.model")),
        **nodes,
    }
    tree = {"nodeflow": 1, "nodes": made, "graphs": {"stack": STACK, "around": AROUND}}
    return Document.from_tree({**tree, "interface": interface or {}})


def rows(given: Document, path: str, catalogue: Any, files: Any, **settings: Any) -> Any:
    """What the rows of a stack are in the end, without what nobody gave."""
    targets = [path]
    found = resolve(given, catalogue, files, settings=settings, targets=targets)
    assert found.problems == ()
    graph = found.require()
    return [(row["strength"], row["method"]) for row in graph.nodes[graph.index[path]].literals["rows"]]


def refused(given: Document, catalogue: Any, name: str, value: Any = 1) -> str:
    with pytest.raises(InvalidDocument) as caught:
        assign(given, {name: value}, catalogue)
    (problem,) = caught.value.problems
    return str(problem)


@pytest.mark.parametrize(
    ("name", "parts"),
    [
        ("stack.rows[0].strength", ("stack.rows", (0, "strength"))),
        ("a/b.rows[12]", ("a/b.rows", (12,))),
        ('o.table["a \\"b"].c', ("o.table", ('a "b', "c"))),
        ("stack.rows", ("stack.rows", ())),
        ("stack.rows[x]", ("stack.rows[x]", ())),
        ("stack.rows[0]strength", ("stack.rows[0]strength", ())),
        ('o.table["\\x"]', ('o.table["\\x"]', ())),
    ],
)
def test_a_label_is_an_input_and_a_way_into_it(name: str, parts: Any) -> None:
    assert split_label(name) == parts


def test_a_field_of_a_row_is_set_and_all_else_stays(catalogue: Any, files: Any) -> None:
    given = document()

    assert rows(given, "stack", catalogue, files, **{"stack.rows[0].strength": "0.5"}) == [
        (0.5, "fast"),
        (None, "fast"),
    ]
    assert rows(
        given, "stack", catalogue, files, **{"stack.rows[1].strength": 2, "stack.rows[1].method": "smooth"}
    ) == [
        (1.0, "fast"),
        (2.0, "smooth"),
    ]
    assert given.tree == document().tree


def test_places_are_set_in_what_was_set_as_a_whole(catalogue: Any, files: Any) -> None:
    settings = {"stack.rows[0].strength": 1.5, "stack.rows": [{"file": FILE, "strength": 0.1, "method": "smooth"}]}

    assert rows(document(), "stack", catalogue, files, **settings) == [(1.5, "smooth")]


def test_a_whole_row_and_an_item_of_a_list_are_set(catalogue: Any, files: Any) -> None:
    given = document(add=node("Numbers", values=[1, 2]), o=node("Options", anything=[{"a": 1}, 2]))

    assert rows(given, "stack", catalogue, files, **{"stack.rows[1]": {"file": FILE, "strength": 0.3}})[1][0] == 0.3
    changed = assign(given, {"add.values[1]": "7", "o.anything[0].a": {"b": 2}, "o.anything[1]": {"c": 3}}, catalogue)
    assert changed.nodes["add"].inputs == {"values": [1, 7]}
    assert changed.nodes["o"].inputs == {"anything": [{"a": {"value": {"b": 2}}}, {"value": {"c": 3}}]}


def test_what_is_escaped_stays_escaped_and_draws_stay_draws(catalogue: Any) -> None:
    draw = {"draw": "choice", "of": [1, 2]}
    given = document(
        o=node("Options", table={"value": {"link": {"x": [1]}}}), add=node("Numbers", values={"value": [1, 2]})
    )

    changed = assign(
        given, {'o.table["link"].x[0]': {"draw": 2}, "stack.rows[0].strength": draw, "add.values[0]": 5}, catalogue
    )

    assert changed.nodes["o"].inputs["table"] == {"value": {"link": {"x": [{"draw": 2}]}}}
    assert changed.nodes["stack"].inputs["rows"][0]["strength"] == draw  # type: ignore[index,call-overload]
    assert changed.nodes["add"].inputs["values"] == {"value": [5, 2]}


def test_defaults_that_are_lists_have_places_too(catalogue: Any) -> None:
    given = document(rows=[{"file": FILE, "steps": [1, 2]}], add=node("Sizes"))

    changed = assign(given, {"stack.rows[0].steps[1]": 9}, catalogue)

    assert changed.nodes["stack"].inputs["rows"] == [{"file": FILE, "steps": [1, 9]}]
    assert '"stack.rows[0].options.a"' in refused(document(), catalogue, "stack.rows[0].options.a")


def test_an_input_of_the_interface_has_places_in_all_that_it_feeds(catalogue: Any, files: Any) -> None:
    more = node("Stack", model=link("load.model"), rows=[{"file": FILE, "method": "smooth"}])
    given = document(interface={"inputs": {"all": {"to": ["stack.rows", "more.rows"]}}}, more=more)

    settings = {"all[0].strength": 0.2}
    assert rows(given, "stack", catalogue, files, **settings)[0] == (0.2, "fast")
    assert rows(given, "more", catalogue, files, **settings)[0] == (0.2, "smooth")
    assert refused(given, catalogue, "all[1].strength").startswith('there is no "all[1]" to set; expected all[0]')


def test_places_inside_a_use_are_set_for_that_use_only(catalogue: Any, files: Any) -> None:
    given = document(again=node("graph:stack", model=link("load.model"), loras=[{"file": FILE}]))
    settings = {"use/stack.rows[0].strength": 0.5, "use/stack.rows[0].method": "smooth"}

    assert rows(given, "use/stack", catalogue, files, **settings) == [(0.5, "smooth"), (None, "fast")]
    assert rows(given, "again/stack", catalogue, files, **settings) == [(1.0, "fast")]
    assert rows(given, "use/stack", catalogue, files, **{"use.loras[1].strength": 0.25})[1] == (0.25, "fast")
    assert rows(given, "outer/mid/stack", catalogue, files, **{"outer/mid/stack.rows[0].strength": 0.75}) == [
        (0.75, "fast")
    ]
    assert rows(given, "outer/mid/stack", catalogue, files, **{"outer/mid.loras[0].strength": 0.75}) == [(0.75, "fast")]


def test_links_inside_a_definition_cannot_be_taken_out_of_it(catalogue: Any) -> None:
    inner = {**AROUND["nodes"], "n": node("Number", value=1.0)}
    inner["mid"] = node("graph:stack", loras=[{"file": FILE, "strength": link("n.number")}])
    tree = document().tree
    given = Document.from_tree({**tree, "graphs": {"stack": STACK, "around": {**AROUND, "nodes": inner}}})

    assert refused(given, catalogue, "outer/mid/stack.rows[0].method").startswith(
        '"outer/mid/stack.rows" has links to nodes of its sub-graph, so nothing inside it can be set'
        ' → set all of it: "outer/mid/stack.rows"'
    )


@pytest.mark.parametrize(
    ("name", "line"),
    [
        (
            "stack.rows[2].strength",
            'there is no "stack.rows[2]" to set; expected stack.rows[0] … stack.rows[1] [setting.unknown]',
        ),
        (
            "stack.rows[0].strenght",
            'there is no "stack.rows[0].strenght" to set; expected stack.rows[0].file, stack.rows[0].strength,',
        ),
        ("stack.rows[0].strenght", '→ did you mean "stack.rows[0].strength"? [setting.unknown]'),
        ("stack.rows[0].file.name", 'there is no "stack.rows[0].file.name" to set; expected none [setting.unknown]'),
        ("stack.rowz[0].strength", "to set; expected load.checkpoint"),
        ("stak.rows[0].strength", 'did you mean "stack.rows[0].strength"?'),
        ("use/stak.rows[0].strength", 'did you mean "stack.rows[0].strength"?'),
        ("load.checkpoint[0]", 'there is no "load.checkpoint[0]" to set: "load.checkpoint" is no list'),
        ("stack.model[0]", '"stack.model" is linked as a whole, so there is no "stack.model[0]" to set'),
        ("stack.rows[1].strength[0]", '"stack.rows[1].strength" is linked as a whole'),
        ("none.rows[0].file", 'there is no "none.rows[0]" to set: "none.rows" is empty → set all of it: "none.rows"'),
        ("gone.cols[0]", 'there is no input "gone.cols[0]" to set'),
        ("drawn.values[0]", '"drawn.values" is drawn as a whole'),
        ("gone.rows[0].other", 'there is no "gone.rows[0].other" to set; expected gone.rows[0].file'),
    ],
)
def test_a_place_that_is_not_there_is_named_with_what_is(name: str, line: str, catalogue: Any) -> None:
    given = document(
        none=node("Stack", model=link("load.model")),
        drawn=node("Numbers", values={"draw": "choice", "of": [[1], [2]]}),
        gone=node("mypack.Stack", rows=[{"file": FILE}]),
    )
    assert line in refused(given, catalogue, name)


def test_values_of_nodes_that_are_not_here_can_be_set_by_place(catalogue: Any) -> None:
    given = document(gone=node("mypack.Stack", rows=[{"file": FILE}]))

    changed = assign(given, {"gone.rows[0].file": "x"}, catalogue)

    assert changed.nodes["gone"].inputs == {"rows": [{"file": "x"}]}


def test_what_is_set_is_held_against_its_field(catalogue: Any, files: Any) -> None:
    found = resolve(document(), catalogue, files, settings={"stack.rows[0].strength": 3})

    (problem,) = found.errors
    assert (problem.code, problem.node, problem.input) == ("number.range", "stack", "rows[0].strength")


def test_the_place_that_a_setting_would_feed_is_known_beforehand(catalogue: Any) -> None:
    given = document()
    known = with_subgraphs(given, catalogue)

    def types(name: str) -> list[str]:
        return [str(item.type) for item in inputs_named(given, name, known)]

    assert types("stack.rows[0].strength") == ["float"]
    assert types("use/stack.rows[0].method") == ["str"]
    assert types("use.loras[5].file") == ["Path"]
    assert types("stack.rows[0].strenght") == []
