"""Rows, and links inside lists and rows: what the spec says of them, what is resolved, and what is saved."""

import json
from collections.abc import Sequence
from dataclasses import field, replace
from pathlib import Path
from typing import Annotated, Any

import pytest
from pydantic import BaseModel

from nodeflow.api import Field, InputError, Lazy, ModelFile, Row, node
from nodeflow.core.completion import complete
from nodeflow.core.errors import PackFailed, UsageError
from nodeflow.core.graph import Graph, Link
from nodeflow.core.resolved import ResolvedNode, Wire
from nodeflow.core.signature import read_spec
from nodeflow.core.spec import Input, Range, Widget
from nodeflow.core.types import Type
from nodeflow.core.validate import Resolution, resolve
from nodeflow.core.workflow import Document
from nodeflow.core.written import written

FILE = "emoji-tiny.safetensors"
VERSIONS = {"Whole": 3, "Sample": 2, "Number": 2}


class Model:
    """Stands for a model."""


class Point(Row):
    x: float = 0.0


class Lora(Row):
    """One file.

    Attributes:
        strength: How much
            of it.
    """

    file: Annotated[Path, ModelFile("loras")]
    strength: Annotated[float, Field(ge=0), Field(le=2)] = 1
    path: Sequence[Point] = ()
    model: Model | None = None


@node("test.Stack")
def stack(rows: Annotated[list[Lora], Field(min_length=1)]) -> Model:
    """Lay files over each other.

    Args:
        rows: The files.
    """
    return Model()


def the_input(fn: Any) -> Input:
    (item,) = read_spec(fn).inputs
    return item


def test_a_list_of_rows_says_what_its_fields_are() -> None:
    assert the_input(stack) == Input(
        "rows",
        Type("list", (Type("Lora"),)),
        range=Range(min_length=1),
        help="The files.",
        fields=(
            Input("file", Type("Path"), widget=Widget("model_file", folder="loras")),
            Input("strength", Type("float"), False, 1.0, range=Range(ge=0, le=2), help="How much of it."),
            Input("path", Type("list", (Type("Point"),)), False, [], fields=(Input("x", Type("float"), False, 0.0),)),
            Input("model", Type("optional", (Type("Model"),)), False),
        ),
    )


def test_a_default_may_be_made_anew_for_each_row() -> None:
    class Made(Row):
        points: list[Point] = field(default_factory=lambda: [Point(x=1)])

    @node("test.Made")
    def make(rows: list[Made]) -> None: ...

    assert the_input(make).fields[0].default == [{"x": 1.0}]


def test_rows_may_have_rows_as_their_default() -> None:
    default = (Point(x=2),)

    @node("test.Line")
    def line(points: Sequence[Point] = default) -> None: ...

    assert the_input(line).default == [{"x": 2.0}]


class Plain(BaseModel):
    x: int


class Named(Row):
    value: int


class Waiting(Row):
    later: Lazy[int]


class Misspelt(Row):
    """A row.

    Attributes:
        y: Not there.
    """

    x: int


class Bare(Row): ...


class Tight(Row):
    x: Annotated[int, Field(default=3)]


class Unknown(Row):
    x: "NoSuchName"  # type: ignore[name-defined]  # noqa: F821


class Nest(Row):
    inner: "list[Nest]"


class Odd(Row):
    pair: tuple[int, int]


@pytest.mark.parametrize(
    ("row", "words"),
    [
        (Plain, "Plain is no row: write class Plain(Row), or make it a dataclass"),
        (Named, 'Named.value: an object with the key "value" means something else in a document'),
        (Waiting, "Waiting.later: a row is a value, so its fields are neither Ref nor Lazy"),
        (Misspelt, "Misspelt.y is described in the docstring, but there is no such field"),
        (Bare, "Bare has no fields"),
        (Tight, "Tight.x: write the default behind the parameter, not into Field(...)"),
        (Unknown, "the fields of Unknown cannot be read"),
        (Nest, "Nest.inner: a Nest cannot hold rows of its own kind"),
        (Odd, "Odd.pair: tuple[int, int] is no type of a socket"),
    ],
    ids=lambda item: getattr(item, "__name__", ""),
)
def test_an_author_is_told_which_field_is_wrong(row: Any, words: str) -> None:
    def fn(rows: Any) -> None: ...

    fn.__annotations__["rows"] = list[row]
    with pytest.raises(PackFailed) as wrong:
        read_spec(node("test.Wrong")(fn))
    assert "fn(rows): " in str(wrong.value)
    assert words in str(wrong.value)


