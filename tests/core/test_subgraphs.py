"""Sub-graphs: written out they are the same graph, and to whoever uses one it is a node like any other."""

from collections.abc import Mapping
from copy import deepcopy
from typing import Annotated, Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from nodeflow.api import Graph, Ref, SubGraph, expander
from nodeflow.core.assigning import assign, inputs_named
from nodeflow.core.codes import CODES
from nodeflow.core.completion import complete
from nodeflow.core.reading import walk
from nodeflow.core.resolved import ResolvedGraph
from nodeflow.core.subgraphs import with_subgraphs
from nodeflow.core.validate import Resolution, resolve
from nodeflow.core.workflow import Document

REFINE: Any = {
    "nodes": {
        "s1": {"type": "Sample", "version": 2, "inputs": {"seed": 1, "steps": 20}},
        "s2": {"type": "Sample", "version": 2, "inputs": {"latent": {"link": "s1.latent"}, "seed": 2, "steps": 10}},
    },
    "interface": {
        "inputs": {
            "model": {"to": ["s1.model", "s2.model"]},
            "latent": {"to": ["s1.latent"]},
            "seed": {"to": ["s1.seed", "s2.seed"]},
            "second": {"to": ["s2.latent"]},
            "steps": {"to": ["s2.steps"], "range": {"ge": 5, "le": 50}},
        },
        "outputs": {"latent": {"from": "s2.latent"}, "first": {"from": "s1.latent"}},
    },
}

FLAT: Any = {
    "load": {"type": "Load", "inputs": {"checkpoint": "emoji-tiny.safetensors"}},
    "s1": {
        "type": "Sample",
        "version": 2,
        "inputs": {"model": {"link": "load.model"}, "latent": {"link": "load.latent"}, "seed": 1, "steps": 20},
    },
    "s2": {
        "type": "Sample",
        "version": 2,
        "inputs": {"model": {"link": "load.model"}, "latent": {"link": "s1.latent"}, "seed": 2, "steps": 10},
    },
    "decode": {"type": "Decode", "inputs": {"latent": {"link": "s2.latent"}}},
    "save": {"type": "Save", "inputs": {"images": {"link": "decode.image"}}},
}


def used(**inputs: Any) -> dict[str, Any]:
    """A use of ``refine`` that is fed what it needs."""
    fed = {"model": {"link": "load.model"}, "latent": {"link": "load.latent"}}
    return {"type": "graph:refine", "version": 1, "inputs": fed | inputs}


def document(changes: Mapping[str, Any] | None = None, **graphs: Any) -> Document:
    """A document that uses ``refine`` once; ``changes`` replaces nodes, and None takes one out."""
    nodes = deepcopy(FLAT)
    del nodes["s1"], nodes["s2"]
    nodes["twice"] = used()
    nodes["decode"]["inputs"]["latent"] = {"link": "twice.latent"}
    for id, node in (changes or {}).items():
        nodes[id] = node
    tree = {
        "nodeflow": 1,
        "nodes": {id: node for id, node in nodes.items() if node is not None},
        "graphs": {"refine": deepcopy(REFINE), **graphs},
        "interface": {"outputs": {"picture": {"from": "decode.image"}}},
    }
    return Document.from_tree(tree)


def shape(graph: ResolvedGraph, *, ids: bool = False) -> set[Any]:
    """All that keys are made of, by way of each node's place in the graph."""
    known: list[Any] = []
    for node in graph.nodes:
        fed = tuple((wire.input, known[wire.source], wire.output, wire.depth) for wire in node.wires)
        known.append((node.spec.id, node.record, fed, node.depth) + ((node.id,) if ids else ()))
    return set(known)


def flat(catalogue: Any, files: Any, first: Mapping[str, Any], second: Mapping[str, Any]) -> set[Any]:
    """The shape of the graph without sub-graphs, with other inputs of the two samplers."""
    nodes = deepcopy(FLAT)
    nodes["s1"]["inputs"] |= first
    nodes["s2"]["inputs"] |= second
    return shape(resolve(Document.from_tree({"nodeflow": 1, "nodes": nodes}), catalogue, files).require())


def said(found: Resolution) -> list[tuple[str, str | None, str | None]]:
    return [(problem.code, problem.node, problem.input) for problem in found.problems]


def test_a_sub_graph_becomes_the_flat_graph(catalogue: Any, files: Any) -> None:
    flat = resolve(Document.from_tree({"nodeflow": 1, "nodes": FLAT}), catalogue, files).require()

    found = resolve(document(), catalogue, files)

    assert found.problems == ()
    assert {node.id for node in found.require().nodes} == {"load", "twice/s1", "twice/s2", "decode", "save"}
    assert shape(found.require()) == shape(flat)
    assert found.require().outputs == {"picture": (found.require().index["decode"], "image")}


