"""Ways of guiding, against diffusers where it has them, else against their equation; fp32 on the CPU.

Closed forms to 1e-5 relative; what runs through a network, alone here and in one call there, to 1e-4.
"""

import warnings
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from nodeflow.diffusion.checkpoints import Checkpoint
from nodeflow.diffusion.conditioning import encode
from nodeflow.diffusion.latent_operations import SharpenLatent, TonemapReinhard
from nodeflow.diffusion.models.patches.identity import IdentityAttention
from nodeflow.diffusion.models.patches.watching import WatchedAttention
from nodeflow.diffusion.protocols import Guidance
from nodeflow.diffusion.sampling.evaluation import Conditioned
from nodeflow.diffusion.sampling.guidance import Steered, steered
from nodeflow.diffusion.sampling.guidances.blurred import SelfAttentionGuidance, blurred
from nodeflow.diffusion.sampling.guidances.dual import DualCFG
from nodeflow.diffusion.sampling.guidances.interval import CFGInterval
from nodeflow.diffusion.sampling.guidances.operated import OperatedGuidance
from nodeflow.diffusion.sampling.guidances.perpendicular import PerpendicularNegative
from nodeflow.diffusion.sampling.guidances.perturbed import PerturbedAttention
from nodeflow.diffusion.sampling.guidances.rescale import RescaledCFG
from nodeflow.diffusion.sampling.guidances.thresholding import DynamicThresholding
from nodeflow.diffusion.sampling.prediction import NetworkDenoiser, scaled_linear_levels
from nodeflow.diffusion.types import Area, Conditioning, Entry, Prediction

TOLERANCE = 1e-5
LEVELS = scaled_linear_levels()


def noise(seed: int, rows: int = 2) -> Tensor:
    return torch.randn(rows, 4, 12, 16, generator=torch.Generator().manual_seed(seed))


class Sides:
    """Denoisers that give fixed pictures, and count."""

    def __init__(self, towards: Tensor, away: Tensor) -> None:
        self.counts = {"positive": 0, "negative": 0}
        self.pictures = {"positive": towards, "negative": away}

    def of(self, name: str) -> Callable[[Tensor, Tensor], Tensor]:
        def denoise(x: Tensor, sigma: Tensor) -> Tensor:
            self.counts[name] += 1
            return self.pictures[name]

        return denoise

    def guided(self, scale: float, *guidance: Guidance) -> Steered:
        return steered(self.of("positive"), self.of("negative"), scale, guidance)


class Picture(nn.Module):
    """Predicts the picture that the context holds, and counts rows and calls."""

    def __init__(self) -> None:
        super().__init__()
        self.rows: list[int] = []

    def forward(self, x: Tensor, timesteps: Tensor, context: Tensor, y: Tensor | None = None) -> Tensor:
        self.rows.append(len(x))
        return context[:, :4].unflatten(2, (12, 16))


def told(picture: Tensor) -> Conditioning:
    """A conditioning that makes `Picture` predict this, [B, 4, 12, 16]."""
    return Conditioning((Entry(torch.cat([picture.flatten(2), torch.zeros(len(picture), 73, 192)], dim=1)),))


def of_three(scale: float, *guidance: Guidance, module: Picture | None = None) -> Steered:
    """Positive and negative pictures with seeds 1 and 2."""
    net = NetworkDenoiser(module or Picture(), Prediction.X0, LEVELS, torch.float32)
    return steered(Conditioned(net, told(noise(1))), Conditioned(net, told(noise(2))), scale, guidance)


X, SIGMA, ONE_LEVEL = 5.0 * noise(0), torch.tensor([5.0, 3.0]), torch.tensor([4.0, 4.0])


