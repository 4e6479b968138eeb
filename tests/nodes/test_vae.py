"""Between pictures and latents."""

import pytest
import torch

from nodeflow.api import InputError
from nodeflow.diffusion.types import Image, Item, Latent
from nodeflow_nodes.loaders import Loaded
from nodeflow_nodes.vae import vae_decode, vae_encode


def test_decoding_gives_eight_pixels_for_a_cell_and_keeps_the_items(loaded: Loaded) -> None:
    image = vae_decode(Latent(torch.randn(1, 4, 3, 5), items=(Item(2, 3),)), loaded.vae)
    assert image.pixels.shape == (1, 24, 40, 3)
    assert image.items == (Item(2, 3),)


def test_a_picture_alone_is_encoded_as_in_its_batch(loaded: Loaded) -> None:
    batch = Image(torch.rand(3, 16, 16, 3))
    before = batch.pixels.clone()
    whole = vae_encode(batch, loaded.vae)
    for row in range(3):
        alone = vae_encode(batch.select([row]), loaded.vae)
        torch.testing.assert_close(alone.samples[0], whole.samples[row], rtol=1e-4, atol=1e-5)
        decoded = vae_decode(alone, loaded.vae)
        torch.testing.assert_close(decoded.pixels[0], vae_decode(whole, loaded.vae).pixels[row], rtol=1e-4, atol=1e-5)
    assert torch.equal(batch.pixels, before)


def test_encoding_knows_its_space(loaded: Loaded) -> None:
    assert vae_encode(Image(torch.rand(1, 16, 16, 4)), loaded.vae).format == loaded.vae.latent_format


def test_what_exceeds_whole_cells_is_cut_off_with_a_warning(loaded: Loaded, recorder: object) -> None:
    latent = vae_encode(Image(torch.rand(1, 17, 30, 3)), loaded.vae, run=recorder)  # type: ignore[arg-type]
    assert latent.samples.shape[2:] == (2, 3)
    assert "from 30x17 to 24x16" in recorder.warnings[0]  # type: ignore[attr-defined]


def test_a_picture_below_one_cell_is_refused(loaded: Loaded) -> None:
    with pytest.raises(InputError, match=r"^image: .*7 x 9 is too small"):
        vae_encode(Image(torch.rand(1, 9, 7, 3)), loaded.vae)


def test_a_latent_of_other_channels_is_refused(loaded: Loaded) -> None:
    with pytest.raises(InputError, match=r"^latent: .*16 channels"):
        vae_decode(Latent(torch.zeros(1, 16, 2, 2)), loaded.vae)
