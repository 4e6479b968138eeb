"""The same network with some other weights; what does not change is shared with the original."""

import copy
import dataclasses
from collections.abc import Mapping
from typing import TypeVar

import torch
from torch import nn

from nodeflow.diffusion.errors import ValueRuleError
from nodeflow.diffusion.memory import computes_in
from nodeflow.diffusion.networks import Clip, Model, Vae
from nodeflow.diffusion.weights import Files, HeldWeight, Weight

N = TypeVar("N", Model, Clip, Vae)


def weights_of(value: Model | Clip | Vae) -> Mapping[str, Weight]:
    """Where each weight of a network comes from, by its name in `network.state_dict()`.

    Raises:
        ValueRuleError: The network was released.
    """
    value.require_weights()
    held = {name: HeldWeight(weight) for name, weight in value.network.named_parameters()}
    return {name: value.weights.get(name, weight) for name, weight in held.items()}


def reweighted(value: N, changes: Mapping[str, Weight], donor: N | None = None) -> N:
    """A new value in which some weights are others; the original keeps its own, and all else is one memory.

    Args:
        value: A network with what is needed to call it.
        changes: New weights by their name in `network.state_dict()`. They are computed in float32 one by one and
            rounded once, to the precision of the network.
        donor: A network whose weights are shared where `changes` has them as they are.

    Raises:
        ValueRuleError: There is no such weight, it has another shape, or the network was released.
        CheckpointError: A file that the numbers come from has changed.
        OSError: Such a file cannot be read.
    """
    value.require_weights()
    if not changes:
        return value
    memo: dict[int, object] = {id(weight): weight for weight in (*value.network.parameters(), *value.network.buffers())}
    present, dtype = dict(value.network.named_parameters()), computes_in(value.network)
    with Files(value.device) as files, torch.no_grad():
        for name, weight in changes.items():
            old = _replaced(present, name, weight)
            new = _borrowed(donor, name, weight, old)
            if new is None:
                new = nn.Parameter(
                    torch.empty_like(old, dtype=dtype).copy_(weight.unrounded(files)), requires_grad=False
                )
            memo[id(old)] = new
    twin: nn.Module = copy.deepcopy(value.network, memo)
    return dataclasses.replace(value, network=twin, weights={**value.weights, **changes})


def _borrowed(donor: Model | Clip | Vae | None, name: str, weight: Weight, old: nn.Parameter) -> nn.Parameter | None:
    """The donor's own tensor, if it holds just this weight in the same precision and place."""
    if donor is None or not (donor.weights.get(name) is weight or isinstance(weight, HeldWeight)):
        return None
    theirs = donor.network.get_parameter(name)
    same = (theirs.dtype, theirs.device, theirs.shape) == (old.dtype, old.device, old.shape)
    unheld = isinstance(weight, HeldWeight) and weight.tensor is not theirs
    return theirs if same and not unheld else None


def _replaced(present: Mapping[str, nn.Parameter], name: str, weight: Weight) -> nn.Parameter:
    if name not in present:
        raise ValueRuleError(f"the network has no weight {name}")
    if tuple(present[name].shape) != weight.shape:
        found, wanted = list(weight.shape), list(present[name].shape)
        raise ValueRuleError(f"a new weight {name} of shape {found} does not fit; {wanted} is expected")
    return present[name]
