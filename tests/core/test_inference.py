"""Which links fit, what type variables stand for, and which nodes are mapped over lists."""

from typing import Any

import pytest

from nodeflow.core.resolved import ResolvedNode
from nodeflow.core.types import ANY, Bindings, Type, fits, is_generic, substitute
from nodeflow.core.validate import Resolution, resolve
from nodeflow.core.workflow import Document

INT, FLOAT, STR, IMAGE, MASK, T = (Type(name) for name in ("int", "float", "str", "Image", "Mask", "$T"))


def many(type_: Type) -> Type:
    return Type("list", (type_,))


def maybe(type_: Type) -> Type:
    return Type("optional", (type_,))


def either(*types: Type) -> Type:
    return Type("union", types)


@pytest.mark.parametrize(
    ("source", "target"),
    [
        (IMAGE, IMAGE),
        (INT, FLOAT),
        (IMAGE, ANY),
        (ANY, IMAGE),
        (many(IMAGE), ANY),
        (many(INT), many(FLOAT)),
        (IMAGE, maybe(IMAGE)),
        (maybe(IMAGE), maybe(IMAGE)),
        (IMAGE, either(MASK, IMAGE)),
        (either(MASK, IMAGE), either(IMAGE, MASK, INT)),
        (either(INT, FLOAT), FLOAT),
        (IMAGE, T),
        (many(IMAGE), T),
        (many(IMAGE), many(T)),
    ],
)
def test_a_link_that_fits(source: Type, target: Type) -> None:
    assert fits(source, target, {})


@pytest.mark.parametrize(
    ("source", "target"),
    [
        (IMAGE, MASK),
        (FLOAT, INT),
        (IMAGE, many(IMAGE)),
        (many(IMAGE), IMAGE),
        (maybe(IMAGE), IMAGE),
        (either(MASK, IMAGE), IMAGE),
        (IMAGE, either(MASK, INT)),
        (many(FLOAT), many(INT)),
        (IMAGE, many(T)),
    ],
)
def test_a_link_that_does_not_fit(source: Type, target: Type) -> None:
    assert not fits(source, target, {})


def test_types_are_spelt_as_python_spells_them() -> None:
    assert str(maybe(many(IMAGE))) == "list[Image] | None"
    assert str(either(INT, STR)) == "int | str"


def test_a_variable_is_bound_once_and_widened() -> None:
    bindings: Bindings = {}

    assert fits(INT, T, bindings)
    assert fits(FLOAT, T, bindings)
    assert fits(INT, T, bindings)
    assert not fits(IMAGE, T, bindings)
    assert bindings == {"$T": FLOAT}
    assert substitute(many(T), bindings) == many(FLOAT)
    assert substitute(maybe(Type("$U")), bindings) == maybe(ANY)
    assert is_generic(maybe(many(T)))
    assert not is_generic(maybe(many(INT)))


def built(catalogue: Any, files: Any, **nodes: tuple[str, dict[str, Any]]) -> Resolution:
    """A graph of nodes written as type and inputs; an input ``"a.b"`` in angle brackets is a link."""
    versions = {"Whole": 3, "Sample": 2, "Number": 2}
    tree: Any = {
        id: {"type": type_, "version": versions.get(type_, 1), "inputs": {k: linked(v) for k, v in inputs.items()}}
        for id, (type_, inputs) in nodes.items()
    }
    return resolve(Document.from_tree({"nodeflow": 1, "nodes": tree}), catalogue, files)


def linked(value: Any) -> Any:
    return {"link": value[1:-1]} if isinstance(value, str) and value.startswith("<") else value


def node(found: Resolution, id: str) -> ResolvedNode:
    graph = found.require()
    return graph.nodes[graph.index[id]]


PICTURE = ("LoadImage", {"file": "cat.png"})


def test_a_list_to_a_single_input_maps_the_node_and_makes_its_outputs_lists(catalogue: Any, files: Any) -> None:
    found = built(
        catalogue,
        files,
        load=PICTURE,
        split=("Split", {"image": "<load.image>"}),
        scale=("Scale", {"image": "<split.images>"}),
        sheet=("Sheet", {"images": "<scale.image>"}),
        save=("Save", {"images": "<sheet.image>"}),
    )

    assert [node(found, id).depth for id in ("split", "scale", "sheet", "save")] == [0, 1, 0, 0]
    assert [wire.depth for wire in node(found, "scale").wires] == [1]
    assert [wire.depth for wire in node(found, "sheet").wires] == [0]


