"""Recording uses of sub-graphs, with other values inside where a use asks for them."""

from typing import Any

import pytest

from nodeflow.core.errors import UsageError
from nodeflow.core.graph import Graph, Link
from nodeflow.core.node import node
from nodeflow.core.spec import Spec
from nodeflow.core.subgraphs import Extended


@node("test.Sample")
def sample(latent: str, seed: int = 0, steps: int = 20) -> str:
    """Stands for something that takes a while."""
    return f"{latent} {seed} {steps}"


def inner() -> Graph:
    """One pass."""
    graph = Graph()
    graph.output("latent", graph(sample, id="s1")(graph.input("latent"), graph.input("seed", 3)))
    return graph


def outer() -> Graph:
    """Two passes, of which the second is a sub-graph of its own."""
    graph = Graph()
    graph.define("once", inner())
    first = graph(sample, id="first")(graph.input("latent"), graph.input("seed", 1), graph.input("steps", 9))
    graph.output("latent", graph.call("once", {"latent": first}, id="second")["latent"])
    return graph


@pytest.fixture
def graph() -> Graph:
    graph = Graph()
    graph.define("twice", outer())
    return graph


def tree(graph: Graph) -> Any:
    return graph.as_json()


def test_a_use_is_a_node_of_the_type_of_the_sub_graph(graph: Graph) -> None:
    results = graph.call("twice", {"latent": "empty", "seed": 7})
    assert results == {"latent": Link("twice", "latent")}
    assert tree(graph)["nodes"] == {
        "twice": {"type": "graph:twice", "version": 1, "inputs": {"latent": "empty", "seed": 7}}
    }
    assert [*tree(graph)["graphs"]] == ["once", "twice"]


def test_a_definition_has_what_the_recorded_graph_asks_for_and_gives(graph: Graph) -> None:
    definition = tree(graph)["graphs"]["twice"]
    assert definition["nodes"]["first"]["inputs"] == {"seed": 1, "steps": 9}
    assert definition["nodes"]["second"]["type"] == "graph:once"
    assert definition["interface"] == {
        "inputs": {
            "latent": {"to": ["first.latent"]},
            "seed": {"to": ["first.seed"]},
            "steps": {"to": ["first.steps"]},
        },
        "outputs": {"latent": {"from": "second.latent"}},
    }
    assert (graph.takes("twice"), graph.gives("twice")) == (("latent", "seed", "steps"), ("latent",))


def test_each_use_has_an_id_of_its_own(graph: Graph) -> None:
    graph.call("twice", {})
    graph.call("twice", {})
    graph.call("twice", {}, id="third", title="The third")
    assert [*graph.nodes] == ["twice", "twice_2", "third"]
    assert graph.nodes["third"].title == "The third"
    with pytest.raises(UsageError, match="there is a node 'third' already"):
        graph.call("twice", {}, id="third")


def test_the_functions_of_a_definition_are_those_of_the_graph(graph: Graph) -> None:
    assert [spec.id for spec in graph.functions.values()] == ["test.Sample"]


def test_a_document_with_definitions_is_read_back(graph: Graph) -> None:
    graph.output("latent", graph.call("twice", {"latent": "empty"})["latent"])
    assert graph.document().graphs["twice"].interface.outputs["latent"].source == "second.latent"


def test_an_unknown_sub_graph_is_told_with_the_nearest(graph: Graph) -> None:
    with pytest.raises(
        UsageError, match=r'there is no sub-graph "twise"; there are: once, twice → did you mean "twice"'
    ):
        graph.call("twise", {})
    with pytest.raises(UsageError, match=r'there is no sub-graph "x"; there are: none$'):
        Graph().call("x", {})


def test_an_unknown_input_is_told_with_those_there_are(graph: Graph) -> None:
    with pytest.raises(UsageError, match=r'"twice" has no input steqs; its inputs: latent, seed, steps'):
        graph.call("twice", {"steqs": 1})
    graph.graphs["bare"] = {"nodes": {}}
    with pytest.raises(UsageError, match="its inputs: none"):
        graph.call("bare", {"seed": 1})


