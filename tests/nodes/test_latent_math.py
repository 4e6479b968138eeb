"""The nodes that put latents together say which input is at fault, and hand on what the library computes."""

from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from nodeflow.api import InputError
from nodeflow.diffusion.latent_files import write_latent
from nodeflow.diffusion.latent_formats import SD1, SDXL
from nodeflow.diffusion.types import Image, Item, Latent, Mask
from nodeflow_nodes import latent_batches as batches
from nodeflow_nodes import latent_math as nodes
from nodeflow_nodes.latents import latent_crop, latent_flip, latent_rotate, latent_upscale
from nodeflow_nodes.loaders import Loaded
from nodeflow_nodes.vae import vae_decode, vae_decode_tiled, vae_encode, vae_encode_tiled

ONE, TWO = Latent(torch.ones(1, 4, 8, 8), SD1), Latent(torch.full((1, 4, 8, 8), 2.0), SD1)


@pytest.mark.parametrize(
    ("made", "value"),
    [
        (lambda: nodes.latent_add(ONE, TWO), 3.0),
        (lambda: nodes.latent_subtract(ONE, TWO), -1.0),
        (lambda: nodes.latent_multiply(TWO, 1.5), 3.0),
        (lambda: nodes.latent_blend(ONE, TWO, 0.75), 1.25),
        (lambda: nodes.latent_interpolate(ONE, TWO, 0.25), 1.75),
        (lambda: nodes.latent_composite(ONE, TWO, 0, 0), 2.0),
        (lambda: nodes.latent_composite_masked(ONE, TWO, mask=Mask(torch.zeros(1, 9, 9))), 1.0),
        (lambda: latent_rotate(TWO, "90 degrees"), 2.0),
        (lambda: latent_rotate(TWO, "none"), 2.0),
        (lambda: latent_flip(TWO), 2.0),
        (lambda: latent_crop(TWO, 64, 64), 2.0),
        (lambda: latent_upscale(TWO, "bislerp", 64, 64), 2.0),
        (lambda: batches.latent_from_batch(TWO), 2.0),
    ],
)
def test_a_node_gives_what_the_library_computes(made: Callable[[], Latent], value: float) -> None:
    torch.testing.assert_close(made().samples, torch.full((1, 4, 8, 8), value))


def test_batches_grow_and_shrink() -> None:
    both = batches.latent_batch(ONE, TWO)
    assert both.samples[:, 0, 0, 0].tolist() == [1.0, 2.0]
    assert batches.latent_from_batch(both, 1).items == (Item(1, 2),)
    assert len(batches.repeat_latent_batch(both, 3)) == 6
    assert batches.latent_batch_seed_behavior(both, "fixed").items == (Item(0, 2),) * 2
    assert batches.latent_batch_seed_behavior(both.select([1]), "random").items == (Item(0, 1),)
    assert [len(each) for each in batches.rebatch_latents([both, ONE], 2)] == [2, 1]
    assert [len(each) for each in batches.rebatch_latents(both, 1)] == [1, 1]
    assert nodes.latent_concat(ONE, TWO, "-x").samples[0, 0, 0, ::8].tolist() == [2.0, 1.0]
    assert nodes.latent_cut(ONE, "y", 2, 3).samples.shape == (1, 4, 3, 8)


@pytest.mark.parametrize(
    ("made", "message"),
    [
        (lambda: nodes.latent_add(ONE, Latent(torch.ones(1, 4, 8, 8), SDXL)), r"^latent2: .*different spaces"),
        (lambda: nodes.latent_concat(ONE, Latent(torch.ones(1, 4, 9, 8)), "x"), r"^latent2: .*one height"),
        (lambda: nodes.latent_composite(ONE, TWO, 64, 0), r"^latent_from: .*outside"),
        (lambda: nodes.latent_composite_masked(ONE, TWO, -64, 0), r"^source: .*outside"),
        (lambda: latent_crop(Latent(torch.ones(1, 4, 2, 2))), r"^latent: .*too small"),
        (lambda: latent_upscale(ONE, "area", 4, 512), r"^width: .*0 x 64 cells"),
        (lambda: batches.rebatch_latents([], 2), r"^latents: there is no latent"),
    ],
)
def test_the_input_at_fault_is_named(made: Callable[[], object], message: str) -> None:
    with pytest.raises(InputError, match=message):
        made()


def test_a_latent_is_read_from_a_file(tmp_path: Path) -> None:
    (tmp_path / "two.latent").write_bytes(write_latent(TWO))
    assert torch.equal(batches.load_latent(tmp_path / "two.latent").samples, TWO.samples)
    (tmp_path / "bad.latent").write_bytes(b"x")
    with pytest.raises(InputError, match=r"^latent: bad\.latent is no latent"):
        batches.load_latent(tmp_path / "bad.latent")


def test_tiles_that_hold_everything_are_the_whole(loaded: Loaded) -> None:
    latent = Latent(torch.randn(2, 4, 5, 7))
    torch.testing.assert_close(vae_decode_tiled(latent, loaded.vae).pixels, vae_decode(latent, loaded.vae).pixels)
    image = Image(torch.rand(1, 40, 56, 3))
    torch.testing.assert_close(
        vae_encode_tiled(image, loaded.vae).samples, vae_encode(image, loaded.vae).samples, rtol=1e-5, atol=1e-5
    )