def test_a_value_at_the_use_reaches_every_socket_of_its_input(catalogue: Any, files: Any) -> None:
    number = {"whole": {"type": "Whole", "version": 3, "inputs": {"value": 5}}}

    literal = resolve(document({"twice": used(seed=7)}), catalogue, files).require()
    linked = resolve(document({**number, "twice": used(seed={"link": "whole.number"})}), catalogue, files).require()
    drawn = resolve(document({"twice": used(seed={"draw": "choice", "of": [7]})}), catalogue, files).require()

    assert shape(literal) == flat(catalogue, files, {"seed": 7}, {"seed": 7})
    assert [wire.input for wire in linked.nodes[linked.index["twice/s2"]].wires] == ["latent", "model", "seed"]
    assert shape(drawn) == shape(literal)


def test_a_link_inside_holds_until_the_interface_is_given_something_else(catalogue: Any, files: Any) -> None:
    found = resolve(document({"twice": used(second={"link": "load.latent"})}), catalogue, files).require()

    assert shape(found) == flat(catalogue, files, {}, {"latent": {"link": "load.latent"}})


def test_a_float_and_an_int_socket_each_get_the_value_as_their_own(catalogue: Any, files: Any) -> None:
    graph: Any = {
        "nodes": {
            "a": {"type": "Sample", "version": 2, "inputs": {}},
            "w": {"type": "Whole", "version": 3, "inputs": {}},
        },
        "interface": {
            "inputs": {"n": {"to": ["a.cfg", "w.value"]}, "m": {"to": ["a.model"]}, "l": {"to": ["a.latent"]}},
            "outputs": {"latent": {"from": "a.latent"}},
        },
    }
    links = {"m": {"link": "load.model"}, "l": {"link": "load.latent"}}

    right = resolve(document({"u": {"type": "graph:g", "inputs": {"n": 3, **links}}}, g=graph), catalogue, files)
    wrong = resolve(document({"u": {"type": "graph:g", "inputs": {"n": 3.5, **links}}}, g=graph), catalogue, files)

    assert right.problems == ()
    assert said(wrong) == [("number.whole", "u", "n")]


OUTER: Any = {
    "nodes": {
        "load": {"type": "Load", "inputs": {"checkpoint": "emoji-tiny.safetensors"}},
        "mid": {
            "type": "graph:refine",
            "inputs": {
                "model": {"link": "load.model"},
                "latent": {"link": "load.latent"},
                "second": {"link": "mid.first"},
            },
        },
    },
    "interface": {
        "inputs": {"seed": {"to": ["mid.seed"]}, "steps": {"to": ["mid.steps"]}},
        "outputs": {"latent": {"from": "mid.latent"}},
    },
}


def nested(**inputs: Any) -> Document:
    """A sub-graph in a sub-graph, which feeds itself in a way that is no circle when it is written out."""
    uses = {"outer": {"type": "graph:outer", "inputs": inputs}, "twice": None, "load": None}
    decode = {"type": "Decode", "inputs": {"latent": {"link": "outer.latent"}}}
    return document({**uses, "decode": decode}, outer=OUTER)


def test_sub_graphs_are_nested_and_their_nodes_are_called_by_their_paths(catalogue: Any, files: Any) -> None:
    found = resolve(nested(seed=3, steps="10"), catalogue, files)

    assert said(found) == [("literal.type", "outer", "steps")]
    graph = resolve(nested(seed=3, steps=10), catalogue, files).require()
    assert {node.id for node in graph.nodes} == {"outer/load", "outer/mid/s1", "outer/mid/s2", "decode", "save"}
    assert shape(graph) == flat(catalogue, files, {"seed": 3}, {"seed": 3})


def test_what_a_definition_needs_and_nobody_gives_is_told_where_it_would_have_to_be_given(
    catalogue: Any, files: Any
) -> None:
    between = {
        "nodes": {
            "mid": {"type": "graph:refine", "inputs": {"model": {"link": "load.model"}}},
            "load": OUTER["nodes"]["load"],
        },
        "interface": {"inputs": {"noise": {"to": ["mid.latent"]}}, "outputs": {"latent": {"from": "mid.latent"}}},
    }
    uses = {"a": {"type": "graph:between"}, "b": {"type": "graph:between"}}
    inside = {"nodes": {"s": {"type": "Decode", "inputs": {}}}}

    assert said(resolve(document(uses, between=between), catalogue, files)) == [
        ("input.missing", "a", "noise"),
        ("input.missing", "b", "noise"),
    ]
    assert said(
        resolve(document({"a": {"type": "graph:g"}, "b": {"type": "graph:g"}}, g=inside), catalogue, files)
    ) == [("input.missing", "graph:g/s", "latent")]


