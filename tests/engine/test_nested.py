"""Links inside lists and rows: values at their place, keys, mapping, expanders, and files named in rows."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from nodeflow.core.blocked import Blocked
from nodeflow.core.spec import Form, Input, Widget
from nodeflow.core.types import Type
from nodeflow.engine.events import Status
from nodeflow.engine.explain import explain
from nodeflow.engine.inside import Nested, at_texts, put_inside
from nodeflow.engine.runtime import Constant, Expansion
from nodeflow.storage.results import DiskResults
from tests.engine.test_expansion import Recorder

FILE = Input("file", Type("str"), widget=Widget("model_file", folder="loras"))
STRENGTH = Input("strength", Type("float"), required=False, default=1)


def number(bench: Any, drawing: Any, id: str, value: Any) -> Any:
    return drawing.add(id, bench.node(lambda value: value, id="Number"), value=value)


def test_values_are_put_inside_and_nothing_given_is_written_to() -> None:
    rows = [{"file": "a", "strength": None}, {"file": "b", "strength": None}, {"file": "c", "strength": 3}]
    given = {"rows": rows, "other": 1, "rows[0].strength": 7, "rows[1].strength": 8}
    nested: Nested = {
        "rows[0].strength": ("rows", (0, "strength")),
        "rows[1].strength": ("rows", (1, "strength")),
        "rows[9].strength": ("rows", (9, "strength")),
    }
    put = put_inside(given, nested)
    assert put.keys() == {"rows", "other"}
    assert [row["strength"] for row in put["rows"]] == [7, 8, 3]  # type: ignore[attr-defined]
    assert put["rows"][2] is rows[2]  # type: ignore[index]
    assert rows[0]["strength"] is None
    assert given["rows[0].strength"] == 7


def test_a_node_gets_the_values_of_links_inside_a_list_and_keeps_its_literal(bench: Any) -> None:
    def total(rows: list[Any]) -> int:
        found = sum(row["strength"] for row in rows)
        rows.append("written to")
        return found

    drawing = bench.draw()
    rows = [{"strength": number(bench, drawing, "one", 1)}, {"strength": 10}]
    sum_of = drawing.add("total", bench.node(total, id="Total"), rows=rows)
    drawing.output("total", sum_of)
    graph = drawing.graph()
    assert bench.run(graph).values == {("total", "out"): 11}
    assert graph.nodes[1].literals == {"rows": [{"strength": None}, {"strength": 10}]}


def test_links_inside_are_part_of_the_key(bench: Any) -> None:
    def drawing(value: int, where: int) -> Any:
        drawn = bench.draw()
        values = [1, 2]
        values[where] = number(bench, drawn, "source", value)
        drawn.output("sum", drawn.add("sum", bench.node(lambda values: sum(values), id="Sum"), values=values))
        return drawn

    with bench.engine() as engine:
        assert bench.run(drawing(5, 0), engine).values == {("sum", "out"): 7}
        bench.counts()
        assert bench.run(drawing(5, 0), engine).values == {("sum", "out"): 7}
        assert bench.counts() == {}
        assert bench.run(drawing(5, 1), engine).values == {("sum", "out"): 6}
        assert bench.run(drawing(6, 0), engine).values == {("sum", "out"): 8}
        assert bench.counts() == {"Sum": 2, "Number": 1}


def test_explain_names_the_place_inside(bench: Any, tmp_path: Path) -> None:
    def drawing(value: int) -> Any:
        drawn = bench.draw()
        node = bench.node(lambda values: sum(values), id="Sum")
        drawn.output("sum", drawn.add("sum", node, values=[1, number(bench, drawn, "source", value)]))
        return drawn.graph()

    disk = DiskResults(tmp_path, 1 << 20)
    with bench.engine(disk=disk) as engine:
        bench.run(drawing(1), engine)
        found = {item.node: item.reasons for item in explain(drawing(2), bench, engine.memory, disk)}
    assert found["sum"] == ("values[1]: source above it changed",)


def test_a_list_in_the_place_of_a_single_value_maps_the_node(bench: Any) -> None:
    drawing = bench.draw()
    many = number(bench, drawing, "many", [1, 2, 3])
    node = bench.node(lambda row: row["a"] * row["b"], id="Product")
    product = drawing.add("product", node, depth=1, depths={"row.a": 1}, row={"a": many, "b": 10})
    drawing.output("products", product)
    assert bench.run(drawing).values == {("product", "out"): [10, 20, 30]}


def test_an_async_node_gets_them_too_also_where_it_awaits_the_whole_list(bench: Any) -> None:
    async def total(values: list[int]) -> int:
        return sum(values)

    async def later(values: Any) -> int:
        return sum(await values)

    drawing = bench.draw()
    one = number(bench, drawing, "one", 1)
    drawing.output("now", drawing.add("now", bench.node(total, id="Now"), values=[one, 2]))
    awaits = bench.node(later, id="Later", lazy=("values",))
    drawing.output("later", drawing.add("later", awaits, values=[one, one, 5]))
    mapped = bench.node(total, id="Now")
    many = number(bench, drawing, "many", [1, 2])
    drawing.output("mapped", drawing.add("mapped", mapped, depth=1, depths={"values[0]": 1}, values=[many, 10]))
    assert bench.run(drawing).values == {("now", "out"): 3, ("later", "out"): 7, ("mapped", "out"): [11, 12]}


def test_what_is_blocked_inside_a_list_keeps_the_node_from_running(bench: Any) -> None:
    drawing = bench.draw()
    gate = drawing.add("gate", bench.node(lambda: Blocked("closed"), id="Gate"))
    drawing.output("sum", drawing.add("sum", bench.node(lambda values: sum(values), id="Sum"), values=[1, gate]))
    result = bench.run(drawing)
    assert result.status["sum"] is Status.SKIPPED
    assert bench.counts() == {"Gate": 1}


def test_a_constant_of_an_expander_is_put_inside_and_keyed_like_a_literal(bench: Any) -> None:
    bench.expansions["Two"] = lambda values, linked: Recorder(bench, linked).result(out=Constant(2))
    node = bench.node(lambda values: sum(values), id="Sum")
    two = bench.node(lambda: None, id="Two", form=Form.EXPANDER)

    def drawing(inner: Any) -> Any:
        drawn = bench.draw()
        drawn.output("sum", drawn.add("sum", node, values=[1, inner(drawn)]))
        return drawn

    with bench.engine() as engine:
        assert bench.run(drawing(lambda drawn: drawn.add("two", two)), engine).values == {("sum", "out"): 3}
        bench.counts()
        assert bench.run(drawing(lambda _: 2), engine).values == {("sum", "out"): 3}
    assert bench.counts() == {}


def expands_to_a_sum(bench: Any, seen: list[Any]) -> None:
    add = bench.node(lambda values: sum(values), id="Sum")

    def expand(values: Mapping[str, Any], linked: Nested) -> Expansion:
        seen.append((dict(values), dict(linked)))
        recorder = Recorder(bench, linked)
        given = put_inside({**values, **recorder.places}, linked)
        return recorder.result(out=recorder.drawing.add("sum", add, values=given["values"]))

    bench.expansions["SumOf"] = expand


def test_an_expander_gets_references_inside_a_list_and_hands_them_on(bench: Any) -> None:
    seen: list[Any] = []
    expands_to_a_sum(bench, seen)
    sum_of = bench.node(lambda values: None, id="SumOf", form=Form.EXPANDER, lazy=("values",))
    drawing = bench.draw()
    drawing.output("sum", drawing.add("loop", sum_of, values=[1, number(bench, drawing, "four", 4)]))
    result = bench.run(drawing)
    assert result.values == {("loop", "out"): 5}
    assert seen == [({"values": [1, None]}, {"values[1]": ("values", (1,))})]
    with bench.engine() as engine:
        states = {item.node: item.state.value for item in explain(drawing.graph(), bench, engine.memory, None)}
    assert states == {"four": "run", "loop": "run", "loop/sum": "run"}


def test_an_expander_that_wants_values_gets_them_at_their_place(bench: Any) -> None:
    seen: list[Any] = []
    expands_to_a_sum(bench, seen)
    sum_of = bench.node(lambda values: None, id="SumOf", form=Form.EXPANDER)
    drawing = bench.draw()
    drawing.output("sum", drawing.add("loop", sum_of, values=[1, number(bench, drawing, "four", 4)]))
    assert bench.run(drawing).values == {("loop", "out"): 5}
    assert seen == [({"values": [1, 4]}, {"values[1]": ("values", (1,))})]


def test_files_in_rows_arrive_as_paths_and_their_fingerprints_are_in_the_key(bench: Any) -> None:
    bench.fingerprints = {"a": "1", "b": "2"}
    stack = bench.node(lambda rows, more=None: rows, id="Stack", fields={"rows": (FILE, STRENGTH)})
    drawing = bench.draw()
    rows = [{"file": "a", "strength": 1}, {"file": "b", "strength": 2}, {"file": None}]
    drawing.output("stack", drawing.add("stack", stack, rows=rows))
    with bench.engine() as engine:
        result = bench.run(drawing, engine)
        assert result.values[("stack", "out")] == [
            {"file": Path("/models/a"), "strength": 1},
            {"file": Path("/models/b"), "strength": 2},
            {"file": None},
        ]
        bench.run(drawing, engine)
        assert bench.counts() == {"Stack": 1}
        bench.fingerprints["b"] = "3"
        bench.run(drawing, engine)
        assert bench.counts() == {"Stack": 1}


def test_a_file_that_is_missing_in_a_row_is_named_by_its_place(bench: Any) -> None:
    stack = bench.node(lambda rows: rows, id="Stack", fields={"rows": (FILE,)})
    drawing = bench.draw()
    drawing.output("stack", drawing.add("stack", stack, rows=[{"file": "gone"}]))
    (failure,) = bench.run(drawing).failures
    assert failure.input == "rows[0].file"
    assert "gone cannot be read" in failure.message


def test_only_texts_of_the_wanted_kind_are_replaced() -> None:
    rows = Input("rows", Type("list"), fields=(FILE, STRENGTH))
    plain = Input("words", Type("list"))
    assert at_texts(rows, [{"file": "a", "strength": 1}], "rows", ("secret",), lambda *_: "!") == [
        {"file": "a", "strength": 1}
    ]
    assert at_texts(plain, ["a", {"b": "c"}], "words", ("model_file",), lambda *_: "!") == ["a", {"b": "c"}]