def resolved(catalogue: Any, files: Any, **nodes: tuple[str, dict[str, Any]]) -> Resolution:
    return resolve(document(nodes), catalogue, files)


def document(nodes: dict[str, tuple[str, dict[str, Any]]]) -> Document:
    tree: Any = {
        id: {"type": type_, "version": VERSIONS.get(type_, 1), "inputs": inputs}
        for id, (type_, inputs) in nodes.items()
    }
    return Document.from_tree({"nodeflow": 1, "nodes": tree})


def the_node(found: Resolution, id: str) -> ResolvedNode:
    assert found.errors == ()
    graph = found.require()
    return graph.nodes[graph.index[id]]


def link(place: str) -> dict[str, str]:
    return {"link": place}


LOAD = ("Load", {"checkpoint": FILE})
TUNE = {
    "file": FILE,
    "strength": 1.0,
    "method": "fast",
    "sampler": "euler",
    "options": None,
    "steps": [],
    "latent": None,
}


def test_rows_are_read_with_every_default(catalogue: Any, files: Any) -> None:
    rows = [{"file": FILE}, {"strength": 2, "file": FILE, "options": {"value": {"link": "a.b"}}, "steps": [1.0]}]
    found = resolved(catalogue, files, load=LOAD, extra=("Stack", {"model": link("load.model"), "rows": rows}))

    extra = the_node(found, "extra")
    assert extra.nested is None
    assert extra.literals["rows"] == [TUNE, {**TUNE, "strength": 2.0, "options": {"link": "a.b"}, "steps": [1]}]
    assert json.loads(extra.record) == {"rows": extra.literals["rows"]}


def test_rows_may_be_escaped_whole_or_one_by_one(catalogue: Any, files: Any) -> None:
    for rows in ({"value": [{"file": FILE}]}, [{"value": {"file": FILE}}]):
        found = resolved(catalogue, files, load=LOAD, extra=("Stack", {"model": link("load.model"), "rows": rows}))
        assert the_node(found, "extra").literals["rows"] == [TUNE]


def test_links_in_rows_are_wires_with_a_label(catalogue: Any, files: Any) -> None:
    rows = [{"file": FILE}, {"file": FILE, "strength": link("n.number"), "steps": [1, link("n.number")]}]
    found = resolved(
        catalogue,
        files,
        load=LOAD,
        n=("Whole", {}),
        extra=("Stack", {"model": link("load.model"), "rows": rows}),
    )

    extra = the_node(found, "extra")
    places = {"rows[1].strength": ("rows", (1, "strength")), "rows[1].steps[1]": ("rows", (1, "steps", 1))}
    assert extra.nested == places
    assert extra.wires == (
        Wire("model", 0, "model"),
        Wire("rows[1].steps[1]", 1, "number"),
        Wire("rows[1].strength", 1, "number"),
    )
    assert extra.literals["rows"] == [TUNE, {**TUNE, "strength": None, "steps": [1, None]}]


def test_links_in_a_list_are_wires_with_a_label(catalogue: Any, files: Any) -> None:
    picture = ("LoadImage", {"file": "cat.png"})
    images = [link("a.image"), link("b.image")]
    found = resolved(catalogue, files, a=picture, b=picture, sheet=("Sheet", {"images": images}))

    sheet = the_node(found, "sheet")
    assert sheet.wires == (Wire("images[0]", 0, "image"), Wire("images[1]", 1, "image"))
    assert sheet.nested == {"images[0]": ("images", (0,)), "images[1]": ("images", (1,))}
    assert sheet.record == b'{"columns":1,"images":[null,null]}'
    assert sheet.depth == 0


