"""Building blocks of the UNet: residual blocks, attention, resampling and the timestep embedding.

Attribute names are those of the CompVis `ldm` release, because they are the keys of every checkpoint file.
"""

import dataclasses
import math

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from nodeflow.diffusion.models.attention import attention
from nodeflow.diffusion.models.passing import Heads, Pass, Place
from nodeflow.diffusion.models.prepared import Conv2d, Linear


def timestep_embedding(timesteps: Tensor, dim: int, max_period: float = 10_000.0) -> Tensor:
    """Sinusoids of the timesteps, cosines first.

    Args:
        timesteps: [B], integer or fractional.
        dim: width of the embedding, even.
        max_period: the longest wavelength, in timesteps per radian.

    Returns:
        [B, dim] in float32, whatever the dtype of the timesteps.

    Raises:
        ValueError: when `dim` is odd.
    """
    if dim % 2:
        raise ValueError(f"timestep embedding: width {dim} is odd; half of it are cosines, half sines")
    half = dim // 2
    ramp = torch.arange(half, dtype=torch.float32, device=timesteps.device) / half
    angles = timesteps.float()[:, None] * torch.exp(-math.log(max_period) * ramp)
    return torch.cat([angles.cos(), angles.sin()], dim=-1)


class ResBlock(nn.Module):
    """Two 3x3 convolutions around the addition of the time embedding."""

    def __init__(self, channels: int, out_channels: int, time_dim: int, norm_groups: int) -> None:
        super().__init__()
        self.in_layers = nn.Sequential(
            nn.GroupNorm(norm_groups, channels),
            nn.SiLU(),
            Conv2d(channels, out_channels, 3, padding=1),
        )
        self.emb_layers = nn.Sequential(nn.SiLU(), Linear(time_dim, out_channels))
        self.out_layers = nn.Sequential(
            nn.GroupNorm(norm_groups, out_channels),
            nn.SiLU(),
            nn.Identity(),  # dropout in the original: it has no weights, but it counts in the key of the next layer
            Conv2d(out_channels, out_channels, 3, padding=1),
        )
        same = channels == out_channels
        self.skip_connection = nn.Identity() if same else Conv2d(channels, out_channels, 1)

    def forward(self, x: Tensor, time: Tensor) -> Tensor:
        h = self.in_layers(x) + self.emb_layers(time)[:, :, None, None]
        result: Tensor = self.skip_connection(x) + self.out_layers(h)
        return result


class Downsample(nn.Module):
    """Halves height and width (rounding up) by a strided convolution."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.op = Conv2d(channels, channels, 3, stride=2, padding=1)

    def forward(self, x: Tensor) -> Tensor:
        result: Tensor = self.op(x)
        return result


class Upsample(nn.Module):
    """Repeats pixels up to a given size, then convolves."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.conv = Conv2d(channels, channels, 3, padding=1)

    def forward(self, x: Tensor, size: tuple[int, int]) -> Tensor:
        result: Tensor = self.conv(F.interpolate(x, size=size, mode="nearest"))
        return result


class Attention(nn.Module):
    """Multi-head attention; over itself when no context is given."""

    def __init__(self, dim: int, context_dim: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.to_q = Linear(dim, dim, bias=False)
        self.to_k = Linear(context_dim, dim, bias=False)
        self.to_v = Linear(context_dim, dim, bias=False)
        self.to_out = nn.Sequential(Linear(dim, dim))

    def forward(self, x: Tensor, context: Tensor | None = None) -> Tensor:
        return self.attended(x, self.heads_of(x if context is None else context))

    def heads_of(self, source: Tensor) -> Heads:
        """Keys and values of what is looked at, head by head."""
        return Heads(self._split(self.to_k(source)), self._split(self.to_v(source)))

    def attended(self, x: Tensor, source: Heads) -> Tensor:
        """Attends from x [B, N, C] to what has these keys and values."""
        found = attention(self._split(self.to_q(x)), source.keys, source.values)
        result: Tensor = self.to_out(found.transpose(1, 2).flatten(2))
        return result

    def _split(self, x: Tensor) -> Tensor:
        return x.reshape(*x.shape[:2], self.heads, x.shape[2] // self.heads).transpose(1, 2)  # b heads n d


class GEGLU(nn.Module):
    """A linear layer whose second half gates its first (Shazeer 2020, arXiv:2002.05202)."""

    def __init__(self, dim: int, inner: int) -> None:
        super().__init__()
        self.proj = Linear(dim, inner * 2)

    def forward(self, x: Tensor) -> Tensor:
        value, gate = self.proj(x).chunk(2, dim=-1)
        result: Tensor = value * F.gelu(gate)
        return result


class FeedForward(nn.Module):
    """A gated perceptron, four times as wide inside."""

    def __init__(self, dim: int) -> None:
        super().__init__()
        # The Identity stands where the original has dropout, so that the last layer is `net.2`.
        self.net = nn.Sequential(GEGLU(dim, dim * 4), nn.Identity(), Linear(dim * 4, dim))

    def forward(self, x: Tensor) -> Tensor:
        result: Tensor = self.net(x)
        return result


class TransformerBlock(nn.Module):
    """Attention among the pixels, attention to the text, a perceptron; each behind its own norm."""

    def __init__(self, dim: int, context_dim: int, heads: int) -> None:
        super().__init__()
        self.attn1 = Attention(dim, dim, heads)
        self.ff = FeedForward(dim)
        self.attn2 = Attention(dim, context_dim, heads)
        self.norm1 = nn.LayerNorm(dim)
        self.norm2 = nn.LayerNorm(dim)
        self.norm3 = nn.LayerNorm(dim)

    def forward(self, x: Tensor, told: Pass, place: Place) -> Tensor:
        x = x + told.self_attention(self.attn1, self.norm1(x), place)
        x = x + self.attn2.attended(self.norm2(x), told.texts.heads_of(self.attn2))
        result: Tensor = x + self.ff(self.norm3(x))
        return result


class SpatialTransformer(nn.Module):
    """Transformer blocks over the pixels of a feature map.

    Args:
        channels: of the feature map, in and out.
        depth: number of transformer blocks.
        context_dim: width of the text states.
        heads: attention heads.
        use_linear: project in and out by linear layers (SD2, SDXL) rather than 1x1 convolutions (SD1).
        norm_groups: groups of the norm in front.
    """

    def __init__(
        self, channels: int, depth: int, context_dim: int, heads: int, use_linear: bool, norm_groups: int
    ) -> None:
        super().__init__()
        self.use_linear = use_linear
        self.norm = nn.GroupNorm(norm_groups, channels, eps=1e-6)
        self.proj_in = Linear(channels, channels) if use_linear else Conv2d(channels, channels, 1)
        self.transformer_blocks = nn.ModuleList(TransformerBlock(channels, context_dim, heads) for _ in range(depth))
        self.proj_out = Linear(channels, channels) if use_linear else Conv2d(channels, channels, 1)

    def forward(self, x: Tensor, told: Pass, place: Place) -> Tensor:
        h: Tensor = self.norm(x)
        if not self.use_linear:
            h = self.proj_in(h)
        h = h.flatten(2).transpose(1, 2)  # b c h w -> b hw c
        if self.use_linear:
            h = self.proj_in(h)
        for index, block in enumerate(self.transformer_blocks):
            h = block(h, told, dataclasses.replace(place, block=index))
        if self.use_linear:
            h = self.proj_out(h)
        h = h.transpose(1, 2).reshape(x.shape)  # b hw c -> b c h w
        if not self.use_linear:
            h = self.proj_out(h)
        return x + h
