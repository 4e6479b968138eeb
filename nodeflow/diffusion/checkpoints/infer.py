"""Hyper-parameters of networks, read off the shapes of their weights."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field

from nodeflow.diffusion.checkpoints.config import METADATA_KEY, FileConfig
from nodeflow.diffusion.checkpoints.read import Header
from nodeflow.diffusion.errors import CheckpointError
from nodeflow.diffusion.models.clip import TextConfig
from nodeflow.diffusion.models.unet import UNetConfig
from nodeflow.diffusion.models.vae import VAEConfig
from nodeflow.diffusion.prompts import CHUNK

_TOKENS = 49_408
_HEAD_WIDTH = 64


class Shapes:
    """The shapes of one part of a file, under the names its network uses.

    Args:
        header: The file.
        names: Name within the part to name in the file.
        part: What the part is called in messages.
    """

    def __init__(self, header: Header, names: Mapping[str, str], part: str) -> None:
        self._header = header
        self._names = names
        self._part = part

    def __contains__(self, name: str) -> bool:
        return name in self._names

    def error(self, reason: str) -> CheckpointError:
        """An error about this part of the file."""
        return self._header.error(f"{self._part}: {reason}")

    def of(self, name: str, *dimensions: int) -> tuple[int, ...]:
        """The shape of one weight.

        Raises:
            CheckpointError: It is missing, or has none of these numbers of dimensions, or is empty.
        """
        if name not in self._names:
            raise self.error(f"{name} is missing, without which its size cannot be told")
        shape = self._header.tensors[self._names[name]].shape
        if len(shape) not in dimensions or 0 in shape:
            expected = " or ".join(str(number) for number in dimensions)
            raise self.error(f"{name} has shape {list(shape)}; {expected} dimensions are expected")
        return shape

    def count(self, pattern: str) -> int:
        """How many numbers, from 0 on without a gap, occur at `{}` in names that begin with `pattern`."""
        matcher = re.compile(re.escape(pattern).replace(r"\{\}", r"([0-9]{1,4})"))
        found = {int(match[1]) for name in self._names if (match := matcher.match(name))}
        return next(number for number in range(len(found) + 1) if number not in found)


def unet_config(shapes: Shapes, given: FileConfig) -> UNetConfig:
    """The configuration of an LDM UNet of any size.

    Heads are not in the weights: where the file does not say, 8 heads with convolutions around the transformers (SD1),
    64 channels per head with linear layers (SD2, SDXL).

    Raises:
        CheckpointError: A weight that decides the size is missing or of an impossible shape.
    """
    model_channels, in_channels, *_ = shapes.of("input_blocks.0.0.weight", 4)
    levels = _levels(shapes)
    depths = tuple(depth for level in levels for depth in level.depths)
    outputs = shapes.count("output_blocks.{}.")
    transformer = _first_transformer(shapes)
    linear = len(shapes.of(f"{transformer}.proj_in.weight", 2, 4)) == 2
    heads = given.unet_heads or (None if linear else 8)
    for level in levels:
        if any(level.depths) and level.width % (heads or _HEAD_WIDTH):
            split = f"{heads} heads" if heads else f"heads of {_HEAD_WIDTH} channels"
            raise shapes.error(f"{split} do not divide a level of {level.width} channels; {METADATA_KEY} may say more")
    return UNetConfig(
        in_channels=in_channels,
        out_channels=shapes.of("out.2.weight", 4)[0],
        model_channels=model_channels,
        channel_mult=tuple(level.width / model_channels for level in levels),
        num_res_blocks=tuple(len(level.depths) for level in levels),
        transformer_depth=depths,
        transformer_depth_output=tuple(_depth(shapes, f"output_blocks.{index}") for index in reversed(range(outputs))),
        transformer_depth_middle=_depth(shapes, "middle_block"),
        context_dim=shapes.of(f"{transformer}.transformer_blocks.0.attn2.to_k.weight", 2)[1],
        use_linear=linear,
        adm_in_channels=shapes.of("label_emb.0.0.weight", 2)[1] if "label_emb.0.0.weight" in shapes else None,
        num_heads=heads,
        num_head_channels=None if heads else _HEAD_WIDTH,
        norm_groups=given.unet_norm_groups,
    )


def vae_config(shapes: Shapes, given: FileConfig) -> VAEConfig:
    """The configuration of a KL autoencoder of any size.

    Raises:
        CheckpointError: A weight that decides the size is missing or of an impossible shape.
    """
    channels, in_channels, *_ = shapes.of("encoder.conv_in.weight", 4)
    levels = shapes.count("encoder.down.{}.")
    widths = [shapes.of(f"encoder.down.{level}.block.0.conv1.weight", 4)[0] for level in range(levels)]
    if any(width % channels for width in widths):
        raise shapes.error(f"its widths {widths} are no multiples of {channels}")
    return VAEConfig(
        channels=channels,
        channel_mult=tuple(width // channels for width in widths),
        num_res_blocks=shapes.count("encoder.down.0.block.{}."),
        z_channels=shapes.of("decoder.conv_in.weight", 4)[1],
        in_channels=in_channels,
        norm_groups=given.vae_norm_groups,
        embed_dim=shapes.of("post_quant_conv.weight", 4)[1] if "post_quant_conv.weight" in shapes else None,
    )


def text_config(shapes: Shapes, given: FileConfig) -> TextConfig:
    """The configuration of a CLIP text encoder of any size; one head per 64 features where the file does not say.

    Raises:
        CheckpointError: A weight that decides the size is missing or of an impossible shape.
    """
    vocab, width = shapes.of("text_model.embeddings.token_embedding.weight", 2)
    if vocab < _TOKENS:
        raise shapes.error(f"it knows {vocab} tokens; CLIP's {_TOKENS} are expected")
    positions = shapes.of("text_model.embeddings.position_embedding.weight", 2)[0]
    if positions != CHUNK:
        raise shapes.error(
            f"it has {positions} positions; CLIP's {CHUNK} are expected, start and end of a text included"
        )
    return TextConfig(
        vocab=vocab,
        width=width,
        layers=shapes.count("text_model.encoder.layers.{}."),
        heads=given.text_heads or max(width // 64, 1),
        mlp=shapes.of("text_model.encoder.layers.0.mlp.fc1.weight", 2)[0],
        activation=given.text_activation,
        positions=positions,
    )


@dataclass(slots=True)
class _Level:
    """One resolution on the way down: its width, and how many transformer blocks follow each residual block."""

    width: int
    depths: list[int] = field(default_factory=list[int])


def _levels(shapes: Shapes) -> list[_Level]:
    levels: list[_Level] = []
    first_of_level = True
    for index in range(1, shapes.count("input_blocks.{}.")):
        if f"input_blocks.{index}.0.op.weight" in shapes:
            first_of_level = True
            continue
        if first_of_level:
            levels.append(_Level(shapes.of(f"input_blocks.{index}.0.out_layers.3.weight", 4)[0]))
            first_of_level = False
        levels[-1].depths.append(_depth(shapes, f"input_blocks.{index}"))
    return levels


def _depth(shapes: Shapes, block: str) -> int:
    return shapes.count(f"{block}.1.transformer_blocks.{{}}.")


def _first_transformer(shapes: Shapes) -> str:
    for index in range(shapes.count("input_blocks.{}.")):
        if f"input_blocks.{index}.1.proj_in.weight" in shapes:
            return f"input_blocks.{index}.1"
    return "middle_block.1"