def test_lists_in_lists_map_twice(catalogue: Any, files: Any) -> None:
    found = built(
        catalogue,
        files,
        load=PICTURE,
        split=("Split", {"image": "<load.image>"}),
        again=("Split", {"image": "<split.images>"}),
        scale=("Scale", {"image": "<again.images>"}),
        sheet=("Sheet", {"images": "<scale.image>"}),
        save=("Save", {"images": "<sheet.image>"}),
    )

    assert [node(found, id).depth for id in ("again", "scale", "sheet", "save")] == [1, 2, 1, 1]


def test_wires_of_one_node_may_be_mapped_by_different_depths(catalogue: Any, files: Any) -> None:
    found = built(
        catalogue,
        files,
        load=PICTURE,
        widths=("Numbers", {"values": [64, 128]}),
        scale=("Scale", {"image": "<load.image>", "width": "<widths.numbers>"}),
        save=("Save", {"images": "<scale.image>"}),
    )

    assert [(wire.input, wire.depth) for wire in node(found, "scale").wires] == [("image", 0), ("width", 1)]
    assert node(found, "save").depth == 1


def test_a_single_value_is_no_list(catalogue: Any, files: Any) -> None:
    found = built(catalogue, files, load=PICTURE, sheet=("Sheet", {"images": "<load.image>"}))

    assert [problem.code for problem in found.errors] == ["link.type"]
    assert "expected list[Image]" in str(found.errors[0])


def test_a_switch_has_the_type_of_its_branches(catalogue: Any, files: Any) -> None:
    found = built(
        catalogue,
        files,
        load=PICTURE,
        switch=("Switch", {"on": True, "yes": "<load.image>", "no": "<load.image>"}),
        decode=("Decode", {"latent": "<switch.out>"}),
    )

    (problem,) = found.errors
    assert (problem.code, problem.node) == ("link.type", "decode")
    assert problem.found == "Image from switch.out"


def test_a_switch_takes_lists_whole_where_both_branches_are_lists(catalogue: Any, files: Any) -> None:
    found = built(
        catalogue,
        files,
        load=PICTURE,
        split=("Split", {"image": "<load.image>"}),
        switch=("Switch", {"on": True, "yes": "<split.images>", "no": "<split.images>"}),
        sheet=("Sheet", {"images": "<switch.out>"}),
    )

    assert found.errors == ()
    assert node(found, "switch").depth == 0


@pytest.mark.parametrize(("yes", "no"), [("<split.images>", "<load.image>"), ("<load.image>", "<split.images>")])
def test_a_list_beside_a_single_value_is_mapped(yes: str, no: str, catalogue: Any, files: Any) -> None:
    found = built(
        catalogue,
        files,
        load=PICTURE,
        split=("Split", {"image": "<load.image>"}),
        switch=("Switch", {"on": True, "yes": yes, "no": no}),
        sheet=("Sheet", {"images": "<switch.out>"}),
    )

    assert found.errors == ()
    assert node(found, "switch").depth == 1
    assert {wire.source: wire.depth for wire in node(found, "switch").wires} == {0: 0, 1: 1}


def test_whole_numbers_and_numbers_meet_as_numbers(catalogue: Any, files: Any) -> None:
    found = built(
        catalogue,
        files,
        whole=("Whole", {}),
        switch=("Switch", {"on": True, "yes": "<whole.number>", "no": 0.5}),
        number=("Number", {"value": "<switch.out>"}),
        limit=("Whole", {"limit": "<whole.number>"}),
        wrong=("Whole", {"value": "<switch.out>"}),
    )

    assert [(problem.code, problem.node) for problem in found.errors] == [("link.type", "wrong")]


def test_literals_decide_a_variable_too(catalogue: Any, files: Any) -> None:
    found = built(
        catalogue,
        files,
        switch=("Switch", {"on": True, "yes": "a", "no": None}),
        other=("Switch", {"on": True, "yes": [1], "no": "b"}),
        text=("Text", {"value": "<switch.out>"}),
        same=("Text", {"value": "<other.out>"}),
    )

    assert found.errors == ()


def test_the_variable_of_an_output_that_nothing_decides_is_anything(catalogue: Any, files: Any) -> None:
    found = built(
        catalogue,
        files,
        switch=("Switch", {"on": True, "yes": None, "no": None}),
        scale=("Scale", {"image": "<switch.out>"}),
    )

    assert found.errors == ()
