"""What a document that is right becomes: a graph in order, with only what is needed in it."""

import json
from typing import Any

import pytest

from nodeflow.core.errors import InvalidDocument, MissingFile
from nodeflow.core.files import NoFiles
from nodeflow.core.resolved import Wire
from nodeflow.core.validate import Resolution, check, resolve
from nodeflow.core.workflow import Document, Node, parse_document


def test_a_good_document_becomes_a_graph_in_order(catalogue: Any, files: Any, picture: Any) -> None:
    found = resolve(parse_document(picture.changed({})), catalogue, files)
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


def test_the_order_of_the_document_does_not_matter(catalogue: Any, files: Any, picture: Any) -> None:
    tree = json.loads(picture.changed({}))
    tree["nodes"] = dict(reversed(tree["nodes"].items()))

    graph = resolve(Document.from_tree(tree), catalogue, files).require()

    assert [node.id for node in graph.nodes] == ["load", "sample", "decode", "scale", "save"]


def test_only_what_a_target_needs_is_kept_and_the_rest_still_checked(catalogue: Any, files: Any, picture: Any) -> None:
    document = parse_document(picture.changed({}))

    assert ids(resolve(document, catalogue, files, targets=["decode"])) == ["load", "sample", "decode"]
    assert resolve(document, catalogue, files, targets=["decode"]).targets == ((2, "image"),)
    assert resolve(document, catalogue, files, targets=["load.latent"]).targets == ((0, "latent"),)
    assert resolve(document, catalogue, files, targets=["picture"]).targets == ((3, "image"),)
    assert resolve(document, catalogue, files, targets=["save"]).targets == ((4, ""),)
    assert resolve(document, catalogue, files, targets=["decode"]).require().outputs == {}
    broken = parse_document(picture.changed({"nodes.scale.inputs.width": 0}))
    assert resolve(broken, catalogue, files, targets=["decode"]).graph is None


def test_a_node_that_nothing_needs_is_checked_and_left_out(catalogue: Any, files: Any, picture: Any) -> None:
    document = parse_document(picture.changed(picture.added("Text", value="unused")))

    assert "extra" not in ids(resolve(document, catalogue, files))


def test_a_document_without_results_is_kept_whole_with_a_warning(catalogue: Any, files: Any, picture: Any) -> None:
    found = resolve(parse_document(picture.changed({}, "nodes.save", "interface")), catalogue, files)

    assert [problem.severity for problem in found.problems] == ["warning"]
    assert found.errors == ()
    assert ids(found) == ["load", "sample", "decode", "scale"]


def test_missing_files_alone_have_an_error_of_their_own(catalogue: Any, files: Any, picture: Any) -> None:
    missing = {"nodes.load.inputs.checkpoint": "gone.safetensors"}
    with pytest.raises(MissingFile) as raised:
        resolve(parse_document(picture.changed(missing)), catalogue, files).require()
    assert raised.value.exit_code == 4

    with pytest.raises(InvalidDocument) as other:
        resolve(parse_document(picture.changed(missing | {"nodes.scale.inputs.width": 0})), catalogue, files).require()
    assert other.value.exit_code == 3


def test_without_any_files_the_folder_is_named(catalogue: Any, picture: Any) -> None:
    (problem,) = check(parse_document(picture.changed({})), catalogue, NoFiles())

    assert problem.hint == "put the file at models/checkpoints/emoji-tiny.safetensors"
    assert NoFiles().input("cat.png") is None


def test_files_that_are_there_are_no_problem(catalogue: Any, files: Any, picture: Any) -> None:
    changes = picture.added("LoadImage", file="cat.png") | {"nodes.load.inputs.checkpoint": "sub/other.safetensors"}

    assert check(parse_document(picture.changed(changes)), catalogue, files) == ()


def test_what_several_nodes_name_is_looked_up_once(catalogue: Any, files: Any, picture: Any) -> None:
    again = {"checkpoint": "emoji-tiny.safetensors"}
    sample = {"model": {"link": "extra.model"}, "latent": {"link": "extra.latent"}, "sampler": "ddim"}
    changes = picture.added("Load", **again) | {"nodes.other": {"type": "Sample", "version": 2, "inputs": sample}}

    assert (
        check(parse_document(picture.changed(changes | {"nodes.sample.inputs.sampler": "ddim"})), catalogue, files)
        == ()
    )


def test_an_escaped_literal_is_the_value_inside(catalogue: Any, files: Any, picture: Any) -> None:
    document = parse_document(
        picture.changed(picture.added("Options", anything={"value": {"link": "a.b"}}, either={"value": 5}))
    )

    graph = resolve(document, catalogue, files, targets=["extra"]).require()

    assert graph.nodes[0].literals == {"anything": {"link": "a.b"}, "table": {"a": 1}, "either": 5}
    assert graph.nodes[0].record == b'{"anything":{"link":"a.b"},"either":5,"table":{"a":1}}'


def test_a_value_that_python_has_and_json_not_is_refused(catalogue: Any, files: Any) -> None:
    document = Document(nodeflow=1, nodes={"n": Node(type="Options", inputs={"anything": [float("nan")]})})

    (problem,) = resolve(document, catalogue, files, targets=["n"]).problems

    assert (problem.code, problem.node, problem.input) == ("json.number", "n", "anything")


def test_half_of_a_character_is_refused_in_whatever_is_given(catalogue: Any, files: Any) -> None:
    document = Document(nodeflow=1, nodes={"n": Node(type="Options", inputs={"anything": 1})})

    (problem,) = resolve(
        document, catalogue, files, targets=["n"], settings={"n.anything": {"value": ["\ud800"]}}
    ).problems

    assert (problem.code, problem.node, problem.input) == ("json.text", "n", "anything")
    assert "whole characters" in str(problem)


def test_settings_are_read_by_the_declared_type(catalogue: Any, files: Any, picture: Any) -> None:
    document = parse_document(
        picture.changed(picture.added("Text", value="a") | {"interface.outputs.text": {"from": "extra.text"}})
    )

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


def test_a_chain_of_five_thousand_nodes_resolves(catalogue: Any, files: Any) -> None:
    nodes: dict[str, Any] = {"n0": {"type": "Whole", "version": 3, "inputs": {"value": 1}}}
    for i in range(1, 5000):
        nodes[f"n{i}"] = {"type": "Whole", "version": 3, "inputs": {"value": {"link": f"n{i - 1}.number"}}}
    data = json.dumps({"nodeflow": 1, "nodes": nodes, "interface": {"outputs": {"last": {"from": "n4999.number"}}}})

    graph = resolve(parse_document(data), catalogue, files).require()

    assert [node.id for node in graph.nodes] == [f"n{i}" for i in range(5000)]


def ids(found: Resolution) -> list[str]:
    return [node.id for node in found.require().nodes]
