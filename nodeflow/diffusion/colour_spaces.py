"""Pictures as brightness and two differences of colour, and back (ITU-R BT.601, full range, as JPEG files have it)."""

import torch
from torch import Tensor

from nodeflow.diffusion.channels import colours
from nodeflow.diffusion.errors import ValueRuleError
from nodeflow.diffusion.rows import common_items, common_rows
from nodeflow.diffusion.types import Image

_MIDDLE = 0.5


def to_yuv(image: Image) -> tuple[Image, Image, Image]:
    """Gives brightness, the difference of blue from it and that of red, each as grey pictures; 0.5 is no difference."""
    red, green, blue = colours(image).unbind(-1)
    y = 0.299 * red + 0.587 * green + 0.114 * blue
    planes = (y, (blue - y) * 0.564 + _MIDDLE, (red - y) * 0.713 + _MIDDLE)
    y_image, u_image, v_image = (image.replace(pixels=_grey(plane)) for plane in planes)
    return y_image, u_image, v_image


def from_yuv(y: Image, u: Image, v: Image) -> Image:
    """Puts pictures together from brightness and two differences, of each of which the mean over its colours counts.

    Raises:
        ValueRuleError: Their sizes differ, or batches do not go together.
    """
    sizes = [(each.width, each.height) for each in (y, u, v)]
    if len(set(sizes)) > 1:
        found = ", ".join(f"{name} {wide}x{high}" for name, (wide, high) in zip("yuv", sizes, strict=True))
        raise ValueRuleError(f"the three pictures must have one size, found {found}")
    common_rows(len(y), len(u), len(v))
    light, blueness, redness = (colours(each).mean(-1) for each in (y, u, v))
    blueness, redness = blueness - _MIDDLE, redness - _MIDDLE
    red, blue = light + 1.403 * redness, light + 1.773 * blueness
    green = light - 0.714 * redness - 0.344 * blueness
    return Image(torch.stack([red, green, blue], dim=-1).clamp(0.0, 1.0), common_items(y, u, v))


def _grey(plane: Tensor) -> Tensor:
    return plane.clamp(0.0, 1.0)[..., None].expand(-1, -1, -1, 3).contiguous()