def test_rescaled_guidance_is_diffusers_on_the_velocity(relative: Callable[[Tensor, Tensor], float]) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        from diffusers.pipelines.stable_diffusion.pipeline_stable_diffusion import rescale_noise_cfg

    level = SIGMA[:, None, None, None]
    towards, away = noise(1), 2.0 * noise(2)  # velocities

    def picture(velocity: Tensor) -> Tensor:
        return X / (level**2 + 1) - velocity * level / (level**2 + 1).sqrt()

    expected = picture(rescale_noise_cfg(away + 7.0 * (towards - away), towards, 0.7))
    sides = Sides(picture(towards), picture(away))
    assert relative(sides.guided(7.0, RescaledCFG())(X, SIGMA), expected) < TOLERANCE
    plain = sides.guided(7.0)(X, SIGMA)
    assert relative(sides.guided(7.0, RescaledCFG(0.0))(X, SIGMA), plain) < TOLERANCE
    assert relative(plain, expected) > 0.1


def test_rescaled_guidance_at_scale_one_is_the_positive_side(relative: Callable[[Tensor, Tensor], float]) -> None:
    sides = Sides(noise(1), noise(2))
    assert relative(sides.guided(1.0, RescaledCFG())(X, SIGMA), noise(1)) < TOLERANCE
    assert sides.counts == {"positive": 1, "negative": 0}


@pytest.mark.parametrize(("share", "inside"), [(0.1, False), (0.3, True), (0.5, True), (0.8, False)])
def test_outside_of_the_interval_there_is_the_positive_side_alone(share: float, inside: bool) -> None:
    sides = Sides(noise(1), noise(2))
    sigma = torch.full((2,), LEVELS.at(share))
    found = sides.guided(4.0, CFGInterval.between(0.25, 0.6, LEVELS))(X, sigma)
    torch.testing.assert_close(found, noise(2) + 4.0 * (noise(1) - noise(2)) if inside else noise(1))
    assert sides.counts == {"positive": 1, "negative": int(inside)}


def test_each_row_is_in_the_interval_or_not() -> None:
    sides = Sides(noise(1), noise(2))
    sigma = torch.tensor([LEVELS.at(0.1), LEVELS.at(0.5)])
    found = sides.guided(4.0, CFGInterval.between(0.25, 0.6, LEVELS))(X, sigma)
    torch.testing.assert_close(found[0], noise(1)[0])
    torch.testing.assert_close(found[1], (noise(2) + 4.0 * (noise(1) - noise(2)))[1])


@pytest.mark.parametrize("order", [1, -1])
def test_the_interval_limits_what_joins_the_sides_whatever_came_first(order: int) -> None:
    module = Picture()
    guidance = [PerpendicularNegative(told(noise(3))), CFGInterval(4.0, 1.0)][::order]
    found = of_three(4.0, *guidance, module=module)(X, torch.full((2,), 5.0))
    assert module.rows == [1, 1]
    torch.testing.assert_close(found, noise(1))


@pytest.mark.parametrize("scale", [1.0, 6.0])
def test_the_perpendicular_negative_keeps_what_both_share(scale: float) -> None:
    module = Picture()
    found = of_three(scale, PerpendicularNegative(told(noise(3)), 1.5), module=module)(X, SIGMA)
    assert module.rows == [6]  # all three in one call
    for row in range(2):
        towards, away = (noise(1) - noise(3))[row].flatten().double(), (noise(2) - noise(3))[row].flatten().double()
        aside = away - towards * (away @ towards) / (towards @ towards)
        assert abs(float(aside @ towards)) < 1e-9
        expected = noise(3)[row] + scale * (towards - 1.5 * aside).reshape(4, 12, 16)
        torch.testing.assert_close(found[row], expected.float(), rtol=TOLERANCE, atol=TOLERANCE)


def test_the_perpendicular_negative_of_equal_prompts_is_no_nan() -> None:
    net = NetworkDenoiser(Picture(), Prediction.X0, LEVELS, torch.float32)
    same = Conditioned(net, told(noise(1)))
    found = steered(same, same, 4.0, [PerpendicularNegative(told(noise(1)))])(X, SIGMA)
    torch.testing.assert_close(found, noise(1))


