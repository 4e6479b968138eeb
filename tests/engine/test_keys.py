"""Keys depend on what determines a result, and on nothing else."""

from typing import Any

import pytest

from nodeflow.core.spec import Kind
from nodeflow.engine.keys import digest, head, read_record
from nodeflow.engine.outside import Refresh


def keys_of(bench: Any, drawing: Any) -> dict[str, bytes | None]:
    """Keys by node id, as one run computes them."""
    from nodeflow.engine.explain import Forecast

    environment = bench.environment("cpu", "auto")
    forecast = Forecast(drawing.graph(), bench, bench.engine().memory, None, environment, Refresh(), lambda: bench.now)
    forecast.plan_for(None)
    board = forecast._plan.board
    return {node.id: board.keys[index] for index, node in enumerate(board.nodes)}


def small(bench: Any, *, seed: int = 1, start: str = "start", end: str = "end", extra: bool = False) -> Any:
    number = bench.node(lambda seed: seed, id="Number")
    double = bench.node(lambda value, file="a": value * 2, id="Double", files=("file",))
    drawing = bench.draw()
    bench.fingerprints.setdefault("a", "fingerprint of a")
    if extra:
        drawing.add("unrelated", number, seed=99)
    drawing.output("result", drawing.add(end, double, value=drawing.add(start, number, seed=seed)))
    return drawing


def test_ids_and_places_are_not_in_a_key(bench: Any) -> None:
    before = keys_of(bench, small(bench))
    after = keys_of(bench, small(bench, start="renamed", end="too", extra=True))
    assert before["start"] == after["renamed"]
    assert before["end"] == after["too"]
    assert before["start"] != before["end"]


def test_a_run_tells_under_which_keys_its_results_are_remembered(bench: Any) -> None:
    drawing = small(bench, extra=True)
    with bench.engine() as engine:
        result = bench.run(drawing, engine)
        assert result.keys == {name: key for name, key in keys_of(bench, drawing).items() if key is not None}
        assert all(result.keys[name] in engine.memory for name in ("start", "end"))


def test_a_literal_changes_the_key_of_its_node_and_of_all_below(bench: Any) -> None:
    before, after = keys_of(bench, small(bench)), keys_of(bench, small(bench, seed=2))
    assert before["start"] != after["start"]
    assert before["end"] != after["end"]


def test_a_file_changes_the_key_of_the_node_that_names_it_only(bench: Any) -> None:
    before = keys_of(bench, small(bench))
    bench.fingerprints["a"] = "replaced under the same name"
    after = keys_of(bench, small(bench))
    assert before["start"] == after["start"]
    assert before["end"] != after["end"]


@pytest.mark.parametrize("field", ["digest", "environment_text"])
def test_code_and_machine_are_in_every_key(bench: Any, field: str) -> None:
    before = keys_of(bench, small(bench))
    setattr(bench, field, "changed")
    after = keys_of(bench, small(bench))
    assert before["start"] != after["start"]


def test_a_link_differs_from_a_link_to_another_output(bench: Any) -> None:
    pair = bench.node(lambda: (1, 2), id="Pair", outputs=("left", "right"))
    keep = bench.node(lambda value: value, id="Keep")
    keys = []
    for output in ("left", "right"):
        drawing = bench.draw()
        link = drawing.add("pair", pair)
        link.output = output
        drawing.output("result", drawing.add("keep", keep, value=link))
        keys.append(keys_of(bench, drawing)["keep"])
    assert keys[0] != keys[1]


def test_list_depth_is_in_the_key(bench: Any) -> None:
    drawing = bench.draw()
    keep = bench.node(lambda value: value, id="Keep")
    drawing.add("whole", keep, value=1)
    drawing.add("each", keep, depth=1, value=1)
    keys = keys_of(bench, drawing)
    assert keys["whole"] != keys["each"]


def test_an_external_node_gets_a_fresh_key_each_time_and_so_does_all_below(bench: Any) -> None:
    clock = bench.node(lambda: 1, id="Clock", kind=Kind.EXTERNAL)
    keep = bench.node(lambda value: value, id="Keep")
    drawing = bench.draw()
    drawing.output("result", drawing.add("keep", keep, value=drawing.add("clock", clock)))
    before, after = keys_of(bench, drawing), keys_of(bench, drawing)
    assert before["clock"] != after["clock"]
    assert before["keep"] != after["keep"]


def test_parts_of_a_record_cannot_be_mistaken_for_each_other(bench: Any) -> None:
    keep = bench.node(lambda a=None, b=None: 1, id="Keep")
    seen = set()
    for inputs in ({"a": "b"}, {"b": "b"}, {"a": None, "b": "b"}, {"a": '","b":'}, {"a": ["b"]}, {"a": "\n"}):
        drawing = bench.draw()
        drawing.add("keep", keep, **inputs)
        seen.add(keys_of(bench, drawing)["keep"])
    assert len(seen) == 5  # b alone and with the default of a written out are the same


def test_a_record_can_be_taken_apart_again(bench: Any) -> None:
    drawing = bench.draw()
    number = bench.node(lambda seed: seed, id="Number")
    keep = bench.node(lambda value, other=1, file="a": value, id="Keep", files=("file",))
    bench.fingerprints["a"] = "print"
    drawing.add("keep", keep, depth=2, value=drawing.add("number", number, seed=1))
    from nodeflow.engine.explain import Forecast

    forecast = Forecast(drawing.graph(), bench, bench.engine().memory, None, "here", Refresh(), lambda: bench.now)
    forecast.plan_for(None)
    records = forecast._plan.identities.records
    assert records is not None
    record = read_record(records["keep"])
    assert record.type == b'["Keep",1,"code","here"]'
    assert record.literals == b'{"file":"a","other":1}'
    assert record.depth == 2
    assert record.files == {"file": b'"print"'}
    assert record.links == {"value": ("out", digest(records["number"]))}


def test_a_damaged_record_is_refused(bench: Any) -> None:
    start = head(bench.node(lambda: 1, id="One"), "code", "here") + b"{}\n"
    assert read_record(start).literals == b"{}"
    for damaged in (b"", b"something else\n", start + b"x", start + b"la\nb\nshort", start + b"d"):
        with pytest.raises(ValueError):
            read_record(damaged)
