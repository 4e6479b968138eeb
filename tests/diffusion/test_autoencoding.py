"""Pictures to latents and back, against another engine (1e-5 relative in fp32: two implementations differ by 1e-6)."""

import copy
import dataclasses
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from torch import Tensor

import nodeflow_nodes
from nodeflow.diffusion.autoencoding import (
    decode,
    decode_in_room,
    decode_tiled,
    encode_image,
    encode_in_room,
    encode_tiled,
)
from nodeflow.diffusion.checkpoints import Checkpoint, load_checkpoint
from nodeflow.diffusion.errors import NonFiniteError, ValueRuleError
from nodeflow.diffusion.inpainting import edit_of, encode_hidden, inpaint_of
from nodeflow.diffusion.latent_formats import SD1, SDXL
from nodeflow.diffusion.models.vae import AutoencoderKL
from nodeflow.diffusion.pictures import read_picture
from nodeflow.diffusion.types import Image, Item, Latent, Mask, Vae

TOLERANCE = 1e-5


def test_encoding_agrees_with_comfyui(
    micro: Checkpoint, golden: dict[str, Tensor], relative: Callable[[Tensor, Tensor], float]
) -> None:
    latent = encode_image(micro.vae, Image(golden["image.in"]))
    assert relative(latent.samples, golden["vae.encode"]) < TOLERANCE
    assert latent.format == SD1


def test_decoding_agrees_with_comfyui(
    micro: Checkpoint, golden: dict[str, Tensor], relative: Callable[[Tensor, Tensor], float]
) -> None:
    image = decode(micro.vae, Latent(golden["vae.encode"], SD1))
    assert relative(image.pixels, golden["vae.decode"]) < TOLERANCE


def test_a_picture_does_not_depend_on_its_batch(micro: Checkpoint) -> None:
    torch.manual_seed(0)
    latents = Latent(torch.randn(3, 4, 3, 5) * 4, SD1)
    whole, alone = decode(micro.vae, latents), decode(micro.vae, latents.select([2]))
    assert alone.items == (Item(2, 3),)
    assert torch.equal(alone.pixels[0], whole.pixels[2])
    again, single = encode_image(micro.vae, whole), encode_image(micro.vae, whole.select([1]))
    assert single.items == (Item(1, 3),)
    assert torch.equal(single.samples[0], again.samples[1])


def test_a_picture_is_cropped_in_the_middle_to_whole_cells(micro: Checkpoint) -> None:
    torch.manual_seed(0)
    picture = Image(torch.rand(1, 21, 30, 4))
    cropped = Image(picture.pixels[:, 2:18, 3:27, :3].contiguous())
    assert torch.equal(encode_image(micro.vae, picture).samples, encode_image(micro.vae, cropped).samples)


def test_a_picture_below_one_cell_is_refused(micro: Checkpoint) -> None:
    with pytest.raises(ValueRuleError, match="a picture of 7 x 9 is too small; 8 x 8 is the least"):
        encode_image(micro.vae, Image(torch.rand(1, 9, 7, 3)))


def test_an_empty_latent_can_be_decoded(micro: Checkpoint) -> None:
    assert decode(micro.vae, Latent(torch.zeros(1, 4, 1, 2))).pixels.shape == (1, 8, 16, 3)


@pytest.mark.parametrize(
    ("latent", "message"),
    [
        (Latent(torch.zeros(1, 4, 2, 2), SDXL), "the latent is of sdxl with 4 channels, the autoencoder works in sd1"),
        (Latent(torch.zeros(1, 16, 2, 2)), "of an unknown space with 16 channels"),
    ],
)
def test_a_latent_of_another_space_is_refused(latent: Latent, message: str, micro: Checkpoint) -> None:
    with pytest.raises(ValueRuleError, match=message):
        decode(micro.vae, latent)


def test_nan_from_the_autoencoder_is_an_error_that_names_it(micro: Checkpoint) -> None:
    network = copy.deepcopy(micro.vae.network)
    network.get_parameter("decoder.conv_out.bias").fill_(float("nan"))
    network.get_parameter("encoder.conv_out.bias").fill_(float("inf"))
    broken: Vae = dataclasses.replace(micro.vae, network=network)
    with pytest.raises(NonFiniteError, match="decoder of the autoencoder produced NaN or infinity"):
        decode(broken, Latent(torch.zeros(1, 4, 2, 2)))
    with pytest.raises(NonFiniteError, match="encoder of the autoencoder produced NaN or infinity"):
        encode_image(broken, Image(torch.rand(1, 8, 8, 3)))


def test_a_released_autoencoder_says_so(micro: Checkpoint) -> None:
    vae = dataclasses.replace(micro.vae, network=copy.deepcopy(micro.vae.network))
    vae.release()
    with pytest.raises(ValueRuleError, match="this vae was released; load it again"):
        decode(vae, Latent(torch.zeros(1, 4, 2, 2)))