@pytest.mark.parametrize(
    ("scale", "nested", "expected", "rows"),
    [
        (4.0, False, lambda p, m, n: n + 4.0 * (m - n) + 2.0 * (p - m), 6),
        (4.0, True, lambda p, m, n: n + 4.0 * (m + 2.0 * (p - m) - n), 6),
        (1.0, False, lambda p, m, n: m + 2.0 * (p - m), 4),
        (1.0, True, lambda p, m, n: m + 2.0 * (p - m), 6),
    ],
)
def test_dual_guidance_has_a_scale_for_each_of_two_conditionings(
    scale: float, nested: bool, expected: Callable[..., Tensor], rows: int
) -> None:
    module = Picture()
    found = of_three(scale, DualCFG(told(noise(3)), 2.0, nested), module=module)(X, SIGMA)
    assert module.rows == [rows]  # all in one call, the negative only where it is needed
    torch.testing.assert_close(found, expected(noise(1), noise(3), noise(2)))


def test_a_conditioning_that_two_ways_of_guiding_bring_along_is_evaluated_once() -> None:
    module, third = Picture(), told(noise(3))
    found = of_three(4.0, DualCFG(third, 2.0), PerpendicularNegative(third, 1.5), module=module)(X, SIGMA)
    assert module.rows == [6]
    assert torch.equal(found, of_three(4.0, PerpendicularNegative(third, 1.5))(X, SIGMA))  # the last one joins


def test_an_area_of_a_third_conditioning_is_looked_at_from_all_sides() -> None:
    shapes: list[torch.Size] = []

    class Flat(nn.Module):
        def forward(self, x: Tensor, timesteps: Tensor, context: Tensor, y: Tensor | None = None) -> Tensor:
            shapes.append(x.shape)
            return x

    net = NetworkDenoiser(Flat(), Prediction.X0, LEVELS, torch.float32)
    left = told(noise(3)).map(lambda each: Entry(each.context, area=Area(0, 0, 64, 96)))
    sides = Conditioned(net, told(noise(1))), Conditioned(net, told(noise(2)))
    steered(*sides, 4.0, [DualCFG(left)])(X, SIGMA)
    assert shapes == [(4, 4, 12, 16), (6, 4, 12, 8)]


def by_hand(cond: Tensor, uncond: Tensor, scale: float, mimic: float, percentile: float) -> Tensor:
    """Channel by channel, with sorting in place of a quantile."""
    out = torch.empty_like(cond)
    for row, channel in [(row, channel) for row in range(len(cond)) for channel in range(cond.shape[1])]:
        c, u = cond[row, channel].double(), uncond[row, channel].double()
        low, high = u + mimic * (c - u), u + scale * (c - u)
        wanted = float((low - low.mean()).abs().max())
        ordered = (high - high.mean()).abs().flatten().sort().values
        place = percentile * (len(ordered) - 1)
        one, other = ordered[int(place)], ordered[min(int(place) + 1, len(ordered) - 1)]
        reached = max(float(one + (other - one) * (place - int(place))), wanted)
        out[row, channel] = ((high - high.mean()).clamp(-reached, reached) * wanted / reached + high.mean()).float()
    return out


@pytest.mark.parametrize(("mimic", "percentile"), [(7.0, 1.0), (3.0, 0.9), (3.0, 0.0), (0.0, 1.0), (30.0, 0.5)])
def test_dynamic_thresholding_has_the_range_of_the_mimicked_scale(mimic: float, percentile: float) -> None:
    sides = Sides(noise(1), noise(2))
    found = sides.guided(15.0, DynamicThresholding(mimic, percentile))(X, SIGMA)
    torch.testing.assert_close(found, by_hand(noise(1), noise(2), 15.0, mimic, percentile), rtol=1e-4, atol=1e-5)


