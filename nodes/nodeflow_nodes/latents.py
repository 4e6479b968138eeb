"""Nodes that make and resize latents."""

from typing import Annotated, Literal

from nodeflow.api import BatchSize, Field, node
from nodeflow.diffusion.types import Latent
from nodeflow_nodes.refusals import blaming

Side = Annotated[int, Field(ge=16, le=16384, multiple_of=8)]
LatentMethod = Literal["nearest-exact", "bilinear", "area", "bicubic"]
Factor = Annotated[float, Field(ge=0.01, le=8.0)]

_CELL = 8


@node("EmptyLatent", category="latent", title="Empty latent")
def empty_latent(width: Side = 512, height: Side = 512, batch_size: BatchSize = 1) -> Latent:
    """Start from nothing: an empty latent for the sampler to fill with noise.

    Args:
        width: Width of the picture in pixels.
        height: Height of the picture in pixels.
        batch_size: How many pictures to make at once; each gets its own noise.
    """
    from nodeflow.diffusion import latents

    with blaming("width" if width % _CELL else "height"):
        return latents.empty_latent(width, height, batch_size)


@node("LatentUpscaleBy", category="latent", title="Upscale latent by")
def latent_upscale_by(latent: Latent, upscale_method: LatentMethod = "nearest-exact", scale_by: Factor = 1.5) -> Latent:
    """Make a latent larger or smaller; a second sampling pass then adds the detail that is missing.

    Args:
        latent: What to resize.
        upscale_method: How values between the old ones are found.
        scale_by: Factor for both sides; the result is whole latent cells, 8 pixels each.
    """
    from nodeflow.diffusion import latents

    with blaming("scale_by"):
        return latents.upscale_latent(latent, scale_by, upscale_method)
