"""Draws from the shell: what was drawn is in the report, and a value that is given replaces the draw."""

import json
from pathlib import Path
from typing import Any

import pytest
from PIL import Image
from PIL.PngImagePlugin import PngInfo

from nodeflow.storage.png import read_texts
from tests.cli.conftest import Shell, document, interface

DRAWN = document(
    {"count": ("Count", {"steps": {"draw": "counter", "name": "shell", "start": 2}})},
    interface=interface({"steps": "count.steps"}, {"total": "count.number"}),
)


def run(shell: Shell, *words: str) -> dict[str, Any]:
    return shell("run", "-", "--json", *words, stdin=DRAWN).report


def test_the_report_tells_what_was_drawn(shell: Shell) -> None:
    drawn = [run(shell)["drawn"]["count.steps"] for _ in range(2)]

    assert drawn[1] == drawn[0] + 1
    assert run(shell, "--input", "steps=5")["drawn"] == {}
    assert run(shell)["drawn"] == {"count.steps": drawn[1] + 1}


def test_what_was_drawn_is_said_before_the_run(shell: Shell) -> None:
    said = shell("run", "-", "--set", 'count.steps={"draw": "choice", "of": [3]}', stdin=DRAWN)

    assert "drawn: count.steps = 3\n" in said.err


def test_a_draw_can_be_given_for_an_input(shell: Shell) -> None:
    draw = json.dumps({"draw": "choice", "of": [3]})

    report = run(shell, "--input", f"steps={draw}")

    assert report["drawn"] == {"steps": 3}


def test_what_a_draw_may_give_is_checked_beforehand(shell: Shell) -> None:
    said = shell("check", "-", "--set", 'count.steps={"draw": "random"}', stdin=DRAWN)

    assert said.code == 3
    assert "the draw random may give" in said.err


def test_explain_names_the_inputs_that_are_drawn(shell: Shell) -> None:
    said = shell("explain", "-", stdin=DRAWN)

    assert "steps is drawn anew at each run" in said.out


def in_a_graph(seed: Any) -> bytes:
    """A picture painted inside a sub-graph, and one painted outside with a seed of its own."""
    paint = {"type": "shelltest.Paint", "version": 1, "inputs": {"seed": seed}}
    inner = {"nodes": {"paint": paint}, "interface": {"outputs": {"image": {"from": "paint.image"}}}}
    nodes = {"inside": {"type": "graph:one", "version": 1, "inputs": {}}, "outside": {**paint, "inputs": {"seed": 3}}}
    outputs = {"first": "inside.image", "second": "outside.image"}
    tree = {"nodeflow": 1, "nodes": nodes, "graphs": {"one": inner}, "interface": interface({}, outputs)}
    return json.dumps(tree).encode()


def test_a_picture_whose_seed_was_drawn_in_a_sub_graph_is_reproduced_without_drawing(shell: Shell) -> None:
    drawing = in_a_graph({"draw": "counter", "name": "inner", "start": 7})
    report = shell("run", "-", "--json", stdin=drawing).report
    path = report["outputs"]["first"]["paths"][0]

    assert report["drawn"] == {"graph:one/paint.seed": 7}
    inner = json.loads(read_texts(Path(path).read_bytes())["nodeflow"])["graphs"]["one"]["nodes"]
    assert inner["paint"]["inputs"]["seed"] == 7
    said = shell("reproduce", path)
    assert (said.code, "all pixels are equal" in said.out) == (0, True), said
    assert shell("run", "-", "--json", stdin=drawing).report["drawn"] == {"graph:one/paint.seed": 8}


@pytest.mark.parametrize(("unused", "found"), [(False, "inside/paint.seed"), (True, "a draw in a sub-graph")])
def test_a_picture_whose_document_draws_is_not_the_one_that_ran(shell: Shell, unused: bool, found: str) -> None:
    tree = json.loads(in_a_graph(1))
    if unused:
        del tree["nodes"]["inside"], tree["interface"]["outputs"]["first"]
    report = shell("run", "-", "--json", stdin=json.dumps(tree).encode()).report
    path = Path(report["outputs"]["second" if unused else "first"]["paths"][0])
    info = PngInfo()
    for name, text in read_texts(path.read_bytes()).items():
        info.add_text(name, text.replace('"seed": 1', '"seed": {"draw": "random"}'))
    with Image.open(path) as picture:
        picture.load()
    picture.save(path, pnginfo=info)

    said = shell("reproduce", path)

    assert said.code == 3
    assert f"draws values, so it is not the one that ran; found {found}" in said.err