def whole(**inputs: Any) -> dict[str, Any]:
    return {"type": "Whole", "version": 3, "inputs": inputs}


def scale(image: str, **inputs: Any) -> dict[str, Any]:
    return {"type": "Scale", "inputs": {"image": {"link": image}, **inputs}}


CAT = {"type": "LoadImage", "inputs": {"file": "cat.png"}}
GONE = {"type": "LoadImage", "inputs": {"file": "gone.png"}}
DECODED_CAT = {"type": "Decode", "inputs": {"latent": {"link": "i.image"}}}
Place = tuple[str, str, str | None]
BROKEN_INSIDE: list[tuple[str, dict[str, Any], Place]] = [
    ("a type that is not there", {"n": {"type": "Svae"}}, ("type.unknown", "graph:g/n", None)),
    ("a pack that is not there", {"n": {"type": "mypack.Tag"}}, ("pack.absent", "graph:g/n", None)),
    ("a misspelt input", {"n": whole(valeu=1)}, ("input.unknown", "graph:g/n", "valeu")),
    ("a value out of range", {"n": whole(offset=-11)}, ("number.range", "graph:g/n", "offset")),
    ("a link from nowhere", {"n": whole(value={"link": "m.number"})}, ("link.node", "graph:g/n", "value")),
    ("a file that is gone", {"n": GONE}, ("file.missing", "graph:g/n", "file")),
    ("a sub-graph that is not there", {"n": {"type": "graph:h"}}, ("graph.unknown", "graph:g/n", None)),
    ("a newer version", {"n": {"type": "Whole", "version": 9}}, ("version.newer", "graph:g/n", None)),
    ("a rule", {"i": CAT, "n": scale("i.image", width=512, height=512)}, ("input.rule", "a/n", "width")),
    ("types that do not fit", {"i": CAT, "n": DECODED_CAT}, ("link.type", "graph:g/n", "latent")),
    ("a circle", {"m": scale("n.image"), "n": scale("m.image")}, ("link.cycle", "a/m", None)),
]


@pytest.mark.parametrize(
    ("nodes", "problem"), [row[1:] for row in BROKEN_INSIDE], ids=[row[0] for row in BROKEN_INSIDE]
)
def test_a_fault_inside_is_told_once_however_often_it_is_used(
    nodes: Any, problem: Any, catalogue: Any, files: Any
) -> None:
    uses = {"a": {"type": "graph:g"}, "b": {"type": "graph:g"}, "c": {"type": "graph:around"}}
    around = {"nodes": {"inner": {"type": "graph:g"}}}

    found = resolve(document(uses, g={"nodes": nodes}, around=around), catalogue, files)
    unused = resolve(document(g={"nodes": nodes}), catalogue, files)

    assert said(found) == [problem]
    assert found.errors
    assert unused.errors == ()
    assert said(unused) in ([problem], [])


def test_the_interface_of_a_definition_is_checked_like_that_of_a_document(catalogue: Any, files: Any) -> None:
    graph = {
        "nodes": {"s": {"type": "Whole", "version": 3, "inputs": {}}},
        "interface": {
            "inputs": {
                "a": {"to": ["s.value", "gone.value"]},
                "b": {"to": ["s.value"]},
                "c": {"to": ["s.offset"], "range": {"ge": -20}},
                "d": {"to": ["gone.other"]},
            },
            "outputs": {"x": {"from": "s.valeu"}, "y": {"from": "gone.x"}},
        },
    }
    use = {"type": "graph:g", "inputs": {"a": 1, "d": 5}}
    takers = {id: {"type": "Whole", "version": 3, "inputs": {"value": {"link": f"u.{id}"}}} for id in ("x", "y")}

    found = resolve(document({"u": use, **takers}, g=graph), catalogue, files)

    assert said(found) == [
        ("interface.socket", "graph:g", None),
        ("interface.conflict", "graph:g/s", "value"),
        ("interface.range", "graph:g/s", "offset"),
        ("interface.socket", "graph:g", None),
        ("interface.socket", "graph:g/s", None),
        ("interface.socket", "graph:g", None),
    ]


def test_a_use_is_held_against_what_its_interface_narrows(catalogue: Any, files: Any) -> None:
    found = resolve(document({"twice": used(steps=4, seed=-1)}), catalogue, files)

    assert said(found) == [("number.range", "twice", "steps"), ("number.range", "twice", "seed")]
    assert 'graph:refine "twice" · steps' in str(found.problems[0])
    assert "≥ 5, ≤ 50" in str(found.problems[0])
    assert resolve(document({"twice": used(steps=5)}), catalogue, files).problems == ()


