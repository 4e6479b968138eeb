"""Converters: which nodes may be one, and which of them is offered where a link does not fit."""

import json
from typing import Any

import pytest

from nodeflow.api import Graph, Kind, expander, node
from nodeflow.core.converters import converters
from nodeflow.core.errors import Problem
from nodeflow.core.registry import Registry
from nodeflow.core.scan import scan
from nodeflow.core.signature import read_spec
from nodeflow.core.types import Type
from nodeflow.core.validate import check
from nodeflow.core.workflow import parse_document
from tests.core.conftest import Catalogue, UserFiles
from tests.core.test_registry import Make, make_pack

__all__ = ["make_pack"]


class Mask: ...


class Image: ...


class Depth(Mask): ...


@node("shop.ToMask", converts=True)
def to_mask(image: Image, threshold: float = 0.5) -> Mask: ...


@node("shop.AnyMask", converts=True)
def any_mask(value: Any) -> Mask: ...


@node("shop.Guess", converts=True)
def guess(image: Image) -> Any: ...


@node("shop.PerhapsMask", converts=True)
def perhaps_mask(image: Image | None) -> Mask: ...


@node("shop.Blur")
def blur(image: Image) -> Mask: ...


def found(source: Type, target: Type) -> tuple[str, ...]:
    return converters(map(read_spec, (guess, perhaps_mask, any_mask, blur, to_mask)), source, target)


IMAGE, MASK, TEXT = Type("Image"), Type("Mask"), Type("str")
IMAGES, MASKS = Type("list", (IMAGE,)), Type("list", (MASK,))


def test_the_most_exact_converter_comes_first() -> None:
    assert found(IMAGE, MASK) == ("shop.ToMask", "shop.AnyMask", "shop.PerhapsMask")
    assert found(TEXT, MASK) == ("shop.AnyMask",)
    assert found(IMAGE, TEXT) == ()


def test_lists_go_through_a_converter_item_by_item() -> None:
    assert found(IMAGES, MASKS)[0] == "shop.ToMask"
    assert found(IMAGES, MASK)[0] == "shop.ToMask"
    assert "shop.ToMask" not in found(IMAGE, MASKS)


def test_a_registry_knows_its_converters(make_pack: Make) -> None:
    registry = Registry()
    registry.add(make_pack("shop", to_mask, blur))
    assert registry.converters(IMAGE, MASK) == ("shop.ToMask",)


@node("shop.Two", converts=True)
def two_inputs(image: Image, other: Image) -> Mask: ...


@node("shop.None", converts=True)
def no_input(image: Image | None = None) -> Mask: ...


@node("shop.Effect", converts=True)
def effect(image: Image) -> None: ...


@node("shop.Outside", converts=True, kind=Kind.EXTERNAL)
def outside(image: Image) -> Mask: ...


@pytest.mark.parametrize(
    ("function", "reason"),
    [
        (two_inputs, "exactly one required input, and this node has 2 (image, other)"),
        (no_input, "exactly one required input, and this node has 0 (none)"),
        (effect, "a converter is pure, and this node is of the kind effect"),
        (outside, "a converter is pure, and this node is of the kind external"),
    ],
)
def test_what_cannot_be_a_converter_is_missing_and_told(make_pack: Make, function: Any, reason: str) -> None:
    manifest = scan(make_pack("shop", function, to_mask))
    assert [spec.id for spec in manifest.specs] == ["shop.ToMask"]
    (problem,) = manifest.problems
    assert reason in problem
    assert problem.startswith(f"shop:{function.__name__}: ")


def test_an_expander_and_a_node_with_two_outputs_are_no_converters() -> None:
    from dataclasses import replace

    from nodeflow.core.converters import converter_fault
    from nodeflow.core.spec import Output

    @expander("shop.Expand")
    def expand(graph: Graph, image: Image) -> Mask: ...

    assert "only records" in converter_fault(read_spec(expand))
    twice = replace(read_spec(to_mask), outputs=(Output("a", MASK), Output("b", MASK)))
    assert "exactly one output, and this node has 2" in converter_fault(twice)


def problem_of(converting: bool, files: UserFiles) -> Problem:
    class Latent: ...

    @node("Make")
    def make() -> Latent: ...

    @node("Show")
    def show(image: Image) -> None: ...

    @node("shop.Decode", converts=converting)
    def decode(latent: Latent) -> Image: ...

    catalogue = Catalogue()
    for function in (make, show, decode):
        spec = read_spec(function)
        catalogue.specs[spec.id] = spec
    nodes = {"a": {"type": "Make"}, "b": {"type": "Show", "inputs": {"image": {"link": "a.latent"}}}}
    document = parse_document(json.dumps({"nodeflow": 1, "nodes": nodes}).encode())
    (problem,) = check(document, catalogue, files)
    return problem


def test_a_link_that_does_not_fit_is_offered_a_converter(files: UserFiles) -> None:
    assert problem_of(True, files).hint == "put shop.Decode between"
    assert problem_of(False, files).hint is None
    assert problem_of(True, files).code == "link.type"
