"""Making lists and taking them whole."""

import pytest
import torch

from nodeflow.api import InputError
from nodeflow.core.node import node_mark
from nodeflow.diffusion.types import Image
from nodeflow_nodes.grids import caption
from nodeflow_nodes.lists import choose, join_images, make_list, split_lines


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


def test_an_item_is_chosen_by_its_number() -> None:
    assert [choose(["a", "b", "c"], index) for index in (0, 2, -1, -3)] == ["a", "c", "c", "a"]


@pytest.mark.parametrize(("index", "wrapped", "clamped"), [(3, "a", "c"), (7, "b", "c"), (-4, "c", "a"), (1, "b", "b")])
def test_a_number_beyond_the_list_is_wrapped_or_clamped(index: int, wrapped: str, clamped: str) -> None:
    assert choose(["a", "b", "c"], index, "wrap") == wrapped
    assert choose(["a", "b", "c"], index, "clamp") == clamped


@pytest.mark.parametrize("index", [3, -4])
def test_a_number_beyond_the_list_is_else_an_error(index: int) -> None:
    with pytest.raises(InputError, match=rf"^index: there is no item {index} in a list of 3; expected -3 … 2$"):
        choose(["a", "b", "c"], index)


def test_nothing_can_be_chosen_from_an_empty_list() -> None:
    with pytest.raises(InputError, match=r"^items: the list is empty"):
        choose([], 0, "wrap")


def test_a_choice_among_written_items_is_tried_before_anything_runs() -> None:
    mark = node_mark(choose)
    assert mark is not None
    (rule,) = mark.checks
    rule([None, None], 1, "fail")  # what the links will bring is not known, but how many there are
    with pytest.raises(InputError, match="there is no item 2 in a list of 2"):
        rule([None, None], 2, "fail")


def test_a_list_is_made_of_what_it_is_given() -> None:
    assert make_list([1, "a"]) == [1, "a"]