def test_types_have_to_fit_through_the_interface(catalogue: Any, files: Any) -> None:
    picture = {"image": {"type": "LoadImage", "inputs": {"file": "cat.png"}}}
    wrong = {**picture, "twice": used(latent={"link": "image.image"}, model={"link": "load.latent"})}
    save = {"save": {"type": "Save", "inputs": {"images": {"link": "twice.latent"}}}}

    found = resolve(document({**wrong, **save}), catalogue, files)

    assert set(said(found)) == {
        ("link.type", "twice", "model"),
        ("link.type", "twice", "latent"),
        ("link.type", "save", "images"),
    }


def test_a_list_handed_to_a_use_maps_the_nodes_inside(catalogue: Any, files: Any) -> None:
    small = {
        "nodes": {"scale": {"type": "Scale", "inputs": {"width": 64}}},
        "interface": {"inputs": {"image": {"to": ["scale.image"]}}, "outputs": {"image": {"from": "scale.image"}}},
    }
    nodes = {
        "split": {"type": "Split", "inputs": {"image": {"link": "decode.image"}}},
        "small": {"type": "graph:small", "inputs": {"image": {"link": "split.images"}}},
        "sheet": {"type": "Sheet", "inputs": {"images": {"link": "small.image"}}},
        "save": {"type": "Save", "inputs": {"images": {"link": "sheet.image"}}},
    }

    found = resolve(document(nodes, small=small), catalogue, files)

    assert found.problems == ()
    graph = found.require()
    assert {id: graph.nodes[graph.index[id]].depth for id in ("small/scale", "sheet", "save")} == {
        "small/scale": 1,
        "sheet": 0,
        "save": 0,
    }


CHOOSE: Any = {
    "nodes": {"switch": {"type": "Switch", "inputs": {"on": True}}},
    "interface": {
        "inputs": {"yes": {"to": ["switch.yes"]}, "no": {"to": ["switch.no"]}},
        "outputs": {"out": {"from": "switch.out"}},
    },
}


def test_a_type_variable_inside_stands_for_what_the_use_brings(catalogue: Any, files: Any) -> None:
    def choosing(yes: str, no: str) -> Resolution:
        use = {"type": "graph:choose", "inputs": {"yes": {"link": yes}, "no": {"link": no}}}
        save = {"type": "Save", "inputs": {"images": {"link": "use.out"}}}
        return resolve(document({"use": use, "save": save}, choose=CHOOSE), catalogue, files)

    assert choosing("decode.image", "decode.image").problems == ()
    assert said(choosing("load.latent", "load.latent")) == [("link.type", "save", "images")]
    assert said(choosing("decode.image", "load.latent")) == [("link.type", "use", "no")]


def test_a_use_may_feed_itself_where_that_is_no_circle_when_it_is_written_out(catalogue: Any, files: Any) -> None:
    around = {"second": {"link": "twice.first"}}
    circle = {"latent": {"link": "twice.latent"}}

    assert resolve(document({"twice": used(**around)}), catalogue, files).problems == ()
    (problem,) = resolve(document({"twice": used(**circle)}), catalogue, files).errors
    assert (problem.code, problem.found) == ("link.cycle", "twice/s1 → twice/s2 → twice/s1")


def test_a_definition_that_cannot_be_read_is_told_and_its_uses_are_not_judged(catalogue: Any, files: Any) -> None:
    tree = deepcopy(document().tree)
    tree["graphs"]["refine"]["nodes"]["s1"]["version"] = "2"  # type: ignore[index,call-overload]

    with_faults = Document.from_tree(tree, keep_going=True)

    assert said(resolve(with_faults, catalogue, files)) == [("field.type", "graph:refine/s1", None)]
    assert with_faults.lost_graphs == ("refine",)


SETTINGS: list[tuple[str, dict[str, Any], dict[str, Any], dict[str, Any]]] = [
    ("an input of the use", {"twice.seed": "5"}, {"seed": 5}, {"seed": 5}),
    ("an input inside", {"twice/s1.steps": "6"}, {"steps": 6}, {}),
    ("inputs inside", {"twice/s1.steps": 6, "twice/s2.cfg": "3.5"}, {"steps": 6}, {"cfg": 3.5}),
    ("one that the interface feeds too", {"twice.seed": 5, "twice/s2.seed": 9}, {"seed": 5}, {"seed": 9}),
    ("the only one that the interface feeds", {"twice/s2.steps": 9}, {}, {"steps": 9}),
    ("by the interface of the document", {"seed": 5}, {"seed": 5}, {"seed": 5}),
]


