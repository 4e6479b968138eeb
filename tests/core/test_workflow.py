"""The document: saving what was loaded changes nothing, what is saved is complete, and the schema says what may be."""

import json
import runpy
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import BaseModel

from nodeflow.core import schema
from nodeflow.core.assigning import assign
from nodeflow.core.completion import complete
from nodeflow.core.errors import InvalidDocument
from nodeflow.core.interface import interface_problems
from nodeflow.core.schema import generated_schema, shipped_schema
from nodeflow.core.workflow import Document, Node, fields_at, parse_document

DOCUMENTS = sorted((Path(__file__).parents[1] / "documents").glob("*.json"))
SAVED = [path for path in DOCUMENTS if path.name != "canonical_cases.json"]
FOREIGN = {"nodeflow": 1, "nodes": {"tag": {"version": 3, "type": "mypack.Tag", "colour": "red", "inputs": {"b": 5.0}}}}

names = st.from_regex(r"[A-Za-z][A-Za-z0-9_-]{0,5}", fullmatch=True)
values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**53) + 1, 2**53 - 1)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=6,
)
nodes = st.fixed_dictionaries(
    {"type": st.sampled_from(["Load", "mypack.Tag", "graph:x"])},
    optional={
        "version": st.integers(1, 9),
        "title": st.text(),
        "inputs": st.dictionaries(names, values, max_size=3),
        "x": values,
    },
)
documents = st.fixed_dictionaries(
    {"nodeflow": st.just(1), "nodes": st.dictionaries(names, nodes, max_size=4)},
    optional={
        "ui": st.dictionaries(st.text(), values, max_size=2),
        "meta": st.dictionaries(st.text(), values, max_size=2),
    },
)


@pytest.mark.parametrize("path", SAVED, ids=lambda path: path.name)
def test_every_field_of_a_saved_document_is_read_and_written_again(path: Path) -> None:
    data = path.read_bytes()

    saved = parse_document(data).dumps()

    assert json.loads(saved) == json.loads(data)
    assert list(json.loads(saved)["nodes"]) == list(json.loads(data)["nodes"])
    assert parse_document(saved).dumps() == saved


def test_the_complete_example_is_typed() -> None:
    document = parse_document(SAVED[0].read_bytes())

    assert SAVED[0].name == "complete.json"
    assert document.nodes["stack"].mode == "bypass"
    assert document.nodes["positive"].title == "What"
    assert document.graphs["refine"].interface.inputs["seed"].to == ["s1.seed", "s2.seed"]
    assert document.interface.outputs["picture"].source == "decode.image"
    assert document.packs["mypack"].version == ">=1.2"
    assert document.models["emoji-tiny.safetensors"].sha256 == "…"


def test_a_document_is_saved_as_the_case_file_says() -> None:
    """JavaScript's JSON.stringify writes the same bytes; the editor is tested against the same two files."""
    loaded, saved = (path.read_bytes() for path in SAVED if path.name in ("complete.json", "complete_saved.json"))

    assert parse_document(loaded).dumps() == saved
    assert parse_document(saved).dumps() == saved


@given(documents)
def test_saving_what_was_loaded_changes_nothing(tree: dict[str, Any]) -> None:
    saved = Document.from_tree(tree).dumps()

    assert parse_document(saved).dumps() == saved
    assert parse_document(saved).tree == parse_document(json.dumps(tree)).tree


def test_nodes_of_absent_packs_are_kept_byte_for_byte(catalogue: Any) -> None:
    once = parse_document(json.dumps(FOREIGN)).dumps()

    assert (
        b'"version": 3,\n      "type": "mypack.Tag",\n      "colour": "red",\n      "inputs": {\n        "b": 5\n'
        in once
    )
    assert complete(parse_document(once), catalogue).dumps() == once


def test_the_first_save_writes_every_input_and_later_saves_change_nothing(catalogue: Any) -> None:
    tree: Any = {
        "nodeflow": 1,
        "nodes": {
            "scale": {"type": "Scale", "inputs": {"width": 64.0, "image": {"link": "old.image"}}},
            "options": {"type": "Options", "version": 1},
            "future": {"type": "Save", "version": 9},
        },
        "graphs": {"inner": {"nodes": {"n": {"type": "Whole", "version": 3}}}},
    }

    document = Document.from_tree(tree)
    saved = complete(document, catalogue)

    assert saved.nodes["scale"].inputs == {
        "width": 64,
        "image": {"link": "old.image"},
        "height": 128,
        "method": "fast",
    }
    assert saved.tree["nodes"]["scale"]["version"] == 1  # type: ignore[index,call-overload]
    assert saved.nodes["options"].inputs == {"anything": None, "table": {"value": {"a": 1}}, "either": 0}
    assert saved.nodes["future"].inputs == {}
    assert saved.graphs["inner"].nodes["n"].inputs == {"value": 0, "offset": 0, "limit": None}
    assert complete(saved, catalogue).dumps() == saved.dumps()
    assert document.tree is tree
    assert "height" not in tree["nodes"]["scale"]["inputs"]