def test_a_list_handed_to_a_place_inside_maps_the_node(catalogue: Any, files: Any) -> None:
    found = resolved(
        catalogue,
        files,
        n=("Numbers", {"values": [1, 2]}),
        m=("Numbers", {"values": [0, link("n.numbers")]}),
    )

    mapped = the_node(found, "m")
    assert (mapped.depth, mapped.wires) == (1, (Wire("values[1]", 0, "numbers", 1),))


def test_a_list_of_links_decides_a_variable(catalogue: Any, files: Any) -> None:
    found = resolved(
        catalogue,
        files,
        load=LOAD,
        image=("LoadImage", {"file": "cat.png"}),
        n=("Whole", {}),
        pick=("Pick", {"items": [link("image.image"), None]}),
        scale=("Scale", {"image": link("pick.out")}),
        mixed=("Pick", {"items": [link("n.number"), 0.5, {"value": {"a": 1}}]}),
        number=("Number", {"value": link("mixed.out")}),
        wrong=("Whole", {"value": link("mixed.out")}),
    )

    assert [(problem.code, problem.node) for problem in found.errors] == [("link.type", "wrong")]


def test_anything_may_hold_links_in_lists_and_in_objects_within(catalogue: Any, files: Any) -> None:
    anything = [{"a": link("n.number"), "b c": [link("n.number")]}, {"value": {"link": 1}}, [link("n.number")], "x"]
    found = resolved(catalogue, files, n=("Whole", {}), o=("Options", {"anything": anything}))

    options = the_node(found, "o")
    assert options.nested == {
        "anything[0].a": ("anything", (0, "a")),
        'anything[0]["b c"][0]': ("anything", (0, "b c", 0)),
        "anything[2][0]": ("anything", (2, 0)),
    }
    assert options.literals["anything"] == [{"a": None, "b c": [None]}, {"link": 1}, [None], "x"]


def test_a_variable_and_a_union_take_links_in_a_list_too(catalogue: Any, files: Any) -> None:
    @node("Either")
    def either(a: list[int] | list[str] | bool = False, b: list[int] | str = "", c: int | str = 0) -> int: ...

    wider = replace(catalogue, specs={**catalogue.specs})
    wider.add(either)
    found = resolved(
        wider,
        files,
        n=("Whole", {}),
        e=("Either", {"a": ["x", link("n.number")], "b": [link("n.number")]}),
        s=("Switch", {"on": True, "yes": [link("n.number")], "no": [1]}),
    )

    assert set(the_node(found, "e").nested or ()) == {"a[1]", "b[0]"}
    assert set(the_node(found, "s").nested or ()) == {"yes[0]"}
    wrong = resolved(wider, files, n=("Whole", {}), e=("Either", {"c": [link("n.number")]}))
    assert [(problem.code, problem.input) for problem in wrong.errors] == [("literal.type", "c")]


def test_objects_in_a_list_need_no_escape_where_objects_are_taken(catalogue: Any, files: Any) -> None:
    @node("Tables")
    def tables(tables: list[dict[str, Any] | None], numbers: list[int] = ()) -> int: ...  # type: ignore[assignment]

    wider = replace(catalogue, specs={**catalogue.specs})
    wider.add(tables)
    given = [{"a": 1}, {"a": {"b": link("n.number")}}, None]
    found = resolved(wider, files, n=("Whole", {}), t=("Tables", {"tables": given}))

    assert the_node(found, "t").literals["tables"] == [{"a": 1}, {"a": {"b": None}}, None]
    assert the_node(found, "t").nested == {"tables[1].a.b": ("tables", (1, "a", "b"))}
    wrong = resolved(wider, files, t=("Tables", {"tables": [], "numbers": [{"a": 1}]}))
    assert [(problem.code, problem.input) for problem in wrong.errors] == [("literal.type", "numbers[0]")]


def test_files_in_a_list_are_looked_up_one_by_one(catalogue: Any, files: Any) -> None:
    @node("LoadAll")
    def load_all(files: Annotated[list[Path], ModelFile("checkpoints")]) -> int: ...

    wider = replace(catalogue, specs={**catalogue.specs})
    wider.add(load_all)
    for given in ([FILE, "gone"], [{"value": FILE}, {"value": "gone"}]):
        (problem,) = resolved(wider, files, t=("LoadAll", {"files": given})).errors
        assert (problem.code, problem.input, problem.found) == ("file.missing", "files[1]", '"gone"')


