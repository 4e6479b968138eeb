"""Nodes that draw curves."""

from typing import Annotated

from nodeflow.api import Field, InputError, Lane, node
from nodeflow.diffusion.types import Image, Sigmas
from nodeflow_nodes.refusals import blaming

Pixels = Annotated[int, Field(ge=200, le=4096)]


@node("PlotSigmas", category="sampling/sigmas", title="Plot of noise levels", lane=Lane.CPU)
def plot_sigmas(
    sigmas: list[Sigmas],
    labels: list[str],
    title: str = "",
    width: Pixels = 900,
    height: Pixels = 560,
    logarithmic: bool = True,
) -> Image:
    """Draw how noise levels fall over the steps, one curve each.

    Args:
        sigmas: The levels, each linked, or a list of them.
        labels: What to call them, as many as there are curves.
        title: Text above the plot.
        width: Width of the picture in pixels.
        height: Height of the picture in pixels.
        logarithmic: Whether levels are spread by their ratio; the last one, 0, is then left out.
    """
    from nodeflow.diffusion import plots

    if len(labels) != len(sigmas):
        raise InputError("labels", f"{len(labels)} labels for {len(sigmas)} curves; write one for each")
    with blaming("sigmas"):
        return plots.plot_sigmas(sigmas, labels, width=width, height=height, logarithmic=logarithmic, title=title)
