"""Documents that are wrong in one way each, and what they are told; then documents that are wrong in many."""

import json
import time
from collections.abc import Mapping
from copy import deepcopy
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from nodeflow.core.errors import InvalidDocument, Problem
from nodeflow.core.reading import Limits, walk
from nodeflow.core.validate import CODES, check, resolve
from nodeflow.core.workflow import Document, parse_document

TABLE: Any = json.loads((Path(__file__).parents[1] / "documents" / "broken" / "table.json").read_text())
"""One document with nothing wrong, and ways to break it: values at dotted places, the problem, words of its message."""

TEXTS: list[tuple[str, str | bytes, str, str]] = [
    ("not UTF-8", b'{"nodeflow": 1, "nodes": {}, "meta": "\xff"}', "json.encoding", "UTF-8"),
    ("not JSON", '{"nodeflow": 1,\n "nodes": }', "json.syntax", "line 2, column 11"),
    ("an empty file", "", "json.syntax", "line 1, column 1"),
    (
        "a key twice",
        '{"nodeflow": 1, "nodes": {"a": {"type": "Load", "inputs": {"x": 1, "x": 2}}}}',
        "json.duplicate",
        '"a" · x',
    ),
    (
        "half of a character",
        r'{"nodeflow": 1, "nodes": {"a": {"type": "Load", "inputs": {"x": "\ud800"}}}}',
        "json.text",
        '"a" · x',
    ),
    ("NaN", '{"nodeflow": 1, "nodes": {"a": {"type": "Load", "inputs": {"x": NaN}}}}', "json.number", '"a" · x'),
    (
        "an integer beyond 2^53",
        '{"nodeflow": 1, "nodes": {}, "ui": {"x": [9007199254740993]}}',
        "json.number",
        "ui.x[0]",
    ),
    ("a list", "[]", "document.foreign", "no document"),
    ("a workflow of ComfyUI", '{"3": {"class_type": "KSampler", "inputs": {}}}', "document.foreign", "ComfyUI"),
    ("a graph of ComfyUI's editor", '{"last_node_id": 3, "nodes": []}', "document.foreign", "ComfyUI"),
]


def judged(data: bytes, catalogue: Any, files: Any, **options: Any) -> tuple[Problem, ...]:
    try:
        document = parse_document(data, keep_going=True)
    except InvalidDocument as error:
        return error.problems
    return check(document, catalogue, files, **options)


@pytest.mark.parametrize("broken", TABLE["cases"], ids=lambda broken: broken["why"])
def test_what_is_wrong_is_named(broken: Any, catalogue: Any, files: Any, picture: Any, stock: Any) -> None:
    data = picture.changed(broken.get("set", {}), *broken.get("remove", ()))

    problems = judged(data, catalogue, files, stock=stock)

    expected = (broken["code"], broken.get("node"), broken.get("input"))
    assert [(problem.code, problem.node, problem.input) for problem in problems] == [expected]
    for words in broken.get("says", ()):
        assert words in str(problems[0])


@pytest.mark.parametrize(("data", "code", "words"), [row[1:] for row in TEXTS], ids=[row[0] for row in TEXTS])
def test_text_that_is_no_document_is_refused(data: str, code: str, words: str) -> None:
    with pytest.raises(InvalidDocument) as raised:
        parse_document(data)

    assert [problem.code for problem in raised.value.problems] == [code]
    assert words in str(raised.value)


LIMITED: list[tuple[str, Limits, dict[str, Any]]] = [
    ("limit.bytes", Limits(bytes=100), {}),
    ("limit.depth", Limits(depth=10), {"meta.deep": [[[[[[[[[]]]]]]]]]}),
    ("limit.values", Limits(values=20), {}),
    ("limit.nodes", Limits(nodes=5), {"graphs.inner": {"nodes": {"a": {"type": "Load"}}}}),
]


@pytest.mark.parametrize(("code", "limits", "changes"), LIMITED, ids=[row[0] for row in LIMITED])
def test_a_document_over_a_limit_is_refused(
    code: str, limits: Limits, changes: Mapping[str, Any], picture: Any
) -> None:
    data = picture.changed({"meta": {}, "graphs": {}} | changes)

    with pytest.raises(InvalidDocument) as raised:
        parse_document(data, limits)

    assert [problem.code for problem in raised.value.problems] == [code]
    assert str(raised.value.problems[0].expected).startswith("at most")
    parse_document(data)


