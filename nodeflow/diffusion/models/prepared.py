"""Linear layers and convolutions whose weight may lie as a file has it: what they compute with is made at first use.

A weight keeps the numbers of its file. From it a layer derives, when it is first called, the same weight in the
precision of what it is given and, on CPUs with oneDNN, in the blocked order that its kernels read; without that they
would bring it into this order at every call, which for small feature maps takes longer than the convolution itself.
"""

import math
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from typing import Any, Self, cast

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from nodeflow.diffusion.memory import packs

_BLOCK = 65_536
"""Numbers that are converted at a time, by way of float32: torch's direct conversion between half formats is slow."""
_LANES, _LARGE = 64, 500_000
"""Channels by which oneDNN's blocked kernels go, and numbers in a weight from which on ordering it takes long."""
_NOMINAL = (2, 32, 32)
"""Rows, height and width that the blocked order is asked for; the answer is the same for all sizes."""


@dataclass(frozen=True, slots=True, eq=False)
class Prepared:
    """What a layer computes with.

    Attributes:
        origin: The weight it was derived from.
        place: Where the numbers of the origin lay then; another place means that it was given others.
        weight: In the precision of the computation.
        packed: The weight is in a blocked order that only oneDNN reads.
        due: It is to be brought into that order when it is needed again.
    """

    origin: Tensor
    place: int
    weight: Tensor
    packed: bool
    due: bool = False

    def fits(self, origin: Tensor, dtype: torch.dtype) -> bool:
        """Whether this is what a weight gives in a precision."""
        return self.origin is origin and self.place == origin.data_ptr() and self.weight.dtype == dtype

    def __deepcopy__(self, memo: dict[int, Any]) -> Self | None:
        """Shared by a twin with the same weight, and of no use to one with another."""
        return self if memo.get(id(self.origin), self.origin) is self.origin else None


class Linear(nn.Linear):
    """A linear layer that prepares its weight at first use."""

    _made: Prepared | None = None

    def forward(self, input: Tensor) -> Tensor:
        """Computes in the precision of `input`."""
        weight = self.weight
        if _as_it_is(weight, input):
            return F.linear(input, weight, self.bias)
        if _at_once():
            return F.linear(input, weight.to(input.dtype), self.bias)
        made = self._made
        if made is None or not made.fits(weight, input.dtype):
            made = self._made = _prepared(weight, input, _packed_linear)
        if not made.packed:
            return F.linear(input, made.weight, self.bias)
        result: Tensor = torch.ops.mkldnn._linear_pointwise(input, made.weight, self.bias, "none", [], "")
        return result

    def _apply(self, fn: Callable[[Tensor], Tensor], recurse: bool = True) -> Self:
        self._made = None
        moved: Self = super()._apply(fn, recurse)  # type: ignore[no-untyped-call]
        return moved


class Conv2d(nn.Conv2d):
    """A convolution that prepares its weight at first use."""

    _made: Prepared | None = None

    def forward(self, input: Tensor) -> Tensor:
        """Computes in the precision of `input`."""
        weight = self.weight
        if _as_it_is(weight, input):
            return self._convolved(input, weight)
        if _at_once():
            return self._convolved(input, weight.to(input.dtype))
        made = self._made
        if made is None or not made.fits(weight, input.dtype):
            pack = _packed_linear if self._by_pixel else self._packed
            made = self._made = _prepared(weight, input, pack, later=self._as_well_later(input))
        elif made.due:
            made = self._made = replace(made, weight=self._packed(made.weight), packed=True, due=False)
        if not made.packed:
            return self._convolved(input, made.weight)
        if self._by_pixel:
            pixels = input.permute(0, 2, 3, 1)
            mixed: Tensor = torch.ops.mkldnn._linear_pointwise(pixels, made.weight, self.bias, "none", [], "")
            return mixed.permute(0, 3, 1, 2)
        sizes = (self.padding, self.stride, self.dilation, self.groups)
        result: Tensor = torch.ops.mkldnn._convolution_pointwise(input, made.weight, self.bias, *sizes, "none", [], "")
        return result

    @property
    def _by_pixel(self) -> bool:
        # oneDNN has no fast kernel for such a convolution of a few pixels in bf16; as a matrix product it always has.
        return self.kernel_size == (1, 1) and self.stride == (1, 1) and self.groups == 1

    def _as_well_later(self, x: Tensor) -> bool:
        """The first call computes the same bits without its weight in order, in less time than ordering takes.

        In bf16 it does not: there the order saves as much in the first call.
        """
        wide = self.in_channels % _LANES == 0 and self.out_channels % _LANES == 0 and self.weight.numel() >= _LARGE
        return wide and len(x) > 1 and not self._by_pixel and x.dtype == torch.float32

    def _convolved(self, x: Tensor, weight: Tensor) -> Tensor:
        return F.conv2d(x, weight, self.bias, self.stride, self.padding, self.dilation, self.groups)

    def _packed(self, weight: Tensor) -> Tensor:
        rows, height, width = _NOMINAL
        sizes = (self.padding, self.stride, self.dilation, self.groups, [rows, weight.shape[1], height, width])
        result: Tensor = torch.ops.mkldnn._reorder_convolution_weight(weight, *sizes)
        return result

    def _apply(self, fn: Callable[[Tensor], Tensor], recurse: bool = True) -> Self:
        self._made = None
        moved: Self = super()._apply(fn, recurse)  # type: ignore[no-untyped-call]
        return moved


