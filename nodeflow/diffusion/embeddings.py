"""Words learned as vectors (textual inversion): their files, and text encoders that understand them.

Source: Gal et al. 2022 (arXiv:2208.01618).
"""

import copy
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from nodeflow.diffusion.checkpoints.marks import BASE_TITLES, BASES, base_by_width
from nodeflow.diffusion.checkpoints.read import Header, read_header, read_tensors
from nodeflow.diffusion.errors import ValueRuleError
from nodeflow.diffusion.networks import Clip

_OWN = "clip_l"
"""Under which name files for several text encoders have the vectors of this one."""


def read_embedding(path: Path | str, clip: Clip) -> Tensor:
    """Reads the vectors of a learned word, float32 [n, D]: it takes the place of n tokens.

    Known are the safetensors files of A1111, of diffusers (named after the word), and those for several text encoders
    at once; of several tensors the first that fits is taken.

    Raises:
        CheckpointError: The file is damaged, of a refused kind, holds NaN, or is made for another text encoder.
        OSError: It cannot be read.
    """
    header = read_header(path)
    key = _key(header, width_of(clip))
    ((_, tensor),) = read_tensors(header, (key,))
    vectors = tensor.float().reshape(-1, tensor.shape[-1])
    if not bool(torch.isfinite(vectors).all()):
        raise header.error(f"{key} holds NaN or infinity; the file is damaged")
    return vectors.clone()


def width_of(clip: Clip) -> int:
    """Features per token of a text encoder."""
    return int(_table(clip.network).embedding_dim)


def numbered(clip: Clip, learned: Mapping[str, Tensor]) -> Mapping[str, Sequence[int]]:
    """The numbers that stand for the vectors of each learned word: those after the vocabulary, in order.

    Raises:
        ValueRuleError: Vectors of another width.
    """
    numbers: dict[str, Sequence[int]] = {}
    if not learned:
        return numbers
    width, first = width_of(clip), int(_table(clip.network).num_embeddings)
    for name, vectors in learned.items():
        if vectors.ndim != 2 or vectors.shape[1] != width:
            raise ValueRuleError(
                f"embedding {name!r} has the shape {list(vectors.shape)}, and the text encoder takes [n, {width}]"
            )
        numbers[name] = range(first, first + len(vectors))
        first += len(vectors)
    return numbers


def speaking(network: nn.Module, learned: Mapping[str, Tensor]) -> nn.Module:
    """A text encoder with the same weights that knows the numbers of `numbered` too."""
    shared: dict[int, Any] = {id(each): each for each in (*network.parameters(), *network.buffers())}
    twin: Any = copy.deepcopy(network, shared)
    table = _table(twin)
    vectors = torch.cat([*learned.values()]).to(table.weight.device)
    twin.set_input_embeddings(_Extended(table, vectors))
    found: nn.Module = twin
    return found


class _Extended(nn.Module):
    """A table of tokens with more rows at its end, which nobody has to copy it for."""

    def __init__(self, table: nn.Embedding, vectors: Tensor) -> None:
        super().__init__()
        self.table = table
        self.vectors = vectors

    def forward(self, numbers: Tensor) -> Tensor:
        last = self.table.num_embeddings - 1
        known: Tensor = self.table(numbers.clamp(max=last))
        learned = self.vectors[(numbers - last - 1).clamp(min=0)].to(known.dtype)
        return torch.where((numbers > last)[..., None], learned.to(known), known)


def _table(network: Any) -> nn.Embedding:
    table: nn.Embedding = network.get_input_embeddings()
    return table


def _key(header: Header, width: int) -> str:
    """The name of the tensor that holds the vectors for a text encoder of some width."""
    shapes = {key: info.shape for key, info in header.tensors.items() if info.shape and info.numel}
    fitting = [key for key, shape in shapes.items() if shape[-1] == width and len(shape) <= 2]
    whole = [key for key in fitting if not header.tensors[key].dtype.startswith(("F", "BF"))]
    if whole:
        found_type = header.tensors[whole[0]].dtype.lower()
        raise header.error(f"{whole[0]} holds {found_type}, and vectors of words are floating-point numbers")
    if not fitting:
        found = sorted({shape[-1] for shape in shapes.values()})
        base = BASE_TITLES.get(base_by_width(header) or "") if BASES.keys() >= set(found) else None
        known = f": it is made for {base}" if base else ""
        widths = " or ".join(map(str, found)) or "no"
        raise header.error(f"it has vectors of {widths} features, and this text encoder takes {width}{known}")
    return _OWN if _OWN in fitting else fitting[0]
