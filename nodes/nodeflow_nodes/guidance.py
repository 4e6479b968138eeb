"""Nodes that change how a model is guided; each gives a model that shares its weights with the one it was given."""

from typing import Annotated

from nodeflow.api import Field, Fraction, InputError, node
from nodeflow.api import Guidance as Scale
from nodeflow.diffusion.types import Conditioning, Model

Blur = Annotated[float, Field(ge=0.0, le=10.0)]


@node("RescaleCFG", category="advanced/model", title="Rescale guidance")
def rescale_cfg(model: Model, multiplier: Fraction = 0.7) -> Model:
    """Keep contrast in bounds at high guidance: the result gets the spread that the positive side alone has.

    Args:
        model: What is guided.
        multiplier: Share of the rescaled result; at 0 nothing changes.
    """
    from nodeflow.diffusion.sampling.guidances.rescale import RescaledCFG

    return model.guided(RescaledCFG(multiplier))


@node("CFGInterval", category="advanced/guidance", title="Guidance interval")
def cfg_interval(model: Model, start: Fraction = 0.0, end: Fraction = 1.0) -> Model:
    """Guide in a part of the sampling only; elsewhere the positive side is followed alone, in half the time.

    Without guidance at the start pictures vary more, and without it at the end nothing gets worse (2404.07724).

    Args:
        model: What is guided.
        start: Share of the noise schedule after which there is guidance.
        end: Share of the noise schedule until which there is.
    """
    from nodeflow.diffusion.sampling.guidances.interval import CFGInterval
    from nodeflow.diffusion.sampling.prediction import levels_of

    _ends_after_it_starts(start, end)
    levels = levels_of(model.prediction, zero_terminal=model.zero_terminal)
    return model.guided(CFGInterval.between(start, end, levels))


@cfg_interval.check
def _ends_after_it_starts(start: float, end: float) -> None:
    if start > end:
        raise InputError("start", f"{start:g} comes after the end, {end:g}; exchange them")


@node("PerpNeg", category="_for_testing", title="Perpendicular negative (old)")
def perp_neg(model: Model, empty_conditioning: Conditioning, neg_scale: Scale = 1.0) -> Model:
    """Avoid of the negative prompt only what the positive one does not ask for. PerpNegGuider does the same.

    Args:
        model: What is guided.
        empty_conditioning: An empty prompt.
        neg_scale: How strongly to avoid the rest of the negative prompt.
    """
    from nodeflow.diffusion.sampling.guidances.perpendicular import PerpendicularNegative

    return model.guided(PerpendicularNegative(empty_conditioning, neg_scale))


@node("PerturbedAttentionGuidance", category="model_patches/unet", title="Perturbed-attention guidance")
def perturbed_attention_guidance(model: Model, scale: Scale = 3.0) -> Model:
    """Move away from what the network draws without self-attention, which is a picture without structure.

    It works with and without a negative prompt, at any guidance scale, and takes half as long again.

    Args:
        model: What is guided.
        scale: How strongly to move away; at 0 nothing changes.
    """
    from nodeflow.diffusion.sampling.guidances.perturbed import PerturbedAttention

    return model.guided(PerturbedAttention(scale))


@node("SelfAttentionGuidance", category="_for_testing", title="Self-attention guidance")
def self_attention_guidance(
    model: Model, scale: Annotated[float, Field(ge=-2.0, le=5.0)] = 0.5, blur_sigma: Blur = 2.0
) -> Model:
    """Move away from what the network makes of a picture that is blurred where it looks most: details get clearer.

    Args:
        model: What is guided.
        scale: How strongly to move away.
        blur_sigma: How strong the blur is, in latent cells of 8 pixels.
    """
    from nodeflow.diffusion.sampling.guidances.blurred import SelfAttentionGuidance

    return model.guided(SelfAttentionGuidance(scale, blur_sigma))


@node("DynamicThresholding", category="advanced/guidance", title="Dynamic thresholding")
def dynamic_thresholding(model: Model, mimic_scale: Scale = 7.0, threshold_percentile: Fraction = 1.0) -> Model:
    """Guide at a high scale and keep the contrast of a lower one.

    Args:
        model: What is guided.
        mimic_scale: The guidance scale whose contrast is kept, a usual one such as 7; the sampler's may be much higher.
        threshold_percentile: Share of the values that is scaled back whole; below 1 the most extreme are cut off first.
    """
    from nodeflow.diffusion.sampling.guidances.thresholding import DynamicThresholding

    return model.guided(DynamicThresholding(mimic_scale, threshold_percentile))
