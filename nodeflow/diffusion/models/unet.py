"""The denoising UNet of Stable Diffusion 1, 2 and XL, in one parametrised form."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor, nn

from nodeflow.diffusion.memory import order_of
from nodeflow.diffusion.models.layers import Downsample, ResBlock, SpatialTransformer, Upsample, timestep_embedding
from nodeflow.diffusion.models.passing import Pass, Patch, Place, TextMemory
from nodeflow.diffusion.models.prepared import Conv2d, Linear

At = tuple[Literal["input", "middle", "output"], int]
"""Which entry of a UNet."""


@dataclass(frozen=True, slots=True)
class UNetConfig:
    """What the shape of a UNet depends on; the defaults are Stable Diffusion 1.

    Attributes:
        in_channels: latent channels, plus mask and masked picture (9) or source picture (8) in editing models.
        out_channels: latent channels of the prediction.
        model_channels: width of the first level; every other width is a multiple of it.
        channel_mult: one multiplier per resolution level, finest first.
        num_res_blocks: residual blocks on the way down, per level; the way up has one more.
        transformer_depth: transformer blocks behind each residual block on the way down, in order; 0: no attention.
        transformer_depth_output: the same for the way up, finest level first, so it reads like `transformer_depth`.
        transformer_depth_middle: transformer blocks in the middle; 0 leaves a single residual block there (SSD-1B).
        context_dim: width of the text states.
        use_linear: linear projections around the transformers (SD2, SDXL); SD1 has 1x1 convolutions.
        adm_in_channels: width of the extra vector (SDXL: pooled text and sizes); None when there is none.
        num_heads: a fixed number of heads at every width (SD1); exactly one of this and `num_head_channels` is set.
        num_head_channels: a fixed width per head, hence more heads where the network is wider (SD2, SDXL).
        norm_groups: groups of every group norm; 32 in released models, fewer where the width is small.
    """

    in_channels: int = 4
    out_channels: int = 4
    model_channels: int = 320
    channel_mult: tuple[float, ...] = (1, 2, 4, 4)
    num_res_blocks: tuple[int, ...] = (2, 2, 2, 2)
    transformer_depth: tuple[int, ...] = (1, 1, 1, 1, 1, 1, 0, 0)
    transformer_depth_output: tuple[int, ...] = (1, 1, 1, 1, 1, 1, 1, 1, 1, 0, 0, 0)
    transformer_depth_middle: int = 1
    context_dim: int = 768
    use_linear: bool = False
    adm_in_channels: int | None = None
    num_heads: int | None = 8
    num_head_channels: int | None = None
    norm_groups: int = 32

    def __post_init__(self) -> None:
        down = sum(self.num_res_blocks)
        up = down + len(self.num_res_blocks)
        found = (len(self.num_res_blocks), len(self.transformer_depth), len(self.transformer_depth_output))
        if found != (len(self.channel_mult), down, up):
            raise ValueError(
                f"UNet config: {found} levels, depths down and up, but {len(self.channel_mult)} channel multipliers "
                f"and {self.num_res_blocks} residual blocks ask for {(len(self.channel_mult), down, up)}"
            )
        if (self.num_heads is None) == (self.num_head_channels is None):
            raise ValueError("UNet config: set exactly one of num_heads and num_head_channels")

    def level_channels(self, level: int) -> int:
        """Width of a resolution level, 0 being the finest."""
        return round(self.model_channels * self.channel_mult[level])

    def heads(self, channels: int) -> int:
        """Attention heads at a width."""
        if self.num_heads is not None:
            return self.num_heads
        assert self.num_head_channels is not None
        return channels // self.num_head_channels


class Stage(nn.Sequential):
    """One entry of the way down, the middle or the way up: its parts get what each of them asks for."""

    def __init__(self, *parts: nn.Module) -> None:
        super().__init__(*parts)

    def apply_to(self, x: Tensor, told: Pass, at: At, size: tuple[int, int] | None = None) -> Tensor:
        """Run the parts in order; `size` is what an `Upsample` among them makes."""
        for part in self:
            match part:
                case ResBlock():
                    x = part(x, told.time)
                case SpatialTransformer():
                    x = part(x, told, place_of(at, x, told))
                case Upsample():
                    height, width = x.shape[-2:]
                    x = part(x, size or (2 * height, 2 * width))
                case _:
                    x = part(x)
        return x


class UNet(nn.Module):
    """Predicts noise (or velocity) from a noisy latent, its timestep and the text.

    Sources: Rombach et al. 2022 (arXiv:2112.10752); Podell et al. 2023 (arXiv:2307.01952) for XL.
    """

    def __init__(self, config: UNetConfig) -> None:
        super().__init__()
        self.config = config
        self._texts = TextMemory()
        width = config.model_channels
        time_dim = 4 * width
        self.time_embed = nn.Sequential(Linear(width, time_dim), nn.SiLU(), Linear(time_dim, time_dim))
        if config.adm_in_channels is not None:
            embed = nn.Sequential(Linear(config.adm_in_channels, time_dim), nn.SiLU(), Linear(time_dim, time_dim))
            self.label_emb = nn.Sequential(embed)
        self.input_blocks = nn.ModuleList(_way_down(config, time_dim))
        self.middle_block = _middle(config, time_dim)
        self.output_blocks = nn.ModuleList(_way_up(config, time_dim))
        self.out = nn.Sequential(
            nn.GroupNorm(config.norm_groups, config.level_channels(0)),
            nn.SiLU(),
            Conv2d(config.level_channels(0), config.out_channels, 3, padding=1),
        )

    def forward(
        self,
        x: Tensor,
        timesteps: Tensor,
        context: Tensor,
        y: Tensor | None = None,
        patches: Sequence[Patch] = (),
    ) -> Tensor:
        """Evaluate the network.

        Args:
            x: [B, in_channels, h, w] noisy latents, already scaled as training scaled them; any size, odd ones too.
            timesteps: [B], 0 to 999.
            context: [B, L, context_dim] text states, in any precision. Outside of training, what the network makes of
                them is kept for as long as they are, so the same tensor is given again rather than an equal one.
            y: [B, adm_in_channels] extra vector, for models that have one.
            patches: What is done otherwise than the network would, see `passing.Patch`.

        Returns:
            [B, out_channels, h, w].

        Raises:
            ValueError: when `y` is missing though the model needs it, or given though it has no use for it.
        """
        if (y is None) != (self.config.adm_in_channels is None):
            raise ValueError("UNet: the extra vector y is needed exactly by models with adm_in_channels")
        time: Tensor = self.time_embed(timestep_embedding(timesteps, self.config.model_channels).to(x.dtype))
        if y is not None:
            time = time + self.label_emb(y)
        told = Pass(time, self._texts.of(context, x.dtype), (x.shape[-2], x.shape[-1]), patches)
        skips: list[Tensor] = []
        h = x.contiguous(memory_format=order_of(x))
        for index, stage in enumerate(_stages(self.input_blocks)):
            h = stage.apply_to(h, told, ("input", index))
            skips.append(h)
        h = self.middle_block.apply_to(h, told, ("middle", 0))
        for index, stage in enumerate(_stages(self.output_blocks)):
            h = torch.cat(told.skip(h, skips.pop(), place_of(("output", index), h, told)), dim=1)
            size = (skips[-1].shape[-2], skips[-1].shape[-1]) if skips else None
            h = stage.apply_to(h, told, ("output", index), size)
        result: Tensor = self.out(h)
        return result


def place_of(at: At, h: Tensor, told: Pass) -> Place:
    """The place of an entry whose features are `h`."""
    return Place(*at, block=0, size=(h.shape[-2], h.shape[-1]), full=told.full)


def _stages(blocks: nn.ModuleList) -> Iterator[Stage]:
    for block in blocks:
        assert isinstance(block, Stage)
        yield block


def _transformer(config: UNetConfig, channels: int, depth: int) -> tuple[SpatialTransformer, ...]:
    if depth == 0:
        return ()
    heads = config.heads(channels)
    return (SpatialTransformer(channels, depth, config.context_dim, heads, config.use_linear, config.norm_groups),)


def _way_down(config: UNetConfig, time_dim: int) -> Iterator[Stage]:
    channels = config.level_channels(0)
    yield Stage(Conv2d(config.in_channels, channels, 3, padding=1))
    depths = iter(config.transformer_depth)
    for level, blocks in enumerate(config.num_res_blocks):
        out = config.level_channels(level)
        for _ in range(blocks):
            res = ResBlock(channels, out, time_dim, config.norm_groups)
            yield Stage(res, *_transformer(config, out, next(depths)))
            channels = out
        if level < len(config.num_res_blocks) - 1:
            yield Stage(Downsample(channels))


def _middle(config: UNetConfig, time_dim: int) -> Stage:
    channels = config.level_channels(len(config.channel_mult) - 1)
    first = ResBlock(channels, channels, time_dim, config.norm_groups)
    if config.transformer_depth_middle == 0:
        return Stage(first)
    last = ResBlock(channels, channels, time_dim, config.norm_groups)
    return Stage(first, *_transformer(config, channels, config.transformer_depth_middle), last)


def _skip_channels(config: UNetConfig) -> list[int]:
    """Widths of what the way down leaves for the way up, in the order they were left."""
    widths = [config.level_channels(0)]
    for level, blocks in enumerate(config.num_res_blocks):
        widths += [config.level_channels(level)] * blocks
        if level < len(config.num_res_blocks) - 1:
            widths.append(config.level_channels(level))
    return widths


def _way_up(config: UNetConfig, time_dim: int) -> Iterator[Stage]:
    skips = _skip_channels(config)
    depths = list(config.transformer_depth_output)
    channels = skips[-1]
    for level in reversed(range(len(config.num_res_blocks))):
        out = config.level_channels(level)
        blocks = config.num_res_blocks[level] + 1
        for index in range(blocks):
            res = ResBlock(channels + skips.pop(), out, time_dim, config.norm_groups)
            channels = out
            parts: list[nn.Module] = [res, *_transformer(config, out, depths.pop())]
            if level > 0 and index == blocks - 1:
                parts.append(Upsample(out))
            yield Stage(*parts)
