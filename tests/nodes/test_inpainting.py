"""Nodes for painting a part of a picture anew."""

import copy
from dataclasses import replace
from typing import Any

import pytest
import torch

from nodeflow.api import InputError
from nodeflow.diffusion import inpainting as library
from nodeflow.diffusion.models.vae import AutoencoderKL
from nodeflow.diffusion.types import Conditioning, Image, Latent, Mask
from nodeflow_nodes.conditioning import clip_text_encode
from nodeflow_nodes.inpainting import (
    differential_diffusion,
    inpaint_model_conditioning,
    instruct_pix_to_pix_conditioning,
    set_latent_noise_mask,
    vae_encode_for_inpaint,
)
from nodeflow_nodes.loaders import Loaded
from nodeflow_nodes.sampling import ksampler
from nodeflow_nodes.vae import vae_encode


@pytest.fixture(scope="module")
def prompts(loaded: Loaded) -> tuple[Conditioning, Conditioning]:
    return clip_text_encode(loaded.clip, "a cat"), clip_text_encode(loaded.clip, "")


@pytest.fixture(scope="module")
def picture() -> Image:
    return Image(torch.rand(1, 32, 32, 3, generator=torch.Generator().manual_seed(0)))


def right_half(height: int = 32, width: int = 32) -> Mask:
    values = torch.zeros(1, height, width)
    values[:, :, width // 2 :] = 1.0
    return Mask(values)


def test_only_the_white_part_of_a_noise_mask_changes(
    loaded: Loaded, prompts: tuple[Conditioning, Conditioning], picture: Image
) -> None:
    latent = vae_encode(picture, loaded.vae)
    masked = set_latent_noise_mask(latent, right_half())
    assert latent.noise_mask is None
    found = ksampler(loaded.model, *prompts, masked, 1, 3, 2.0)
    torch.testing.assert_close(found.samples[..., :2], latent.samples[..., :2], rtol=1e-4, atol=1e-4)
    assert not torch.allclose(found.samples[..., 2:], latent.samples[..., 2:], atol=0.1)
    assert found.noise_mask is masked.noise_mask


def test_a_mask_for_each_of_other_pictures_is_refused() -> None:
    with pytest.raises(InputError, match=r"^mask: .*3 noise masks for 2 rows"):
        set_latent_noise_mask(Latent(torch.zeros(2, 4, 4, 4)), Mask(torch.zeros(3, 8, 8)))


def test_a_hidden_part_is_encoded_grey_with_a_larger_noise_mask(loaded: Loaded, picture: Image) -> None:
    found = vae_encode_for_inpaint(picture, loaded.vae, right_half(), 6)
    expected, _ = library.encode_hidden(loaded.vae, picture, right_half(), 6)
    assert torch.equal(found.samples, expected.samples)
    assert found.noise_mask is not None
    assert found.noise_mask.values[0, 0].tolist() == [0.0] * 14 + [1.0] * 18


def test_an_in_painting_model_is_told_the_rest_on_both_sides(
    loaded: Loaded, prompts: tuple[Conditioning, Conditioning], picture: Image
) -> None:
    positive, negative, latent = inpaint_model_conditioning(*prompts, loaded.vae, picture, right_half(16, 16))
    expected, _ = library.inpaint_of(loaded.vae, picture, right_half(16, 16))
    for before, after in zip(prompts, (positive, negative), strict=True):
        (entry,) = after.entries
        assert entry.context is before.entries[0].context
        assert entry.inpaint is not None
        assert torch.equal(entry.inpaint.latent.samples, expected.latent.samples)
    assert torch.equal(latent.samples, vae_encode(picture, loaded.vae).samples)
    assert latent.noise_mask is not None
    assert torch.equal(latent.noise_mask.values, expected.mask.values)
    free = inpaint_model_conditioning(*prompts, loaded.vae, picture, right_half(), noise_mask=False).latent
    assert free.noise_mask is None


def test_other_models_do_not_look_at_what_an_in_painting_model_is_told(
    loaded: Loaded, prompts: tuple[Conditioning, Conditioning], picture: Image
) -> None:
    positive, negative, latent = inpaint_model_conditioning(*prompts, loaded.vae, picture, right_half())
    found = ksampler(loaded.model, positive, negative, latent, 1, 3, 2.0)
    assert torch.equal(found.samples, ksampler(loaded.model, *prompts, latent, 1, 3, 2.0).samples)


def test_an_editing_model_is_told_the_picture_and_starts_from_nothing(
    loaded: Loaded, prompts: tuple[Conditioning, Conditioning], picture: Image
) -> None:
    positive, negative, latent = instruct_pix_to_pix_conditioning(*prompts, picture, loaded.vae)
    for side in (positive, negative):
        (inpaint,) = (entry.inpaint for entry in side.entries)
        assert inpaint is not None
        assert torch.equal(inpaint.latent.samples, vae_encode(picture, loaded.vae).samples)
    assert latent.samples.shape == (1, 4, 4, 4)
    assert not latent.samples.any()


@pytest.mark.parametrize("node", ["hide", "tell"])
def test_what_does_not_fit_is_said_of_the_input_that_is_at_fault(
    node: str, loaded: Loaded, prompts: tuple[Conditioning, Conditioning], picture: Image
) -> None:
    def run(image: Image, mask: Mask) -> object:
        if node == "hide":
            return vae_encode_for_inpaint(image, loaded.vae, mask)
        return inpaint_model_conditioning(*prompts, loaded.vae, image, mask)

    with pytest.raises(InputError, match=r"^mask: 2 masks for 1 pictures"):
        run(picture, Mask(torch.zeros(2, 8, 8)))
    with pytest.raises(InputError, match=r"^image: a picture of 4 x 4 is too small"):
        run(Image(torch.zeros(1, 4, 4, 3)), Mask(torch.zeros(1, 8, 8)))


@pytest.mark.parametrize("node", ["hide", "tell", "edit"])
def test_what_is_cut_off_a_picture_is_told(
    node: str, loaded: Loaded, prompts: tuple[Conditioning, Conditioning], recorder: Any
) -> None:
    image, mask = Image(torch.zeros(1, 17, 30, 3)), right_half()
    calls = {
        "hide": lambda: vae_encode_for_inpaint(image, loaded.vae, mask, run=recorder),
        "tell": lambda: inpaint_model_conditioning(*prompts, loaded.vae, image, mask, run=recorder),
        "edit": lambda: instruct_pix_to_pix_conditioning(*prompts, image, loaded.vae, run=recorder),
    }
    calls[node]()
    assert len(recorder.warnings) == 1
    assert "from 30x17 to 24x16" in recorder.warnings[0]


class Cramped(AutoencoderKL):
    """An autoencoder for which memory runs out beyond a size, as torch says it on a GPU."""

    def encode_moments(self, x: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        if x.shape[-1] * x.shape[-2] > 512 * 512:
            raise torch.OutOfMemoryError("CUDA out of memory")
        return super().encode_moments(x)


@pytest.mark.parametrize("node", ["hide", "tell", "edit"])
def test_what_memory_does_not_do_for_is_encoded_in_tiles_with_one_warning(
    node: str, loaded: Loaded, prompts: tuple[Conditioning, Conditioning], recorder: Any
) -> None:
    network = copy.deepcopy(loaded.vae.network)
    network.__class__ = Cramped
    cramped = replace(loaded.vae, network=network)
    image, mask = Image(torch.zeros(1, 64, 4160, 3)), right_half()
    calls = {
        "hide": lambda: vae_encode_for_inpaint(image, cramped, mask, run=recorder),
        "tell": lambda: inpaint_model_conditioning(*prompts, cramped, image, mask, run=recorder),
        "edit": lambda: instruct_pix_to_pix_conditioning(*prompts, image, cramped, run=recorder),
    }
    calls[node]()
    assert recorder.warnings == ["memory did not do for 4160 x 64 pixels at once: encoded in tiles of 512"]


def test_grey_parts_of_a_mask_become_free_later(
    loaded: Loaded, prompts: tuple[Conditioning, Conditioning], picture: Image
) -> None:
    latent = vae_encode(picture, loaded.vae)
    grey = set_latent_noise_mask(latent, Mask(torch.full((1, 32, 32), 0.5)))
    graded = differential_diffusion(loaded.model)
    assert graded.network is loaded.model.network
    found = ksampler(graded, *prompts, grey, 1, 4, 2.0)
    whole = ksampler(loaded.model, *prompts, latent, 1, 4, 2.0)
    soft = ksampler(loaded.model, *prompts, grey, 1, 4, 2.0)
    assert not torch.allclose(found.samples, whole.samples, atol=0.1)
    assert not torch.allclose(found.samples, soft.samples, atol=0.1)
    same = ksampler(differential_diffusion(loaded.model, 0.0), *prompts, grey, 1, 4, 2.0)
    assert torch.equal(same.samples, soft.samples)
