"""LoRA files and their kin, laid over a network and its text encoder in float32 and rounded once.

A changed network is a new value that shares every other weight with the one it comes from. A second file starts from
the numbers of the checkpoint again, not from what was rounded after the first; see `weights`.
"""

from collections.abc import Mapping, Sequence
from typing import NamedTuple, TypeVar

import torch
from torch import Tensor

from nodeflow.diffusion.adapters.formulas import Change
from nodeflow.diffusion.adapters.lorafile import LoraFile, describe
from nodeflow.diffusion.adapters.targets import is_for_text, targets
from nodeflow.diffusion.checkpoints.marks import BASE_TITLES, base_by_text
from nodeflow.diffusion.checkpoints.read import read_tensors
from nodeflow.diffusion.errors import ValueRuleError
from nodeflow.diffusion.networks import Clip, Model
from nodeflow.diffusion.reweighting import reweighted, weights_of
from nodeflow.diffusion.weights import ComputedWeight, HeldWeight, Weight

N = TypeVar("N", Model, Clip)


class Adapted(NamedTuple):
    """A model and its text encoder after a file was laid over them.

    Attributes:
        unused: Names in the file that mean nothing in either.
    """

    model: Model
    clip: Clip | None
    unused: tuple[str, ...]


def adapt(
    file: LoraFile, model: Model, clip: Clip | None = None, *, strength_model: float = 1.0, strength_clip: float = 1.0
) -> Adapted:
    """Adds what a file says to every weight that it names: W + strength · alpha / rank · up @ down, or its kin's form.

    Args:
        file: See `lorafile.read_lora`.
        model: The denoising network.
        clip: Its text encoder; without one, what the file has for it is passed over.
        strength_model: How much of it the denoising network gets; below 0 it is taken away, at 0 nothing changes.
        strength_clip: The same for the text encoder.

    Raises:
        CheckpointError: The file is made for another model, is incomplete, or holds NaN or infinity.
        ValueRuleError: A strength is not finite, or a network was released.
        OSError: A file cannot be read.
    """
    for name, strength in (("strength_model", strength_model), ("strength_clip", strength_clip)):
        if not abs(strength) < float("inf"):
            raise ValueRuleError(f"{name} must be a finite number, found {strength}")
    for_text = [name for name in file.layers if is_for_text(name)]
    for_model = [name for name in file.layers if not is_for_text(name)]
    if clip is None and not for_model:
        raise file.error("it changes a text encoder only, and there is none here")
    in_model = _known(file, model, for_model, wanted=bool(strength_model))
    in_clip: Mapping[str, str] = {} if clip is None else _known(file, clip, for_text, wanted=bool(strength_clip))
    used = {*in_model, *(for_text if clip is None else in_clip)}
    return Adapted(
        _changed(file, model, in_model, strength_model),
        clip and _changed(file, clip, in_clip, strength_clip),
        tuple(name for name in (*file.layers, *file.strangers) if name not in used),
    )


def _known(file: LoraFile, value: Model | Clip, names: Sequence[str], *, wanted: bool) -> Mapping[str, str]:
    """Names in the file to the layers of a network that they mean.

    Where not one means any, the network is another; that is an error if the file is `wanted` for it.
    """
    aliases = targets(value)
    known = {name: aliases[name] for name in names if name in aliases}
    if wanted and names and not known:
        what = "denoising network" if isinstance(value, Model) else "text encoder"
        raise file.error(f"{_kinship(file, value)}none of its names is a layer of the {what} here: {describe(names)}")
    return known


def _changed(file: LoraFile, value: N, known: Mapping[str, str], strength: float) -> N:
    """The network with the layers changed whose names in the file are given."""
    if strength == 0 or not known:
        return value
    weights, changes, made = weights_of(value), dict[str, Weight](), list[_Made]()
    steps = [(known[name], step) for name in known for step in file.layers[name].steps(strength)]
    tensors: dict[str, Tensor] = dict(read_tensors(file.header, (key for _, step in steps for key in step.keys)))
    broken = next((key for key, tensor in tensors.items() if not bool(torch.isfinite(tensor).all())), None)
    if broken is not None:
        raise file.error(f"{broken} holds NaN or infinity; the file is damaged")
    for layer, step in steps:
        place = f"{layer}.{step.ending}"
        if place not in weights:
            raise file.error(f"it changes the {step.ending} of {layer}, which has none here")
        parts: list[Tensor] = [tensors[key] for key in step.keys]
        changes[place] = ComputedWeight((changes.get(place, weights[place]), *map(HeldWeight, parts)), step.change)
        sizes = {key: tuple(part.shape) for key, part in zip(step.keys, parts, strict=True)}
        made.append(_Made(place, step.change, weights[place].shape, sizes))
    try:
        return reweighted(value, changes)
    except (RuntimeError, ValueRuleError):
        misfit = next((each for each in made if not each.fits()), None)
        if misfit is None:
            raise
        found = " and ".join(f"{key} {list(size)}" for key, size in misfit.sizes.items())
        told = f"{found} make no change of the shape {list(misfit.shape)}, which {misfit.place} has here"
        way = "; the file is damaged, or made for a model of another width: take the model that it was made for"
        raise file.error(f"{_kinship(file, value)}{told}{way}") from None


class _Made(NamedTuple):
    """A change, and the sizes of what it is made from, by their names in the file."""

    place: str
    change: Change
    shape: tuple[int, ...]
    sizes: Mapping[str, tuple[int, ...]]

    def fits(self) -> bool:
        """Whether the sizes go together; computed without numbers, which costs an import of seconds."""
        try:
            self.change(*(torch.empty(size, device="meta") for size in (self.shape, *self.sizes.values())))
        except (RuntimeError, ValueRuleError):
            return False
        return True


def _kinship(file: LoraFile, value: Model | Clip) -> str:
    """What the file is made for, as far as it tells, if that is not this network."""
    base = base_by_text(file.header)
    if base is None or (isinstance(value, Model) and value.family.startswith(base)):
        return ""
    here = f", and this model is {BASE_TITLES.get(value.family, value.family)}" if isinstance(value, Model) else ""
    return f"it is made for {BASE_TITLES[base]}{here}; "
