"""One evaluation of a UNet: what its blocks are told besides their input, and how a patch changes what they do.

A patch belongs to a `Model` value and not to the network, whose weights many models share.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Literal, NamedTuple, Protocol, cast

import torch
from torch import Tensor, nn
from torch.utils.weak import WeakTensorKeyDictionary

from nodeflow.diffusion.models.prepared import Linear

Attend = Callable[[Tensor, Tensor | None], Tensor]
"""(x [B, N, C] that asks, what is looked at [B, M, C] or None for x itself) to [B, N, C]."""


class AttentionLayer(Protocol):
    """What a patch may know of an attention layer."""

    heads: int
    to_q: Linear
    to_k: Linear
    to_v: Linear
    to_out: nn.Sequential

    def __call__(self, x: Tensor, context: Tensor | None = None, /) -> Tensor:
        """Attends from x [B, N, C] to a context [B, M, D], or to itself."""
        ...


@dataclass(frozen=True, slots=True)
class Place:
    """Where in a UNet something happens.

    Attributes:
        stage: On the way down, in the middle or on the way up.
        index: Which entry of it, from 0, as in the names of weights (`input_blocks.4`); 0 in the middle.
        block: Which transformer block of the entry.
        size: Height and width of the feature map there.
        full: Height and width of the latent.
    """

    stage: Literal["input", "middle", "output"]
    index: int
    block: int
    size: tuple[int, int]
    full: tuple[int, int]


class Patch:
    """A change to what a UNet computes. Subclasses are frozen dataclasses and override what they change."""

    def at(self, seed: int, timestep: Tensor) -> "Patch":
        """The patch for one evaluation, at timesteps [B] of a run; what it chooses at random follows from these."""
        return self

    def skip(self, h: Tensor, skip: Tensor, place: Place) -> tuple[Tensor, Tensor]:
        """Changes the features [B, C, h, w] and those of the way down before they are joined on the way up."""
        return h, skip

    def self_attention(self, attend: Attend, attention: AttentionLayer, x: Tensor, place: Place) -> Tensor:
        """Does, or replaces, the attention of the pixels x [B, N, C] among themselves; `attend` is what it replaces."""
        return attend(x, None)


class Heads(NamedTuple):
    """What attention looks at, [B, heads, M, d] each."""

    keys: Tensor
    values: Tensor


class LooksAt(Protocol):
    """An attention layer as far as the text is concerned."""

    def heads_of(self, source: Tensor, /) -> Heads:
        """Keys and values of a context."""
        ...


class Texts:
    """What the layers of one UNet make of one context; the same in every step of a run, so it is made once.

    Args:
        context: [B, L, D] text states.
        dtype: The precision of the network.
    """

    def __init__(self, context: Tensor, dtype: torch.dtype) -> None:
        self.dtype = dtype
        # What is remembered never holds the very tensor that was given: it would then keep it for ever.
        self._context = (context.detach() if _remembers() else context).to(dtype)
        self._made: dict[LooksAt, Heads] = {}

    def heads_of(self, attention: LooksAt) -> Heads:
        """Keys and values for a layer."""
        if not _remembers():
            return attention.heads_of(self._context)
        found = self._made.get(attention)
        if found is None:
            found = self._made[attention] = attention.heads_of(self._context)
        return found


class TextMemory:
    """The texts that a UNet was given, each for as long as somebody else holds its context."""

    def __init__(self) -> None:
        self._known = WeakTensorKeyDictionary()

    def of(self, context: Tensor, dtype: torch.dtype) -> Texts:
        """What is known of a context, which nobody may have written to meanwhile."""
        if not _remembers():
            return Texts(context, dtype)
        found = cast("Texts | None", self._known.get(context))  # type: ignore[no-untyped-call]
        if found is None or found.dtype != dtype:
            found = Texts(context, dtype)
            self._known[context] = found
        return found

    def __deepcopy__(self, memo: dict[int, Any]) -> "TextMemory":
        """A twin may have other weights, so it begins with nothing."""
        return TextMemory()


@dataclass(frozen=True, slots=True)
class Pass:
    """What all blocks are told in one evaluation.

    Attributes:
        time: [B or 1, 4 C] the embedded timestep.
        texts: What the layers make of the text states.
        full: Height and width of the latent.
        patches: The first is the innermost.
    """

    time: Tensor
    texts: Texts
    full: tuple[int, int]
    patches: Sequence[Patch] = ()

    def self_attention(self, attention: AttentionLayer, x: Tensor, place: Place) -> Tensor:
        """Attention of the pixels among themselves, with all patches."""
        attend: Attend = attention
        for patch in self.patches:
            attend = _around(patch, attend, attention, place)
        return attend(x, None)

    def skip(self, h: Tensor, skip: Tensor, place: Place) -> tuple[Tensor, Tensor]:
        """The features that are joined on the way up, with all patches."""
        for patch in self.patches:
            h, skip = patch.skip(h, skip, place)
        return h, skip


def _remembers() -> bool:
    """Not while weights are learned, nor in compiled code, whose memory belongs to its graph."""
    return not torch.is_grad_enabled() and not torch.compiler.is_compiling()


def _around(patch: Patch, attend: Attend, attention: AttentionLayer, place: Place) -> Attend:
    def patched(x: Tensor, source: Tensor | None) -> Tensor:
        if source is not None:
            return attend(x, source)
        return patch.self_attention(attend, attention, x, place)

    return patched
