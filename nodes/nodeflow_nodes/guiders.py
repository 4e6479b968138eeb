"""Nodes that say which model is run, and what it should follow."""

from nodeflow.api import Guidance, node
from nodeflow.diffusion.types import Conditioning, Guider, Model


@node("CFGGuider", category="sampling/guiders", title="Guider")
def cfg_guider(model: Model, positive: Conditioning, negative: Conditioning, cfg: Guidance = 8.0) -> Guider:
    """Follow one conditioning and avoid another.

    Args:
        model: The denoising network.
        positive: What the picture should show.
        negative: What it should avoid.
        cfg: How strongly; at 1 `negative` is ignored, in half the time.
    """
    return Guider(model, positive, negative, cfg)


@node("BasicGuider", category="sampling/guiders", title="Guider without a negative side")
def basic_guider(model: Model, conditioning: Conditioning) -> Guider:
    """Follow one conditioning and avoid nothing.

    Args:
        model: The denoising network.
        conditioning: What the picture should show.
    """
    return Guider(model, conditioning)