def test_a_document_made_of_parts_is_saved_like_a_loaded_one() -> None:
    document = Document(nodeflow=1, nodes={"a": Node(type="Text", inputs={"value": "x"})})

    assert document.tree == {"nodeflow": 1, "nodes": {"a": {"type": "Text", "inputs": {"value": "x"}}}}
    assert document.tree is document.tree
    assert parse_document(document.dumps()).nodes == document.nodes


def test_a_document_read_in_part_is_never_saved() -> None:
    document = parse_document('{"nodeflow": 1, "nodes": {"a": {"type": 1}}}', keep_going=True)

    assert [problem.code for problem in document.faults] == ["field.type"]
    with pytest.raises(InvalidDocument, match=r"nodes\.a\.type"):
        document.dumps()


def test_values_are_assigned_to_a_copy(catalogue: Any) -> None:
    document = Document.from_tree(
        {
            "nodeflow": 1,
            "nodes": {
                "a": {"type": "Text", "inputs": {"value": "x"}},
                "b": {"type": "Whole", "version": 3},
                "o": {"type": "Options"},
                "foreign": {"type": "mypack.Tag"},
            },
            "interface": {"inputs": {"name": {"to": ["a.name", "b.value", "foreign.tag"]}}},
        }
    )

    changed = assign(document, {"name": "12", "o.table": {"a": 1}, "b.limit": "null"}, catalogue)

    assert changed.nodes["a"].inputs == {"value": "x", "name": "12"}
    assert changed.nodes["b"].inputs == {"value": 12, "limit": None}
    assert changed.nodes["foreign"].inputs == {"tag": "12"}
    assert changed.nodes["o"].inputs == {"table": {"value": {"a": 1}}}
    assert "name" not in document.nodes["a"].inputs
    assert assign(document, {}, catalogue) is document


def test_the_interface_may_narrow_what_can_be_assigned(catalogue: Any) -> None:
    tree: Any = {"nodeflow": 1, "nodes": {"s": {"type": "Sample", "version": 2}}}
    tree["interface"] = {"inputs": {"steps": {"to": ["s.steps"], "range": {"ge": 5, "le": 30}}}}
    document = Document.from_tree(tree)

    assert assign(document, {"steps": "30"}, catalogue).nodes["s"].inputs == {"steps": 30}
    assert assign(document, {"steps": True}, catalogue).nodes["s"].inputs == {"steps": True}
    with pytest.raises(InvalidDocument, match=r'interface input "steps".*expected ≥ 5, ≤ 30 → nearest is 30'):
        assign(document, {"steps": 31}, catalogue)
    with pytest.raises(InvalidDocument, match=r"setting.unknown"):
        assign(document, {"s": 31, "t.steps": 4}, catalogue)


@pytest.mark.parametrize(
    ("bounds", "codes"),
    [
        ({"gt": 0, "lt": 30}, []),
        ({"ge": 1, "le": 29.5, "multiple_of": 0.5}, []),
        ({"ge": 0}, ["interface.range"]),
        ({"le": 30}, ["interface.range"]),
        ({"gt": -1, "lt": 31}, ["interface.range"]),
    ],
)
def test_a_range_is_narrowed_and_never_widened(bounds: Any, codes: list[str], catalogue: Any) -> None:
    interface: Any = {"inputs": {"cfg": {"to": ["s.cfg"], "range": bounds}}}
    document = Document.from_tree(
        {"nodeflow": 1, "nodes": {"s": {"type": "Sample", "version": 2}}, "interface": interface}
    )

    assert [problem.code for problem in interface_problems(document, catalogue, document.ids)] == codes


def test_the_shipped_schema_is_the_one_of_the_models() -> None:
    assert shipped_schema() == generated_schema(), "python -m nodeflow.core.schema > nodeflow/core/document.schema.json"


def test_the_schema_names_the_forms_of_an_input() -> None:
    printed = json.loads(generated_schema())

    forms = printed["$defs"]["Node"]["properties"]["inputs"]["additionalProperties"]["anyOf"]

    assert {"$ref": "#/$defs/Link"} in forms
    assert printed["properties"]["nodes"]["additionalProperties"] is False
    assert printed["additionalProperties"] is False
    assert {"RandomDraw", "CounterDraw", "ChoiceDraw", "TextDraw", "TimeDraw", "NextDraw"} <= set(printed["$defs"])


def test_the_schema_can_be_printed(capsys: pytest.CaptureFixture[str]) -> None:
    runpy.run_path(schema.__file__, run_name="__main__")

    assert capsys.readouterr().out.encode() == shipped_schema()


@pytest.mark.parametrize(
    ("path", "field"),
    [
        ((), "nodeflow"),
        (("graphs", "x"), "nodes"),
        (("graphs", "x", "interface"), "outputs"),
        (("interface", "inputs", "x"), "to"),
        (("interface", "inputs", "x", "range"), "ge"),
        (("interface", "outputs", "x"), "from"),
        (("packs", "x"), "version"),
        (("models", "x"), "sha256"),
    ],
)
def test_every_object_knows_its_fields(path: tuple[str, ...], field: str) -> None:
    assert field in fields_at(path)
    assert issubclass(Document, BaseModel)
