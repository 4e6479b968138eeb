"""Documents that are wrong in one way each, and what they are told; then what a right one becomes."""

import json
import time
from collections.abc import Mapping
from copy import deepcopy
from typing import Any, NamedTuple

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from nodeflow.core.errors import InvalidDocument, MissingFile, Problem
from nodeflow.core.files import NoFiles
from nodeflow.core.reading import Limits, walk
from nodeflow.core.resolved import Wire
from nodeflow.core.validate import CODES, Resolution, check, resolve
from nodeflow.core.workflow import Document, Node, parse_document

PICTURE: dict[str, Any] = {
    "nodeflow": 1,
    "nodes": {
        "load": {"type": "Load", "version": 1, "inputs": {"checkpoint": "emoji-tiny.safetensors"}},
        "sample": {
            "type": "Sample",
            "version": 2,
            "inputs": {"model": {"link": "load.model"}, "latent": {"link": "load.latent"}, "steps": 20},
        },
        "decode": {"type": "Decode", "version": 1, "inputs": {"latent": {"link": "sample.latent"}}},
        "scale": {"type": "Scale", "version": 1, "inputs": {"image": {"link": "decode.image"}, "width": 64}},
        "save": {"type": "Save", "version": 1, "inputs": {"images": {"link": "scale.image"}}},
    },
    "interface": {
        "inputs": {"steps": {"to": ["sample.steps"]}},
        "outputs": {"picture": {"from": "scale.image"}},
    },
}
"""A document with nothing wrong."""


GONE = object()
"""In changes: takes the member away."""


class Broken(NamedTuple):
    """One way to break ``PICTURE``, and the problem that must be found: code, node, input and words of the message."""

    why: str
    changes: Mapping[str, Any]
    code: str
    node: str | None = None
    input: str | None = None
    says: tuple[str, ...] = ()


def added(type: str, version: int = 1, /, **inputs: Any) -> dict[str, Any]:
    return {"nodes.extra": {"type": type, "version": version, "inputs": inputs}}


def nested(depth: int) -> dict[str, Any]:
    inner: Any = []
    for _ in range(depth):
        inner = [inner]
    return {"meta": {"deep": inner}}


