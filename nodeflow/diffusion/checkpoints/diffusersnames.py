"""What diffusers calls the weights of a UNet and of an autoencoder, in both directions.

Ours are the names of Stable Diffusion's own files. A table of modules is made from how the blocks are counted, which
either side's names tell, and serves both directions.
"""

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

_FIXED = {
    "time_embed.0": "time_embedding.linear_1",
    "time_embed.2": "time_embedding.linear_2",
    "label_emb.0.0": "add_embedding.linear_1",
    "label_emb.0.2": "add_embedding.linear_2",
    "input_blocks.0.0": "conv_in",
    "middle_block.1": "mid_block.attentions.0",
    "out.0": "conv_norm_out",
    "out.2": "conv_out",
}
_OLD = {"class_embedding.linear_1": "label_emb.0.0", "class_embedding.linear_2": "label_emb.0.2"}
_RESIDUAL = {
    "in_layers.0": "norm1",
    "in_layers.2": "conv1",
    "emb_layers.1": "time_emb_proj",
    "out_layers.0": "norm2",
    "out_layers.3": "conv2",
    "skip_connection": "conv_shortcut",
}
_VAE_FIXED = {
    **{name: name for name in ("quant_conv", "post_quant_conv")},
    **{f"{half}.{name}": f"{half}.{name}" for half in ("encoder", "decoder") for name in ("conv_in", "conv_out")},
    **{f"{half}.norm_out": f"{half}.conv_norm_out" for half in ("encoder", "decoder")},
}
_VAE_RESIDUAL = {
    "norm1": "norm1",
    "conv1": "conv1",
    "norm2": "norm2",
    "conv2": "conv2",
    "nin_shortcut": "conv_shortcut",
}
_VAE_ATTENTION = {
    "norm": ("group_norm",),
    "q": ("to_q", "query"),
    "k": ("to_k", "key"),
    "v": ("to_v", "value"),
    "proj_out": ("to_out.0", "proj_attn"),
}
"""The second name is the one of files from before 2023."""


@dataclass(frozen=True, slots=True)
class Renaming:
    """Names of modules, ours and diffusers'.

    Attributes:
        theirs: Ours to theirs.
        ours: Theirs to ours, old spellings included.
    """

    theirs: Mapping[str, str]
    ours: Mapping[str, str]

    def to_theirs(self, name: str) -> str | None:
        """What diffusers calls a weight or a module inside; None when it has none such."""
        return _renamed(name, self.theirs)

    def to_ours(self, name: str) -> str | None:
        """What Stable Diffusion's files call it."""
        return _renamed(name, self.ours)


def unet_renaming(names: Iterable[str]) -> Renaming:
    """The renaming for one UNet.

    Args:
        names: Of its weights or modules, all ours or all diffusers', without a prefix.
    """
    known = list(names)
    found = _theirs_counted(known) if any(name.startswith("down_blocks.") for name in known) else _ours_counted(known)
    return _renaming(dict(_unet_pairs(*found)), _OLD)


def vae_renaming(names: Iterable[str]) -> Renaming:
    """The renaming for one autoencoder; see `unet_renaming`."""
    known = list(names)
    levels = _count(known, r"encoder\.(?:down|down_blocks)\.(\d+)\.")
    blocks = _count(known, r"encoder\.(?:down|down_blocks)\.0\.(?:block|resnets)\.(\d+)\.")
    pairs = dict(_vae_pairs(levels, blocks))
    old = {
        f"{half}.mid_block.attentions.0.{spellings[-1]}": f"{half}.mid.attn_1.{name}"
        for half in ("encoder", "decoder")
        for name, spellings in _VAE_ATTENTION.items()
    }
    return _renaming(pairs, old)


def _renaming(theirs: Mapping[str, str], old: Mapping[str, str]) -> Renaming:
    return Renaming(theirs, {**old, **{their: our for our, their in theirs.items()}})


def _renamed(name: str, table: Mapping[str, str]) -> str | None:
    head, rest = name, ""
    while head:
        if head in table:
            return table[head] + rest
        head, dot, last = head.rpartition(".")
        rest = f"{dot}{last}{rest}"
    return None


def _count(names: Iterable[str], pattern: str) -> int:
    matches = (re.match(pattern, name) for name in names)
    return len({match[1] for match in matches if match})


