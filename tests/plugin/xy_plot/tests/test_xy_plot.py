"""Sheets over inputs of a sub-graph, and over inputs of nodes inside it."""

from collections.abc import Sequence
from typing import Annotated, Any

import pytest
import torch
from xy_plot import plot

from nodeflow.api import Field, Graph, node
from nodeflow.diffusion.types import Image
from nodeflow.testing import GraphRun, InvalidDocument, NodeFailed, an_image, given, run_graph, run_node
from nodeflow_nodes.grids import caption
from nodeflow_nodes.loops import Passed

CALLS: list[tuple[float, float]] = []
WIDTH, HEIGHT, GAP = 48, 32, 4


@node("plotted.Tint")
def tint(image: Image, red: Annotated[float, Field(ge=0, le=1)] = 1.0, blue: float = 1.0) -> Image:
    """Weaken two colours."""
    CALLS.append((red, blue))
    return image.replace(pixels=image.pixels * torch.tensor([red, 1.0, blue]))


def sheet(x: str, xs: Sequence[Any], y: str = "", ys: Sequence[Any] = (None,), *, results: int = 1) -> GraphRun:
    inner = Graph()
    tinted = inner(tint, id="tint")(inner.input("image"), inner.input("red", 1.0), 1.0)
    for number in range(results):
        inner.output(f"picture_{number}", tinted)
    g = Graph()
    g.define("weaken", inner)
    passed = [Passed(name="image", content=given(g, an_image(WIDTH, HEIGHT)))]
    g.output("sheet", g(plot)("weaken", x, xs, y, ys, passed))
    return run_graph(g)


def expected(red: float, blue: float, label: str) -> torch.Tensor:
    picture = tint(an_image(WIDTH, HEIGHT), red, blue)
    return run_node(caption, image=picture, text=label).value.pixels[0]


def test_every_pair_has_its_place_and_its_label() -> None:
    found = sheet("red", [0.0, 0.5, 1.0], "tint.blue", [1.0, 0.25])["sheet"]

    assert isinstance(found, Image)
    high = len(expected(0, 0, ""))
    assert found.pixels.shape == (1, 2 * high + GAP, 3 * WIDTH + 2 * GAP, 3)
    for row, blue in enumerate([1.0, 0.25]):
        for column, red in enumerate([0.0, 0.5, 1.0]):
            top, left = row * (high + GAP), column * (WIDTH + GAP)
            cell = found.pixels[0, top : top + high, left : left + WIDTH]
            torch.testing.assert_close(cell, expected(red, blue, f"red {red}, tint.blue {blue}"))


def test_one_axis_gives_one_row_and_each_picture_is_made_once() -> None:
    CALLS.clear()
    found = sheet("tint.red", [0.0, 0.5, 0.5])["sheet"]

    assert isinstance(found, Image)
    assert found.width == 3 * WIDTH + 2 * GAP
    assert sorted(CALLS) == [(0.0, 1.0), (0.5, 1.0)]


@pytest.mark.parametrize(
    ("x", "xs", "words"),
    [
        ("tint.redd", [0.0], r'did you mean "red"'),
        ("tnit.red", [0.0], r"tnit"),
        ("tint.red", [2.0], r"2 is above the range"),
        ("red", [2.0], r"2 is above the range"),
    ],
)
def test_what_is_wrong_with_an_axis_is_named(x: str, xs: list[float], words: str) -> None:
    with pytest.raises(NodeFailed, match=words):
        sheet(x, xs)


def test_a_sub_graph_gives_one_picture() -> None:
    with pytest.raises(NodeFailed, match=r"body: .*picture_0, picture_1; it should give one thing"):
        sheet("red", [0.0], results=2)


def test_an_axis_has_values() -> None:
    with pytest.raises(InvalidDocument, match=r"xs: 0 items"):
        sheet("red", [])