BROKEN = [
    # fields
    Broken("no format version", {"nodeflow": GONE}, "field.missing", says=("nodeflow",)),
    Broken("a format version of the future", {"nodeflow": 2}, "field.value", says=("found 2", "expected 1")),
    Broken("a misspelt field", {"interfaces": {}}, "field.unknown", says=('did you mean "interface"?',)),
    Broken("a misspelt field of a node", {"nodes.save.verison": 1}, "field.unknown", "save", None, ('"version"?',)),
    Broken("nodes as a list", {"nodes": []}, "field.type", says=("nodes", "found []")),
    Broken("a node that is a text", {"nodes.save": "Save"}, "field.type", "save", says=('found "Save"',)),
    Broken("a node without a type", {"nodes.save.type": GONE}, "field.missing", "save", says=("nodes.save.type",)),
    Broken(
        "inputs by position", {"nodes.save.inputs": [1, 2]}, "field.type", "save", says=("found [1,2]", 'Save "save"')
    ),
    Broken("a version that is a text", {"nodes.save.version": "1"}, "field.type", "save"),
    Broken("version zero", {"nodes.save.version": 0}, "field.value", "save"),
    Broken(
        "a mode that does not exist", {"nodes.save.mode": "mutee"}, "field.value", "save", says=("'bypass' or 'mute'",)
    ),
    Broken("a node id that starts with a digit", {"nodes.1": {"type": "Load"}}, "field.name", "1", says=('found "1"',)),
    Broken("an input of the interface that goes nowhere", {"interface.inputs.steps.to": []}, "field.value"),
    Broken("an output of the interface without a source", {"interface.outputs.picture": {}}, "field.missing"),
    Broken("a socket without an output", {"interface.outputs.picture.from": "scale"}, "field.name"),
    Broken(
        "a range with a misspelt bound", {"interface.inputs.steps.range": {"lee": 3}}, "field.unknown", says=('"le"?',)
    ),
    # types, packs, versions
    Broken("a misspelt type", {"nodes.save.type": "Svae"}, "type.unknown", "save", says=('did you mean "Save"?',)),
    Broken("a pack that is not here", {"nodes.save.type": "mypack.Tag"}, "pack.absent", "save", says=("mypack",)),
    Broken("a pack that cannot be used", {"nodes.save.type": "faulty.Tag"}, "pack.failed", "save", says=("cv2",)),
    Broken("a rule that fails", added("Faulty", value=""), "pack.failed", "extra", says=("ZeroDivisionError",)),
    Broken("rules that cannot be tried", added("Unready", value=""), "pack.failed", "extra", says=("torch",)),
    Broken("a node of the future", {"nodes.save.version": 7}, "version.newer", "save", says=("version 7", "pack test")),
    Broken("a version that no migration leads from", added("Whole", 1), "version.migration", "extra"),
    Broken("a migration that fails", added("Number", 1, value=1), "version.migration", "extra", says=("KeyError",)),
    # inputs
    Broken("a misspelt input", {"nodes.sample.inputs.step": 20}, "input.unknown", "sample", "step", ('"steps"?',)),
    Broken("a missing link", {"nodes.decode.inputs": {}}, "input.missing", "decode", "latent", ("of type Latent",)),
    Broken(
        "a missing value that the interface feeds",
        {"nodes.extra": {"type": "Text"}, "interface.inputs.prompt": {"to": ["extra.value"]}},
        "input.missing",
        "extra",
        "value",
        ("input prompt",),
    ),
    Broken(
        "inputs that do not go together",
        {"nodes.scale.inputs.width": 512, "nodes.scale.inputs.height": 512},
        "input.rule",
        "scale",
        "width",
        ("try 256",),
    ),
    # links
    Broken(
        "a link without an output", {"nodes.save.inputs.images": {"link": "scale"}}, "link.malformed", "save", "images"
    ),
    Broken("a link as a number", {"nodes.save.inputs.images": {"link": 3}}, "link.malformed", "save", "images"),
    Broken(
        "a link with a second key",
        {"nodes.save.inputs.images": {"link": "scale.image", "slot": 0}},
        "link.malformed",
        "save",
        "images",
    ),
    Broken(
        "a link from nowhere",
        {"nodes.save.inputs.images.link": "scal.image"},
        "link.node",
        "save",
        "images",
        ('"scale"?',),
    ),
    Broken(
        "a link from an output that is not there",
        {"nodes.save.inputs.images.link": "scale.images"},
        "link.output",
        "save",
        "images",
        ('"image"?', "scale.image"),
    ),
    Broken(
        "a link of the wrong type",
        {"nodes.save.inputs.images.link": "sample.latent"},
        "link.type",
        "save",
        "images",
        ("found Latent from sample.latent", "expected Image"),
    ),
    Broken(
        "a float for a whole number",
        {
            "nodes.n": {"type": "Number", "version": 2, "inputs": {"value": 1}},
            "nodes.sample.inputs.steps": {"link": "n.number"},
        },
        "link.type",
        "sample",
        "steps",
        ("expected int",),
    ),
    Broken(
        "branches of two types",
        added("Switch", on=True, yes={"link": "load.model"}, no={"link": "load.latent"}),
        "link.type",
        "extra",
        "no",
        ("expected Model",),
    ),
    Broken(
        "a node that feeds itself",
        {"nodes.scale.inputs.image.link": "scale.image"},
        "link.cycle",
        "scale",
        says=("scale → scale",),
    ),
    Broken(
        "a cycle of two",
        {
            "nodes.a": {"type": "Scale", "inputs": {"image": {"link": "b.image"}}},
            "nodes.b": {"type": "Scale", "inputs": {"image": {"link": "a.image"}}},
        },
        "link.cycle",
        "a",
        says=("a → b → a",),
    ),
    # literals
    Broken(
        "a text for a number", {"nodes.sample.inputs.steps": "20"}, "literal.type", "sample", "steps", ("write 20",)
    ),
    Broken("a word for a number", {"nodes.sample.inputs.steps": "many"}, "literal.type", "sample", "steps"),
    Broken("null for a number", {"nodes.sample.inputs.steps": None}, "literal.type", "sample", "steps", ("null",)),
    Broken("true for a number", {"nodes.sample.inputs.steps": True}, "literal.type", "sample", "steps"),
    Broken("a number for a text", added("Text", value=123), "literal.type", "extra", "value", ('"123" in quotes',)),
    Broken(
        "a text for a switch", added("Text", value="", shout="yes"), "literal.type", "extra", "shout", ("write true",)
    ),
    Broken("one for a list", added("Numbers", values=7), "literal.type", "extra", "values", ("write [7]",)),
    Broken("a text for an object", added("Options", table="x"), "literal.type", "extra", "table", ('{"value": {…}}',)),
    Broken(
        "a text for a union", added("Options", either="x"), "literal.type", "extra", "either", ("whole number or true",)
    ),
    Broken(
        "branches of which one is a literal",
        added("Switch", on=True, yes={"link": "load.model"}, no=3),
        "literal.type",
        "extra",
        "no",
        ("expected Model",),
    ),
    Broken("an object not escaped", added("Options", anything={"a": 1}), "literal.object", "extra", "anything"),
    Broken(
        "a literal image", {"nodes.save.inputs.images": "cat.png"}, "literal.socket", "save", "images", ("type Image",)
    ),
    Broken(
        "a choice misspelt",
        {"nodes.sample.inputs.sampler": "eulr"},
        "literal.choice",
        "sample",
        "sampler",
        ('"euler"?',),
    ),
    Broken(
        "an enum misspelt", {"nodes.scale.inputs.method": "Fast"}, "literal.choice", "scale", "method", ('"fast"?',)
    ),
    Broken(
        "a number below", {"nodes.sample.inputs.steps": 0}, "number.range", "sample", "steps", ("nearest is 1", "≥ 1")
    ),
    Broken(
        "a number above", {"nodes.sample.inputs.steps": 999}, "number.range", "sample", "steps", ("nearest is 100",)
    ),
    Broken("a number at an open bound", {"nodes.sample.inputs.cfg": 30}, "number.range", "sample", "cfg", ("< 30",)),
    Broken("a negative seed", {"nodes.sample.inputs.seed": -1}, "number.range", "sample", "seed", ("nearest is 0",)),
    Broken(
        "a whole number below zero", added("Whole", 3, value=-1), "number.range", "extra", "value", ("nearest is 0",)
    ),
    Broken(
        "a seed that JavaScript prints but no integer input takes",
        {"nodes.sample.inputs.seed": 18446744073709552000.0},
        "number.range",
        "sample",
        "seed",
    ),
    Broken(
        "a number off the step", {"nodes.scale.inputs.width": 100}, "number.step", "scale", "width", ("nearest is 96",)
    ),
    Broken("half a step", {"nodes.sample.inputs.steps": 2.5}, "number.whole", "sample", "steps", ("use 2 or 3",)),
    Broken("a text too long", added("Text", value="", name="abcdefghi"), "text.length", "extra", "name", ("0 … 8",)),
    Broken(
        "a text of the wrong form", added("Text", value="", name="A"), "text.pattern", "extra", "name", ("^[a-z]*$",)
    ),
    Broken("a list too short", added("Numbers", values=[]), "list.length", "extra", "values", ("1 … 3 items",)),
    Broken(
        "a list with a wrong item", added("Numbers", values=[1, "2"]), "literal.type", "extra", "values", ("write 2",)
    ),
    # files
    Broken("an absolute path", {"nodes.load.inputs.checkpoint": "/etc/passwd"}, "file.path", "load", "checkpoint"),
    Broken("a drive letter", {"nodes.load.inputs.checkpoint": "C:\\a"}, "file.path", "load", "checkpoint"),
    Broken("a path that leaves", {"nodes.load.inputs.checkpoint": "a/../../b"}, "file.path", "load", "checkpoint"),
    Broken("a backslash", {"nodes.load.inputs.checkpoint": "sub\\x"}, "file.path", "load", "checkpoint", ('"sub/x"',)),
    Broken("no name at all", {"nodes.load.inputs.checkpoint": ""}, "file.path", "load", "checkpoint"),
    Broken(
        "a missing model",
        {"nodes.load.inputs.checkpoint": "emoji_tiny.safetensors"},
        "file.missing",
        "load",
        "checkpoint",
        ('did you mean "emoji-tiny.safetensors"?', "/models/checkpoints/emoji_tiny.safetensors"),
    ),
    Broken(
        "a missing picture", added("LoadImage", file="dog.png"), "file.missing", "extra", "file", ("input folders",)
    ),
    # the interface
    Broken(
        "an output of no node", {"interface.outputs.picture.from": "scal.image"}, "interface.socket", says=('"scale"?',)
    ),
    Broken(
        "an output that is not there", {"interface.outputs.picture.from": "scale.mask"}, "interface.socket", "scale"
    ),
    Broken("an input that is not there", {"interface.inputs.steps.to": ["sample.step"]}, "interface.socket", "sample"),
    Broken(
        "an input fed twice",
        {"interface.inputs.again": {"to": ["sample.steps"]}},
        "interface.conflict",
        "sample",
        "steps",
        ('"steps" and "again"',),
    ),
    Broken(
        "a range that is wider",
        {"interface.inputs.steps.range": {"le": 200}},
        "interface.range",
        "sample",
        "steps",
        ("200",),
    ),
    Broken(
        "nothing to run",
        {"nodes.save": GONE, "interface": GONE},
        "run.nothing",
        says=("no node saves",),
    ),
    # what comes later
    Broken(
        "a draw that does not exist",
        {"nodes.sample.inputs.seed": {"draw": "randm"}},
        "draw.unknown",
        "sample",
        "seed",
        ('"random"?',),
    ),
    Broken("a draw without a name", {"nodes.sample.inputs.seed": {"draw": 7}}, "draw.unknown", "sample", "seed"),
    Broken(
        "a draw with a misspelt field",
        {"nodes.sample.inputs.seed": {"draw": "random", "maxx": 3}},
        "draw.field",
        "sample",
        "seed",
        ('"max"?',),
    ),
    Broken(
        "a counter without a name",
        {"nodes.sample.inputs.seed": {"draw": "counter"}},
        "draw.field",
        "sample",
        "seed",
        ("name",),
    ),
    Broken("a draw", {"nodes.sample.inputs.seed": {"draw": "random", "max": 9}}, "unsupported.draw", "sample", "seed"),
    Broken("a muted node", {"nodes.scale.mode": "mute"}, "unsupported.mode", "scale", says=("mute",)),
    Broken("a bypassed node", {"nodes.scale.mode": "bypass"}, "unsupported.mode", "scale", says=("bypass",)),
    Broken(
        "a sub-graph",
        {"nodes.extra": {"type": "graph:refine"}, "graphs": {"refine": {"nodes": {}}}},
        "unsupported.graph",
        "extra",
    ),
    Broken(
        "a sub-graph that is not defined",
        {"nodes.extra": {"type": "graph:refin"}, "graphs": {"refine": {"nodes": {}}}},
        "graph.unknown",
        "extra",
        says=('"refine"?',),
    ),
    Broken(
        "a link in a list",
        added("Sheet", images=[{"link": "scale.image"}]),
        "unsupported.nested_link",
        "extra",
        "images",
    ),
    Broken(
        "a link in a row",
        added("Stack", model={"link": "load.model"}, rows=[{"file": "a", "strength": [{"link": "n.number"}]}]),
        "unsupported.nested_link",
        "extra",
        "rows",
    ),
    Broken(
        "rows", added("Stack", model={"link": "load.model"}, rows=[{"file": "a"}]), "unsupported.rows", "extra", "rows"
    ),
    Broken("pinned packs", {"packs": {"mypack": {"version": ">=1.2"}}}, "unsupported.packs", says=("mypack",)),
    Broken("pinned models", {"models": {"a.safetensors": {"sha256": "0"}}}, "unsupported.models"),
    Broken(
        "a misspelt field of a sub-graph",
        {"graphs": {"g": {"nodes": {}, "titel": "x"}}},
        "field.unknown",
        says=("graphs.g.titel", '"title"?'),
    ),
]

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