def _theirs_counted(names: Sequence[str]) -> tuple[list[int], set[int]]:
    """Residual blocks of each level on the way down, and the levels on the way up that have attention."""
    levels = _count(names, r"down_blocks\.(\d+)\.")
    blocks = [_count(names, rf"down_blocks\.{level}\.resnets\.(\d+)\.") for level in range(levels)]
    return blocks, {int(match[1]) for name in names if (match := re.match(r"up_blocks\.(\d+)\.attentions\.", name))}


def _ours_counted(names: Sequence[str]) -> tuple[list[int], set[int]]:
    entries = _count(names, r"input_blocks\.(\d+)\.")
    ends = {int(match[1]) for name in names if (match := re.match(r"input_blocks\.(\d+)\.0\.op", name))}
    blocks = [0]
    for entry in range(1, entries):
        if entry in ends:
            blocks.append(0)
        else:
            blocks[-1] += 1
    attended = {int(match[1]) for name in names if (match := re.match(r"output_blocks\.(\d+)\.1\.proj_in", name))}
    return blocks, {level for level, first in enumerate(_starts(blocks[::-1])) if first in attended}


def _starts(blocks: Sequence[int]) -> list[int]:
    """The first entry of each level on the way up, where a level has one residual block more than on the way down."""
    return [sum(blocks[:level]) + level for level in range(len(blocks))]


def _unet_pairs(blocks: Sequence[int], attended: set[int]) -> Iterator[tuple[str, str]]:
    yield from _FIXED.items()
    for number, residual in enumerate(("middle_block.0", "middle_block.2")):
        yield from _residual(residual, f"mid_block.resnets.{number}", _RESIDUAL)
    entry = 1
    for level, count in enumerate(blocks):
        for block in range(count):
            yield from _residual(f"input_blocks.{entry}.0", f"down_blocks.{level}.resnets.{block}", _RESIDUAL)
            yield f"input_blocks.{entry}.1", f"down_blocks.{level}.attentions.{block}"
            entry += 1
        if level + 1 < len(blocks):
            yield f"input_blocks.{entry}.0.op", f"down_blocks.{level}.downsamplers.0.conv"
            entry += 1
    upwards = list(blocks[::-1])
    for level, (first, count) in enumerate(zip(_starts(upwards), upwards, strict=True)):
        for block in range(count + 1):
            place = f"output_blocks.{first + block}"
            yield from _residual(f"{place}.0", f"up_blocks.{level}.resnets.{block}", _RESIDUAL)
            if level in attended:
                yield f"{place}.1", f"up_blocks.{level}.attentions.{block}"
        if level + 1 < len(blocks):
            place = f"output_blocks.{first + count}.{2 if level in attended else 1}"
            yield f"{place}.conv", f"up_blocks.{level}.upsamplers.0.conv"


def _vae_pairs(levels: int, blocks: int) -> Iterator[tuple[str, str]]:
    yield from _VAE_FIXED.items()
    for half in ("encoder", "decoder"):
        for number in (0, 1):
            ours, theirs = f"{half}.mid.block_{number + 1}", f"{half}.mid_block.resnets.{number}"
            yield from _residual(ours, theirs, _VAE_RESIDUAL)
        for name, spellings in _VAE_ATTENTION.items():
            yield f"{half}.mid.attn_1.{name}", f"{half}.mid_block.attentions.0.{spellings[0]}"
    for level in range(levels):
        up = levels - 1 - level  # diffusers counts the decoder's levels from the coarsest on
        for block in range(blocks + 1):
            yield from _residual(
                f"encoder.down.{level}.block.{block}", f"encoder.down_blocks.{level}.resnets.{block}", _VAE_RESIDUAL
            )
            yield from _residual(
                f"decoder.up.{level}.block.{block}", f"decoder.up_blocks.{up}.resnets.{block}", _VAE_RESIDUAL
            )
        yield f"encoder.down.{level}.downsample.conv", f"encoder.down_blocks.{level}.downsamplers.0.conv"
        yield f"decoder.up.{level}.upsample.conv", f"decoder.up_blocks.{up}.upsamplers.0.conv"


def _residual(ours: str, theirs: str, parts: Mapping[str, str]) -> Iterator[tuple[str, str]]:
    yield from ((f"{ours}.{our}", f"{theirs}.{their}") for our, their in parts.items())
