"""Batches that go together, are repeated, joined and cut anew."""

import pytest
import torch

from nodeflow.diffusion.channels import colours, opaque, recoloured, split_alpha
from nodeflow.diffusion.errors import ValueRuleError
from nodeflow.diffusion.images import scale_image
from nodeflow.diffusion.rows import common_rows, cycled, joined_batches, rebatched, repeated
from nodeflow.diffusion.types import Image, Item


def picture(rows: int = 1, height: int = 4, width: int = 6, channels: int = 3) -> Image:
    return Image(torch.rand(rows, height, width, channels))


@pytest.mark.parametrize(("counts", "rows"), [((1, 1), 1), ((1, 4), 4), ((4, 1, 4), 4)])
def test_batches_have_as_many_rows_together_as_the_largest(counts: tuple[int, ...], rows: int) -> None:
    assert common_rows(*counts) == rows


def test_rows_are_taken_from_the_first_again() -> None:
    assert cycled(torch.arange(3), 7).tolist() == [0, 1, 2, 0, 1, 2, 0]
    assert cycled(torch.arange(3), 2).tolist() == [0, 1]


def test_a_repeated_batch_is_a_new_batch() -> None:
    image = picture(2)
    found = repeated(image, 3)
    assert torch.equal(found.pixels, torch.cat([image.pixels] * 3))
    assert found.items == tuple(Item(row, 6) for row in range(6))
    assert repeated(image, 1) is image


def test_more_rows_than_fit_into_memory_are_refused() -> None:
    with pytest.raises(ValueRuleError, match=r"^16777216 x 1000x1000 pixels take .* smaller, or fewer at once$"):
        repeated(Image(torch.zeros(1, 1000, 1000, 3)), 2**24)


def test_the_second_batch_is_scaled_and_cut_to_the_first() -> None:
    one, other = picture(2, 8, 8), picture(1, 10, 30)
    found = joined_batches(one, other)
    assert torch.equal(found.pixels[:2], one.pixels)
    assert torch.equal(found.pixels[2:], scale_image(other, 8, 8, "bilinear", "center").pixels)


@pytest.mark.parametrize(("one", "other"), [(3, 4), (4, 3)])
def test_what_has_no_transparency_becomes_opaque(one: int, other: int) -> None:
    first, second = picture(channels=one), picture(channels=other)
    found = joined_batches(first, second)
    assert found.pixels.shape[3] == 4
    assert found.pixels[int(one == 4), ..., 3].unique().tolist() == [1.0]


def test_batches_are_cut_anew_in_order_and_keep_their_items() -> None:
    image = picture(5)
    batches = list(rebatched([image.select([0, 1, 2]), image.select([3, 4])], 2))
    assert [len(batch) for batch in batches] == [2, 2, 1]
    assert torch.equal(torch.cat([batch.pixels for batch in batches]), image.pixels)
    assert [item for batch in batches for item in batch.items] == list(image.items)


def test_pictures_of_two_sizes_come_into_no_batch_together() -> None:
    with pytest.raises(ValueRuleError, match="only equal sizes can be joined"):
        list(rebatched([picture(1, 4, 4), picture(1, 4, 5)], 2))
    assert len(list(rebatched([picture(1, 4, 4), picture(1, 4, 5)], 1))) == 2


def test_transparency_is_split_off() -> None:
    image = picture(2, channels=4)
    seen, clear = split_alpha(image)
    assert torch.equal(seen.pixels, image.pixels[..., :3])
    assert torch.equal(clear.values, 1 - image.pixels[..., 3])
    assert not split_alpha(picture())[1].values.any()


def test_new_colours_are_brought_into_range_and_keep_the_transparency() -> None:
    image = picture(channels=4)
    found = recoloured(image, colours(image) * 4 - 2)
    assert torch.equal(found.pixels[..., :3], (image.pixels[..., :3] * 4 - 2).clamp(0, 1))
    assert torch.equal(found.pixels[..., 3], image.pixels[..., 3])


def test_pixels_get_as_many_channels_as_asked_for() -> None:
    assert opaque(torch.zeros(1, 1, 1, 3), 4).tolist() == [[[[0, 0, 0, 1]]]]
    assert opaque(torch.zeros(1, 1, 1, 4), 3).tolist() == [[[[0, 0, 0]]]]