def changed(changes: Mapping[str, Any]) -> bytes:
    """``PICTURE`` with values at dotted places."""
    tree = deepcopy(PICTURE)
    for path, value in changes.items():
        *parents, last = path.split(".")
        place = tree
        for name in parents:
            place = place[name]
        if value is GONE:
            del place[last]
        else:
            place[last] = value
    return json.dumps(tree).encode()


def judged(data: bytes, catalogue: Any, files: Any, **options: Any) -> tuple[Problem, ...]:
    try:
        document = parse_document(data, keep_going=True)
    except InvalidDocument as error:
        return error.problems
    return check(document, catalogue, files, **options)


@pytest.mark.parametrize("broken", BROKEN, ids=lambda broken: broken.why)
def test_what_is_wrong_is_named(broken: Broken, catalogue: Any, files: Any) -> None:
    problems = judged(changed(broken.changes), catalogue, files)

    assert [(problem.code, problem.node, problem.input) for problem in problems] == [
        (broken.code, broken.node, broken.input)
    ]
    for words in broken.says:
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
def test_a_document_over_a_limit_is_refused(code: str, limits: Limits, changes: Mapping[str, Any]) -> None:
    data = changed({"meta": {}, "graphs": {}} | changes)

    with pytest.raises(InvalidDocument) as raised:
        parse_document(data, limits)

    assert [problem.code for problem in raised.value.problems] == [code]
    assert str(raised.value.problems[0].expected).startswith("at most")
    parse_document(data)


