"""Draws that only a loop comes to: made at submission like all others, and literal in what ran."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from nodeflow import Session
from nodeflow.api import Graph, Ref, expander
from nodeflow.core.errors import NodeFailed
from nodeflow.core.workflow import Document

COUNT = {"draw": "counter", "name": "turns", "start": 5}


@expander("loopdraws.Bare")
def bare(graph: Graph) -> Ref[str]:
    """Record a sub-graph with a draw of its own."""
    graph.graphs["drawn"] = body()
    return graph.call("drawn", {"item": "a"})["text"]


def body() -> Any:
    nodes = {
        "join": {
            "type": "FormatText",
            "inputs": {
                "template": "{item} {n}",
                "values": [{"name": "item", "content": {"link": "item.text"}}, {"name": "n", "content": COUNT}],
            },
        },
        "item": {"type": "Text", "inputs": {}},
    }
    interface = {"inputs": {"item": {"to": ["item.value"]}}, "outputs": {"text": {"from": "join.text"}}}
    return {"nodes": nodes, "interface": interface}


def looping(body_name: Any, **nodes: Any) -> Document:
    """A loop over a sub-graph that draws, or over one that has it inside."""
    use = {"type": "graph:body", "inputs": {}}
    outer = {"inputs": {"item": {"to": ["use.item"]}}, "outputs": {"text": {"from": "use.text"}}}
    loop = {"type": "ForEach", "inputs": {"items": ["a", "b"], "body": body_name}}
    return Document.from_tree(
        {
            "nodeflow": 1,
            "nodes": {"loop": loop, **nodes},
            "graphs": {"body": body(), "outer": {"nodes": {"use": use}, "interface": outer}},
            "interface": {"outputs": {"all": {"from": "loop.out"}}},
        }
    )


@pytest.fixture
def session(tmp_path: Path) -> Iterator[Session]:
    with Session(home=tmp_path / "home", output_dir=tmp_path / "out", device="cpu") as session:
        session.workplace.registry.add_node(bare)
        yield session


@pytest.mark.parametrize("document", [
    looping("body"),
    looping("outer"),
    looping({"link": "name.text"}, name={"type": "Text", "inputs": {"value": "body"}}),
])  # fmt: skip
def test_a_draw_in_a_body_goes_on_from_run_to_run(document: Document, session: Session) -> None:
    results = [session.run(document, write=()) for _ in range(2)]

    assert [result["all"].value for result in results] == [["a 5", "b 5"], ["a 6", "b 6"]]
    label = "graph:body/join.values[1].content"
    assert [result.drawn for result in results] == [{label: 5}, {label: 6}]
    ran = json.loads(results[0].document)
    assert ran["graphs"]["body"]["nodes"]["join"]["inputs"]["values"][1]["content"] == 5
    assert session.run(Document.from_tree(ran), write=())["all"].value == ["a 5", "b 5"]


def test_each_point_of_a_sweep_draws_in_the_body(session: Session, tmp_path: Path) -> None:
    sweep = session.sweep(looping("body"), {"loop.items": [["a"], ["b"]]})
    assert [list(point.drawn.values()) for point in sweep] == [[5], [6]]


def test_a_draw_that_an_expander_records_is_refused(session: Session) -> None:
    node = {"nodes": {"bare": {"type": "loopdraws.Bare", "inputs": {}}}}
    document = Document.from_tree({"nodeflow": 1, **node, "interface": {"outputs": {"all": {"from": "bare.text"}}}})
    with pytest.raises(NodeFailed, match=r"values\[1\].content is a draw; record a value instead"):
        session.run(document, write=())
