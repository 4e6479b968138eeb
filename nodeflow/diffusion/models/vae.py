"""The KL autoencoder between pictures and latents."""

from dataclasses import dataclass
from itertools import pairwise

import torch.nn.functional as F
from torch import Tensor, nn

from nodeflow.diffusion.memory import order_of
from nodeflow.diffusion.models.attention import attention
from nodeflow.diffusion.models.prepared import Conv2d


@dataclass(frozen=True, slots=True)
class VAEConfig:
    """What the shape of an autoencoder depends on; the defaults are Stable Diffusion's.

    Attributes:
        channels: width at full resolution.
        channel_mult: one multiplier per resolution level, finest first; each level but the last halves the picture.
        num_res_blocks: residual blocks per level of the encoder; the decoder has one more.
        z_channels: channels at the bottom of encoder and decoder.
        in_channels: of the picture.
        norm_groups: groups of every group norm; 32 in released models, fewer where the width is small.
        embed_dim: channels of the latent, behind `quant_conv`; None for models without such convolutions (SD3, Flux).
    """

    channels: int = 128
    channel_mult: tuple[int, ...] = (1, 2, 4, 4)
    num_res_blocks: int = 2
    z_channels: int = 4
    in_channels: int = 3
    norm_groups: int = 32
    embed_dim: int | None = 4

    @property
    def factor(self) -> int:
        """Pixels of the picture per latent pixel, along each side."""
        return 1 << (len(self.channel_mult) - 1)

    def widths(self) -> tuple[int, ...]:
        """Channels of every level, finest first."""
        return tuple(self.channels * multiplier for multiplier in self.channel_mult)


class ResnetBlock(nn.Module):
    """Two 3x3 convolutions with a shortcut."""

    def __init__(self, channels: int, out_channels: int, norm_groups: int) -> None:
        super().__init__()
        self.norm1 = nn.GroupNorm(norm_groups, channels, eps=1e-6)
        self.conv1 = Conv2d(channels, out_channels, 3, padding=1)
        self.norm2 = nn.GroupNorm(norm_groups, out_channels, eps=1e-6)
        self.conv2 = Conv2d(out_channels, out_channels, 3, padding=1)
        same = channels == out_channels
        self.nin_shortcut = nn.Identity() if same else Conv2d(channels, out_channels, 1)

    def forward(self, x: Tensor) -> Tensor:
        h = self.conv1(F.silu(self.norm1(x)))
        h = self.conv2(F.silu(self.norm2(h)))
        result: Tensor = self.nin_shortcut(x) + h
        return result


class AttnBlock(nn.Module):
    """Single-head attention over all pixels."""

    def __init__(self, channels: int, norm_groups: int) -> None:
        super().__init__()
        self.norm = nn.GroupNorm(norm_groups, channels, eps=1e-6)
        self.q = Conv2d(channels, channels, 1)
        self.k = Conv2d(channels, channels, 1)
        self.v = Conv2d(channels, channels, 1)
        self.proj_out = Conv2d(channels, channels, 1)

    def forward(self, x: Tensor) -> Tensor:
        h = self.norm(x)
        q, k, v = (conv(h).flatten(2).transpose(1, 2)[:, None] for conv in (self.q, self.k, self.v))  # b 1 hw c
        h = attention(q, k, v)[:, 0].transpose(1, 2).reshape(x.shape)
        result: Tensor = x + self.proj_out(h)
        return result


class Middle(nn.Module):
    """Block, attention, block at the coarsest level."""

    def __init__(self, channels: int, norm_groups: int) -> None:
        super().__init__()
        self.block_1 = ResnetBlock(channels, channels, norm_groups)
        self.attn_1 = AttnBlock(channels, norm_groups)
        self.block_2 = ResnetBlock(channels, channels, norm_groups)

    def forward(self, x: Tensor) -> Tensor:
        result: Tensor = self.block_2(self.attn_1(self.block_1(x)))
        return result


class Downsample(nn.Module):
    """Halves the picture; pads right and bottom only, as the released models do."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.conv = Conv2d(channels, channels, 3, stride=2)

    def forward(self, x: Tensor) -> Tensor:
        result: Tensor = self.conv(F.pad(x, (0, 1, 0, 1)))
        return result


class Upsample(nn.Module):
    """Doubles the picture by repeating pixels, then convolves."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.conv = Conv2d(channels, channels, 3, padding=1)

    def forward(self, x: Tensor) -> Tensor:
        result: Tensor = self.conv(F.interpolate(x, scale_factor=2.0, mode="nearest"))
        return result