ASKED: list[tuple[str, dict[str, Any], str, str]] = [
    ("an input that is not there", {"settings": {"stepps": 3}}, "setting.unknown", 'did you mean "steps"?'),
    ("a node that is not there", {"settings": {"sampl.steps": 3}}, "setting.unknown", 'did you mean "sample.steps"?'),
    ("a target that is not there", {"targets": ["decod"]}, "target.unknown", 'did you mean "decode"?'),
    ("an output that is not there", {"targets": ["decode.mask"]}, "target.unknown", "expected decode.image"),
    ("a value out of range", {"settings": {"steps": "0"}}, "number.range", 'Sample "sample" · steps'),
    ("a text that is no number", {"settings": {"steps": "many"}}, "literal.type", 'found "many"'),
    ("an input the node does not have", {"settings": {"sample.step": "3"}}, "input.unknown", 'did you mean "steps"?'),
]


@pytest.mark.parametrize(("asked", "code", "words"), [row[1:] for row in ASKED], ids=[row[0] for row in ASKED])
def test_what_is_asked_for_and_not_there_is_named(
    asked: dict[str, Any], code: str, words: str, catalogue: Any, files: Any
) -> None:
    found = resolve(parse_document(changed({})), catalogue, files, **asked)

    assert [problem.code for problem in found.problems] == [code]
    assert words in str(found.problems[0])
    assert found.graph is None