@pytest.mark.parametrize(
    ("settings", "first", "second"), [row[1:] for row in SETTINGS], ids=[row[0] for row in SETTINGS]
)
def test_settings_reach_inside(settings: Any, first: Any, second: Any, catalogue: Any, files: Any) -> None:
    tree = {**document({"twice": used(steps=10)}).tree}
    tree["interface"] = {"inputs": {"seed": {"to": ["twice.seed"]}}, "outputs": {"picture": {"from": "decode.image"}}}
    given = Document.from_tree(tree)

    found = resolve(given, catalogue, files, settings=settings)

    assert found.problems == ()
    assert shape(found.require()) == flat(catalogue, files, first, second)
    written = complete(assign(given, settings, catalogue), catalogue)
    assert shape(resolve(written, catalogue, files).require(), ids=True) == shape(found.require(), ids=True)


def test_the_inputs_that_a_setting_would_feed_are_known_beforehand(catalogue: Any) -> None:
    tree = {**document().tree, "interface": {"inputs": {"both": {"to": ["twice.seed", "decode.latent", "gone.x"]}}}}
    given = Document.from_tree(tree)
    known = with_subgraphs(given, catalogue)

    assert [str(item.type) for item in inputs_named(given, "both", known)] == ["int", "Latent"]
    assert [item.name for item in inputs_named(given, "twice/s1.cfg", known)] == ["cfg"]
    assert inputs_named(given, "twice/s1.nothing", known) == []


def test_a_setting_inside_is_for_that_use_only(catalogue: Any, files: Any) -> None:
    more = {"again": used(), "other": {"type": "Decode", "inputs": {"latent": {"link": "again.latent"}}}}
    given = document({**more, "last": {"type": "Save", "inputs": {"images": {"link": "other.image"}}}})

    graph = resolve(given, catalogue, files, settings={"again/s1.steps": 5}).require()

    assert graph.nodes[graph.index["again/s1"]].literals["steps"] == 5
    assert graph.nodes[graph.index["twice/s1"]].literals["steps"] == 20
    assert "graph:refine" in given.tree["nodes"]["again"]["type"]  # type: ignore[index,call-overload,operator]


def test_a_setting_reaches_through_two_levels(catalogue: Any, files: Any) -> None:
    graph = resolve(nested(), catalogue, files, settings={"outer/mid/s2.steps": "8", "outer.seed": 4}).require()

    assert shape(graph) == flat(catalogue, files, {"seed": 4}, {"seed": 4, "steps": 8})


@pytest.mark.parametrize(
    ("name", "hint"),
    [
        ("twice/s1.step", '"twice/s1.steps"'),
        ("twice/s3.steps", '"twice/s2.steps"'),
        ("load/s1.steps", '"twice/s1.steps"'),
        ("twic/s1.steps", '"twice/s1.steps"'),
        ("gone/s1.steps", '"twice/s1.steps"'),
    ],
)
def test_a_setting_that_leads_nowhere_inside_is_named(name: str, hint: str, catalogue: Any, files: Any) -> None:
    nodes = {"gone": {"type": "graph:gone"}}

    problems = resolve(document(nodes), catalogue, files, settings={name: 5}).problems

    (problem,) = [item for item in problems if item.code == "setting.unknown"]
    assert hint in str(problem)


def test_a_label_for_a_place_inside_takes_no_name_that_is_there(catalogue: Any, files: Any) -> None:
    graph = deepcopy(REFINE)
    graph["interface"]["inputs"]["s1_cfg"] = {"to": ["s2.cfg"]}
    given = document({"twice": {**used(s1_cfg=3), "type": "graph:other"}}, other=graph)

    resolved = resolve(given, catalogue, files, settings={"twice/s1.cfg": 5}).require()

    assert shape(resolved) == flat(catalogue, files, {"cfg": 5}, {"cfg": 3})


def test_targets_name_uses_their_outputs_and_what_is_inside(catalogue: Any, files: Any) -> None:
    def chosen(*targets: str) -> list[tuple[str, str, str]]:
        found = resolve(document(), catalogue, files, targets=targets)
        nodes = found.require().nodes
        return [(nodes[at].id, output, name) for (at, output), name in zip(found.targets, found.names, strict=True)]

    assert chosen("twice") == [("twice/s2", "latent", "twice.latent"), ("twice/s1", "latent", "twice.first")]
    assert chosen("twice.first") == [("twice/s1", "latent", "twice.first")]
    assert chosen("twice/s1") == [("twice/s1", "latent", "twice/s1.latent")]
    assert chosen("twice/s1.latent") == [("twice/s1", "latent", "twice/s1.latent")]
    assert chosen("picture", "save") == [("decode", "image", "picture"), ("save", "", "save")]