def test_rules_are_tried_only_on_what_is_known(catalogue: Any, files: Any) -> None:
    def rule(rows: Any = None) -> None:
        raise InputError("rows", f"knows {rows}")

    strict = replace(catalogue, specs={**catalogue.specs}, rules={**catalogue.rules, "Stack": rule})
    strict.specs["Stack"] = replace(strict.specs["Stack"], checks=True)
    rows = [{"file": FILE, "strength": link("n.number")}]
    for given, known in ((rows, "knows None"), ([], "knows []")):
        stack = ("Stack", {"model": link("load.model"), "rows": given})
        (problem,) = resolved(strict, files, load=LOAD, n=("Whole", {}), extra=stack).errors
        assert (problem.code, problem.message) == ("input.rule", known)


def test_draws_in_lists_and_rows_are_held_against_their_place(catalogue: Any, files: Any) -> None:
    rows = [
        {"file": FILE, "strength": {"draw": "random", "max": 2}},
        {"draw": "choice", "of": [{"file": FILE, "strength": 0.5}, {"file": FILE}]},
    ]
    values = [{"draw": "choice", "of": [3, 4]}]
    found = resolved(
        catalogue,
        files,
        load=LOAD,
        extra=("Stack", {"model": link("load.model"), "rows": rows}),
        n=("Numbers", {"values": values}),
        whole=("Stack", {"model": link("load.model"), "rows": {"draw": "choice", "of": [[{"file": FILE}], []]}}),
    )

    assert found.drawn == {"extra": ("rows[0].strength", "rows[1]"), "n": ("values[0]",), "whole": ("rows",)}
    assert the_node(found, "extra").literals["rows"] == [{**TUNE, "strength": 0.0}, {**TUNE, "strength": 0.5}]
    assert the_node(found, "n").literals["values"] == [3]
    assert the_node(found, "whole").literals["rows"] == [TUNE]


def test_two_placements_of_the_same_link_are_told_apart(catalogue: Any, files: Any) -> None:
    def keyed(*values: Any) -> tuple[Any, ...]:
        tree = {"n": ("Whole", {}), "m": ("Numbers", {"values": list(values)})}
        found = the_node(resolve(document(tree), catalogue, files), "m")
        return found.record, [(wire.input, wire.output) for wire in found.wires]

    assert keyed(link("n.number"), 0) != keyed(0, link("n.number"))
    first, second = (link("n.number"), 0, link("n.number")), (link("n.number"), link("n.number"), 0)
    assert keyed(*first) != keyed(*second)


def test_saving_writes_the_defaults_of_rows(catalogue: Any) -> None:
    rows: list[Any] = [
        {"strength": link("n.number"), "file": FILE},
        {"draw": "choice", "of": [{"file": FILE}]},
        link("n.number"),
        {"value": {"file": FILE, "options": {"a": 1}}},
        "no row",
    ]
    plain = {name: value for name, value in TUNE.items() if name not in ("file", "strength")}
    saved = complete(document({"a": ("Stack", {"rows": rows}), "b": ("Stack", {})}), catalogue)

    assert saved.nodes["b"].inputs == {"rows": []}
    assert saved.nodes["a"].inputs["rows"] == [
        {"strength": link("n.number"), "file": FILE, **plain},
        *rows[1:3],
        {"value": {**TUNE, "options": {"a": 1}}},
        "no row",
    ]
    assert complete(saved, catalogue).dumps() == saved.dumps()
    escaped = complete(document({"a": ("Stack", {"rows": {"value": [{"file": FILE}]}})}), catalogue)
    assert escaped.nodes["a"].inputs["rows"] == {"value": [TUNE]}


