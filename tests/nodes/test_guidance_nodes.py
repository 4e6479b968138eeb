"""Nodes that change a model: what they set, that the weights are shared, and that sampling notices."""

from collections.abc import Callable
from typing import Any

import pytest
import torch

from nodeflow.api import InputError
from nodeflow.core.node import node_mark
from nodeflow.diffusion.models.patches.freeu import FreeU
from nodeflow.diffusion.models.patches.merging import MergedTokens
from nodeflow.diffusion.models.patches.tiles import HyperTile
from nodeflow.diffusion.sampling.guidances.blurred import SelfAttentionGuidance
from nodeflow.diffusion.sampling.guidances.dual import DualCFG
from nodeflow.diffusion.sampling.guidances.interval import CFGInterval
from nodeflow.diffusion.sampling.guidances.perpendicular import PerpendicularNegative
from nodeflow.diffusion.sampling.guidances.perturbed import PerturbedAttention
from nodeflow.diffusion.sampling.guidances.rescale import RescaledCFG
from nodeflow.diffusion.sampling.guidances.thresholding import DynamicThresholding
from nodeflow.diffusion.sampling.run import sample_custom
from nodeflow.diffusion.types import (
    Conditioning,
    Entry,
    Guider,
    Mask,
    Model,
    NoiseChoice,
    SamplerChoice,
    Sigmas,
)
from nodeflow_nodes.conditioning import clip_text_encode
from nodeflow_nodes.conditioning_mixes import conditioning_combine
from nodeflow_nodes.conditioning_regions import (
    conditioning_set_area,
    conditioning_set_area_percentage,
    conditioning_set_mask,
    conditioning_set_timestep_range,
)
from nodeflow_nodes.guidance import (
    cfg_interval,
    dual_cfg_guider,
    dynamic_thresholding,
    perp_neg,
    perp_neg_guider,
    perturbed_attention_guidance,
    rescale_cfg,
    self_attention_guidance,
)
from nodeflow_nodes.latents import empty_latent
from nodeflow_nodes.loaders import Loaded
from nodeflow_nodes.model_patches import free_u, free_u_v2, hyper_tile, tome_patch_model
from nodeflow_nodes.sampling import ksampler

Prompts = tuple[Conditioning, Conditioning]


@pytest.fixture(scope="module")
def prompts(loaded: Loaded) -> Prompts:
    return clip_text_encode(loaded.clip, "a cat"), clip_text_encode(loaded.clip, "a dog")


def sampled(model: Model, prompts: Prompts) -> torch.Tensor:
    return ksampler(model, *prompts, empty_latent(128, 96), 1, 3, 6.0).samples


NODES: dict[str, Callable[[Model, Prompts], Model]] = {
    "RescaleCFG": lambda model, _: rescale_cfg(model),
    "CFGInterval": lambda model, _: cfg_interval(model, 0.4, 0.9),
    "PerpNeg": lambda model, prompts: perp_neg(model, prompts[1].map(lambda e: Entry(torch.zeros_like(e.context)))),
    "PerturbedAttentionGuidance": lambda model, _: perturbed_attention_guidance(model),
    "SelfAttentionGuidance": lambda model, _: self_attention_guidance(model),
    "DynamicThresholding": lambda model, _: dynamic_thresholding(model, 2.0, 0.9),
    "FreeU": lambda model, _: free_u(model),
    "FreeU_V2": lambda model, _: free_u_v2(model),
    "HyperTile": lambda model, _: hyper_tile(model, 16, max_depth=1),
    "TomePatchModel": lambda model, _: tome_patch_model(model),
}


# Tokens are merged where there is attention at the size of the latent, and this network has none there.
@pytest.mark.parametrize("name", sorted(NODES.keys() - {"TomePatchModel"}))
def test_the_picture_changes_and_the_given_model_does_not(name: str, loaded: Loaded, prompts: Prompts) -> None:
    before = sampled(loaded.model, prompts)
    changed = NODES[name](loaded.model, prompts)
    assert not torch.equal(sampled(changed, prompts), before)
    assert torch.equal(sampled(loaded.model, prompts), before)
    assert (loaded.model.guidance, loaded.model.patches) == ((), ())


@pytest.mark.parametrize("name", NODES)
def test_the_weights_are_shared_and_count_once(name: str, loaded: Loaded, prompts: Prompts) -> None:
    changed = NODES[name](loaded.model, prompts)
    assert changed.network is loaded.model.network
    assert {**loaded.model.storages, **changed.storages} == loaded.model.storages
    assert changed.nbytes == loaded.model.nbytes


def test_nodes_set_what_they_say(loaded: Loaded, prompts: Prompts) -> None:
    model, empty = loaded.model, prompts[1]
    assert rescale_cfg(model, 0.3).guidance == (RescaledCFG(0.3),)
    assert perp_neg(model, empty, 2.0).guidance == (PerpendicularNegative(empty, 2.0),)
    assert perturbed_attention_guidance(model, 2.0).guidance == (PerturbedAttention(2.0),)
    assert self_attention_guidance(model, 1.5, 3.0).guidance == (SelfAttentionGuidance(1.5, 3.0),)
    assert dynamic_thresholding(model, 5.0, 0.9).guidance == (DynamicThresholding(5.0, 0.9),)
    assert free_u(model).patches == (FreeU(8, 1.1, 1.2, 0.9, 0.2),)
    assert free_u_v2(model).patches == (FreeU(8, 1.3, 1.4, 0.9, 0.2, by_mean=True),)
    assert hyper_tile(model, 128, 3, 1, scale_depth=True).patches == (HyperTile(128, 3, 1, scale_depth=True),)
    assert tome_patch_model(model, 0.5).patches == (MergedTokens(0.5),)
    both = rescale_cfg(perturbed_attention_guidance(free_u(model)))
    assert (len(both.patches), len(both.guidance)) == (1, 2)


