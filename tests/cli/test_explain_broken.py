"""``nodeflow explain`` of a document that cannot run: what is missing, and what can be said all the same."""

import json
from pathlib import Path
from typing import Any

import pytest

from tests.cli.conftest import Shell, document, interface


def states(out: str) -> dict[str, str]:
    return {line.split()[0]: line.split()[1] for line in out.splitlines()}


NODES: dict[str, Any] = {
    "c": ("Count", {"steps": 3}),
    "tag": ("mypack.Tag", {"image": "@c.number", "strength": 0.5}),
    "j": ("Join", {"text": "x", "number": "@tag.number"}),
    "w": ("Write", {"text": "@j.text", "prefix": "kept"}),
}


def test_nodes_without_the_absent_pack_are_explained(shell: Shell, place: Path) -> None:
    (place / "broken.json").write_bytes(document(NODES, interface=interface({}, {"number": "c.number"})))
    said = shell("explain", "broken.json")

    assert said.code == 3
    assert 'error: mypack.Tag "tag": the pack mypack is not installed' in said.err
    assert states(said.out) == {"c": "run", "tag": "unknown", "j": "unknown", "w": "unknown"}
    assert "the pack mypack is not installed" in said.out
    assert 'needs "tag", which cannot run' in said.out


def test_the_json_is_an_array_with_the_reasons(shell: Shell) -> None:
    said = shell("explain", "-", "--json", stdin=document(NODES))

    assert said.code == 3
    rows = {row["node"]: row for row in json.loads(said.out)}
    assert rows["c"]["state"] == "run"
    assert rows["w"] == {"node": "w", "state": "unknown", "reasons": ['needs "j", which cannot run']}


def test_a_missing_file_ends_like_one_and_leaves_the_rest(shell: Shell) -> None:
    tree = json.loads(document({"c": NODES["c"]}))
    tree["nodes"]["load"] = {"type": "LoadImage", "inputs": {"image": "gone.png"}}
    tree["interface"] = interface({}, {"x": "load.image", "y": "c.number"})

    said = shell("explain", "-", stdin=json.dumps(tree).encode())

    assert said.code == 4
    assert states(said.out) == {"c": "run", "load": "unknown"}


def test_nodes_in_a_circle_and_below_it_are_unknown(shell: Shell) -> None:
    nodes = {
        "a": ("Join", {"text": "@b.text", "number": 1}),
        "b": ("Join", {"text": "@a.text", "number": 1}),
        "d": ("Join", {"text": "@b.text", "number": "@c.number"}),
        "c": ("Count", {"steps": 3}),
    }

    said = shell("explain", "-", stdin=document(nodes, interface=interface({}, {"x": "d.text"})))

    assert said.code == 3
    assert states(said.out) == {"c": "run", "a": "unknown", "b": "unknown", "d": "unknown"}


def test_what_is_wrong_inside_a_sub_graph_keeps_only_its_part_from_being_explained(shell: Shell) -> None:
    tree = json.loads(document({"c": NODES["c"]}))
    count = {"type": "shelltest.Count", "inputs": {"steps": 2}}
    tag = {"type": "mypack.Tag", "inputs": {"number": {"link": "count.number"}}}
    tree["graphs"] = {
        "half": {"nodes": {"count": count, "tag": tag}},
        "loop": {"nodes": {"again": {"type": "graph:loop"}}},
    }
    tree["nodes"] |= {"one": {"type": "graph:half"}, "two": {"type": "graph:loop"}, "off": {**count, "mode": "mute"}}

    said = shell("explain", "-", stdin=json.dumps(tree).encode())

    assert said.code == 3
    assert states(said.out) == {"c": "run", "one/count": "run", "one/tag": "unknown", "two": "unknown"}
    assert 'the sub-graph "loop" contains itself' in said.out
    assert "graph:half/tag" in said.err


def test_parts_that_cannot_be_read_hide_nothing_else(shell: Shell) -> None:
    tree = json.loads(document({"c": NODES["c"], "j": ("Join", {"text": "@x.text", "number": 1})}))
    tree["nodes"]["x"] = {"type": "shelltest.Join", "version": "1"}

    said = shell("explain", "-", stdin=json.dumps(tree).encode())

    assert said.code == 3
    assert states(said.out) == {"c": "run", "j": "unknown", "x": "unknown"}


@pytest.mark.parametrize("asked", [("--set", "c.step=3"), ("--target", "nowhere")])
def test_what_was_asked_for_wrongly_is_told_beside_the_nodes(asked: Any, shell: Shell) -> None:
    said = shell("explain", "-", *asked, stdin=document({"c": NODES["c"]}))

    assert said.code == 3
    assert said.err.startswith("error: ")
    assert list(states(said.out)) == ["c"]
