"""Plain pictures, arrays and tensors as the values that a node declares."""

import operator
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, Final, cast

from nodeflow.core.types import Type
from nodeflow.diffusion.types import Image, Latent, Mask
from nodeflow.testing.fingerprints import is_array, is_picture, is_tensor

if TYPE_CHECKING:
    import torch


def converted(value: object, declared: Type) -> object:
    """``value`` as an Image, Mask or Latent where that is declared and it is a picture, an array or a tensor.

    Pictures and arrays of bytes become numbers from 0 to 1; a missing batch dimension is added.

    Raises:
        ValueError: Its shape or its numbers cannot be such a value.
    """
    if isinstance(value, list):
        members = cast("list[object]", value)
        inner = declared.args[0] if declared.name == "list" else declared
        each = [converted(member, inner) for member in members]
        return members if all(map(operator.is_, each, members)) else each
    if declared.name in ("optional", "union"):
        return next((made for inner in declared.args if (made := converted(value, inner)) is not value), value)
    convert = _CONVERSIONS.get(declared.name)
    tensor = None if convert is None else _tensor(value, declared.name)
    return value if convert is None or tensor is None else convert(tensor)


def _tensor(value: Any, declared: str) -> "torch.Tensor | None":
    """A tensor of ``value``, bytes brought to 0..1; None where it is nothing of that kind."""
    if is_tensor(value):
        return cast("torch.Tensor", value)
    if is_picture(value):
        modes = ("L",) if declared == "Mask" else ("RGB", "RGBA")
        return _unit(value if value.mode in modes else value.convert(modes[0]))
    return _unit(value) if is_array(value) else None


def _unit(array: Any) -> "torch.Tensor":
    import numpy as np
    import torch

    found = np.asarray(array)
    tensor = torch.from_numpy(np.array(found))
    return tensor.float() / 255 if found.dtype == np.uint8 else tensor.float()


def _image(tensor: "torch.Tensor") -> Image:
    return Image(tensor if tensor.ndim != 3 else tensor[None])


def _mask(tensor: "torch.Tensor") -> Mask:
    return Mask(tensor if tensor.ndim != 2 else tensor[None])


def _latent(tensor: "torch.Tensor") -> Latent:
    return Latent(tensor if tensor.ndim != 3 else tensor[None])


_CONVERSIONS: Final[Mapping[str, Callable[["torch.Tensor"], object]]] = {
    "Image": _image,
    "Mask": _mask,
    "Latent": _latent,
}