ASKED: list[tuple[str, dict[str, Any], str, str]] = [
    ("an input that is not there", {"settings": {"stepps": 3}}, "setting.unknown", 'did you mean "steps"?'),
    (
        "an input by two names",
        {"settings": {"steps": 3, "sample.steps": 4}},
        "setting.twice",
        'and "sample.steps" both set',
    ),
    ("a node that is not there", {"settings": {"sampl.steps": 3}}, "setting.unknown", 'did you mean "sample.steps"?'),
    ("a target that is not there", {"targets": ["decod"]}, "target.unknown", 'did you mean "decode"?'),
    ("an output that is not there", {"targets": ["decode.mask"]}, "target.unknown", "expected decode.image"),
    ("a value out of range", {"settings": {"steps": "0"}}, "number.range", 'Sample "sample" · steps'),
    ("a text that is no number", {"settings": {"steps": "many"}}, "literal.type", 'found "many"'),
    ("an input the node does not have", {"settings": {"sample.step": "3"}}, "input.unknown", 'did you mean "steps"?'),
]


@pytest.mark.parametrize(("asked", "code", "words"), [row[1:] for row in ASKED], ids=[row[0] for row in ASKED])
def test_what_is_asked_for_and_not_there_is_named(
    asked: dict[str, Any], code: str, words: str, catalogue: Any, files: Any, picture: Any
) -> None:
    found = resolve(parse_document(picture.changed({})), catalogue, files, **asked)

    assert [problem.code for problem in found.problems] == [code]
    assert words in str(found.problems[0])
    assert found.graph is None


MODED: list[tuple[str, str, str, str, str]] = [
    ("a muted node", "mute", "scale", "target.muted", '"scale" is muted'),
    ("an output of a muted node", "mute", "scale.image", "target.muted", '"scale" is muted'),
    ("a result of a muted node", "mute", "picture", "target.muted", '"scale" is muted'),
    ("a node that cannot run without a muted one", "mute", "save", "target.muted", '"scale" is muted'),
    ("a bypassed node that hands on nothing", "bypass", "decode", "target.bypassed", '"decode" has nothing'),
    ("a bypassed node that gives nothing", "bypass", "save", "target.bypassed", '"save" has nothing'),
]


@pytest.mark.parametrize(("mode", "target", "code", "words"), [row[1:] for row in MODED], ids=[row[0] for row in MODED])
def test_what_is_asked_for_and_does_not_come_about_is_named(
    mode: str, target: str, code: str, words: str, catalogue: Any, files: Any, picture: Any
) -> None:
    moded = "scale" if mode == "mute" else target
    changes = {f"nodes.{moded}.mode": mode, "nodes.scale.inputs.image": {"link": "extra.image"}}
    changes |= picture.added("LoadImage", file="cat.png")

    found = resolve(parse_document(picture.changed(changes)), catalogue, files, targets=[target])

    (error,) = found.errors
    assert error.code == code
    assert words in str(error)
    assert found.graph is None


def nested(levels: int, uses: int) -> Document:
    """Sub-graphs in sub-graphs, each used several times in the next."""
    graphs: dict[str, Any] = {"g0": {"nodes": {"n": {"type": "Whole", "version": 3}}}}
    for level in range(1, levels):
        graphs[f"g{level}"] = {"nodes": {f"u{use}": {"type": f"graph:g{level - 1}"} for use in range(uses)}}
    nodes = {"top": {"type": f"graph:g{levels - 1}"}, "n": {"type": "Whole", "version": 3}}
    interface = {"outputs": {"number": {"from": "n.number"}}}
    return Document.from_tree({"nodeflow": 1, "nodes": nodes, "graphs": graphs, "interface": interface})


NESTED: list[tuple[str, Document, str, str]] = [
    ("too deep", nested(65, 1), "graph.depth", "at most 64 levels"),
    ("a small file that is a huge graph", nested(60, 2), "limit.nodes", "576,460,752,303,423,489 nodes"),
]


@pytest.mark.parametrize(("document", "code", "words"), [row[1:] for row in NESTED], ids=[row[0] for row in NESTED])
def test_sub_graphs_that_grow_beyond_all_bounds_are_refused(
    document: Document, code: str, words: str, catalogue: Any, files: Any
) -> None:
    (problem,) = check(document, catalogue, files)

    assert problem.code == code
    assert words in str(problem)
    assert check(nested(64, 1), catalogue, files) == ()


def test_every_code_is_shown_by_a_broken_document() -> None:
    shown = {broken["code"] for broken in TABLE["cases"]} | {row[2] for row in TEXTS} | {row[0] for row in LIMITED}
    shown |= {row[2] for row in ASKED} | {row[3] for row in MODED} | {row[2] for row in NESTED}

    assert shown == set(CODES)
    assert len(CODES) >= 25
    assert len(TABLE["cases"]) + len(TEXTS) >= 40
    assert all(sentence.endswith((".", ")")) for sentence in CODES.values())


