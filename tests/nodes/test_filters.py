"""Nodes that change every picture by itself: what they are asked for is what is done, and mistakes name the input."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from nodeflow import Session
from nodeflow.api import Graph, InputError
from nodeflow.diffusion import edges, filters, morphology, quantizing
from nodeflow.diffusion.types import Image
from nodeflow_nodes.filters import (
    canny,
    image_add_noise,
    image_blur,
    image_invert,
    image_quantize,
    image_rgb_to_yuv,
    image_sharpen,
    image_yuv_to_rgb,
)
from nodeflow_nodes.filters import morphology as morphology_node
from nodeflow_nodes.images import empty_image


def picture(rows: int = 2, height: int = 12, width: int = 14, channels: int = 3) -> Image:
    return Image(torch.rand(rows, height, width, channels, generator=torch.Generator().manual_seed(2)))


def test_a_negative_keeps_its_transparency() -> None:
    image = picture(channels=4)
    found = image_invert(image)
    assert torch.equal(found.pixels[..., :3], 1 - image.pixels[..., :3])
    assert torch.equal(found.pixels[..., 3], image.pixels[..., 3])


PAIRS: list[tuple[Callable[[Image], Image], Callable[[Image], Image]]] = [
    (lambda image: image_blur(image, 3, 0.5), lambda image: filters.blurred(image, 3, 0.5)),
    (lambda image: image_sharpen(image, 2, 0.5, 0.2), lambda image: filters.sharpened(image, 2, 0.5, 0.2)),
    (lambda image: image_add_noise(image, 4, 0.2), lambda image: filters.grained(image, 4, 0.2)),
    (lambda image: image_quantize(image, 5, "bayer-4"), lambda image: quantizing.quantized(image, 5, "bayer-4")),
    (lambda image: canny(image, 0.1, 0.3), lambda image: edges.canny(image, 0.1, 0.3)),
    (lambda image: morphology_node(image, "close", 5), lambda image: morphology.morphed(image, "close", 5)),
]


@pytest.mark.parametrize(("node", "function"), PAIRS)
def test_a_node_does_what_its_function_does(node: Callable[[Image], Image], function: Callable[[Image], Image]) -> None:
    assert torch.equal(node(picture()).pixels, function(picture()).pixels)


@pytest.mark.parametrize(
    "node",
    [image_blur, image_sharpen, image_add_noise, image_quantize, image_invert, canny, morphology_node],
)
def test_defaults_work_and_no_input_is_written_to(node: Callable[[Image], Image]) -> None:
    image = picture()
    before = image.pixels.clone()
    found = node(image)
    assert found.pixels.shape == before.shape
    assert not torch.equal(found.pixels, before)
    assert torch.equal(image.pixels, before)


@pytest.mark.parametrize(("node", "blamed"), [(image_blur, "blur_radius"), (image_sharpen, "sharpen_radius")])
def test_a_radius_larger_than_the_picture_is_refused(node: Any, blamed: str) -> None:
    with pytest.raises(InputError, match=rf"^{blamed}: radius 31 does not fit into 14x12"):
        node(picture(), 31)


def test_thresholds_out_of_order_are_refused_before_anything_runs(tmp_path: Path) -> None:
    graph = Graph()
    graph.output("edges", graph(canny)(graph(empty_image)(64, 64), 0.9, 0.8))
    (problem,) = Session(tmp_path).check(graph)
    assert "low_threshold: 0.9 is above high_threshold 0.8; swap them" in str(problem)


def test_edges_of_a_speck_are_refused() -> None:
    with pytest.raises(InputError, match=r"^image: radius 2 does not fit"):
        canny(picture(1, 2, 2))


def test_colour_and_brightness_part_and_meet_again() -> None:
    image = picture()
    assert torch.allclose(image_yuv_to_rgb(*image_rgb_to_yuv(image)).pixels, image.pixels, atol=3e-3)


def test_planes_of_different_sizes_are_refused() -> None:
    with pytest.raises(InputError, match=r"^u: the three pictures must have one size"):
        image_yuv_to_rgb(picture(), picture(), picture(1, 3, 3))