class Embedding(nn.Embedding):
    """A table of which single rows are read, so that the rows are converted and not the table.

    Attributes:
        computes_in: The precision of what comes out; that of the table where None.
    """

    computes_in: torch.dtype | None = None

    def forward(self, input: Tensor) -> Tensor:
        """The rows of some numbers."""
        rows = super().forward(input)
        return rows if self.computes_in is None else rows.to(self.computes_in)


def readied(network: nn.Module) -> nn.Module:
    """Puts layers that prepare themselves in place of torch's own, with the same weights; gives the network back."""
    for holder in list(network.modules()):
        for name, layer in list(holder.named_children()):
            with torch.device("meta"):
                if type(layer) is nn.Linear:
                    new: nn.Module = Linear(
                        layer.in_features, layer.out_features, getattr(layer, "bias", None) is not None
                    )
                elif type(layer) is nn.Embedding:
                    new = Embedding(layer.num_embeddings, layer.embedding_dim)
                else:
                    continue
            for own, weight in layer.named_parameters():
                new.register_parameter(own, weight)
            holder.add_module(name, new)
    return network


def lazily(network: nn.Module) -> frozenset[str]:
    """Names of the weights of a network that may be in any precision, because their layers convert what they need."""
    return frozenset(
        f"{name}.weight"
        for name, layer in cast("Iterable[tuple[str, nn.Module]]", network.named_modules())
        if isinstance(layer, Linear | Conv2d | Embedding)
    )


def _at_once() -> bool:
    """Nothing is kept while weights are learned, nor in compiled code, which brings weights into its own order."""
    return torch.is_grad_enabled() or torch.compiler.is_compiling()


def _as_it_is(weight: Tensor, x: Tensor) -> bool:
    return weight.dtype == x.dtype and (_at_once() or not packs(weight))


def _prepared(origin: Tensor, x: Tensor, pack: Callable[[Tensor], Tensor], *, later: bool = False) -> Prepared:
    weight = _converted(origin, x.dtype)
    packed = packs(origin)
    if packed and later:
        return Prepared(origin, origin.data_ptr(), weight, packed=False, due=True)
    return Prepared(origin, origin.data_ptr(), pack(weight) if packed else weight, packed)


def _packed_linear(weight: Tensor) -> Tensor:
    result: Tensor = torch.ops.mkldnn._reorder_linear_weight(weight.flatten(1), math.prod(_NOMINAL))
    return result


def _converted(weight: Tensor, dtype: torch.dtype) -> Tensor:
    if weight.dtype in (dtype, torch.float32) or dtype == torch.float32 or not weight.is_contiguous():
        return weight.detach().to(dtype)
    result = torch.empty_like(weight, dtype=dtype)
    numbers, target, between = weight.detach().view(-1), result.view(-1), torch.empty(_BLOCK)
    for start in range(0, len(numbers), _BLOCK):
        some = numbers[start : start + _BLOCK]
        target[start : start + _BLOCK] = between[: len(some)].copy_(some)
    return result