def test_dynamic_thresholding_at_scale_one_is_the_positive_side() -> None:
    sides = Sides(noise(1), noise(2))
    assert torch.equal(sides.guided(1.0, DynamicThresholding())(X, SIGMA), noise(1))
    assert sides.counts["negative"] == 0


def test_dynamic_thresholding_of_flat_pictures_is_no_nan() -> None:
    flat = torch.ones(2, 4, 12, 16)
    torch.testing.assert_close(Sides(flat, 0 * flat).guided(3.0, DynamicThresholding())(X, SIGMA), 3 * flat)


@pytest.fixture(scope="module")
def prompts(micro: Checkpoint) -> tuple[Conditioned, Conditioned]:
    net = NetworkDenoiser.of(micro.model)
    return Conditioned(net, encode(micro.clip, "cat")), Conditioned(net, encode(micro.clip, "dog"))


@torch.inference_mode()
def run(
    prompts: tuple[Conditioned, Conditioned], scale: float, *guidance: Guidance, rows: slice | None = None
) -> Tensor:
    some = rows or slice(None)
    return steered(*prompts, scale, guidance)(X[some], ONE_LEVEL[some])


@torch.inference_mode()
def alone(side: Conditioned, x: Tensor = X) -> Tensor:
    return side(x, ONE_LEVEL)


def test_perturbed_attention_moves_away_from_what_there_is_without_attention(
    prompts: tuple[Conditioned, Conditioned],
) -> None:
    positive = prompts[0]
    perturbed = Conditioned(positive.network.patched(IdentityAttention()), positive.conditioning)
    for scale in (1.0, 4.0):
        expected = run(prompts, scale) + 3.0 * (alone(positive) - alone(perturbed))
        torch.testing.assert_close(run(prompts, scale, PerturbedAttention(3.0)), expected, rtol=1e-4, atol=1e-4)
    assert not torch.allclose(alone(positive), alone(perturbed), atol=1e-3)
    assert torch.equal(run(prompts, 4.0, PerturbedAttention(0.0)), run(prompts, 4.0))


def test_what_adds_to_the_picture_comes_after_what_joins_the_sides(prompts: tuple[Conditioned, Conditioned]) -> None:
    one = run(prompts, 4.0, PerturbedAttention(), RescaledCFG())
    assert torch.equal(one, run(prompts, 4.0, RescaledCFG(), PerturbedAttention()))


@pytest.mark.parametrize("sigma", [0.5, 2.0])
def test_the_blur_is_diffusers(sigma: float) -> None:
    from diffusers.pipelines.deprecated.stable_diffusion_sag.pipeline_stable_diffusion_sag import gaussian_blur_2d

    torch.testing.assert_close(blurred(X, sigma), gaussian_blur_2d(X, 9, sigma), rtol=1e-5, atol=1e-5)


def test_no_blur_is_the_picture_itself() -> None:
    assert blurred(X, 0.0) is X


@pytest.mark.parametrize("scale", [1.0, 4.0])
def test_self_attention_guidance_is_diffusers(scale: float, prompts: tuple[Conditioned, Conditioned]) -> None:
    from diffusers.pipelines.deprecated.stable_diffusion_sag import pipeline_stable_diffusion_sag as peer

    negative = prompts[1]
    picture = alone(negative)
    attention = attention_of(negative)
    heads = attention.shape[1]
    level = 4.0
    pipeline: Any = SimpleNamespace(
        unet=SimpleNamespace(config=SimpleNamespace(attention_head_dim=heads)),
        scheduler=SimpleNamespace(add_noise=lambda latents, noise, timesteps: latents + level * noise),
    )
    noisy = peer.StableDiffusionSAGPipeline.sag_masking(
        pipeline, picture, attention.flatten(0, 1), (6, 8), torch.zeros(()), (X - picture) / level
    )
    worse = noisy - (X - picture)
    expected = run(prompts, scale) + 0.5 * (worse - alone(negative, noisy))
    found = run(prompts, scale, SelfAttentionGuidance(0.5, 1.0))
    torch.testing.assert_close(found, expected, rtol=1e-5, atol=1e-4)
    assert not torch.allclose(found, run(prompts, scale), atol=1e-2)