def test_a_value_inside_is_another_one_for_one_use(graph: Graph) -> None:
    graph.call("twice", {"seed": 4}, overrides={"first.steps": 5})
    made_over = tree(graph)["graphs"]["twice-2"]
    assert made_over["interface"]["inputs"] == {
        "latent": {"to": ["first.latent"]},
        "seed": {"to": ["first.seed"]},
        "override_0": {"to": ["first.steps"]},
    }
    node = tree(graph)["nodes"]["twice"]
    assert (node["type"], node["inputs"]) == ("graph:twice-2", {"seed": 4, "override_0": 5})
    assert "override_0" not in tree(graph)["graphs"]["twice"]["interface"]["inputs"]


def test_what_is_overridden_is_no_longer_fed_by_the_input(graph: Graph) -> None:
    graph.call("twice", {"seed": 4}, overrides={"first.seed": 5})
    assert tree(graph)["nodes"]["twice"]["inputs"] == {"override_0": 5}


def test_values_deeper_inside_are_overridden_too(graph: Graph) -> None:
    link = graph(sample)("a")
    graph.call("twice", {}, overrides={"second/s1.steps": link, "first.steps": 2})
    trees = tree(graph)
    outer = trees["graphs"]["twice-2"]
    assert outer["nodes"]["second"]["type"] == "graph:once-2"
    assert outer["interface"]["inputs"]["override_0"] == {"to": ["second.override_0"]}
    assert trees["graphs"]["once-2"]["interface"]["inputs"]["override_0"] == {"to": ["s1.steps"]}
    assert trees["nodes"]["twice"]["inputs"] == {"override_0": {"link": "sample.text"}, "override_1": 2}


def test_uses_with_the_same_overrides_share_a_definition(graph: Graph) -> None:
    for steps in (1, 2, 3):
        graph.call("twice", {}, overrides={"first.steps": steps})
    graph.call("twice", {}, overrides={"first.seed": 4})
    assert [*graph.graphs] == ["once", "twice", "twice-2", "twice-3"]


@pytest.mark.parametrize(
    ("place", "message"),
    [
        ("frist.steps", r'"twice" has no input frist.steps → did you mean "first"'),
        ("zzz.steps", r'"twice" has no input zzz.steps → write one such as first.steps'),
        ("first", r"has no input first →"),
        ("first.", r"has no input first\. →"),
        ("second/", r"has no input second/ →"),
        ("second/s2.steps", r'"once" has no input s2.steps →'),
        ("first/s1.steps", r'"first" in the sub-graph "twice" is no sub-graph'),
    ],
)
def test_a_place_that_is_not_there_is_told(place: str, message: str, graph: Graph) -> None:
    with pytest.raises(UsageError, match=message):
        graph.call("twice", {}, overrides={place: 1})


def test_a_sub_graph_without_nodes_has_nothing_to_override() -> None:
    graph = Graph(graphs={"bare": {"nodes": {}}})
    with pytest.raises(UsageError, match=r"write one such as node\.steps"):
        graph.call("bare", {}, overrides={"a.b": 1})


def test_an_input_without_a_default_is_left_open() -> None:
    graph = inner()
    recorded = tree(graph)["nodes"]["s1"]["inputs"]
    assert recorded == {"seed": 3, "steps": 20}
    assert tree(graph)["interface"]["inputs"]["latent"] == {"to": ["s1.latent"]}


def test_placeholders_stand_beside_all_that_is_known_of_other_nodes(catalogue: Any) -> None:
    more = Extended(catalogue, {"argument:0": Spec("argument:0")})
    assert more.specs.keys() == {*catalogue.specs, "argument:0"}
    for id in catalogue.specs:
        assert more.missing(id) == catalogue.missing(id)
    assert more.choices("samplers") == catalogue.choices("samplers")
    assert more.draw("random") is catalogue.draw("random")
