"""What patches do inside the UNet, held against diffusers' own, in fp32 on the CPU to 1e-5 relative."""

import math
import warnings
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from nodeflow.diffusion.checkpoints import Checkpoint
from nodeflow.diffusion.checkpoints.diffusersnames import unet_renaming
from nodeflow.diffusion.models.passing import Patch, Place
from nodeflow.diffusion.models.patches.freeu import FreeU
from nodeflow.diffusion.models.patches.identity import IdentityAttention
from nodeflow.diffusion.models.patches.watching import WatchedAttention

TOLERANCE = 1e-5
PLACE = Place("output", 0, 0, (6, 8), (12, 16))


@pytest.fixture(scope="module")
def peer(micro: Checkpoint) -> Any:
    """diffusers' UNet with the weights of the micro checkpoint."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # what diffusers warns of at import is not ours
        from diffusers import UNet2DConditionModel
    network = UNet2DConditionModel(
        block_out_channels=(32, 64),
        down_block_types=("CrossAttnDownBlock2D",) * 2,
        up_block_types=("CrossAttnUpBlock2D",) * 2,
        layers_per_block=1,
        cross_attention_dim=64,
        attention_head_dim=micro.model.network.config.num_heads,  # type: ignore[union-attr, arg-type]
    )
    weights = micro.model.network.state_dict()
    names = unet_renaming(weights)
    network.load_state_dict({str(names.to_theirs(name)): weight for name, weight in weights.items()})
    return network.eval()


def inputs(rows: int = 2) -> tuple[Tensor, Tensor, Tensor]:
    generator = torch.Generator().manual_seed(0)
    x, context = torch.randn(rows, 4, 12, 16, generator=generator), torch.randn(rows, 77, 64, generator=generator)
    return x, torch.full((rows,), 500.0), context


def middle_attention(peer: Any) -> Any:
    return peer.mid_block.attentions[0].transformer_blocks[0].attn1


def ours(network: nn.Module, *patches: Patch) -> Tensor:
    with torch.inference_mode():
        out: Tensor = network(*inputs(), patches=patches)
    return out


def test_attention_to_oneself_is_diffusers_perturbed_attention(
    micro: Checkpoint, peer: Any, relative: Callable[[Tensor, Tensor], float]
) -> None:
    from diffusers.models.attention_processor import PAGIdentitySelfAttnProcessor2_0

    attention = middle_attention(peer)
    before = attention.processor
    attention.set_processor(PAGIdentitySelfAttnProcessor2_0())
    try:
        with torch.inference_mode():
            # The second half of its batch is the perturbed one.
            both = peer(*(torch.cat([each, each]) for each in inputs())).sample
    finally:
        attention.set_processor(before)
    assert relative(ours(micro.model.network), both[:2]) < TOLERANCE
    assert relative(ours(micro.model.network, IdentityAttention()), both[2:]) < TOLERANCE
    assert relative(both[2:], both[:2]) > 1e-4


def test_watched_attention_is_what_diffusers_keeps_and_changes_nothing(micro: Checkpoint, peer: Any) -> None:
    from diffusers.pipelines.deprecated.stable_diffusion_sag.pipeline_stable_diffusion_sag import (
        CrossAttnStoreProcessor,
    )

    attention = middle_attention(peer)
    before, keeping = attention.processor, CrossAttnStoreProcessor()
    attention.set_processor(keeping)
    try:
        with torch.inference_mode():
            peer(*inputs())
    finally:
        attention.set_processor(before)
    assert keeping.attention_probs is not None
    expected = keeping.attention_probs.unflatten(0, (2, -1)).mean(dim=1).sum(dim=1)
    watch = WatchedAttention()
    assert torch.equal(ours(micro.model.network, watch), ours(micro.model.network))
    ((received, full),) = watch.seen
    assert full == (12, 16)
    assert received.shape == (2, 6, 8)
    torch.testing.assert_close(received.flatten(1), expected, rtol=TOLERANCE, atol=TOLERANCE)


@pytest.mark.parametrize(("index", "channels"), [(0, 32), (1, 16)])
@pytest.mark.parametrize("size", [(6, 8), (5, 7), (1, 1), (2, 3)])
def test_freeu_is_diffusers_at_features_four_and_two_times_as_wide(
    index: int, channels: int, size: tuple[int, int], relative: Callable[[Tensor, Tensor], float]
) -> None:
    from diffusers.utils.torch_utils import apply_freeu

    h, skip = torch.randn(2, channels, *size), torch.randn(2, 8, *size)
    factors = {"b1": 1.3, "b2": 1.4, "s1": 0.9, "s2": 0.2}
    kept = h.clone(), skip.clone()
    found = FreeU(8, **factors).skip(h, skip, PLACE)
    assert torch.equal(h, kept[0])
    assert torch.equal(skip, kept[1])
    expected = apply_freeu(index, h.clone(), skip.clone(), **factors)
    assert all(relative(*pair) < TOLERANCE for pair in zip(found, expected, strict=True))


def test_freeu_leaves_features_of_other_widths_alone() -> None:
    h, skip = torch.randn(1, 8, 4, 4), torch.randn(1, 8, 4, 4)
    found = FreeU(8, 2.0, 2.0, 0.0, 0.0).skip(h, skip, PLACE)
    assert found[0] is h
    assert found[1] is skip


def test_the_second_freeu_follows_the_mean_over_the_channels() -> None:
    h = np.random.default_rng(0).normal(size=(2, 32, 5, 7)).astype(np.float32)
    mean = h.mean(axis=1)
    low, high = (edge(mean, axis=(1, 2), keepdims=True) for edge in (np.min, np.max))
    factor = 1 + 0.3 * (mean - low) / (high - low)
    expected = h.copy()
    expected[:, :16] *= factor[:, None]
    found, _ = FreeU(8, 1.3, 1.4, 0.9, 0.2, by_mean=True).skip(torch.from_numpy(h), torch.zeros(2, 8, 5, 7), PLACE)
    torch.testing.assert_close(found, torch.from_numpy(expected))


def test_the_second_freeu_gives_no_nan_where_the_mean_is_the_same_everywhere() -> None:
    found, _ = FreeU(8, 1.3, 1.4, 0.9, 0.2, by_mean=True).skip(torch.ones(1, 32, 4, 4), torch.ones(1, 8, 4, 4), PLACE)
    assert found.eq(1.0).all()


def test_freeu_changes_what_the_network_gives(micro: Checkpoint, relative: Callable[[Tensor, Tensor], float]) -> None:
    plain = ours(micro.model.network)
    for by_mean in (False, True):
        assert relative(ours(micro.model.network, FreeU(32, 1.3, 1.4, 0.9, 0.2, by_mean)), plain) > 1e-3
    assert math.isclose(relative(ours(micro.model.network, FreeU(32, 1, 1, 1, 1)), plain), 0.0, abs_tol=TOLERANCE)