def test_an_interval_is_given_in_shares_of_the_schedule(loaded: Loaded) -> None:
    (found,) = cfg_interval(loaded.model, 0.1, 0.5).guidance
    assert isinstance(found, CFGInterval)
    assert (found.highest, found.lowest) == pytest.approx((8.30717, 1.61558), rel=1e-5)  # as ComfyUI 0.3.64 has them
    (whole,) = cfg_interval(loaded.model).guidance
    assert isinstance(whole, CFGInterval)
    assert whole.highest > 1e6
    assert whole.lowest == 0.0


def test_an_interval_that_ends_before_it_starts_is_refused(loaded: Loaded) -> None:
    mark = node_mark(cfg_interval)
    assert mark is not None
    (rule,) = mark.checks
    for refused in (lambda: rule(start=0.7, end=0.2), lambda: cfg_interval(loaded.model, 0.7, 0.2)):
        with pytest.raises(InputError, match=r"^start: 0\.7 comes after the end, 0\.2"):
            refused()


def test_freeu_without_a_unet_is_refused(loaded: Loaded) -> None:
    import dataclasses

    other: Any = dataclasses.replace(loaded.model, network=torch.nn.Linear(1, 1))
    with pytest.raises(InputError, match=r"^model: FreeU needs a UNet"):
        free_u(other)


def test_guiders_carry_their_scales_and_what_else_they_follow(loaded: Loaded, prompts: Prompts) -> None:
    positive, negative = prompts
    empty = clip_text_encode(loaded.clip, "")
    guider = perp_neg_guider(loaded.model, positive, negative, empty, 5.0, 2.0)
    assert (guider.positive, guider.negative, guider.cfg) == (positive, negative, 5.0)
    assert guider.model.guidance == (PerpendicularNegative(empty, 2.0),)
    guider = dual_cfg_guider(loaded.model, positive, empty, negative, 5.0, 2.0, "nested")
    assert (guider.positive, guider.negative, guider.cfg) == (positive, negative, 2.0)
    assert guider.model.guidance == (DualCFG(empty, 5.0, nested=True),)
    assert dual_cfg_guider(loaded.model, positive, empty, negative).model.guidance == (DualCFG(empty, 8.0),)


@pytest.mark.parametrize("guider", [perp_neg_guider, dual_cfg_guider])
def test_a_guider_of_three_conditionings_samples(
    guider: Callable[..., Guider], loaded: Loaded, prompts: Prompts
) -> None:
    empty = clip_text_encode(loaded.clip, "")
    latent = empty_latent(32, 32)
    sigmas, sampler, noise = Sigmas((14.0, 3.0, 0.0)), SamplerChoice("euler"), NoiseChoice(1)
    *_, step = sample_custom(guider(loaded.model, *prompts, empty), latent, sigmas, sampler, noise)
    assert torch.isfinite(step.latent.samples).all()


def test_a_third_conditioning_must_fit_as_well(loaded: Loaded, prompts: Prompts) -> None:
    other = Conditioning((Entry(torch.zeros(1, 77, 768)),))
    with pytest.raises(InputError, match=r"^model: the additional conditioning has 768 features per token"):
        ksampler(perp_neg(loaded.model, other), *prompts, empty_latent(32, 32))


def test_an_area_outside_of_the_picture_is_told_before_anything_is_sampled(loaded: Loaded, prompts: Prompts) -> None:
    outside = conditioning_set_area(prompts[0], 64, 64, 64, 0)
    expected = r"^positive: the positive conditioning is for an area .* outside of the picture of 64 x 48 pixels; move"
    with pytest.raises(InputError, match=expected):
        ksampler(loaded.model, outside, prompts[1], empty_latent(64, 48))


def test_regions_change_the_picture_and_an_item_alone_equals_its_row(loaded: Loaded, prompts: Prompts) -> None:
    left = conditioning_set_area_percentage(prompts[0], 0.5, 1.0, 0.0, 0.0)
    late = conditioning_set_timestep_range(prompts[1], 0.5, 1.0)
    middle = conditioning_set_mask(prompts[1], Mask(torch.ones(1, 3, 7)), 0.7, "mask bounds")
    positive = conditioning_combine(conditioning_combine(left, late), middle)
    batch = empty_latent(128, 96, 3)
    whole = ksampler(loaded.model, positive, prompts[1], batch, 1, 3, 6.0)
    assert not torch.equal(whole.samples[:1], sampled(loaded.model, prompts))
    for row in range(3):
        alone = ksampler(loaded.model, positive, prompts[1], batch.select([row]), 1, 3, 6.0)
        assert float((alone.samples[0] - whole.samples[row]).abs().max()) <= 1e-6 * float(whole.samples.abs().max())
