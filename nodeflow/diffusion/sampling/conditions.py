"""The entries of conditionings, made ready for one latent: which cells, how much, between which noise levels."""

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import permutations

import torch
from torch import Tensor

from nodeflow.diffusion.errors import ValueRuleError
from nodeflow.diffusion.sampling.prediction import NoiseLevels
from nodeflow.diffusion.sampling.regions import Box, box_of_area, box_of_mask, feathered, mask_in_cells
from nodeflow.diffusion.types import Conditioning, Entry, Latent, Model

_NOTHING = 1e-37
"""What sums of weights begin with: where no entry holds, the picture is 0 and not NaN."""


@dataclass(frozen=True, slots=True, eq=False)
class Condition:
    """An entry of a conditioning on a latent.

    Attributes:
        entry: What the network is told.
        box: The cells that the network sees; None for all.
        weight: Against the other entries of its side: one number, or [1 or B, 1, h, w] over the box.
        between: The highest and the lowest noise level it holds at; None for all.
    """

    entry: Entry
    box: Box | None
    weight: float | Tensor
    between: tuple[float, float] | None

    def seen(self, x: Tensor) -> Tensor:
        """What the network sees of [..., h, w]."""
        return x if self.box is None else self.box.of(x)

    def weight_at(self, sigma: Tensor) -> float | Tensor | None:
        """Its weight for rows at their noise levels [B]; None where it holds for none of them."""
        if self.between is None:
            return self.weight
        highest, lowest = self.between
        holds = (sigma <= highest) & (sigma >= lowest)
        if bool(holds.all()):
            return self.weight
        return self.weight * holds[:, None, None, None] if bool(holds.any()) else None


def conditions_of(
    sides: Sequence[Conditioning], size: tuple[int, int], factor: int, levels: NoiseLevels, device: torch.device
) -> tuple[tuple[Condition, ...], ...]:
    """Makes the entries of a run ready.

    Every area is looked at from all sides: where one has an entry for an area and another has none, the other gets a
    copy of it that tells the network what the other's smallest entry around the area does. An entry without weight is
    left out.

    Args:
        sides: What the run follows and what it avoids.
        size: Height and width of the latent.
        factor: Pixels per cell along one side.
        levels: Those of the network.
        device: Where it runs.

    Raises:
        ValueRuleError: An area lies wholly outside of the picture.
    """
    ready = [[_condition(entry, size, factor, levels, device) for entry in side.entries] for side in sides]
    for side, other in permutations(ready, 2):
        for one in side:
            other.extend(_opposite(one, other))
    return tuple(tuple(one for one in side if _has_weight(one)) for side in ready)


def filled(weights: Mapping[Condition, float | Tensor], x: Tensor) -> dict[Condition, float | Tensor]:
    """The weights of a side, those of its default entries brought to what the others leave of 1.

    Args:
        weights: Those of the entries that hold at this point.
        x: [B, C, h, w], of the whole latent.

    Returns:
        The same without default entries that nothing is left for.
    """
    found = {one: weight for one, weight in weights.items() if not one.entry.default}
    defaults = [one for one in weights if one.entry.default]
    if defaults:
        left = torch.ones_like(x[:, :1])
        for one, weight in found.items():
            one.seen(left).sub_(weight)
        left = left.clamp(min=0.0)
        found |= {one: left * weights[one] for one in defaults if bool(left.any())}
    return found


def averaged(parts: Sequence[tuple[Condition, float | Tensor, Tensor]], x: Tensor) -> Tensor:
    """The mean of what the entries of a side give, each for its box: sum(weight * picture) / sum(weight).

    Args:
        parts: Condition, weight and denoised picture of the box, [B, C, h, w] each.
        x: [B, C, h, w], of the whole latent.
    """
    if len(parts) == 1 and parts[0][0].box is None and isinstance(parts[0][1], float):
        return parts[0][2]
    total, weights = torch.zeros_like(x), torch.full_like(x[:, :1], _NOTHING)
    for condition, weight, denoised in parts:
        condition.seen(total).add_(denoised * weight)
        condition.seen(weights).add_(weight)
    return total / weights


def require_fitting(name: str, conditioning: Conditioning, model: Model, latent: Latent) -> None:
    """Checks that a conditioning can be used for a run.

    Args:
        name: Which one it is, for messages.
        conditioning: What to check.
        model: What it is for.
        latent: Where the run starts.

    Raises:
        ValueRuleError: Features of another text encoder, other rows than the latent's, an area outside of the picture.
    """
    size = (latent.samples.shape[-2], latent.samples.shape[-1])
    for entry in conditioning.entries:
        rows, _, features = entry.context.shape
        if features != model.context_dim:
            raise ValueRuleError(
                f"the {name} conditioning has {features} features per token, the model takes {model.context_dim}; "
                "use the text encoder of the same checkpoint"
            )
        if rows not in (1, len(latent)):
            raise ValueRuleError(f"the {name} conditioning has {rows} rows, the latent {len(latent)}")
        if entry.mask is not None and len(entry.mask) not in (1, len(latent)):
            raise ValueRuleError(
                f"the {name} conditioning has {len(entry.mask)} masks, the latent {len(latent)} rows; "
                "give it one mask for all or one for each"
            )
        if not (entry.default or _ignores_area(entry)):
            _box(entry, size, model.latent_format.factor, name)


def _condition(
    entry: Entry, size: tuple[int, int], factor: int, levels: NoiseLevels, device: torch.device
) -> Condition:
    between = None
    if entry.start > 0.0 or entry.end < 1.0:
        between = (levels.at(entry.start), levels.at(entry.end))
    if entry.default:
        return Condition(entry, None, 1.0, between)
    if entry.mask is None:
        box = _box(entry, size, factor)
        weight = entry.strength if box is None else entry.strength * feathered(box, size, device)
        return Condition(entry, box, weight, between)
    mask = mask_in_cells(entry.mask, size).to(device)
    box = box_of_mask(mask) if entry.mask_bounds else _box(entry, size, factor)
    part = mask if box is None else box.of(mask)
    return Condition(entry, box, part[:, None] * (entry.mask_strength * entry.strength), between)


def _ignores_area(entry: Entry) -> bool:
    return entry.mask is not None and entry.mask_bounds


def _box(entry: Entry, size: tuple[int, int], factor: int, name: str = "") -> Box | None:
    if entry.area is None:
        return None
    box = box_of_area(entry.area, size, factor)
    if box is None:
        area = entry.area
        unit = " (shares of the picture)" if area.relative else " pixels"
        raise ValueRuleError(
            f"the {name or 'one'} conditioning is for an area of {area.width:g} x {area.height:g} at x {area.x:g}, "
            f"y {area.y:g}{unit}, outside of the picture of {size[1] * factor} x {size[0] * factor} pixels; "
            "move the area or make the latent larger"
        )
    return box


def _opposite(one: Condition, side: Sequence[Condition]) -> Iterator[Condition]:
    """The counterpart that a side lacks for a condition of another side, if any."""
    box = one.box
    if box is None or any(each.box == box for each in side):
        return
    around = [each for each in side if each.box is None or box.inside(each.box)]
    if around:
        told = min(around, key=lambda each: math.inf if each.box is None else each.box.cells).entry
        yield replace(one, entry=replace(one.entry, context=told.context, pooled=told.pooled, inpaint=told.inpaint))


def _has_weight(one: Condition) -> bool:
    return bool(one.weight.any()) if isinstance(one.weight, Tensor) else one.weight > 0.0
