"""Old inputs become today's before anything is validated."""

from dataclasses import replace
from typing import Any

import pytest

from nodeflow.core.errors import PackFailed
from nodeflow.core.migrations import Migrated
from nodeflow.core.upgrade import migrate
from nodeflow.core.validate import resolve
from nodeflow.core.workflow import Document

ESCAPED: Any = {"value": {"link": "words.string"}}

OLD: Any = {
    "nodeflow": 1,
    "meta": {"title": "old"},
    "nodes": {
        "load": {"type": "Load", "version": 1, "inputs": {"checkpoint": "emoji-tiny.safetensors"}},
        "words": {"type": "OldText", "version": 1, "title": "Words", "inputs": {"text": "a cat"}},
        "again": {"type": "Text", "version": 1, "inputs": {"value": {"link": "words.string"}}},
        "bare": {"type": "mypack.Tag", "version": 1},
        "kept": {
            "type": "mypack.Tag",
            "version": 1,
            "inputs": {"list": [{"link": "words.string"}, ESCAPED, {"row": {"link": "words.string"}}]},
        },
        "sample": {
            "type": "Sample",
            "version": 1,
            "inputs": {"model": {"link": "load.model"}, "latent": {"link": "load.latent"}, "count": 9},
        },
    },
    "interface": {
        "inputs": {"prompt": {"to": ["words.text"], "title": "Prompt"}},
        "outputs": {"text": {"from": "words.string"}, "again": {"from": "again.text"}},
    },
}


@pytest.fixture
def upgraded(catalogue: Any) -> Document:
    document, problems = migrate(Document.from_tree(OLD), catalogue)
    assert problems == []
    return document


def test_inputs_are_renamed_and_the_version_is_the_one_of_today(upgraded: Document) -> None:
    assert upgraded.nodes["sample"].version == 2
    assert upgraded.nodes["sample"].inputs["steps"] == 9
    assert "count" not in upgraded.nodes["sample"].inputs


def test_a_replaced_node_keeps_its_place_and_title(upgraded: Document) -> None:
    words = upgraded.nodes["words"]

    assert (words.type, words.version, words.title, words.inputs) == ("Text", 1, "Words", {"value": "a cat"})
    assert list(upgraded.nodes) == list(OLD["nodes"])


def test_links_and_the_interface_follow_new_names(upgraded: Document) -> None:
    assert upgraded.nodes["again"].inputs == {"value": {"link": "words.text"}}
    assert upgraded.nodes["kept"].inputs == {"list": [{"link": "words.text"}, ESCAPED, {"row": {"link": "words.text"}}]}
    assert "inputs" not in upgraded.tree["nodes"]["bare"]  # type: ignore[index,call-overload,operator]
    assert upgraded.interface.inputs["prompt"].to == ["words.value"]
    assert upgraded.interface.inputs["prompt"].title == "Prompt"
    assert upgraded.interface.outputs["text"].source == "words.text"
    assert upgraded.interface.outputs["again"].source == "again.text"


def test_an_old_document_runs(catalogue: Any, files: Any) -> None:
    tree = {**OLD, "nodes": {id: node for id, node in OLD["nodes"].items() if node["type"] != "mypack.Tag"}}

    graph = resolve(
        Document.from_tree(tree), catalogue, files, targets=["sample", "text"], settings={"prompt": "12"}
    ).require()

    assert graph.nodes[graph.index["sample"]].literals["steps"] == 9
    assert graph.nodes[graph.index["words"]].literals["value"] == "12"


def test_migrating_changes_neither_the_old_document_nor_a_new_one(catalogue: Any, upgraded: Document) -> None:
    assert OLD["nodes"]["sample"]["inputs"]["count"] == 9
    assert migrate(upgraded, catalogue)[0] is upgraded


def test_sub_graphs_are_migrated_too(catalogue: Any) -> None:
    inner = {"nodes": {"s": {"type": "Sample", "version": 1, "inputs": {"count": 3}}}, "interface": {}}
    same = {"nodes": {"s": {"type": "Sample", "version": 2}}}
    tree: Any = {"nodeflow": 1, "nodes": {}, "graphs": {"inner": inner, "same": same}}

    document, _ = migrate(Document.from_tree(tree), catalogue)

    assert document.graphs["inner"].nodes["s"].inputs == {"steps": 3}
    assert document.tree["graphs"]["same"] is same  # type: ignore[index,call-overload]


def one(type: str, version: int, **inputs: Any) -> Document:
    tree: Any = {"nodeflow": 1, "nodes": {"n": {"type": type, "version": version, "inputs": inputs}}}
    return Document.from_tree(tree)


def test_several_steps_are_taken_and_names_changed_twice_are_followed(catalogue: Any) -> None:
    steps = {
        ("Text", 1): lambda inputs: Migrated({"b": inputs["a"]}, outputs={"x": "y"}, renamed={"a": "b"}),
        ("Text", 2): lambda inputs: Migrated({"value": inputs["b"]}, outputs={"y": "text"}, renamed={"b": "value"}),
    }
    specs = replace(catalogue, steps=steps, specs={"Text": replace(catalogue.specs["Text"], version=3)})
    tree: Any = {
        **one("Text", 1, a="hello").tree,
        "interface": {"inputs": {"i": {"to": ["n.a", "other.a"]}}, "outputs": {"o": {"from": "n.x"}}},
    }

    document, problems = migrate(Document.from_tree(tree), specs)

    assert problems == []
    assert document.nodes["n"].version == 3
    assert document.nodes["n"].inputs == {"value": "hello"}
    assert document.interface.inputs["i"].to == ["n.value", "other.a"]
    assert document.interface.outputs["o"].source == "n.text"