class Level(nn.Module):
    """The residual blocks of one resolution, and the change to the next where there is one."""

    def __init__(self, channels: int, out_channels: int, blocks: int, norm_groups: int) -> None:
        super().__init__()
        widths = [channels] + [out_channels] * blocks
        self.block = nn.ModuleList(ResnetBlock(before, after, norm_groups) for before, after in pairwise(widths))
        self.downsample: nn.Module = nn.Identity()
        self.upsample: nn.Module = nn.Identity()

    def forward(self, x: Tensor) -> Tensor:
        for block in self.block:
            x = block(x)
        result: Tensor = self.upsample(self.downsample(x))
        return result


class Encoder(nn.Module):
    """Picture to the moments of the latent."""

    def __init__(self, config: VAEConfig) -> None:
        super().__init__()
        widths = config.widths()
        self.conv_in = Conv2d(config.in_channels, widths[0], 3, padding=1)
        self.down = nn.ModuleList()
        for index, (before, width) in enumerate(zip((widths[0], *widths), widths, strict=False)):
            level = Level(before, width, config.num_res_blocks, config.norm_groups)
            if index < len(widths) - 1:
                level.downsample = Downsample(width)
            self.down.append(level)
        self.mid = Middle(widths[-1], config.norm_groups)
        self.norm_out = nn.GroupNorm(config.norm_groups, widths[-1], eps=1e-6)
        self.conv_out = Conv2d(widths[-1], 2 * config.z_channels, 3, padding=1)

    def forward(self, x: Tensor) -> Tensor:
        h = self.conv_in(x)
        for level in self.down:
            h = level(h)
        result: Tensor = self.conv_out(F.silu(self.norm_out(self.mid(h))))
        return result


class Decoder(nn.Module):
    """Latent to picture."""

    def __init__(self, config: VAEConfig) -> None:
        super().__init__()
        widths = config.widths()
        self.conv_in = Conv2d(config.z_channels, widths[-1], 3, padding=1)
        self.mid = Middle(widths[-1], config.norm_groups)
        self.up = nn.ModuleList()
        for index, (width, before) in enumerate(zip(widths, (*widths[1:], widths[-1]), strict=True)):
            level = Level(before, width, config.num_res_blocks + 1, config.norm_groups)
            if index > 0:
                level.upsample = Upsample(width)
            self.up.append(level)
        self.norm_out = nn.GroupNorm(config.norm_groups, widths[0], eps=1e-6)
        self.conv_out = Conv2d(widths[0], config.in_channels, 3, padding=1)

    def forward(self, z: Tensor) -> Tensor:
        h = self.mid(self.conv_in(z))
        for level in reversed(self.up):
            h = level(h)
        result: Tensor = self.conv_out(F.silu(self.norm_out(h)))
        return result


class AutoencoderKL(nn.Module):
    """A variational autoencoder over pictures in -1..1 (Rombach et al. 2022, arXiv:2112.10752)."""

    def __init__(self, config: VAEConfig) -> None:
        super().__init__()
        self.config = config
        self.encoder = Encoder(config)
        self.decoder = Decoder(config)
        if config.embed_dim is not None:
            self.quant_conv = Conv2d(2 * config.z_channels, 2 * config.embed_dim, 1)
            self.post_quant_conv = Conv2d(config.embed_dim, config.z_channels, 1)

    def encode_moments(self, image: Tensor) -> tuple[Tensor, Tensor]:
        """Mean and log variance of the latent.

        Args:
            image: [B, 3, H, W] in -1..1; H and W multiples of `config.factor`.

        Returns:
            Two tensors [B, C, H / factor, W / factor]; raw, not multiplied by any latent scale.
        """
        h = self.encoder(image.contiguous(memory_format=order_of(image)))
        if self.config.embed_dim is not None:
            h = self.quant_conv(h)
        mean, logvar = h.chunk(2, dim=1)
        return mean, logvar.clamp(-30.0, 20.0)

    def decode(self, z: Tensor) -> Tensor:
        """Raw latent [B, C, h, w] to picture [B, 3, h * factor, w * factor], about -1..1, not clamped."""
        z = z.contiguous(memory_format=order_of(z))
        if self.config.embed_dim is not None:
            z = self.post_quant_conv(z)
        result: Tensor = self.decoder(z)
        return result

    def forward(self, image: Tensor) -> Tensor:
        """Encode to the mean and decode again."""
        return self.decode(self.encode_moments(image)[0])
