"""In development a node that changes one of its inputs is found out, with the input and what of it was changed."""

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from types import SimpleNamespace
from typing import Annotated, Any

import numpy as np
import pytest
import torch

from nodeflow.api import Graph, Seed, node
from nodeflow.core.errors import NodeFailed
from nodeflow.diffusion.types import Image
from nodeflow.session import Session
from nodeflow.session.guarding import watch


@dataclass
class Box:
    """A value with something of its own and something that it works out when asked."""

    content: Any
    label: str = ""
    _memo: list[int] = field(default_factory=list)


def image() -> Image:
    return Image(torch.zeros(1, 2, 2, 3))


def inference(size: int = 3) -> torch.Tensor:
    with torch.inference_mode():
        return torch.zeros(size)


def written(value: Any, at: Any = 0, new: Any = 1) -> None:
    value[at] = new


def large() -> torch.Tensor:
    return torch.zeros(30_000_000)


CHANGES: list[tuple[str, Any, Callable[[Any], object], str]] = [
    ("a tensor", torch.zeros(3), lambda v: v.add_(1), "it was written to"),
    ("a view of it", torch.zeros(3, 3), lambda v: v[1:].mul_(2), "it was written to"),
    ("its array", torch.zeros(3), lambda v: written(v.numpy()), "it was written to"),
    ("its data", torch.zeros(3), lambda v: v.data.add_(1), "it was written to"),
    ("a tensor of inference mode", inference(), lambda v: written(v.numpy()), "it was written to"),
    ("a tensor in bf16", torch.zeros(3, dtype=torch.bfloat16), lambda v: v.add_(1), "it was written to"),
    ("a conjugate", torch.zeros(3, dtype=torch.complex64).conj(), lambda v: v.add_(1), "it was written to"),
    ("a sparse tensor", torch.eye(3).to_sparse(), lambda v: v.mul_(2), "it was written to"),
    ("a shape", torch.zeros(3), lambda v: v.resize_(2), "it was written to"),
    ("a large tensor", large(), lambda v: v.add_(1), "it was written to"),
    ("the pixels of a picture", image(), lambda v: v.pixels.add_(1), "pixels was written to"),
    (
        "weights",
        torch.nn.Linear(2, 2),
        lambda v: v.weight.detach().add_(1),
        "it was written to",
    ),
    ("a weight replaced", torch.nn.Linear(2, 2), lambda v: setattr(v, "bias", None), "it was written to"),
    ("an array", np.zeros(3), lambda v: written(v), "it was written to"),
    ("objects in an array", np.array([None, None], dtype=object), lambda v: written(v, 0, "x"), "it was written to"),
    ("bytes", bytearray(b"abc"), lambda v: v.append(1), "it was written to"),
    ("a list", [1, 2], lambda v: v.append(3), "it has other items now"),
    ("an item", [1, 2], lambda v: written(v, 0, True), "it has other items now"),
    ("a list inside", [[1], {"a": [2]}], lambda v: v[1]["a"].clear(), "[1]['a'] has other items now"),
    ("a tensor inside a tuple", ([torch.zeros(2)],), lambda v: v[0][0].add_(1), "[0][0] was written to"),
    ("a dict", {"a": 1}, lambda v: written(v, "a", 2), "it has other items now"),
    ("a set", {1}, lambda v: v.add(2), "it has other items now"),
    ("a field", Box(1), lambda v: setattr(v, "label", "new"), "it was replaced"),
    ("what a field holds", Box(Box([1])), lambda v: v.content.content.pop(), "content.content has other items now"),
]


@pytest.mark.parametrize(("value", "change", "says"), [row[1:] for row in CHANGES], ids=[row[0] for row in CHANGES])
def test_what_was_changed_is_named(value: Any, change: Callable[[Any], object], says: str) -> None:
    check = watch({"other": [1], "value": value})
    assert check() == {}
    change(value)
    assert check() == {"value": says}


def loop() -> list[Any]:
    found: list[Any] = [1]
    found.append(found)
    return found


def deep() -> list[Any]:
    found: list[Any] = []
    for _ in range(5000):
        found = [found]
    return found


@pytest.mark.parametrize(
    ("value", "use"),
    [
        (torch.zeros(3), lambda v: v + 1),
        (torch.zeros(0), lambda v: v + 1),
        (torch.nn.Linear(2, 2), lambda v: v(torch.zeros(1, 2))),
        (Box([1]), lambda v: v._memo.append(1)),
        (SimpleNamespace(counter=0), lambda v: setattr(v, "counter", 1)),
        (loop(), len),
        (deep(), len),
        (Box, lambda v: None),
        (np.zeros((2, 2)).T, lambda v: v + 1),
        (torch.zeros(2, device="meta"), lambda v: None),
        (None, lambda v: None),
    ],
)
def test_what_is_only_read_is_left_in_peace(value: Any, use: Callable[[Any], object]) -> None:
    check = watch({"value": value})
    use(value)
    assert check() == {}


# In a session.


@node("test.Blank")
def blank(seed: Annotated[int, Seed()] = 0) -> Image:
    """A picture."""
    return image()


@node("test.Whiten")
def whiten(image: Image, tints: list[str]) -> Image:
    """Make a picture white, in place."""
    image.pixels.fill_(1)
    return image


@node("test.Grow")
def grow(image: Image, tints: list[str]) -> Image:
    """Change a list that stands in the document."""
    tints.append("red")
    return image


@node("test.Fine")
def fine(image: Image, tints: list[str]) -> Image:
    """Change nothing."""
    return image.replace(pixels=image.pixels + 1)


def graph(function: Any) -> Graph:
    g = Graph()
    blank_image = g(blank)()
    g.output("picture", g(function)(blank_image, ["blue"]))
    g.output("before", blank_image)
    return g


def test_a_session_for_development_names_node_and_input(tmp_path: Path) -> None:
    with Session(home=tmp_path / "home", output_dir=tmp_path / "out", dev=True) as session:
        with pytest.raises(NodeFailed) as caught:
            session.run(graph(whiten), write=())
        expected = "changed by the node (pixels was written to); make a copy and change that"
        assert str(caught.value) == f'test.Whiten "whiten" · image: {expected}'
        with pytest.raises(NodeFailed, match="tints: changed by the node"):
            session.run(graph(grow), write=())
        result = session.run(graph(fine), write=())
    assert float(result["before"].tensor().max()) == 0, "what was changed is not kept"


def test_otherwise_nobody_looks(tmp_path: Path) -> None:
    with Session(home=tmp_path / "home", output_dir=tmp_path / "out") as session:
        assert float(session.run(graph(whiten), write=())["picture"].tensor().min()) == 1


def test_what_was_computed_unwatched_is_no_result_for_whoever_watches(tmp_path: Path) -> None:
    places = {"home": tmp_path / "home", "output_dir": tmp_path / "out", "device": "cpu"}
    with Session(**places) as plain, Session(**places, dev=True) as watching:
        assert plain.environment.key != watching.environment.key
