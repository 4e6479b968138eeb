"""One picture of a batch, taken out of it."""

from typing import Any

import pytest
import torch

from nodeflow.api import InputError
from nodeflow.diffusion.types import Image, Item, Latent, Mask
from nodeflow_nodes.items import take_item
from nodeflow_nodes.latents import empty_latent


def pictures(count: int) -> Image:
    return Image(torch.arange(count).float()[:, None, None, None].expand(-1, 2, 2, 3) / 10)


def test_the_item_knows_which_one_it_is() -> None:
    taken = take_item(empty_latent(64, 64, 8), 2, 8)
    assert isinstance(taken, Latent)
    assert taken.items == (Item(2, 8),)
    assert float(take_item(pictures(4), 3).pixels[0, 0, 0, 0]) == pytest.approx(0.3)


def test_rows_of_masks_count_as_items() -> None:
    mask = Mask(torch.arange(3).float()[:, None, None].expand(-1, 2, 2) / 2)
    assert float(take_item(mask, 1, 3).values.mean()) == 0.5


def test_a_single_picture_serves_all_items() -> None:
    one = pictures(1)
    assert take_item(one, 5, 8) is one


def test_an_item_is_found_by_what_it_is_and_not_by_its_row() -> None:
    some = pictures(4).select([3, 1])
    assert take_item(some, 1, 4).items == (Item(1, 4),)


def test_another_batch_is_handed_on_whole_with_a_warning(recorder: Any) -> None:
    other = pictures(3)
    assert take_item(other, 2, 8, run=recorder) is other
    assert recorder.warnings == ["item 2 of 8 is not in this batch of 3, which is handed on whole"]


def test_an_item_that_there_is_not_and_a_value_without_items_are_refused() -> None:
    with pytest.raises(InputError, match=r"^index: there is no item 4 in this batch of 4"):
        take_item(pictures(4), 4)
    with pytest.raises(InputError, match=r"^value: .*found str"):
        take_item("a text")
