"""Making lists and taking them whole."""

import pytest
import torch

from nodeflow.api import InputError
from nodeflow.diffusion.types import Image
from nodeflow_nodes.grids import caption
from nodeflow_nodes.lists import join_images, split_lines


def grey(level: float, rows: int = 1, size: int = 8) -> Image:
    return Image(torch.full((rows, size, size, 3), level))


def test_every_line_is_a_text() -> None:
    assert split_lines("  a cat \n\na dog") == ["a cat", "a dog"]


def test_no_line_is_no_text() -> None:
    assert split_lines(" \n") == []


def test_pictures_are_joined_in_order() -> None:
    joined = join_images([grey(0.0), grey(0.5, rows=2), grey(1.0)])
    assert joined.pixels[:, 0, 0, 0].tolist() == [0.0, 0.5, 0.5, 1.0]


def test_pictures_of_two_sizes_are_refused() -> None:
    with pytest.raises(InputError, match=r"^images: "):
        join_images([grey(0.0), grey(0.0, size=16)])


def test_an_empty_list_is_refused() -> None:
    with pytest.raises(InputError, match="at least one"):
        join_images([])


def test_a_caption_stands_below_every_picture() -> None:
    image = grey(0.5, rows=2, size=64)
    labelled = caption(image, "a cat")
    assert torch.equal(labelled.pixels[:, :64], image.pixels)
    strip = labelled.pixels[:, 64:]
    assert torch.equal(strip[0], strip[1])
    assert strip.min() < 0.5 < strip.max()
