"""The latent spaces of model families: their channels, their scaling, and how to glance at them."""

from dataclasses import dataclass

Row = tuple[float, float, float]


@dataclass(frozen=True, slots=True)
class LatentFormat:
    """One latent space.

    Latents travel raw, as the autoencoder gives them; the network is trained on `(raw - shift) * scale`.

    Attributes:
        name: How the space is called in messages, e.g. "sd1".
        channels: Channels of a latent.
        scale: Factor from raw to the network's space.
        shift: Subtracted from raw before scaling.
        factor: Pixels per latent cell along one side.
        preview: One row (r, g, b) per channel: colour in -1..1 is `scaled latent @ preview + preview_bias`; empty
            when no such linear glance is known.
        preview_bias: Added to the colour.
    """

    name: str
    channels: int = 4
    scale: float = 1.0
    shift: float = 0.0
    factor: int = 8
    preview: tuple[Row, ...] = ()
    preview_bias: Row = (0.0, 0.0, 0.0)


# The linear factors were fitted by regression of pictures on latents; the numbers are those in common use (ComfyUI,
# InvokeAI and others publish the same ones).
_SD1_PREVIEW: tuple[Row, ...] = (
    (0.3512, 0.2297, 0.3227),
    (0.3250, 0.4974, 0.2350),
    (-0.2829, 0.1762, 0.2721),
    (-0.2120, -0.2616, -0.7177),
)
_SDXL_PREVIEW: tuple[Row, ...] = (
    (0.3651, 0.4232, 0.4341),
    (-0.2533, -0.0042, 0.1068),
    (0.1076, 0.1111, -0.0362),
    (-0.3165, -0.2492, -0.2188),
)

SD1 = LatentFormat("sd1", scale=0.18215, preview=_SD1_PREVIEW)
"""Stable Diffusion 1 and 2 (Rombach et al. 2022, 2112.10752, section D.1: unit variance by 0.18215)."""

SDXL = LatentFormat("sdxl", scale=0.13025, preview=_SDXL_PREVIEW, preview_bias=(0.1084, -0.0175, -0.0011))
"""Stable Diffusion XL (2307.01952)."""


def anchored_preview(channels: int, scale: float) -> tuple[Row, ...]:
    """Gives the preview of a space whose first three raw channels are twice the pooled colour in -1..1."""
    half = 0.5 / scale
    rows: list[Row] = [(half, 0.0, 0.0), (0.0, half, 0.0), (0.0, 0.0, half)]
    return tuple(rows[:channels] + [(0.0, 0.0, 0.0)] * (channels - 3))
