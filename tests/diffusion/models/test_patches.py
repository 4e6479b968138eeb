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
from nodeflow.diffusion.models.patches.merging import MergedTokens, destinations, merging
from nodeflow.diffusion.models.patches.tiles import HyperTile
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


def attended(patch: Patch, x: Tensor, size: tuple[int, int], full: tuple[int, int] | None = None) -> Tensor:
    """What a patch makes of the attention of pixels [B, h w, C] that all see the mean of what they look at."""

    def attend(asking: Tensor, source: Tensor | None) -> Tensor:
        looked_at = asking if source is None else source
        return asking + looked_at.mean(dim=1, keepdim=True)

    layer: Any = None
    return patch.self_attention(attend, layer, x, Place("input", 1, 0, size, full or size))


def pixels(rows: int, *size: int) -> Tensor:
    return torch.randn(rows, math.prod(size), 6, generator=torch.Generator().manual_seed(0))


def test_tiles_look_at_themselves_only() -> None:
    x = pixels(2, 8, 12)
    picture = x.reshape(2, 8, 12, 6)
    expected = picture.clone()
    for y in (0, 4):
        for left in (0, 4, 8):
            tile = picture[:, y : y + 4, left : left + 4]
            expected[:, y : y + 4, left : left + 4] = tile + tile.mean(dim=(1, 2), keepdim=True)
    found = attended(HyperTile(tile_size=32), x, (8, 12))
    torch.testing.assert_close(found, expected.reshape(2, 96, 6))


@pytest.mark.parametrize(
    ("patch", "size", "full"),
    [
        (HyperTile(256), (32, 32), (32, 32)),  # no larger than a tile
        (HyperTile(32), (4, 4), (4, 4)),
        (HyperTile(32), (8, 8), (16, 16)),  # deeper than it goes
        (HyperTile(32, max_depth=1), (8, 8), (32, 32)),
        (HyperTile(32, max_depth=1, scale_depth=True), (8, 8), (16, 16)),
        (HyperTile(32), (7, 13), (7, 13)),  # sides that cannot be divided
    ],
    ids=str,
)
def test_where_there_is_one_tile_nothing_changes(
    patch: HyperTile, size: tuple[int, int], full: tuple[int, int]
) -> None:
    x = pixels(1, *size)
    assert torch.equal(attended(patch, x, size, full), attended(Patch(), x, size, full))


@pytest.mark.parametrize(("size", "full"), [((8, 8), (16, 16)), ((9, 12), (17, 24))])
def test_tiles_go_down_as_deep_as_they_may(size: tuple[int, int], full: tuple[int, int]) -> None:
    x = pixels(1, *size)
    plain = attended(Patch(), x, size, full)
    assert not torch.equal(attended(HyperTile(24, max_depth=1), x, size, full), plain)
    assert torch.equal(attended(HyperTile(24, max_depth=0), x, size, full), plain)


def moment(value: float) -> Tensor:
    return torch.full((2,), value)


def test_what_is_drawn_follows_from_seed_and_step_alone() -> None:
    x = pixels(2, 24, 24)
    for patch in (HyperTile(32, swap_size=5), MergedTokens(0.5)):
        once, again = (attended(patch.at(1, moment(500)), x, (24, 24)) for _ in range(2))
        assert torch.equal(once, again)
        drawn = [attended(patch.at(seed, moment(step)), x, (24, 24)) for seed in (1, 2) for step in range(0, 999, 100)]
        assert len({tuple(each.flatten().tolist()) for each in drawn}) > 2


def test_patches_that_draw_nothing_are_the_same_at_every_step() -> None:
    patch = FreeU(8, 1.0, 1.0, 1.0, 1.0)
    assert patch.at(1, moment(500)) is patch


@pytest.mark.parametrize("size", [(6, 8), (5, 7), (2, 2)])
def test_one_pixel_of_every_block_is_what_others_merge_into(size: tuple[int, int]) -> None:
    kept = destinations(size, 3)
    assert kept.shape == size
    for y in range(0, size[0] - 1, 2):
        for x in range(0, size[1] - 1, 2):
            assert int(kept[y : y + 2, x : x + 2].sum()) == 1
    assert int(kept.sum()) == (size[0] // 2) * (size[1] // 2)


def test_the_most_alike_are_merged_each_into_its_nearest() -> None:
    x, kept = pixels(2, 6, 8), destinations((6, 8), 1)
    found = merging(x, kept, 15)
    into, others = np.flatnonzero(kept.numpy()), np.flatnonzero(~kept.numpy())
    for row in range(2):
        tokens = x[row].numpy() / np.linalg.norm(x[row].numpy(), axis=1, keepdims=True)
        likeness = tokens[others] @ tokens[into].T
        merged = set(np.argsort(-likeness.max(axis=1))[:15])
        slots = found[row].tolist()
        assert [slots[place] for place in into] == list(range(12))
        for number, place in enumerate(others):
            if number in merged:
                assert slots[place] == likeness[number].argmax()
        alone = [slots[place] for number, place in enumerate(others) if number not in merged]
        assert sorted(alone) == list(range(12, 48 - 15))


def test_merged_pixels_ask_as_their_mean_and_get_one_answer() -> None:
    size, x = (6, 8), pixels(2, 6, 8)
    patch = MergedTokens(0.4, "chance")
    found = attended(patch, x, size)
    for row in range(2):
        groups: dict[tuple[float, ...], list[int]] = {}
        for place in range(48):
            groups.setdefault(tuple(found[row, place].tolist()), []).append(place)
        assert len(groups) == 48 - 19
        for places in groups.values():
            expected = x[row, places].mean(dim=0) + x[row].mean(dim=0)
            torch.testing.assert_close(found[row, places[0]], expected, rtol=1e-5, atol=1e-5)


def test_more_than_there_are_cannot_be_merged() -> None:
    found = attended(MergedTokens(1.0), pixels(1, 6, 8), (6, 8))
    assert len({tuple(each) for each in found[0].tolist()}) == 12


@pytest.mark.parametrize(
    ("patch", "size", "full"),
    [(MergedTokens(0.0), (6, 8), (6, 8)), (MergedTokens(), (6, 8), (12, 16)), (MergedTokens(), (1, 8), (1, 8))],
    ids=str,
)
def test_nothing_is_merged_where_nothing_should_be(
    patch: MergedTokens, size: tuple[int, int], full: tuple[int, int]
) -> None:
    x = pixels(1, *size)
    assert torch.equal(attended(patch, x, size, full), attended(Patch(), x, size, full))


@pytest.mark.parametrize("patch", [HyperTile(32), MergedTokens(0.5)], ids=str)
def test_tiles_and_merged_pixels_work_in_the_real_network(
    patch: Patch, micro: Checkpoint, relative: Callable[[Tensor, Tensor], float]
) -> None:
    network, timestep = micro.model.network, torch.full((1,), 500.0)
    plain, changed = ours(network), ours(network, patch.at(1, timestep))
    assert 1e-5 < relative(changed, plain) < 0.5
    x, timesteps, context = inputs()
    with torch.inference_mode():
        alone = network(x[:1], timesteps[:1], context[:1], patches=[patch.at(1, timestep)])
    assert relative(alone, changed[:1]) < TOLERANCE
