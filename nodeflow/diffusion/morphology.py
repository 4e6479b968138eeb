"""The largest and the smallest value around each pixel, and what is made of them."""

from collections.abc import Callable
from typing import Literal, get_args

import torch.nn.functional as F
from torch import Tensor, maximum

from nodeflow.diffusion.channels import colours, recoloured
from nodeflow.diffusion.errors import ValueRuleError
from nodeflow.diffusion.types import Image

Operation = Literal["erode", "dilate", "open", "close", "gradient", "bottom_hat", "top_hat"]


def dilated(planes: Tensor, size: int) -> Tensor:
    """The largest value in a square of `size` pixels around each, [..., H, W]; nothing lies outside a picture.

    Of an even size, one pixel more is looked at behind than before.
    """
    return _largest(planes, (size - 1) // 2, size // 2)


def eroded(planes: Tensor, size: int) -> Tensor:
    """The smallest value in a square of `size` pixels around each; of an even size, one more before than behind."""
    return -_largest(-planes, size // 2, (size - 1) // 2)


def spread(planes: Tensor, steps: int) -> Tensor:
    """The largest value that can be reached from each pixel in so many steps up, down, left or right: a diamond."""
    high, wide = planes.shape[-2:]
    for _ in range(min(steps, high + wide - 2)):  # after which every pixel has been reached
        planes = maximum(_largest_in_rows(planes, 1, 1), _largest_in_rows(planes.mT, 1, 1).mT)
    return planes


def morphed(image: Image, operation: Operation, size: int = 3) -> Image:
    """Applies grey-scale morphology with a square to each colour; an alpha channel stays as it is.

    Args:
        image: The pictures.
        operation: Erosion, dilation, or one made of both: opening, closing, their differences from the picture
            (top hat, bottom hat), or dilation minus erosion.
        size: Side of the square in pixels, 1 or more.

    Raises:
        ValueRuleError: An unknown operation, or a size below 1.
    """
    if operation not in get_args(Operation) or size < 1:
        raise ValueRuleError(f"morphology {operation!r} of size {size} is not possible")
    planes = colours(image).permute(0, 3, 1, 2)  # b h w c -> b c h w
    return recoloured(image, _OPERATIONS[operation](planes, size).permute(0, 2, 3, 1))


def _opened(planes: Tensor, size: int) -> Tensor:
    return dilated(eroded(planes, size), size)


def _closed(planes: Tensor, size: int) -> Tensor:
    return eroded(dilated(planes, size), size)


_OPERATIONS: dict[str, Callable[[Tensor, int], Tensor]] = {
    "erode": eroded,
    "dilate": dilated,
    "open": _opened,
    "close": _closed,
    "gradient": lambda planes, size: dilated(planes, size) - eroded(planes, size),
    "bottom_hat": lambda planes, size: _closed(planes, size) - planes,
    "top_hat": lambda planes, size: planes - _opened(planes, size),
}


def _largest(planes: Tensor, before: int, behind: int) -> Tensor:
    return _largest_in_rows(_largest_in_rows(planes, before, behind).mT, before, behind).mT


def _largest_in_rows(planes: Tensor, before: int, behind: int) -> Tensor:
    """The largest of neighbours in a row, by doubling: for any number of them in as many passes as its logarithm."""
    found = F.pad(planes, (before, behind), value=float("-inf"))
    size, reach = before + 1 + behind, 1
    while reach < size:
        step = min(reach, size - reach)
        found = maximum(found[..., :-step], found[..., step:])
        reach += step
    return found