def attention_of(side: Conditioned) -> Tensor:
    """The self-attention in the middle of the UNet, [B, heads, N, N], computed from its weights."""
    kept: list[Tensor] = []

    class Keeping(WatchedAttention):
        def self_attention(self, attend: Any, attention: Any, x: Tensor, place: Any) -> Tensor:
            if place.stage == "middle":
                q, k = (layer(x).unflatten(2, (attention.heads, -1)) for layer in (attention.to_q, attention.to_k))
                kept.append(torch.einsum("bqhd,bkhd->bhqk", q, k).mul(q.shape[-1] ** -0.5).softmax(dim=-1))
            result: Tensor = attend(x, None)
            return result

    alone(Conditioned(side.network.patched(Keeping()), side.conditioning))
    return torch.cat(kept)


def test_self_attention_guidance_evaluates_the_negative_side_once_more_and_no_more(
    prompts: tuple[Conditioned, Conditioned],
) -> None:
    rows: list[int] = []

    class Counted(nn.Module):
        def __init__(self, inner: nn.Module) -> None:
            super().__init__()
            self.inner = inner

        def forward(self, x: Tensor, *arguments: Any, **more: Any) -> Tensor:
            rows.append(len(x))
            result: Tensor = self.inner(x, *arguments, **more)
            return result

    first = prompts[0].network
    net = NetworkDenoiser(Counted(first.network), first.prediction, first.levels, first.dtype)
    sides = tuple(Conditioned(net, side.conditioning) for side in prompts)
    run((sides[0], sides[1]), 4.0, SelfAttentionGuidance())
    assert sum(rows) == 2 * 3


def test_attention_is_the_mean_over_negative_entries_that_see_the_whole_picture(
    prompts: tuple[Conditioned, Conditioned],
) -> None:
    positive, negative = prompts
    entry = negative.conditioning.entries[0]
    left = Entry(entry.context, area=Area(0, 0, 64, 96))
    twice = Conditioned(negative.network, Conditioning((entry, entry)))
    parts = Conditioned(negative.network, Conditioning((left,)))
    once = run((positive, negative), 4.0, SelfAttentionGuidance())
    torch.testing.assert_close(run((positive, twice), 4.0, SelfAttentionGuidance()), once, rtol=1e-4, atol=1e-4)
    found, plain = run((positive, parts), 4.0, SelfAttentionGuidance()), run((positive, parts), 4.0)
    torch.testing.assert_close(found, plain, rtol=1e-4, atol=1e-4)


def test_a_latent_too_small_to_blur_is_guided_as_without(prompts: tuple[Conditioned, Conditioned]) -> None:
    x = X[..., :4]
    with torch.inference_mode():
        found = steered(*prompts, 4.0, [SelfAttentionGuidance()])(x, SIGMA)
        assert torch.equal(found, steered(*prompts, 4.0)(x, SIGMA))


@pytest.mark.parametrize(
    "guidance",
    [
        RescaledCFG(),
        CFGInterval(4.0, 1.0),
        PerturbedAttention(),
        SelfAttentionGuidance(),
        DynamicThresholding(3.0, 0.9),
        PerpendicularNegative,
        DualCFG,
    ],
    ids=lambda each: getattr(each, "__name__", type(each).__name__),
)
def test_a_picture_is_the_same_alone_and_in_its_batch(
    guidance: Any, micro: Checkpoint, prompts: tuple[Conditioned, Conditioned]
) -> None:
    each = guidance(encode(micro.clip, "")) if isinstance(guidance, type) else guidance
    whole = run(prompts, 4.0, each)
    for row in range(2):
        one = run(prompts, 4.0, each, rows=slice(row, row + 1))
        assert float((whole[row] - one[0]).abs().max()) <= 1e-6 * float(whole.abs().max())


