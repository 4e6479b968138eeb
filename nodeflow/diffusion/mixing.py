"""New conditionings out of given ones: mixed, one behind the other, or empty."""

from dataclasses import replace

import torch
import torch.nn.functional as F
from torch import Tensor

from nodeflow.diffusion.errors import ValueRuleError
from nodeflow.diffusion.types import Conditioning, Entry


def averaged(towards: Conditioning, other: Conditioning, share: float) -> Conditioning:
    """Mixes the texts of a conditioning with another text, token by token.

    Args:
        towards: Keeps its entries with where and when they hold, and their lengths.
        other: Its first entry is mixed in, cut off or filled up with zeros to those lengths.
        share: Of `towards`, 0..1.

    Raises:
        ValueRuleError: They come from text encoders of other widths, or have rows that do not go together.
    """
    start = other.entries[0]

    def mixed(entry: Entry) -> Entry:
        _require_alike(entry.context, start.context)
        length = entry.context.shape[1]
        begun = start.context[:, :length]
        begun = F.pad(begun, (0, 0, 0, length - begun.shape[1]))
        pooled = start.pooled if entry.pooled is None else entry.pooled
        if entry.pooled is not None and start.pooled is not None:
            pooled = entry.pooled * share + start.pooled * (1 - share)
        return replace(entry, context=entry.context * share + begun * (1 - share), pooled=pooled)

    return towards.map(mixed)


def concatenated(towards: Conditioning, other: Conditioning) -> Conditioning:
    """Puts another text behind each of a conditioning: the network sees both, each encoded by itself.

    Args:
        towards: Keeps its entries with where and when they hold.
        other: Its first entry is put behind.

    Raises:
        ValueRuleError: They come from text encoders of other widths, or have rows that do not go together.
    """
    end = other.entries[0].context

    def longer(entry: Entry) -> Entry:
        _require_alike(entry.context, end)
        rows = max(len(entry.context), len(end))
        parts = [context.expand(rows, -1, -1) for context in (entry.context, end)]
        return replace(entry, context=torch.cat(parts, dim=1))

    return towards.map(longer)


def zeroed(conditioning: Conditioning) -> Conditioning:
    """Nothing but zeros where the texts were, which is not the same as an empty text."""

    def zero(entry: Entry) -> Entry:
        pooled = None if entry.pooled is None else torch.zeros_like(entry.pooled)
        return replace(entry, context=torch.zeros_like(entry.context), pooled=pooled)

    return conditioning.map(zero)


def _require_alike(one: Tensor, other: Tensor) -> None:
    if one.shape[2] != other.shape[2]:
        raise ValueRuleError(
            f"{one.shape[2]} and {other.shape[2]} features per token do not go together; "
            "encode both texts with the same text encoder"
        )
    if len(one) != len(other) and 1 not in (len(one), len(other)):
        raise ValueRuleError(f"{len(one)} and {len(other)} rows do not go together; they must be equal, or one be 1")