def test_effects_inside_run_and_a_use_without_outputs_is_a_target_for_them(catalogue: Any, files: Any) -> None:
    show = {
        "nodes": {"save": {"type": "Save", "inputs": {}}},
        "interface": {"inputs": {"image": {"to": ["save.images"]}}},
    }
    use = {"show": {"type": "graph:show", "inputs": {"image": {"link": "decode.image"}}}, "save": None}

    found = resolve(document(use, show=show), catalogue, files)
    asked = resolve(document(use, show=show), catalogue, files, targets=["show"])

    assert "show/save" in found.require().index
    assert asked.names == ("show/save",)
    assert said(resolve(document(use, show=show), catalogue, files, targets=["show.image"])) == [
        ("target.unknown", None, None)
    ]


@pytest.mark.parametrize(
    ("target", "hint"), [("twice/s3", None), ("twice.laten", '"twice.latent"'), ("load/s1", None), ("twice/s1.x", None)]
)
def test_a_target_that_is_not_there_is_named(target: str, hint: str | None, catalogue: Any, files: Any) -> None:
    (problem,) = resolve(document(), catalogue, files, targets=[target]).problems

    assert problem.code == "target.unknown"
    assert hint is None or hint in str(problem)


def test_a_target_in_a_use_that_cannot_be_read_is_not_judged_twice(catalogue: Any, files: Any) -> None:
    found = resolve(document({"gone": {"type": "graph:gone"}}), catalogue, files, targets=["gone", "gone/s1"])

    assert [problem.code for problem in found.problems] == ["graph.unknown", "target.unknown"]


def test_saving_writes_every_default_also_inside_and_nothing_at_the_use(catalogue: Any, files: Any) -> None:
    saved = complete(document(), catalogue)

    assert saved.graphs["refine"].nodes["s1"].inputs == {"seed": 1, "steps": 20, "cfg": 8.0, "sampler": "euler"}
    assert saved.nodes["twice"].inputs == document().nodes["twice"].inputs
    assert complete(saved, catalogue).dumps() == saved.dumps()
    assert shape(resolve(saved, catalogue, files).require()) == shape(resolve(document(), catalogue, files).require())


def test_recursion_names_the_circle_and_only_matters_when_it_is_used(catalogue: Any, files: Any) -> None:
    loops = {
        "a": {"nodes": {"n": {"type": "graph:a"}}},
        "b": {"nodes": {"n": {"type": "graph:c"}}},
        "c": {"nodes": {"n": {"type": "graph:b"}, "m": {"type": "graph:b"}}},
        "d": {"nodes": {"n": {"type": "graph:a"}}},
    }

    unused = resolve(document(None, **loops), catalogue, files)
    used_once = resolve(document({"u": {"type": "graph:d"}}, **loops), catalogue, files)

    assert [(item.code, item.node, item.found) for item in unused.problems] == [
        ("graph.recursive", "graph:a/n", "a → a"),
        ("graph.recursive", "graph:b/n", "b → c → b"),
    ]
    assert unused.errors == ()
    assert [item.node for item in used_once.errors] == ["graph:a/n"]


@expander("test.Repeat")
def repeat(graph: Graph, body: Annotated[str, SubGraph()], other: Annotated[str, SubGraph()] = "") -> Ref[float]: ...


def test_a_sub_graph_that_runs_itself_is_a_circle_unless_what_it_runs_is_given(catalogue: Any, files: Any) -> None:
    catalogue.add(repeat)

    def running(**inputs: Any) -> dict[str, Any]:
        return {"type": "test.Repeat", "inputs": inputs}

    loops = {
        "a": {"nodes": {"n": running(body="b")}},
        "b": {"nodes": {"m": running(body={"link": "x.y"}), "n": running(body="plain", other="a")}},
        "muted": {"nodes": {"n": {**running(body="muted"), "mode": "mute"}}},
        "given": {"nodes": {"n": running(body="given")}, "interface": {"inputs": {"body": {"to": ["n.body"]}}}},
        "plain": {"nodes": {}},
    }

    unused = resolve(document(None, **loops), catalogue, files)
    used = resolve(document({"u": running(body="b")}, **loops), catalogue, files)

    (circle,) = [item for item in unused.problems if item.code == "graph.recursive"]
    assert (circle.node, circle.type, circle.found) == ("graph:a/n", "test.Repeat", "a → b → a")
    assert circle.severity == "warning"
    assert "graph.recursive" in [item.code for item in used.errors]


def test_sub_graphs_beside_the_nodes_there_are_change_nothing_else(catalogue: Any) -> None:
    known = with_subgraphs(document(), catalogue)

    assert known.specs.keys() - catalogue.specs.keys() == {"graph:refine"}
    assert known.missing("faulty.Tag") == catalogue.missing("faulty.Tag")
    assert known.migration("Sample", 1) is catalogue.migration("Sample", 1)
    assert known.choices("samplers") == catalogue.choices("samplers")
    assert known.draw("random") is catalogue.draw("random")
    assert with_subgraphs(Document.from_tree({"nodeflow": 1, "nodes": {}}), catalogue) is catalogue


