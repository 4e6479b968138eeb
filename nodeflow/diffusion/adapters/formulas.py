"""What files for LoRA and its kin say about one weight, as formulas over it.

Sources: LoRA, Hu et al. 2021 (arXiv:2106.09685); LoHa, Hyeon-Woo et al. 2021 (arXiv:2108.06098); LoKr and the Tucker
form for convolutions, Yeh et al. 2023 (arXiv:2309.14859); DoRA, Liu et al. 2024 (arXiv:2402.09353).
"""

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass

import torch
from torch import Tensor

from nodeflow.diffusion.errors import ValueRuleError

Parts = Mapping[str, Tensor]
"""What a file has for one weight, by role; float32, on one device."""

MAGNITUDE = "magnitude"
"""The role of DoRA's vector as PEFT has it: how long the weights of each output shall be."""
DORA_SCALE = "dora_scale"
"""The same as LyCORIS has it: [outputs, 1, …], or [1, inputs, …] for the weights of each input."""


@dataclass(frozen=True, slots=True)
class Kind:
    """One way to write a change down.

    Attributes:
        name: As people know it.
        needs: Roles that make one complete; each set is one spelling.
        ranks: The first of these roles that is there has the rank as its first size; without any, alpha says nothing.
        delta: What is added at strength and scale 1; its numbers are in the order of the weight's.
    """

    name: str
    needs: tuple[frozenset[str], ...]
    ranks: tuple[str, ...]
    delta: Callable[[Parts], Tensor]

    def is_complete(self, roles: Collection[str]) -> bool:
        """Whether all is there."""
        return any(need.issubset(roles) for need in self.needs)

    def is_meant(self, roles: Collection[str]) -> bool:
        """Whether something of it is there."""
        return any(not need.isdisjoint(roles) for need in self.needs)


def _low_rank(parts: Parts) -> Tensor:
    """up @ down, over all places of a convolution; with a core between them, Tucker's form."""
    up, down = parts["up"].flatten(1), parts["down"].flatten(1)
    if "mid" in parts:
        return torch.einsum("oa,ab...,bi->oi...", up, parts["mid"], down)
    return up @ down


def _hadamard(parts: Parts) -> Tensor:
    return _factor(parts, "h1") * _factor(parts, "h2")


def _kronecker(parts: Parts) -> Tensor:
    first, second = _factor(parts, "k1"), _factor(parts, "k2")
    return torch.kron(first.reshape(*first.shape, *[1] * (second.ndim - first.ndim)), second)


def _factor(parts: Parts, name: str) -> Tensor:
    if name in parts:
        return parts[name]
    left, right, core = parts[f"{name}_a"], parts[f"{name}_b"], parts.get(f"{name}_t")
    return left @ right if core is None else torch.einsum("ij...,ip,jr->pr...", core, left, right)


def _difference(parts: Parts) -> Tensor:
    return parts["difference"]


_K1, _K2 = frozenset({"k1_a", "k1_b"}), frozenset({"k2_a", "k2_b"})
KINDS = (
    Kind("LoRA", (frozenset({"up", "down"}),), ("down",), _low_rank),
    Kind("LoHa", (frozenset({"h1_a", "h1_b", "h2_a", "h2_b"}),), ("h1_b",), _hadamard),
    Kind("LoKr", (frozenset({"k1", "k2"}), _K1 | {"k2"}, _K2 | {"k1"}, _K1 | _K2), ("k2_b", "k1_b"), _kronecker),
    Kind("difference", (frozenset({"difference"}),), (), _difference),
)


@dataclass(frozen=True, slots=True)
class Change:
    """A formula over one weight and the parts that a file has for it.

    Attributes:
        kind: How the change is written down.
        roles: Of the parts, in the order in which they are handed over.
        scale: Alpha over rank.
        strength: How much of the change is wanted.
    """

    kind: Kind
    roles: tuple[str, ...]
    scale: float
    strength: float

    def __call__(self, weight: Tensor, *tensors: Tensor) -> Tensor:
        """The changed weight.

        Raises:
            ValueRuleError: The parts make a change of another shape.
            RuntimeError: They do not even go together.
        """
        parts = dict(zip(self.roles, tensors, strict=True))
        delta = self.kind.delta(parts)
        if delta.shape[:1] != weight.shape[:1] or delta.numel() != weight.numel():
            raise ValueRuleError(f"a change of shape {list(delta.shape)} is none of {list(weight.shape)}")
        delta = delta.reshape(weight.shape) * self.scale
        for role, axis in ((MAGNITUDE, 0), (DORA_SCALE, _axis_of(parts.get(DORA_SCALE)))):
            if role in parts:
                delta = _with_lengths(weight + delta, parts[role], axis) - weight
        return weight + delta * self.strength


def _axis_of(scale: Tensor | None) -> int:
    return 1 if scale is not None and scale.ndim > 1 and scale.shape[0] == 1 else 0


def _with_lengths(weight: Tensor, lengths: Tensor, axis: int) -> Tensor:
    """Brings what belongs to each output (axis 0) or input (axis 1) to a length."""
    others = [other for other in range(weight.ndim) if other != axis]
    found = weight.square().sum(others, keepdim=True).sqrt()
    return weight * (lengths.reshape(found.shape) / found)