def test_every_code_is_shown_by_a_broken_document() -> None:
    shown = {broken.code for broken in BROKEN} | {row[2] for row in TEXTS} | {row[0] for row in LIMITED}
    shown |= {row[2] for row in ASKED}

    assert shown == set(CODES)
    assert len(CODES) >= 25
    assert len(BROKEN) + len(TEXTS) >= 40
    assert all(sentence.endswith((".", ")")) for sentence in CODES.values())


def test_all_problems_are_named_at_once(catalogue: Any, files: Any) -> None:
    data = changed(
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


def test_links_to_a_node_that_cannot_be_read_are_not_judged(catalogue: Any, files: Any) -> None:
    data = changed({"nodes.scale.version": "1"})

    problems = judged(data, catalogue, files)

    assert [(problem.code, problem.node) for problem in problems] == [("field.type", "scale")]
    assert resolve(parse_document(data, keep_going=True), catalogue, files, targets=["scale"]).graph is None


def test_parts_that_are_wrong_as_a_whole_hide_nothing_else(catalogue: Any, files: Any) -> None:
    changes = {
        "interface.inputs": None,
        "interface.outputs.picture": None,
        "nodes.1": None,
        "nodes.scale.inputs.width": 0,
    }

    problems = judged(changed(changes), catalogue, files)

    assert sorted(problem.code for problem in problems) == [
        "field.name",
        "field.type",
        "field.type",
        "field.type",
        "number.range",
    ]


def test_a_good_document_becomes_a_graph_in_order(catalogue: Any, files: Any) -> None:
    found = resolve(parse_document(changed({})), catalogue, files)
    graph = found.require()

    assert found.problems == ()
    assert [node.id for node in graph.nodes] == ["load", "sample", "decode", "scale", "save"]
    assert graph.index["decode"] == 2
    assert graph.outputs == {"picture": (3, "image")}
    sample = graph.nodes[1]
    assert sample.literals == {"seed": 0, "steps": 20, "cfg": 8.0, "sampler": "euler"}
    assert sample.record == b'{"cfg":8,"sampler":"euler","seed":0,"steps":20}'
    assert sample.wires == (Wire("latent", 0, "latent"), Wire("model", 0, "model"))
    assert {node.depth for node in graph.nodes} == {0}


def test_the_order_of_the_document_does_not_matter(catalogue: Any, files: Any) -> None:
    tree = json.loads(changed({}))
    tree["nodes"] = dict(reversed(tree["nodes"].items()))

    graph = resolve(Document.from_tree(tree), catalogue, files).require()

    assert [node.id for node in graph.nodes] == ["load", "sample", "decode", "scale", "save"]


def test_only_what_a_target_needs_is_kept_and_the_rest_still_checked(catalogue: Any, files: Any) -> None:
    document = parse_document(changed({}))

    assert ids(resolve(document, catalogue, files, targets=["decode"])) == ["load", "sample", "decode"]
    assert resolve(document, catalogue, files, targets=["decode"]).targets == ((2, "image"),)
    assert resolve(document, catalogue, files, targets=["load.latent"]).targets == ((0, "latent"),)
    assert resolve(document, catalogue, files, targets=["picture"]).targets == ((3, "image"),)
    assert resolve(document, catalogue, files, targets=["save"]).targets == ((4, ""),)
    assert resolve(document, catalogue, files, targets=["decode"]).require().outputs == {}
    broken = parse_document(changed({"nodes.scale.inputs.width": 0}))
    assert resolve(broken, catalogue, files, targets=["decode"]).graph is None


def test_a_node_that_nothing_needs_is_checked_and_left_out(catalogue: Any, files: Any) -> None:
    document = parse_document(changed(added("Text", value="unused")))

    assert "extra" not in ids(resolve(document, catalogue, files))


def test_a_document_without_results_is_kept_whole_with_a_warning(catalogue: Any, files: Any) -> None:
    found = resolve(parse_document(changed({"nodes.save": GONE, "interface": GONE})), catalogue, files)

    assert [problem.severity for problem in found.problems] == ["warning"]
    assert found.errors == ()
    assert ids(found) == ["load", "sample", "decode", "scale"]


def test_missing_files_alone_have_an_error_of_their_own(catalogue: Any, files: Any) -> None:
    missing = {"nodes.load.inputs.checkpoint": "gone.safetensors"}
    with pytest.raises(MissingFile) as raised:
        resolve(parse_document(changed(missing)), catalogue, files).require()
    assert raised.value.exit_code == 4

    with pytest.raises(InvalidDocument) as other:
        resolve(parse_document(changed(missing | {"nodes.save.mode": "mute"})), catalogue, files).require()
    assert other.value.exit_code == 3


def test_without_any_files_the_folder_is_named(catalogue: Any) -> None:
    (problem,) = check(parse_document(changed({})), catalogue, NoFiles())

    assert problem.hint == "put the file at models/checkpoints/emoji-tiny.safetensors"
    assert NoFiles().input("cat.png") is None


def test_files_that_are_there_are_no_problem(catalogue: Any, files: Any) -> None:
    changes = added("LoadImage", file="cat.png") | {"nodes.load.inputs.checkpoint": "sub/other.safetensors"}

    assert check(parse_document(changed(changes)), catalogue, files) == ()


def test_what_several_nodes_name_is_looked_up_once(catalogue: Any, files: Any) -> None:
    again = {"checkpoint": "emoji-tiny.safetensors"}
    sample = {"model": {"link": "extra.model"}, "latent": {"link": "extra.latent"}, "sampler": "ddim"}
    changes = added("Load", **again) | {"nodes.other": {"type": "Sample", "version": 2, "inputs": sample}}

    assert check(parse_document(changed(changes | {"nodes.sample.inputs.sampler": "ddim"})), catalogue, files) == ()


def test_an_escaped_literal_is_the_value_inside(catalogue: Any, files: Any) -> None:
    document = parse_document(changed(added("Options", anything={"value": {"link": "a.b"}}, either={"value": 5})))

    graph = resolve(document, catalogue, files, targets=["extra"]).require()

    assert graph.nodes[0].literals == {"anything": {"link": "a.b"}, "table": {"a": 1}, "either": 5}
    assert graph.nodes[0].record == b'{"anything":{"link":"a.b"},"either":5,"table":{"a":1}}'


def test_a_value_that_python_has_and_json_not_is_refused(catalogue: Any, files: Any) -> None:
    document = Document(nodeflow=1, nodes={"n": Node(type="Options", inputs={"anything": [float("nan")]})})

    (problem,) = resolve(document, catalogue, files, targets=["n"]).problems

    assert (problem.code, problem.node, problem.input) == ("json.number", "n", "anything")


def test_settings_are_read_by_the_declared_type(catalogue: Any, files: Any) -> None:
    document = parse_document(changed(added("Text", value="a") | {"interface.outputs.text": {"from": "extra.text"}}))

    settings = {"steps": "30", "sample.cfg": "7.50", "extra.value": "123", "extra.shout": "yes", "scale.width": 32.0}
    graph = resolve(document, catalogue, files, settings=settings).require()

    assert graph.nodes[graph.index["sample"]].literals["steps"] == 30
    assert graph.nodes[graph.index["sample"]].literals["cfg"] == 7.5
    assert graph.nodes[graph.index["extra"]].literals == {"value": "123", "name": "", "shout": True}
    assert graph.nodes[graph.index["scale"]].record == b'{"height":128,"method":"fast","width":32}'


def test_a_setting_replaces_a_link(catalogue: Any, files: Any) -> None:
    nodes = {
        "n": {"type": "Whole", "version": 3, "inputs": {}},
        "m": {"type": "Numbers", "version": 1, "inputs": {"values": {"link": "n.number"}}},
    }
    document = Document.from_tree(
        {"nodeflow": 1, "nodes": nodes, "interface": {"outputs": {"x": {"from": "m.numbers"}}}}
    )

    assert [problem.code for problem in check(document, catalogue, files)] == ["link.type"]
    found = resolve(document, catalogue, files, settings={"m.values": "[1, 2]"})
    assert ids(found) == ["m"]


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
    [path for path, _ in walk(PICTURE) if path]
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
def test_whatever_stands_in_a_document_becomes_problems_or_a_graph(changes: Any, catalogue: Any, files: Any) -> None:
    tree: Any = deepcopy(PICTURE)
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


def test_a_chain_of_five_thousand_nodes_resolves(catalogue: Any, files: Any) -> None:
    nodes: dict[str, Any] = {"n0": {"type": "Whole", "version": 3, "inputs": {"value": 1}}}
    for i in range(1, 5000):
        nodes[f"n{i}"] = {"type": "Whole", "version": 3, "inputs": {"value": {"link": f"n{i - 1}.number"}}}
    data = json.dumps({"nodeflow": 1, "nodes": nodes, "interface": {"outputs": {"last": {"from": "n4999.number"}}}})

    graph = resolve(parse_document(data), catalogue, files).require()

    assert [node.id for node in graph.nodes] == [f"n{i}" for i in range(5000)]


def ids(found: Resolution) -> list[str]:
    return [node.id for node in found.require().nodes]