def test_the_spec_of_a_sub_graph_shows_what_its_interface_does(catalogue: Any) -> None:
    spec = with_subgraphs(document(choose=CHOOSE), catalogue).specs["graph:refine"]

    assert [(item.name, str(item.type), item.required, item.default) for item in spec.inputs] == [
        ("model", "Model", True, None),
        ("latent", "Latent", True, None),
        ("seed", "int", False, 1),
        ("second", "Latent", False, None),
        ("steps", "int", False, 10),
    ]
    assert [(item.name, str(item.type)) for item in spec.outputs] == [("latent", "Latent"), ("first", "Latent")]
    steps = spec.input("steps")
    assert steps is not None
    assert steps.range is not None
    assert (steps.range.ge, steps.range.le) == (5, 50)


RICH: Any = {
    "nodeflow": 1,
    "nodes": {
        "load": FLAT["load"],
        "outer": {"type": "graph:outer", "inputs": {"seed": 3}},
        "twice": used(second={"link": "outer.latent"}),
        "decode": {"type": "Decode", "inputs": {"latent": {"link": "twice.latent"}}},
        "scale": {"type": "Scale", "mode": "bypass", "inputs": {"image": {"link": "decode.image"}}},
        "sheet": {"type": "Sheet", "inputs": {"images": [{"link": "scale.image"}, {"link": "decode.image"}]}},
        "use": {"type": "graph:choose", "inputs": {"yes": {"link": "sheet.image"}, "no": {"link": "scale.image"}}},
        "save": {"type": "Save", "inputs": {"images": {"link": "use.out"}}},
    },
    "graphs": {"refine": REFINE, "outer": OUTER, "choose": CHOOSE},
    "interface": {"inputs": {"seed": {"to": ["twice.seed"]}}, "outputs": {"picture": {"from": "use.out"}}},
}
places = st.sampled_from([path for path, _ in walk(RICH) if path])
NAMES = "bypass mute graph:refine graph:outer graph:x Whole twice.latent mid.first s1.latent scale.image use.out ."
KEYS = "link draw value type mode nodes inputs to from n"
junk = st.recursive(
    st.none() | st.booleans() | st.integers(-3, 3) | st.sampled_from(NAMES.split()),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(KEYS.split()), inner),
    max_leaves=4,
)


@settings(deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=100)
@given(changes=st.lists(st.tuples(places, junk), min_size=1, max_size=3))
def test_whatever_stands_in_a_sub_graph_becomes_problems_or_a_graph(changes: Any, catalogue: Any, files: Any) -> None:
    tree: Any = deepcopy(RICH)
    for path, value in changes:
        put(tree, path, value)
    if not isinstance(tree["nodes"], dict):
        return
    made = Document.from_tree(tree, keep_going=True)

    found = resolve(made, catalogue, files, targets=["picture", "twice/s1"], settings={"twice/s1.steps": 5})

    assert {problem.code for problem in found.problems} <= set(CODES)
    assert (found.graph is None) == bool(found.errors)
    assert all(str(problem) for problem in found.problems)


def put(tree: Any, path: tuple[Any, ...], value: Any) -> None:
    """Puts a value at a place, if that is still there."""
    *parents, last = path
    try:
        for key in parents:
            tree = tree[key]
        tree[last] = value
    except (KeyError, IndexError, TypeError):
        return


def test_the_rich_document_is_right(catalogue: Any, files: Any) -> None:
    assert resolve(Document.from_tree(RICH), catalogue, files).problems == ()


def grouped(tree: Any, chosen: set[str], name: str) -> Any:
    """The same graph with some of its nodes put into a sub-graph."""
    nodes, uses = tree["nodes"], f"use-{name}"
    shown: dict[str, Any] = {"inputs": {}, "outputs": {}}
    given: dict[str, Any] = {}

    def source(link: str) -> str:
        node, output = link.split(".")
        if node not in chosen:
            return link
        label = f"{node.replace('-', '_')}_{output}"
        shown["outputs"][label] = {"from": link}
        return f"{uses}.{label}"

    inner: dict[str, Any] = {}
    outer: dict[str, Any] = {}
    for id, node in nodes.items():
        (inner if id in chosen else outer)[id] = {**node, "inputs": {}}
        for key, value in node["inputs"].items():
            linked = isinstance(value, dict)
            if id not in chosen:
                outer[id]["inputs"][key] = {"link": source(value["link"])} if linked else value
            elif linked and value["link"].split(".")[0] not in chosen:
                label = f"{id.replace('-', '_')}_{key}"
                shown["inputs"][label] = {"to": [f"{id}.{key}"]}
                given[label] = value
            else:
                inner[id]["inputs"][key] = value
    results = {key: {"from": source(item["from"])} for key, item in tree["interface"]["outputs"].items()}
    graphs = {**tree.get("graphs", {}), name: {"nodes": inner, "interface": shown}}
    outer[uses] = {"type": f"graph:{name}", "inputs": given}
    return {**tree, "nodes": outer, "graphs": graphs, "interface": {"outputs": results}}