def test_a_patch_needs_a_network_on_both_sides() -> None:
    with pytest.raises(TypeError, match="two sides of one network"):
        Sides(noise(1), noise(2)).guided(4.0, PerturbedAttention())(X, SIGMA)
    with pytest.raises(TypeError, match="needs a network to evaluate it"):
        Sides(noise(1), noise(2)).guided(4.0, DualCFG(told(noise(3))))


def test_an_operation_is_done_to_the_difference_of_the_sides() -> None:
    tonemap, sharpen = TonemapReinhard(0.2), SharpenLatent(3)
    sides = Sides(noise(1), noise(2))
    found = sides.guided(6.0, OperatedGuidance(tonemap), OperatedGuidance(sharpen))
    expected = noise(2) + 6.0 * sharpen(tonemap(noise(1) - noise(2)))
    torch.testing.assert_close(found(X, SIGMA), expected)
    torch.testing.assert_close(found.both(X, SIGMA).negative, noise(2))
    assert sides.counts == {"positive": 1, "negative": 1}


def test_without_guidance_an_operation_is_done_to_the_picture_itself() -> None:
    sides = Sides(noise(1), noise(2))
    torch.testing.assert_close(
        sides.guided(1.0, OperatedGuidance(SharpenLatent(3)))(X, SIGMA), SharpenLatent(3)(noise(1))
    )
    assert sides.counts == {"positive": 1, "negative": 0}


def test_all_guidance_sees_the_sides_an_operation_was_done_to() -> None:
    tonemap = TonemapReinhard(0.2)
    changed = noise(2) + tonemap(noise(1) - noise(2))
    expected = Sides(changed, noise(2)).guided(6.0, RescaledCFG())(X, SIGMA)
    for guidance in ([RescaledCFG(), OperatedGuidance(tonemap)], [OperatedGuidance(tonemap), RescaledCFG()]):
        torch.testing.assert_close(Sides(noise(1), noise(2)).guided(6.0, *guidance)(X, SIGMA), expected)
    module = Picture()
    outside = of_three(6.0, OperatedGuidance(tonemap), CFGInterval(4.0, 1.0), module=module)
    torch.testing.assert_close(outside(X, torch.full((2,), 5.0)), tonemap(noise(1)))
    assert module.rows == [1, 1]


def test_an_operation_leaves_alone_what_is_looked_at_inside_the_network(
    prompts: tuple[Conditioned, Conditioned],
) -> None:
    positive, tonemap = prompts[0], TonemapReinhard(0.2)
    perturbed = Conditioned(positive.network.patched(IdentityAttention()), positive.conditioning)
    expected = tonemap(alone(positive)) + 3.0 * (tonemap(alone(positive)) - alone(perturbed))
    found = run(prompts, 1.0, OperatedGuidance(tonemap), PerturbedAttention(3.0))
    torch.testing.assert_close(found, expected, rtol=1e-4, atol=1e-4)
    changed = tonemap(alone(prompts[0]) - alone(prompts[1]))
    watched = run(prompts, 4.0, OperatedGuidance(tonemap), SelfAttentionGuidance(0.0))
    torch.testing.assert_close(watched, alone(prompts[1]) + 4.0 * changed, rtol=1e-4, atol=1e-4)


def test_an_operation_goes_with_two_prompts() -> None:
    found = of_three(3.0, OperatedGuidance(TonemapReinhard(0.2)), DualCFG(told(noise(3)), 2.0))(X, SIGMA)
    positive = noise(2) + TonemapReinhard(0.2)(noise(1) - noise(2))
    torch.testing.assert_close(found, noise(2) + 3.0 * (noise(3) - noise(2)) + 2.0 * (positive - noise(3)))