def test_a_step_may_skip_versions(catalogue: Any) -> None:
    steps = {("Text", 1): lambda inputs: Migrated(inputs, version=5)}
    specs = replace(catalogue, steps=steps, specs={"Text": replace(catalogue.specs["Text"], version=5)})

    assert migrate(one("Text", 1, value="x"), specs)[0].nodes["n"].version == 5


@pytest.mark.parametrize(
    ("step", "words"),
    [
        (lambda inputs: Migrated(inputs, version=1), "no way from version 1"),
        (lambda inputs: Migrated(inputs, type="Gone"), "no way from version 1 of Gone"),
        (lambda inputs: inputs["missing"], "KeyError"),
    ],
    ids=["a circle", "replaced by a node that is not there", "a failure"],
)
def test_a_step_that_leads_nowhere_is_a_problem_of_that_node(step: Any, words: str, catalogue: Any) -> None:
    specs = replace(catalogue, steps={("Text", 1): step}, specs={"Text": replace(catalogue.specs["Text"], version=2)})

    document, (problem,) = migrate(one("Text", 1, value="x"), specs)

    assert (problem.code, problem.node) == ("version.migration", "n")
    assert words in problem.message
    assert document.nodes["n"].version == 1


def test_a_step_that_cannot_be_imported_names_the_pack(catalogue: Any) -> None:
    def unavailable(inputs: Any) -> Any:
        raise PackFailed("mypack", "No module named 'torch'")

    specs = replace(
        catalogue, steps={("Text", 1): unavailable}, specs={"Text": replace(catalogue.specs["Text"], version=2)}
    )

    _, (problem,) = migrate(one("Text", 1, value="x"), specs)

    assert problem.code == "pack.failed"
    assert "torch" in str(problem)


def test_what_a_draw_chooses_from_is_no_link(catalogue: Any) -> None:
    tree: Any = {"nodeflow": 1, "nodes": {"words": OLD["nodes"]["words"], "n": {"type": "Text", "inputs": {}}}}
    tree["nodes"]["n"]["inputs"]["value"] = {"draw": "choice", "of": [{"link": "words.string"}]}

    document, _ = migrate(Document.from_tree(tree), catalogue)

    assert document.nodes["words"].type == "Text"
    assert document.nodes["n"].inputs == tree["nodes"]["n"]["inputs"]


def unreadable(id: str, *, mode: str | None = None) -> dict[str, Any]:
    """A text of the future, and one that takes what it gave then; a mode elsewhere has it all written out."""
    future = {"type": "Text", "version": 9, "inputs": {"nothing": 1, "value": 3}}
    below = {"type": "Text", "version": 1, "inputs": {"value": {"link": f"{id}.loud"}}}
    other = {"type": "Text", "version": 1, "inputs": {"value": "x"}} | ({"mode": mode} if mode else {})
    interface = {"inputs": {"i": {"to": [f"{id}.quiet"]}}, "outputs": {"o": {"from": f"{id}.loud"}}}
    return {"nodes": {id: future, "below": below, "other": other}, "interface": interface}


@pytest.mark.parametrize("mode", [None, "mute"])
def test_of_a_node_that_cannot_be_read_nothing_else_is_said(mode: str | None, catalogue: Any, files: Any) -> None:
    document = Document.from_tree({"nodeflow": 1, **unreadable("a", mode=mode)})

    for targets in (["below"], ["a"]):
        problems = resolve(document, catalogue, files, targets=targets).problems
        assert [(problem.code, problem.node) for problem in problems] == [("version.newer", "a")]


def test_inside_a_sub_graph_nothing_else_is_said_either(catalogue: Any, files: Any) -> None:
    nodes = {"use": {"type": "graph:g", "inputs": {"i": 3}}, "also": {"type": "graph:g", "version": 4}}
    document = Document.from_tree({"nodeflow": 1, "nodes": nodes, "graphs": {"g": unreadable("a")}})

    problems = resolve(document, catalogue, files, targets=["use.o"]).problems
    asked = resolve(document, catalogue, files, targets=["also/below"]).problems

    codes = [(problem.code, problem.node) for problem in problems]
    assert codes == [("version.newer", "also"), ("version.newer", "graph:g/a")]
    assert {problem.code for problem in asked} == {"version.newer", "target.unknown"}


@pytest.mark.parametrize("mode", ["mute", "bypass"])
def test_a_mode_of_a_node_that_cannot_be_read_is_carried_out(mode: str, catalogue: Any, files: Any) -> None:
    tree = unreadable("a")
    tree["nodes"]["a"]["mode"] = mode
    tree["interface"] = {}

    problems = resolve(Document.from_tree({"nodeflow": 1, **tree}), catalogue, files, targets=["other"]).problems

    assert problems[0].code == "version.newer"
    assert problems[0].severity == ("warning" if mode == "mute" else "error")
    assert [problem.code for problem in problems[1:]] == (["mode.muted"] if mode == "mute" else [])
