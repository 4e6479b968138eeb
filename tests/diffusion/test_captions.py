"""Captions stand below pictures and leave these as they are."""

import pytest
import torch

from nodeflow.diffusion.captions import captioned
from nodeflow.diffusion.errors import ValueRuleError
from nodeflow.diffusion.types import Image, Item


@pytest.mark.parametrize("channels", [3, 4])
def test_a_caption_is_ink_on_white_below_the_picture(channels: int) -> None:
    image = Image(torch.rand(2, 64, 96, channels), (Item(0, 4), Item(3, 4)))
    found = captioned(image, ["step 1", ""])
    assert torch.equal(found.pixels[:, :64], image.pixels)
    assert found.items == image.items
    strips = found.pixels[:, 64:, :, :3]
    assert strips[0].min() < 0.3
    assert strips[1].min() == 1.0


def test_a_long_caption_is_drawn_smaller_until_it_fits() -> None:
    found = captioned(Image(torch.zeros(1, 200, 96, 3)), ["step 10 of 20"])
    assert found.pixels[:, 200:, 0].min() == 1.0


def test_every_picture_needs_its_caption() -> None:
    with pytest.raises(ValueRuleError, match="1 texts for 2 pictures"):
        captioned(Image(torch.zeros(2, 8, 8, 3)), ["one"])


def test_a_caption_is_wrapped_where_there_is_room_for_lines() -> None:
    image = Image(torch.zeros(1, 128, 96, 3))
    one, two = (captioned(image, ["a small star at the top"], lines).pixels[0, 128:, :, 0] for lines in (1, 2))

    def inked_rows(strip: torch.Tensor) -> int:
        return int((strip.min(dim=1).values < 0.5).sum())

    assert len(two) > len(one)
    assert inked_rows(two) > 1.5 * inked_rows(one)
    assert two[:, 0].min() == 1.0
