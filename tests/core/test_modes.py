"""Bypassed nodes hand on what fits, muted ones take no part; what follows from that is told beforehand."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import pytest

from nodeflow.core.modes import passes_through
from nodeflow.core.remains import Nothing, Remains, Why
from nodeflow.core.spec import Input, Output, Range, Spec
from nodeflow.core.types import ANY, Type
from nodeflow.core.validate import Resolution, resolve
from nodeflow.core.workflow import Document

Nodes = Mapping[str, tuple[Any, ...]]

VERSIONS = {"Sample": 2, "Whole": 3, "Number": 2}
CAT = ("LoadImage", {"file": "cat.png"})


def link(socket: str) -> Any:
    return {"link": socket}


def written(nodes: Nodes) -> dict[str, Any]:
    """Nodes as ``(type, inputs)`` or ``(type, inputs, mode)``."""
    found: dict[str, Any] = {}
    for id, (type_, inputs, *mode) in nodes.items():
        found[id] = {"type": type_, "version": VERSIONS.get(type_, 1), "inputs": inputs}
        found[id] |= {"mode": mode[0]} if mode else {}
    return found


def document(nodes: Nodes, outputs: Mapping[str, str] | None = None, **graphs: Any) -> Document:
    interface = {"outputs": {name: {"from": socket} for name, socket in (outputs or {}).items()}}
    return Document.from_tree({"nodeflow": 1, "nodes": written(nodes), "graphs": graphs, "interface": interface})


def graph(nodes: Nodes, inputs: Mapping[str, list[str]], outputs: Mapping[str, str]) -> dict[str, Any]:
    """A definition."""
    shown = {"inputs": {name: {"to": to} for name, to in inputs.items()}}
    return {"nodes": written(nodes), "interface": {**shown, "outputs": {k: {"from": v} for k, v in outputs.items()}}}


def ids(found: Resolution) -> list[str]:
    return [node.id for node in found.require().nodes]


def fed(found: Resolution, id: str) -> dict[str, str]:
    """What feeds the inputs of a node."""
    nodes = found.require().nodes
    node = nodes[found.require().index[id]]
    return {wire.input: f"{nodes[wire.source].id}.{wire.output}" for wire in node.wires}


def said(found: Resolution) -> list[tuple[str, str | None, str | None]]:
    return [(problem.code, problem.node, problem.input) for problem in found.problems]


IMAGE, FLOAT, INT = Type("Image"), Type("float"), Type("int")
PASSING: list[tuple[str, list[Type], Type, int | None]] = [
    ("the first of the same type", [FLOAT, IMAGE, IMAGE], IMAGE, 1),
    ("one that widens only where none is equal", [INT, FLOAT], FLOAT, 1),
    ("the first that fits", [IMAGE, INT], FLOAT, 1),
    ("one that may be empty", [Type("optional", (IMAGE,))], IMAGE, 0),
    ("a variable", [FLOAT, Type("$T"), Type("$T")], Type("$T"), 1),
    ("anything where anything is given", [IMAGE], ANY, 0),
    ("a list for no single one", [Type("list", (IMAGE,))], IMAGE, None),
    ("none", [FLOAT], IMAGE, None),
]


@pytest.mark.parametrize(
    ("inputs", "output", "expected"), [row[1:] for row in PASSING], ids=[row[0] for row in PASSING]
)
def test_an_output_is_replaced_by_an_input_of_its_type(inputs: Any, output: Type, expected: int | None) -> None:
    spec = Spec(
        "X", inputs=tuple(Input(f"i{at}", type_) for at, type_ in enumerate(inputs)), outputs=(Output("o", output),)
    )

    found = passes_through(spec, "o")

    assert (None if found is None else found.name) == (None if expected is None else f"i{expected}")
    assert passes_through(spec, "other") is None


def test_a_bypassed_node_hands_on_its_link(catalogue: Any, files: Any) -> None:
    nodes = {
        "cat": CAT,
        "a": ("Scale", {"image": link("cat.image")}, "bypass"),
        "b": ("Scale", {"image": link("a.image"), "width": 0}, "bypass"),
        "c": ("Scale", {"image": link("b.image")}),
        "save": ("Save", {"images": link("b.image")}),
    }

    found = resolve(document(nodes, {"small": "c.image", "plain": "a.image"}), catalogue, files)

    assert found.problems == ()
    assert ids(found) == ["cat", "c", "save"]
    assert fed(found, "c") == {"image": "cat.image"}
    assert {name: ids(found)[at] for name, (at, _) in found.require().outputs.items()} == {"small": "c", "plain": "cat"}


def test_a_bypassed_node_hands_on_literals_and_defaults(catalogue: Any, files: Any) -> None:
    nodes = {
        "five": ("Whole", {"value": 5}, "bypass"),
        "none": ("Whole", {}, "bypass"),
        "table": ("Options", {"table": {"value": {"b": 2}}}, "bypass"),
        "a": ("Whole", {"value": link("five.number")}),
        "b": ("Whole", {"value": link("none.number"), "limit": link("five.number")}),
        "o": ("Options", {"anything": link("table.out")}),
    }

    found = resolve(document(nodes, {"a": "a.number", "b": "b.number", "o": "o.out"}), catalogue, files)

    assert said(found) == []
    literals = {node.id: dict(node.literals) for node in found.require().nodes}
    assert literals["a"]["value"] == 5
    assert (literals["b"]["value"], literals["b"]["limit"]) == (0, 5)
    assert literals["o"]["anything"] is None


def test_a_default_that_is_an_object_is_handed_on_as_one(catalogue: Any, files: Any) -> None:
    tables = replace(
        catalogue.specs["Options"],
        id="Tables",
        inputs=(Input("table", Type("dict"), required=False, default={"a": 1}),),
        outputs=(Output("table", Type("dict")),),
    )
    specs = replace(catalogue, specs={**catalogue.specs, "Tables": tables})
    nodes = {"t": ("Tables", {}, "bypass"), "o": ("Options", {"anything": link("t.table")})}

    found = resolve(document(nodes, {"o": "o.out"}), specs, files)

    assert found.require().nodes[0].literals["anything"] == {"a": 1}


def test_an_input_below_falls_back_to_its_default_where_nothing_is_handed_on(catalogue: Any, files: Any) -> None:
    count = replace(catalogue.specs["Whole"], id="CountOf", version=1, inputs=(Input("image", IMAGE),))
    specs = replace(catalogue, specs={**catalogue.specs, "CountOf": count})
    nodes = {
        "cat": CAT,
        "load": ("Load", {"checkpoint": "emoji-tiny.safetensors"}),
        "count": ("CountOf", {"image": link("cat.image")}, "bypass"),
        "sample": (
            "Sample",
            {"model": link("load.model"), "latent": link("load.latent"), "seed": link("count.number")},
        ),
    }

    found = resolve(document(nodes, {"x": "sample.latent"}), specs, files)

    assert said(found) == []
    assert ids(found) == ["load", "sample"]
    assert found.require().nodes[1].literals["seed"] == 0


def test_without_anything_to_hand_on_the_error_names_both_nodes_and_the_way_out(catalogue: Any, files: Any) -> None:
    nodes = {
        "load": ("Load", {"checkpoint": "emoji-tiny.safetensors"}),
        "decode": ("Decode", {"latent": link("load.latent")}, "bypass"),
        "scale": ("Scale", {}, "bypass"),
        "save": ("Save", {"images": link("decode.image")}),
        "again": ("Save", {"images": link("scale.image")}),
    }

    found = resolve(document(nodes, {"picture": "decode.image"}), catalogue, files)

    assert said(found) == [
        ("mode.bypass", "save", "images"),
        ("mode.bypass", "again", "images"),
        ("mode.bypass", None, None),
    ]
    assert str(found.problems[0]) == (
        'Save "save" · images: the bypassed "decode" has nothing to hand on in place of its output image; '
        'expected a value of type Image → feed images from another node, or take the bypass off "decode" [mode.bypass]'
    )
    assert found.problems[2].severity == "warning"


def test_a_result_that_is_only_a_value_is_an_error_and_not_lost_in_silence(catalogue: Any, files: Any) -> None:
    nodes = {"five": ("Whole", {"value": 5}, "bypass"), "w": ("Whole", {})}

    found = resolve(document(nodes, {"x": "five.number", "y": "w.number"}), catalogue, files)

    assert said(found) == [("mode.bypass", None, None)]
    assert 'the result "x" cannot be had' in str(found.problems[0])
    assert "take the bypass off" in str(found.problems[0])
    assert found.graph is None
    for target in ("x", "five", "five.number"):
        asked = resolve(document(nodes, {"x": "five.number"}), catalogue, files, targets=[target])
        assert [problem.code for problem in asked.errors] == ["target.bypassed"]


def test_a_bypassed_target_is_what_it_hands_on(catalogue: Any, files: Any) -> None:
    nodes = {"cat": CAT, "a": ("Scale", {"image": link("cat.image")}, "bypass")}

    found = resolve(document(nodes), catalogue, files, targets=["a"])

    assert (found.targets, found.names, ids(found)) == (((0, "image"),), ("a.image",), ["cat"])


def test_a_value_that_does_not_fit_names_who_handed_it_on(catalogue: Any, files: Any) -> None:
    nodes = {
        "five": ("Whole", {"value": 500}, "bypass"),
        "scale": ("Scale", {"image": link("cat.image"), "width": link("w.number")}),
    }
    nodes |= {"cat": CAT, "w": ("Whole", {"value": link("five.number")}, "bypass")}

    (problem,) = resolve(document(nodes, {"x": "scale.image"}), catalogue, files).problems

    assert (problem.code, problem.node, problem.input) == ("number.step", "scale", "width")
    assert 'handed on by the bypassed "five"' in problem.message


def test_a_bypassed_node_may_hand_on_what_another_type_takes(catalogue: Any, files: Any) -> None:
    """Its output is a float, but what it hands on is the whole number it was given."""
    nodes = {
        "n": ("Number", {"value": link("w.number")}, "bypass"),
        "w": ("Whole", {"value": 4}),
        "sample": ("Whole", {"value": link("n.number")}),
    }

    assert resolve(document(nodes, {"x": "sample.number"}), catalogue, files).problems == ()


def test_a_generic_node_is_bypassed_by_its_variable(catalogue: Any, files: Any) -> None:
    nodes = {
        "cat": CAT,
        "load": ("Load", {"checkpoint": "emoji-tiny.safetensors"}),
        "switch": ("Switch", {"on": False, "yes": link("cat.image"), "no": link("load.latent")}, "bypass"),
        "save": ("Save", {"images": link("switch.out")}),
    }

    found = resolve(document(nodes), catalogue, files)

    assert found.problems == ()
    assert fed(found, "save") == {"images": "cat.image"}


def test_lists_are_handed_on_and_links_inside_them_followed(catalogue: Any, files: Any) -> None:
    nodes = {
        "cat": CAT,
        "split": ("Split", {"image": link("cat.image")}),
        "each": ("Scale", {"image": link("split.images")}, "bypass"),
        "one": ("Scale", {"image": link("cat.image")}, "bypass"),
        "sheet": ("Sheet", {"images": link("each.image")}),
        "other": ("Sheet", {"images": [link("one.image"), link("split.images")]}),
        "numbers": ("Numbers", {"values": [1, 2]}, "bypass"),
        "more": ("Numbers", {"values": link("numbers.numbers")}),
        "rows": ("Options", {"anything": [{"a": link("one.image"), "b": 3}, {"value": {"link": "no.link"}}]}),
    }

    found = resolve(
        document(nodes, {"a": "sheet.image", "b": "other.image", "c": "more.numbers", "d": "rows.out"}),
        catalogue,
        files,
    )

    assert found.problems == ()
    assert fed(found, "other") == {"images[0]": "cat.image", "images[1]": "split.images"}
    assert fed(found, "sheet") == {"images": "split.images"}
    assert fed(found, "rows") == {"anything[0].a": "cat.image"}
    more = found.require().nodes[found.require().index["more"]]
    assert more.literals["values"] == [1, 2]


def test_lists_of_links_are_not_handed_on_into_lists(catalogue: Any, files: Any) -> None:
    """Put into each other again and again they would grow beyond all bounds."""
    nodes: dict[str, Any] = {"n0": ("Options", {"anything": [1, link("w.number")]}, "bypass"), "w": ("Whole", {})}
    for at in range(1, 200):
        nodes[f"n{at}"] = ("Options", {"anything": [link(f"n{at - 1}.out")] * 2}, "bypass")
    last = {"last": ("Sheet", {"images": [link("n199.out")]}), "first": ("Options", {"anything": link("n0.out")})}

    found = resolve(document({**nodes, **last}, {"x": "last.image", "y": "first.out"}), catalogue, files)

    assert said(found) == [("mode.bypass", "last", "images")]
    assert '"n199"' in str(found.problems[0])


def test_a_circle_through_bypassed_nodes_is_told(catalogue: Any, files: Any) -> None:
    nodes = {
        "a": ("Scale", {"image": link("b.image")}, "bypass"),
        "b": ("Scale", {"image": link("a.image")}, "bypass"),
        "c": ("Scale", {"image": link("d.image")}),
        "d": ("Scale", {"image": link("c.image")}, "bypass"),
        "save": ("Save", {"images": link("b.image")}),
    }

    found = resolve(document(nodes, {"x": "a.image"}), catalogue, files)

    assert [(item.code, item.node) for item in found.errors] == [("link.cycle", "save"), ("link.cycle", "c")]
    assert "hands on what it gets from itself" in str(found.errors[0])


def test_a_muted_node_and_what_needs_it_do_not_run(catalogue: Any, files: Any) -> None:
    nodes = {
        "cat": CAT,
        "a": ("Scale", {"image": link("cat.image")}, "mute"),
        "b": ("Scale", {"image": link("a.image")}),
        "c": ("Scale", {"image": link("b.image")}, "bypass"),
        "d": ("Scale", {"image": link("c.image")}),
        "save": ("Save", {"images": link("d.image")}),
        "keep": ("Save", {"images": link("cat.image")}),
    }

    found = resolve(document(nodes, {"x": "d.image", "y": "c.image", "z": "cat.image"}), catalogue, files)

    assert ids(found) == ["cat", "keep"]
    assert {problem.severity for problem in found.problems} == {"warning"}
    assert said(found) == [
        ("mode.muted", "b", "image"),
        ("mode.muted", "d", "image"),
        ("mode.muted", "save", "images"),
        ("mode.muted", None, None),
        ("mode.muted", None, None),
    ]
    assert str(found.problems[2]) == (
        'Save "save" · images: "a" is muted, so this node does not run '
        '→ feed images from another node, or take the mute off "a" [mode.muted]'
    )
    assert [problem.found for problem in found.problems[3:]] == ["d.image", "c.image"]
    assert list(found.require().outputs) == ["z"]


def test_an_input_that_can_do_without_falls_back_to_its_default(catalogue: Any, files: Any) -> None:
    nodes = {
        "n": ("Whole", {"value": 5}, "mute"),
        "w": ("Whole", {"value": link("n.number"), "limit": link("n.number"), "offset": 3}),
        "list": ("Options", {"anything": [1, {"a": link("n.number")}]}),
    }

    found = resolve(document(nodes, {"x": "w.number", "y": "list.out"}), catalogue, files)

    assert said(found) == [
        ("mode.muted", "w", "value"),
        ("mode.muted", "w", "limit"),
        ("mode.muted", "list", "anything"),
    ]
    literals = {node.id: dict(node.literals) for node in found.require().nodes}
    assert literals["w"] == {"value": 0, "limit": None, "offset": 3}
    assert literals["list"]["anything"] is None


def test_an_input_that_falls_back_lets_what_is_below_run(catalogue: Any, files: Any) -> None:
    """``w`` is met before it is known that ``m`` will never give anything."""
    nodes = {
        "w": ("Whole", {"value": link("m.number")}),
        "m": ("Number", {"value": link("n.number")}),
        "n": ("Whole", {}, "mute"),
        "v": ("Whole", {"value": link("w.number")}),
    }
    nodes["w"] = ("Options", {"anything": link("m.number")})
    nodes["v"] = ("Options", {"anything": link("w.out")})

    found = resolve(document(nodes, {"x": "v.out"}), catalogue, files)

    assert said(found) == [("mode.muted", "w", "anything"), ("mode.muted", "m", "value")]
    assert ids(found) == ["w", "v"]


def test_when_everything_is_muted_nothing_runs(catalogue: Any, files: Any) -> None:
    nodes = {"cat": CAT, "save": ("Save", {"images": link("cat.image")}, "mute")}

    found = resolve(document(nodes), catalogue, files)

    assert said(found) == [("run.nothing", None, None)]
    assert "muted or bypassed" in str(found.problems[0])
    assert ids(found) == []


def test_a_document_that_declares_nothing_runs_what_is_left(catalogue: Any, files: Any) -> None:
    nodes = {
        "cat": CAT,
        "a": ("Scale", {"image": link("cat.image")}, "bypass"),
        "b": ("Scale", {"image": link("a.image")}),
    }

    found = resolve(document(nodes), catalogue, files)

    assert [problem.message for problem in found.problems] == [
        "no node saves or shows anything, and the interface declares no output"
    ]
    assert ids(found) == ["cat", "b"]


def test_a_node_that_does_not_run_need_not_be_able_to(catalogue: Any, files: Any) -> None:
    nodes = {
        "gone": ("LoadImage", {"file": "gone.png"}, "mute"),
        "wrong": ("Scale", {"image": link("cat.image"), "width": -1, "method": "Fast"}, "bypass"),
        "cat": CAT,
        "save": ("Save", {"images": link("wrong.image")}),
    }

    assert resolve(document(nodes), catalogue, files).problems == ()


def test_a_muted_node_may_be_of_a_pack_that_is_not_here(catalogue: Any, files: Any) -> None:
    def using(mode: str) -> Resolution:
        nodes = {
            "cat": CAT,
            "tag": ("mypack.Tag", {"image": link("cat.image")}, mode),
            "options": ("Options", {"anything": link("tag.image")}),
            "late": ("Whole", {}, mode),
            "save": ("Save", {"images": link("cat.image")}),
        }
        tree = document(nodes, {"x": "options.out"}).tree
        tree["nodes"]["late"]["version"] = 9  # type: ignore[index,call-overload]
        return resolve(Document.from_tree(tree), catalogue, files)

    assert said(using("mute")) == [
        ("pack.absent", "tag", None),
        ("version.newer", "late", None),
        ("mode.muted", "options", "anything"),
    ]
    assert using("mute").errors == ()
    assert [problem.code for problem in using("bypass").errors] == ["pack.absent", "version.newer"]


def test_but_it_has_to_make_sense(catalogue: Any, files: Any) -> None:
    nodes = {
        "a": ("Scale", {"imag": link("cat.image"), "image": {"link": "cat"}}, "mute"),
        "b": ("Scale", {"image": link("cta.image"), "width": link("cat.width")}, "bypass"),
        "cat": CAT,
    }

    found = resolve(document(nodes, {"x": "cat.image"}), catalogue, files)

    assert said(found) == [
        ("input.unknown", "a", "imag"),
        ("link.malformed", "a", "image"),
        ("link.node", "b", "image"),
        ("link.output", "b", "width"),
    ]


SMALL = graph(
    {"scale": ("Scale", {"width": 64}), "again": ("Scale", {"image": link("scale.image")})},
    {"image": ["scale.image"], "width": ["scale.width", "again.width"]},
    {"image": "again.image", "first": "scale.image"},
)


def test_a_use_is_bypassed_or_muted_as_a_whole(catalogue: Any, files: Any) -> None:
    def picture(mode: str) -> Resolution:
        nodes = {
            "cat": CAT,
            "small": ("graph:small", {"image": link("cat.image"), "width": 3}, mode),
            "save": ("Save", {"images": link("small.first")}),
        }
        return resolve(document(nodes, small=SMALL), catalogue, files)

    assert picture("bypass").problems == ()
    assert fed(picture("bypass"), "save") == {"images": "cat.image"}
    assert said(picture("mute")) == [("mode.muted", "save", "images"), ("run.nothing", None, None)]


def test_modes_inside_a_definition(catalogue: Any, files: Any) -> None:
    inner = {
        "scale": ("Scale", {"width": 64}, "bypass"),
        "again": ("Scale", {"image": link("scale.image")}),
        "text": ("Text", {"value": "x"}, "mute"),
        "options": ("Options", {"anything": link("text.text")}),
        "save": ("Save", {"images": link("again.image"), "prefix": link("text.text")}),
    }
    shown = (
        {"image": ["scale.image"], "width": ["again.width"]},
        {"image": "again.image", "out": "options.out", "t": "text.text"},
    )
    nodes = {
        "cat": CAT,
        "u": ("graph:g", {"image": link("cat.image"), "width": 32}),
        "v": ("graph:g", {"image": link("u.image")}),
        "o": ("Options", {"anything": link("u.t")}),
    }

    found = resolve(
        document(nodes, {"x": "v.image", "y": "u.out", "z": "o.out", "t": "v.t"}, g=graph(inner, *shown)),
        catalogue,
        files,
    )

    assert said(found) == [
        ("mode.muted", "u/options", "anything"),
        ("mode.muted", "u/save", "prefix"),
        ("mode.muted", "o", "anything"),
        ("mode.muted", None, None),
    ]
    assert fed(found, "u/again") == {"image": "cat.image"}
    assert fed(found, "v/again") == {"image": "u/again.image"}
    assert {"u/save", "v/save"} <= set(ids(found))


def test_an_input_inside_falls_back_to_what_stands_there(catalogue: Any, files: Any) -> None:
    inner = {"one": ("Whole", {"value": 1}), "two": ("Whole", {"value": link("one.number")})}
    shown = graph(inner, {"value": ["one.value", "two.value"], "back": ["two.offset"]}, {"number": "two.number"})
    nodes = {"n": ("Whole", {}, "mute"), "u": ("graph:g", {"value": link("n.number"), "back": link("n.number")})}

    found = resolve(document(nodes, {"x": "u.number"}, g=shown), catalogue, files)

    assert said(found) == [("mode.muted", "u", "value"), ("mode.muted", "u", "back")]
    assert fed(found, "u/two") == {"value": "u/one.number"}
    assert found.require().nodes[0].literals["value"] == 1


def test_a_bypassed_node_inside_takes_the_next_best_where_what_it_is_given_is_muted(catalogue: Any, files: Any) -> None:
    inner = {"pass": ("Whole", {"value": 7}, "bypass"), "w": ("Whole", {"value": link("pass.number")})}
    shown = graph(inner, {"value": ["pass.value"]}, {"number": "w.number"})
    nodes = {"n": ("Whole", {}, "mute"), "u": ("graph:g", {"value": link("n.number")})}

    found = resolve(document(nodes, {"x": "u.number"}, g=shown), catalogue, files)

    assert said(found) == [("mode.muted", "u/w", "value")]
    assert found.require().nodes[0].literals["value"] == 7


def test_a_long_chain_of_bypassed_nodes_is_followed_once(catalogue: Any, files: Any) -> None:
    nodes: dict[str, Any] = {"n0": CAT}
    for at in range(1, 3000):
        nodes[f"n{at}"] = ("Scale", {"image": link(f"n{at - 1}.image")}, "bypass")
        nodes[f"s{at}"] = ("Scale", {"image": link(f"n{at}.image")})
    outputs = {f"x{at}": f"s{at}.image" for at in range(1, 3000)}

    found = resolve(document(nodes, outputs), catalogue, files)

    assert len(found.require().nodes) == 3000


def test_a_long_chain_below_a_muted_node_falls_silent(catalogue: Any, files: Any) -> None:
    nodes: dict[str, Any] = {"cat": CAT, "keep": ("Save", {"images": link("cat.image")})}
    nodes |= {f"n{at}": ("Scale", {"image": link(f"n{at + 1}.image")}) for at in range(1000)}
    nodes["n1000"] = ("Scale", {"image": link("cat.image")}, "mute")

    found = resolve(document(nodes), catalogue, files)

    assert len(found.problems) == 1000
    assert ids(found) == ["cat", "keep"]


def test_a_node_below_two_silent_ones_is_told_once(catalogue: Any, files: Any) -> None:
    nodes = {
        "both": ("Sample", {"model": link("one.model"), "latent": link("two.latent")}),
        "one": ("Stack", {"model": link("load.model"), "rows": []}),
        "two": ("Sample", {"model": link("load.model"), "latent": link("load.latent")}),
        "load": ("Load", {"checkpoint": "emoji-tiny.safetensors"}, "mute"),
        "rows": (
            "Options",
            {"anything": [{"a": {"value": 3}, "b": [link("both.latent")], "c": {"d": link("w.number")}}]},
        ),
        "w": ("Whole", {}),
    }

    found = resolve(document(nodes, {"x": "rows.out", "y": "w.number"}), catalogue, files)

    assert said(found) == [
        ("mode.muted", "both", "model"),
        ("mode.muted", "both", "latent"),
        ("mode.muted", "one", "model"),
        ("mode.muted", "two", "model"),
        ("mode.muted", "two", "latent"),
        ("mode.muted", "rows", "anything"),
    ]
    assert ids(found) == ["rows", "w"]


TUNE = {"file": "emoji-tiny.safetensors"}
LOAD = ("Load", {"checkpoint": "emoji-tiny.safetensors"})


def stacked(rows: Any, catalogue: Any, files: Any, **others: Any) -> Resolution:
    """A stack of rows beside a muted number and a bypassed picture that has nothing to hand on."""
    nodes = {
        "load": LOAD,
        "n": ("Number", {"value": 0.5}),
        "muted": ("Number", {"value": 0.5}, "mute"),
        "empty": ("Split", {"image": link("no.image")}, "bypass"),
        "no": ("LoadImage", {"file": "cat.png"}, "bypass"),
        "stack": ("Stack", {"model": link("load.model"), "rows": rows}),
        **others,
    }
    return resolve(document(nodes, {"x": "stack.model"}), catalogue, files)


def literal(found: Resolution, id: str, input: str) -> Any:
    return found.require().nodes[found.require().index[id]].literals[input]


def test_a_field_of_a_row_falls_back_to_its_own_default(catalogue: Any, files: Any) -> None:
    rows = [{**TUNE, "strength": link("n.number")}, {**TUNE, "strength": link("muted.number"), "method": "smooth"}]

    found = stacked(rows, catalogue, files)

    assert said(found) == [("mode.muted", "stack", "rows[1].strength")]
    assert "so what holds without a link is used" in str(found.problems[0])
    assert fed(found, "stack") == {"model": "load.model", "rows[0].strength": "n.number"}
    assert [(row["strength"], row["method"]) for row in literal(found, "stack", "rows")] == [
        (None, "fast"),
        (1.0, "smooth"),
    ]


def test_a_field_below_a_bypassed_node_with_nothing_to_hand_on_has_its_default_too(catalogue: Any, files: Any) -> None:
    found = stacked([{**TUNE, "strength": link("no.image")}], catalogue, files)

    assert found.problems == ()
    assert literal(found, "stack", "rows")[0]["strength"] == 1.0


def test_where_a_field_has_no_default_the_rule_is_that_of_the_input(catalogue: Any, files: Any) -> None:
    found = stacked([{"file": link("muted.number")}, TUNE], catalogue, files)

    assert said(found) == [("mode.muted", "stack", "rows")]
    assert literal(found, "stack", "rows") == []


def test_an_item_of_a_list_is_left_out_and_the_others_keep_their_names(catalogue: Any, files: Any) -> None:
    images = [link("cat.image"), link("a.image"), link("b.image"), link("no.image"), link("load.latent")]
    nodes = {
        "load": LOAD,
        "cat": CAT,
        "a": ("Scale", {"image": link("cat.image")}, "mute"),
        "b": ("Scale", {"image": link("a.image")}, "bypass"),
        "no": ("LoadImage", {"file": "cat.png"}, "bypass"),
        "sheet": ("Sheet", {"images": images}),
    }

    found = resolve(document(nodes, {"x": "sheet.image"}), catalogue, files)

    assert said(found) == [
        ("mode.muted", "sheet", "images[1]"),
        ("mode.muted", "sheet", "images[2]"),
        ("mode.bypass", "sheet", "images[3]"),
        ("link.type", "sheet", "images[4]"),
    ]
    assert [item.severity for item in found.problems] == ["warning", "warning", "warning", "error"]
    assert '"a" is muted, so this item is left out' in str(found.problems[0])
    assert "in place of its output image, so this item is left out" in str(found.problems[2])

    right = resolve(
        document({**nodes, "sheet": ("Sheet", {"images": images[:4]})}, {"x": "sheet.image"}), catalogue, files
    )

    assert fed(right, "sheet") == {"images[0]": "cat.image"}


def test_a_list_of_which_nothing_is_left_is_no_list(catalogue: Any, files: Any) -> None:
    nodes = {
        "cat": CAT,
        "a": ("Scale", {"image": link("cat.image")}, "mute"),
        "sheet": ("Sheet", {"images": [link("a.image")]}),
    }

    found = resolve(document(nodes, {"x": "sheet.image"}), catalogue, files)

    assert said(found) == [("mode.muted", "sheet", "images"), ("mode.muted", None, None), ("run.nothing", None, None)]


def test_a_list_of_which_too_little_is_left_is_no_list() -> None:
    gone = Nothing(Why.MUTED, "m", "out")
    remains = Remains(lambda found: gone if found[0] == "m" else link(".".join(found)))
    pair = Input("images", Type("list", (IMAGE,)), range=Range(min_length=2))

    assert remains.of([link("m.out"), link("n.out")], pair) == gone
    assert remains.of([link("m.out"), link("n.out"), link("o.out")], pair) == [link("n.out"), link("o.out")]


def test_lists_and_objects_inside_are_left_out_by_the_same_rules(catalogue: Any, files: Any) -> None:
    def options(anything: Any) -> Resolution:
        nodes = {"n": ("Number", {"value": 1.0}), "m": ("Number", {"value": 2.0}, "mute")}
        made = {**nodes, "o": ("Options", {"anything": anything})}
        return resolve(document(made, {"x": "o.out"}), catalogue, files)

    nested = options([[link("m.number"), link("n.number")], {"a": [1, link("m.number")]}])
    assert said(nested) == [
        ("mode.muted", "o", "anything[0][0]"),
        ("mode.muted", "o", "anything[1].a[1]"),
    ]
    assert literal(nested, "o", "anything") == [[None], {"a": [1]}]
    assert said(options([1, {"a": link("m.number")}])) == [("mode.muted", "o", "anything")]
    assert said(options([1, [link("m.number")]])) == [("mode.muted", "o", "anything")]


def test_a_list_in_a_field_falls_back_with_its_field(catalogue: Any, files: Any) -> None:
    found = stacked([{**TUNE, "steps": [link("muted.number")]}], catalogue, files)

    assert said(found) == [("mode.muted", "stack", "rows[0].steps")]
    assert literal(found, "stack", "rows")[0]["steps"] == []


def test_a_gap_in_what_a_bypassed_node_hands_on_is_told_where_it_is_linked(catalogue: Any, files: Any) -> None:
    nodes = {
        "cat": CAT,
        "a": ("Scale", {"image": link("cat.image")}, "mute"),
        "o": ("Options", {"anything": [link("cat.image"), link("a.image")]}, "bypass"),
        "p": ("Options", {"anything": link("o.out")}),
    }

    found = resolve(document(nodes, {"x": "p.out"}), catalogue, files)

    assert said(found) == [("mode.muted", "p", "anything")]
    assert fed(found, "p") == {"anything[0]": "cat.image"}


def test_a_circle_at_an_item_is_an_error(catalogue: Any, files: Any) -> None:
    nodes = {
        "cat": CAT,
        "a": ("Scale", {"image": link("b.image")}, "bypass"),
        "b": ("Scale", {"image": link("a.image")}, "bypass"),
        "sheet": ("Sheet", {"images": [link("cat.image"), link("a.image")]}),
    }

    found = resolve(document(nodes, {"x": "sheet.image"}), catalogue, files)

    assert [(item.code, item.input) for item in found.errors] == [("link.cycle", "images[1]")]
