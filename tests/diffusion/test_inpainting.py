"""What is hidden of a picture, and how far a noise mask reaches beyond it."""

import numpy as np
import pytest
import torch
from scipy.ndimage import binary_dilation

from nodeflow.diffusion.autoencoding import encode_image
from nodeflow.diffusion.checkpoints import Checkpoint
from nodeflow.diffusion.errors import ValueRuleError
from nodeflow.diffusion.inpainting import edit_of, encode_hidden, inpaint_of
from nodeflow.diffusion.types import Image, Item, Mask


@pytest.fixture(scope="module")
def picture() -> Image:
    return Image(torch.rand(1, 32, 40, 3, generator=torch.Generator().manual_seed(0)), (Item(1, 3),))


def square(height: int = 32, width: int = 40) -> Mask:
    values = torch.zeros(1, height, width)
    values[:, 8:16, 16:24] = 1.0
    return Mask(values)


def test_the_hidden_part_is_grey_and_the_rest_is_kept(micro: Checkpoint, picture: Image) -> None:
    pixels = picture.pixels.clone()
    pixels[:, 8:16, 16:24] = 0.5
    expected = encode_image(micro.vae, Image(pixels)).samples
    found, _ = encode_hidden(micro.vae, picture, square())
    assert torch.equal(found.samples, expected)
    assert found.items == (Item(1, 3),)
    inpaint, _ = inpaint_of(micro.vae, picture, square())
    assert torch.equal(inpaint.latent.samples, expected)
    assert torch.equal(inpaint.mask.values, square().values)


@pytest.mark.parametrize("grow", [0, 1, 5, 6])
def test_a_noise_mask_is_larger_than_the_hidden_part(grow: int, micro: Checkpoint, picture: Image) -> None:
    found = encode_hidden(micro.vae, picture, square(), grow)[0].noise_mask
    assert found is not None
    hidden = square().values[0].numpy() > 0
    # An even number of pixels grows by one more to the right and down.
    around = binary_dilation(hidden, np.ones((grow, grow)), origin=0 if grow % 2 else -1) if grow else hidden
    assert np.array_equal(found.values[0].numpy() > 0, around)
    assert found.values.unique().tolist() == [0.0, 1.0]


def test_a_mask_of_another_size_is_scaled_and_half_or_more_hides(micro: Checkpoint, picture: Image) -> None:
    small = Mask(torch.tensor([[[0.0, 1.0], [0.4, 0.6]]]))
    found = encode_hidden(micro.vae, picture, small, grow=0)[0].noise_mask
    assert found is not None
    assert found.values[0, 0, [0, -1]].tolist() == [0.0, 1.0]
    assert found.values[0, -1, [0, -1]].tolist() == [0.0, 1.0]
    assert inpaint_of(micro.vae, picture, small)[0].mask.values[0, -1, 0] == pytest.approx(0.4)  # soft for the sampler


def test_what_exceeds_whole_cells_is_cut_off_of_picture_and_mask_alike(micro: Checkpoint) -> None:
    pixels = torch.rand(1, 37, 43, 4, generator=torch.Generator().manual_seed(0))
    values = torch.zeros(1, 37, 43)
    values[:, 10:18, 17:25] = 1.0
    found, _ = inpaint_of(micro.vae, Image(pixels), Mask(values))
    cut, _ = inpaint_of(micro.vae, Image(pixels[:, 2:34, 1:41, :3]), square())
    assert torch.equal(found.latent.samples, cut.latent.samples)
    assert torch.equal(found.mask.values, cut.mask.values)


def test_each_picture_may_have_its_own_mask(micro: Checkpoint) -> None:
    pair = Image(torch.rand(2, 16, 16, 3))
    found, _ = encode_hidden(micro.vae, pair, Mask(torch.stack([torch.zeros(16, 16), torch.ones(16, 16)])), 0)
    assert torch.equal(found.samples[0], encode_image(micro.vae, pair.select([0])).samples[0])
    grey = Image(torch.full((1, 16, 16, 3), 0.5))
    assert torch.equal(found.samples[1], encode_image(micro.vae, grey).samples[0])
    with pytest.raises(ValueRuleError, match="3 masks for 2 pictures"):
        encode_hidden(micro.vae, pair, Mask(torch.zeros(3, 16, 16)))


def test_a_picture_smaller_than_a_cell_is_refused(micro: Checkpoint) -> None:
    with pytest.raises(ValueRuleError, match="4 x 4 is too small; 8 x 8 is the least"):
        inpaint_of(micro.vae, Image(torch.rand(1, 4, 4, 3)), Mask(torch.ones(1, 4, 4)))


def test_a_picture_that_is_to_be_edited_is_told_whole(micro: Checkpoint, picture: Image) -> None:
    found, _ = edit_of(micro.vae, picture)
    assert torch.equal(found.latent.samples, encode_image(micro.vae, picture).samples)
    assert found.mask.values.shape == (1, 32, 40)
    assert bool((found.mask.values == 1.0).all())