def test_a_completed_document_has_its_links_and_rows_where_they_were(catalogue: Any) -> None:
    rows = [{**TUNE, "strength": link("n.number"), "options": {"value": {"a": 1}}}]
    anything = [{"a": [link("n.number")]}, {"value": {"b": 1}}]
    tree = {
        "load": LOAD,
        "n": ("Whole", {"value": 1, "offset": 0, "limit": None}),
        "s": ("Stack", {"model": link("load.model"), "rows": rows}),
        "o": ("Options", {"anything": anything, "table": {"value": {}}, "either": 1}),
    }
    before = document(tree)

    assert complete(before, catalogue).tree == before.tree


def test_saving_writes_the_defaults_of_rows_that_a_sub_graph_is_given(catalogue: Any) -> None:
    inner = {"nodes": {"s": {"type": "Stack", "version": 1}}, "interface": {"inputs": {"rows": {"to": ["s.rows"]}}}}
    nodes = {
        "use": {"type": "graph:lay", "inputs": {"rows": [{"file": FILE}]}},
        "bare": {"type": "graph:lay"},
        "other": {"type": "graph:gone", "inputs": {"rows": [{"file": FILE}]}},
    }
    saved = complete(Document.from_tree({"nodeflow": 1, "nodes": nodes, "graphs": {"lay": inner}}), catalogue)

    assert saved.tree["nodes"] == {**nodes, "use": {"type": "graph:lay", "inputs": {"rows": [TUNE]}}}
    assert complete(saved, catalogue).dumps() == saved.dumps()


def test_values_are_written_as_documents_have_them() -> None:
    fields = the_input(stack).fields
    row = {"file": "a", "strength": Link("n", "number"), "path": [{"x": Link("n", "number")}], "model": {"a": 1}}
    assert written([row, Link("n", "row")], fields) == [
        {"file": "a", "strength": link("n.number"), "path": [{"x": link("n.number")}], "model": {"value": {"a": 1}}},
        link("n.row"),
    ]
    assert written([{"a": 1}, [{"b": [Link("n", "x")]}]]) == [{"value": {"a": 1}}, [{"b": [link("n.x")]}]]


@node("test.Number")
def number(value: float) -> float:
    return value


def test_a_row_takes_what_a_recorded_node_gives() -> None:
    g = Graph()
    strength = g(number)(0.5)
    g(stack)([Lora(file=Path("a"), strength=strength, path=(Point(x=strength),)), Lora(file=Path("b"))])

    assert g.as_json()["nodes"]["stack"]["inputs"] == {  # type: ignore[index,call-overload]
        "rows": [
            {"file": "a", "strength": link("number.number"), "path": [{"x": link("number.number")}], "model": None},
            {"file": "b", "strength": 1, "path": [], "model": None},
        ]
    }


def test_rows_may_be_recorded_as_dicts() -> None:
    g = Graph()
    g.each(stack)([{"file": "a", "strength": g(number)(0.5)}, g(number)(1.0)])

    rows = g.as_json()["nodes"]["stack"]["inputs"]["rows"]  # type: ignore[index,call-overload]
    assert rows == [{"file": "a", "strength": link("number.number")}, link("number_2.number")]


def test_a_recorded_list_may_hold_links_and_literal_objects() -> None:
    @node("test.Options")
    def options(values: list[Any]) -> Any: ...

    g = Graph()
    g.each(options)([g(number)(1.0), {"link": "no link"}, (1, Path("a"))])

    values = g.as_json()["nodes"]["options"]["inputs"]["values"]  # type: ignore[index,call-overload]
    assert values == [link("number.number"), {"value": {"link": "no link"}}, [1, "a"]]


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ([Model()], r"stack\.rows\[0\]: <.*Model.*> cannot stand in a document; link to a node that makes it"),
        ([{"path": [Model()]}], r"stack\.rows\[0\]\.path\[0\]: <.*Model"),
    ],
)
def test_what_cannot_stand_in_a_row_is_named_by_its_place(values: Any, words: str) -> None:
    with pytest.raises(UsageError, match=words):
        Graph().each(stack)(values)


def test_an_input_of_the_graph_cannot_stand_in_a_row() -> None:
    g = Graph()
    asked = g.input("strength", 0.5)
    with pytest.raises(UsageError, match=r"stack\.rows\[0\]\.strength: the graph's input 'strength' cannot stand"):
        g(stack)([Lora(file=Path("a"), strength=asked)])
