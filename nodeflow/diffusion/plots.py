"""Curves as pictures, drawn by matplotlib without a screen (its figures, not pyplot: nothing global is touched)."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch

from nodeflow.diffusion.errors import ValueRuleError
from nodeflow.diffusion.types import Image, Sigmas

_DPI = 100
_LEAST = 200


def plot_sigmas(
    curves: Sequence[Sigmas],
    labels: Sequence[str],
    *,
    width: int = 900,
    height: int = 560,
    logarithmic: bool = True,
    title: str = "",
) -> Image:
    """Draws noise levels over the share of the steps that are done.

    Args:
        curves: One line each; a level of 0 cannot be shown on a logarithmic axis and is left out there.
        labels: One per curve.
        width: In pixels, 200 or more.
        height: The same.
        logarithmic: Levels on a logarithmic axis.
        title: Above the plot.

    Returns:
        One picture [1, height, width, 3].

    Raises:
        ValueRuleError: No curve, a curve without levels, not one label per curve, or a picture too small.
    """
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    if not curves or any(not len(curve) for curve in curves):
        raise ValueRuleError("a plot needs noise levels: there is no curve, or one without levels")
    if len(labels) != len(curves):
        raise ValueRuleError(f"{len(labels)} labels for {len(curves)} curves; there must be one each")
    if min(width, height) < _LEAST:
        raise ValueRuleError(f"a plot of {width} x {height} pixels is too small; {_LEAST} is the least")
    figure = Figure(figsize=(width / _DPI, height / _DPI), dpi=_DPI, layout="constrained")
    axes = figure.add_subplot()
    for curve, label in zip(curves, labels, strict=True):
        levels = np.array(curve.values)
        done = np.arange(len(levels)) / max(len(levels) - 1, 1)
        shown = levels > 0 if logarithmic else np.full(len(levels), fill_value=True)
        axes.plot(done[shown], levels[shown], marker=".", markersize=4, linewidth=1.4, label=label)
    if logarithmic:
        axes.set_yscale("log")
    axes.set_xlabel("share of the steps that are done")
    axes.set_ylabel("noise level sigma")
    axes.set_title(title)
    axes.grid(visible=True, alpha=0.3)
    axes.legend(fontsize="small")
    canvas: Any = FigureCanvasAgg(figure)
    canvas.draw()
    pixels = np.asarray(canvas.buffer_rgba())[..., :3]
    return Image(torch.from_numpy(pixels.astype(np.float32) / 255)[None])
