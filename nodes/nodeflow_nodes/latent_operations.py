"""Nodes for what is done to latents, once or at every step of a run."""

from typing import Annotated

from nodeflow.api import Field, Lane, node
from nodeflow.diffusion.types import Latent, LatentOperation, Model
from nodeflow_nodes.refusals import blaming


@node("LatentOperationTonemapReinhard", category="latent/advanced/operations", title="Tone map of latents")
def latent_operation_tonemap_reinhard(
    multiplier: Annotated[float, Field(ge=0.0, le=100.0)] = 1.0,
) -> LatentOperation:
    """Take back the most extreme values of latents, so that high guidance burns less.

    It does nothing by itself: LatentApplyOperation does it once, LatentApplyOperationCFG at every step of a run.

    Args:
        multiplier: Limit of the values, against what is usual in the latent: the lower, the more they are taken back.
    """
    from nodeflow.diffusion.latent_operations import TonemapReinhard

    return TonemapReinhard(multiplier)


@node("LatentOperationSharpen", category="latent/advanced/operations", title="Sharpening of latents")
def latent_operation_sharpen(
    sharpen_radius: Annotated[int, Field(ge=1, le=31)] = 9,
    sigma: Annotated[float, Field(ge=0.1, le=10.0)] = 1.0,
    alpha: Annotated[float, Field(ge=0.0, le=5.0)] = 0.1,
) -> LatentOperation:
    """Sharpen latents with an unsharp mask.

    It does nothing by itself: LatentApplyOperation does it once, LatentApplyOperationCFG at every step of a run.

    Args:
        sharpen_radius: How far the mask reaches, in cells of 8 pixels; below width and height of the latent.
        sigma: How soft the mask is, as a share of the radius.
        alpha: How strongly to sharpen; at 0 nothing changes.
    """
    from nodeflow.diffusion.latent_operations import SharpenLatent

    return SharpenLatent(sharpen_radius, sigma, alpha)


@node("LatentApplyOperation", category="latent/advanced/operations", title="Apply operation to latent", lane=Lane.CPU)
def latent_apply_operation(latent: Latent, operation: LatentOperation) -> Latent:
    """Do something to a latent once.

    Args:
        latent: What it is done to; items and noise mask stay.
        operation: What is done, from a node such as LatentOperationSharpen.
    """
    with blaming("operation"):
        return latent.replace(samples=operation(latent.samples))


@node("LatentApplyOperationCFG", category="latent/advanced/operations", title="Apply operation to guidance")
def latent_apply_operation_cfg(model: Model, operation: LatentOperation) -> Model:
    """Change what guidance goes by, at every step: how the picture of the prompt differs from that of the negative one.

    Args:
        model: What is guided.
        operation: What is done to that difference; at cfg 1, to the picture of the prompt itself.
    """
    from nodeflow.diffusion.sampling.guidances.operated import OperatedGuidance

    return model.guided(OperatedGuidance(operation))