def test_all_problems_are_named_at_once(catalogue: Any, files: Any, picture: Any) -> None:
    data = picture.changed(
        {
            "nodes.save.version": "1",
            "nodes.save.inputs": [],
            "nodes.sample.inputs.steps": 0,
            "nodes.sample.inputs.cgf": 3,
            "nodes.decode.inputs.latent.link": "load.laten",
            "interface.outputs.other": {"from": "save.image", "tite": "x"},
            "interface.inputs.prompt": {"to": ["nowhere.text"]},
            "metta": {},
        }
    )

    problems = judged(data, catalogue, files, settings={"unknown": 1})

    assert sorted(problem.code for problem in problems) == [
        "field.type",
        "field.type",
        "field.unknown",
        "field.unknown",
        "input.unknown",
        "interface.socket",
        "link.output",
        "number.range",
        "setting.unknown",
    ]
    with pytest.raises(InvalidDocument, match=r"(?s)metta.*nodes\.save\.version|nodes\.save\.version.*metta"):
        parse_document(data)


def test_links_to_a_node_that_cannot_be_read_are_not_judged(catalogue: Any, files: Any, picture: Any) -> None:
    data = picture.changed({"nodes.scale.version": "1"})

    problems = judged(data, catalogue, files)

    assert [(problem.code, problem.node) for problem in problems] == [("field.type", "scale")]
    assert resolve(parse_document(data, keep_going=True), catalogue, files, targets=["scale"]).graph is None


def test_parts_that_are_wrong_as_a_whole_hide_nothing_else(catalogue: Any, files: Any, picture: Any) -> None:
    changes = {
        "interface.inputs": None,
        "interface.outputs.picture": None,
        "nodes.1": None,
        "nodes.scale.inputs.width": 0,
    }

    problems = judged(picture.changed(changes), catalogue, files)

    assert sorted(problem.code for problem in problems) == [
        "field.name",
        "field.type",
        "field.type",
        "field.type",
        "number.range",
    ]


def test_a_cycle_of_many_nodes_is_cut_short(catalogue: Any, files: Any) -> None:
    nodes = {f"n{i}": {"type": "Scale", "inputs": {"image": {"link": f"n{(i - 1) % 60}.image"}}} for i in range(60)}

    (problem,) = [
        item
        for item in check(Document.from_tree({"nodeflow": 1, "nodes": nodes}), catalogue, files)
        if item.severity == "error"
    ]

    assert problem.code == "link.cycle"
    assert str(problem.found).startswith("n0 → n1 → n2 →")
    assert str(problem.found).endswith("n49 → (10 more) → n0")


def test_types_are_followed_into_a_cycle_as_far_as_they_are_declared(catalogue: Any, files: Any) -> None:
    nodes = {
        "a": {"type": "Switch", "inputs": {"on": True, "yes": {"link": "b.image"}, "no": {"link": "b.image"}}},
        "b": {"type": "Scale", "inputs": {"image": {"link": "a.out"}}},
    }

    found = check(Document.from_tree({"nodeflow": 1, "nodes": nodes}), catalogue, files)

    assert [problem.code for problem in found] == ["link.cycle", "run.nothing"]


def test_thousands_of_broken_links_are_told_in_reasonable_time(catalogue: Any, files: Any) -> None:
    nodes = {f"n{i}": {"type": "Scale", "inputs": {"image": {"link": f"m{i}.image"}}} for i in range(2000)}
    nodes |= {f"u{i}": {"type": "Scael", "inputs": {}} for i in range(2000)}
    start = time.process_time()

    errors = resolve(Document.from_tree({"nodeflow": 1, "nodes": nodes}), catalogue, files).errors

    assert len(errors) == 4000
    assert errors[0].hint == 'did you mean "Scale"?'
    assert time.process_time() - start < 10


paths = st.sampled_from(
    [path for path, _ in walk(TABLE["document"]) if path]
    + [("graphs",), ("packs",), ("models",), ("ui",), ("nodes", "x"), ("nodes", "save", "mode"), ("nodes", "save", "x")]
)
junk = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text(max_size=5)
    | st.sampled_from(["scale.image", "Switch", "graph:x", "random", ".", "a.", "mypack.Tag", "sample.steps", "../x"]),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(["link", "draw", "value", "type", "nodes", "inputs", "to", "from", "1"]), inner
        )
    ),
    max_leaves=5,
)


@settings(deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(changes=st.lists(st.tuples(paths, junk), min_size=1, max_size=3))
def test_whatever_stands_in_a_document_becomes_problems_or_a_graph(
    changes: Any, catalogue: Any, files: Any, picture: Any
) -> None:
    tree: Any = deepcopy(TABLE["document"])
    for path, value in changes:
        put(tree, path, value)

    problems = judged(json.dumps(tree).encode(), catalogue, files)

    assert {problem.code for problem in problems} <= set(CODES)
    assert all(str(problem) for problem in problems)


def put(tree: Any, path: tuple[Any, ...], value: Any) -> None:
    *parents, last = path
    for key in parents:
        tree = tree.get(key) if isinstance(tree, dict) else None
    if isinstance(tree, dict):
        tree[last] = value