@st.composite
def drawings(draw: st.DrawFn) -> Any:
    """A graph of numbers in which every node may take what earlier ones give."""
    nodes: dict[str, Any] = {}
    for at in range(draw(st.integers(1, 8))):
        earlier = st.sampled_from([*nodes]).map(lambda id: {"link": f"{id}.number"}) if nodes else st.integers(0, 3)
        inputs = st.dictionaries(st.sampled_from(["value", "offset"]), st.integers(0, 3) | earlier)
        nodes[f"n{at}"] = whole(**draw(inputs))
    outputs = {id: {"from": f"{id}.number"} for id in draw(st.sets(st.sampled_from([*nodes]), min_size=1))}
    return {"nodeflow": 1, "nodes": nodes, "interface": {"outputs": outputs}}


@settings(deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=100)
@given(tree=drawings(), choices=st.lists(st.randoms(use_true_random=False), min_size=1, max_size=3))
def test_whatever_is_grouped_the_keys_are_those_of_the_flat_graph(
    tree: Any, choices: Any, catalogue: Any, files: Any
) -> None:
    expected = resolve(Document.from_tree(tree), catalogue, files).require()
    made = tree
    for level, random in enumerate(choices):
        made = grouped(made, {id for id in made["nodes"] if random.random() < 0.5}, f"g{level}")

    found = resolve(Document.from_tree(made), catalogue, files)

    assert found.problems == ()
    assert shape(found.require()) == shape(expected)
    assert found.require().outputs.keys() == expected.outputs.keys()


def test_rows_with_links_in_them_reach_inside_and_are_blamed_at_the_use(catalogue: Any, files: Any) -> None:
    inner = {
        "nodes": {"stack": {"type": "Stack", "inputs": {}}},
        "interface": {
            "inputs": {"model": {"to": ["stack.model"]}, "loras": {"to": ["stack.rows"]}},
            "outputs": {"model": {"from": "stack.model"}},
        },
    }

    def stacking(**tune: Any) -> Document:
        rows = [{"file": "emoji-tiny.safetensors", **tune}]
        use = {"type": "graph:g", "inputs": {"model": {"link": "load.model"}, "loras": rows}}
        nodes = {"use": use, "n": {"type": "Number", "version": 2, "inputs": {"value": 0.5}}}
        return document({**nodes, "twice": used(model={"link": "use.model"})}, g=inner)

    def stacked(strength: Any) -> Resolution:
        return resolve(stacking(strength=strength), catalogue, files)

    graph = stacked({"link": "n.number"}).require()
    node = graph.nodes[graph.index["use/stack"]]
    assert node.nested == {"rows[0].strength": ("rows", (0, "strength"))}
    assert [(wire.input, graph.nodes[wire.source].id) for wire in node.wires] == [
        ("model", "load"),
        ("rows[0].strength", "n"),
    ]
    assert said(stacked({"link": "load.latent"})) == [("link.type", "use", "loras[0].strength")]
    assert said(stacked("much")) == [("literal.type", "use", "loras[0].strength")]
    assert said(stacked({"link": "n.nothing"})) == [("link.output", "use", "loras[0].strength")]
    saved = complete(stacking(), catalogue)
    (row,) = saved.nodes["use"].inputs["loras"]  # type: ignore[misc]
    assert (row["strength"], row["method"]) == (1.0, "fast")  # type: ignore[index,call-overload]
    assert saved.graphs["g"].nodes["stack"].inputs == {"rows": []}
    assert complete(saved, catalogue).dumps() == saved.dumps()


def test_one_input_that_is_set_under_two_names_is_refused(catalogue: Any, files: Any) -> None:
    interface = {"inputs": {"seed": {"to": ["s1.seed", "s2.seed"]}}}
    flat = Document.from_tree({"nodeflow": 1, "nodes": FLAT, "interface": interface})

    def said(**settings: Any) -> list[str]:
        given = {name.replace("__", "."): value for name, value in settings.items()}
        return [str(item) for item in resolve(flat, catalogue, files, settings=given).errors]

    assert said(seed=1, s1__seed=2) == ['"seed" and "s1.seed" both set s1.seed → keep one of them [setting.twice]']
    assert said(seed=1, s1__steps=2) == []
