"""Nodes that change how a model is guided; what they give shares its weights with the model they were given."""

from typing import Annotated, Literal

from nodeflow.api import Field, Fraction, InputError, node
from nodeflow.api import Guidance as Scale
from nodeflow.diffusion.types import Conditioning, Guider, Model

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


@node("PerpNegGuider", category="_for_testing", title="Perpendicular negative")
def perp_neg_guider(
    model: Model,
    positive: Conditioning,
    negative: Conditioning,
    empty_conditioning: Conditioning,
    cfg: Scale = 8.0,
    neg_scale: Scale = 1.0,
) -> Guider:
    """Follow one conditioning, and avoid of another only what the first does not ask for.

    Args:
        model: The denoising network.
        positive: What the picture should show.
        negative: What it should avoid.
        empty_conditioning: An empty prompt, which both are compared with.
        cfg: How strongly, all in all.
        neg_scale: How strongly to avoid the rest of the negative prompt.
    """
    return Guider(perp_neg(model, empty_conditioning, neg_scale), positive, negative, cfg)


@node("DualCFGGuider", category="sampling/guiders", title="Guider with two prompts")
def dual_cfg_guider(
    model: Model,
    cond1: Conditioning,
    cond2: Conditioning,
    negative: Conditioning,
    cfg_conds: Scale = 8.0,
    cfg_cond2_negative: Scale = 8.0,
    style: Literal["regular", "nested"] = "regular",
) -> Guider:
    """Follow two conditionings with a scale for each: from the negative to the second, from the second to the first.

    So editing models are run: the first is the picture with the instruction, the second the picture without it.

    Args:
        model: The denoising network.
        cond1: What the picture should show most.
        cond2: What lies between `cond1` and `negative`.
        negative: What the picture should avoid.
        cfg_conds: How strongly to go from `cond2` to `cond1`.
        cfg_cond2_negative: How strongly to go from `negative` to `cond2`; at 1 `negative` is ignored if not nested.
        style: "nested" applies `cfg_cond2_negative` to what `cfg_conds` has given already.
    """
    from nodeflow.diffusion.sampling.guidances.dual import DualCFG

    guidance = DualCFG(cond2, cfg_conds, style == "nested")
    return Guider(model.guided(guidance), cond1, negative, cfg_cond2_negative)


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