def test_tiles_that_hold_everything_change_nothing(micro: Checkpoint) -> None:
    latent = Latent(torch.randn(2, 4, 8, 8, generator=torch.Generator().manual_seed(0)), SD1)
    torch.testing.assert_close(decode_tiled(micro.vae, latent, 128, 0).pixels, decode(micro.vae, latent).pixels)


def test_tiles_give_almost_the_same_picture() -> None:
    """A trained autoencoder looks hardly beyond its neighbours: of real pictures tiles change little (2 % here)."""
    root = Path(nodeflow_nodes.__file__ or "").parent
    vae = load_checkpoint(root / "models" / "checkpoints" / "emoji-tiny.safetensors").vae
    sheet = read_picture(root.parents[1] / "workflows" / "prompt_sheet.png").image
    picture = Image(sheet.pixels[:, :128, :256, :3])
    latent = encode_image(vae, picture)
    whole, tiles = decode(vae, latent), decode_tiled(vae, latent, 96, 24)
    assert tiles.pixels.shape == whole.pixels.shape == (1, 128, 256, 3)
    assert not torch.equal(tiles.pixels, whole.pixels)
    assert float((tiles.pixels - whole.pixels).abs().mean()) < 0.03
    again = encode_tiled(vae, picture, 96, 24)
    assert float((again.samples - latent.samples).norm() / latent.samples.norm()) < 0.2


@pytest.mark.parametrize("tile", [72, 88])
def test_tiles_whose_half_is_no_whole_number_of_cells_are_rounded_down(tile: int, micro: Checkpoint) -> None:
    picture = Image(torch.rand(1, 104, 88, 3, generator=torch.Generator().manual_seed(0)))
    found = encode_tiled(micro.vae, picture, tile, 16).samples
    assert torch.equal(found, encode_tiled(micro.vae, picture, tile - 8, 16).samples)


def test_a_tile_smaller_than_four_cells_is_refused(micro: Checkpoint) -> None:
    with pytest.raises(ValueRuleError, match="a tile of 16 pixels is too small; 32 is the least"):
        decode_tiled(micro.vae, Latent(torch.zeros(1, 4, 8, 8)), 16)


class Cramped(AutoencoderKL):
    """An autoencoder for which memory runs out beyond a size, as torch says it on a GPU, or on a CPU."""

    def decode(self, z: Tensor) -> Tensor:
        if z.shape[-1] * z.shape[-2] > 64 * 64:
            raise torch.OutOfMemoryError("CUDA out of memory")
        return super().decode(z)

    def encode_moments(self, x: Tensor) -> tuple[Tensor, Tensor]:
        if x.shape[-1] * x.shape[-2] > 512 * 512:
            raise RuntimeError("[enforce fail at alloc_cpu.cpp:121] DefaultCPUAllocator: can't allocate memory")
        return super().encode_moments(x)


@pytest.fixture
def cramped(micro: Checkpoint) -> Vae:
    network = copy.deepcopy(micro.vae.network)
    network.__class__ = Cramped
    return dataclasses.replace(micro.vae, network=network)


def test_what_memory_does_not_do_for_is_decoded_in_tiles(cramped: Vae, micro: Checkpoint) -> None:
    latent = Latent(torch.zeros(1, 4, 8, 520), SD1)
    image, in_tiles = decode_in_room(cramped, latent)
    assert in_tiles
    assert image.pixels.shape == (1, 64, 4160, 3)
    assert decode_in_room(micro.vae, Latent(torch.zeros(1, 4, 8, 8)))[1] is False


def test_what_memory_does_not_do_for_is_encoded_in_tiles(cramped: Vae) -> None:
    latent, in_tiles = encode_in_room(cramped, Image(torch.zeros(1, 64, 4160, 3)))
    assert in_tiles
    assert latent.samples.shape == (1, 4, 8, 520)


def test_what_is_to_be_painted_anew_is_encoded_in_tiles_too(cramped: Vae) -> None:
    picture, mask = Image(torch.zeros(1, 64, 4160, 3)), Mask(torch.zeros(1, 64, 4160))
    whole = encode_tiled(cramped, picture).samples
    hidden, in_tiles = encode_hidden(cramped, picture, mask)
    assert in_tiles
    assert torch.equal(hidden.samples, whole)
    for told, told_in_tiles in (inpaint_of(cramped, picture, mask), edit_of(cramped, picture)):
        assert told_in_tiles
        assert torch.equal(told.latent.samples, whole)


def test_other_faults_are_no_lack_of_memory(micro: Checkpoint) -> None:
    network = copy.deepcopy(micro.vae.network)
    network.get_submodule("decoder.conv_in").weight.data = torch.zeros(1, 1, 1, 1)  # no layer of this shape
    with pytest.raises(RuntimeError):
        decode_in_room(dataclasses.replace(micro.vae, network=network), Latent(torch.zeros(1, 4, 8, 8)))
