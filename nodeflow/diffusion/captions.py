"""Lines of text under pictures, for sheets that show several of them."""

from collections.abc import Sequence

import numpy as np
import torch
from PIL import Image as Pillow
from PIL import ImageDraw, ImageFont

from nodeflow.diffusion.errors import ValueRuleError
from nodeflow.diffusion.types import Image

_PAPER = 255
_INK = 40


def captioned(image: Image, captions: Sequence[str]) -> Image:
    """Puts one line of text below each row of a batch, on a white strip.

    Args:
        image: The batch; an alpha channel is kept, and the strip is opaque.
        captions: One text per row; what does not fit into the width is drawn smaller, down to 6 pixels.

    Raises:
        ValueRuleError: There is not one caption per row.
    """
    if len(captions) != len(image):
        raise ValueRuleError(f"captions: {len(captions)} texts for {len(image)} pictures")
    size = max(9, round(image.height * 0.09))
    channels = image.pixels.shape[3]
    strips = [_strip(caption, image.width, size) for caption in captions]
    stacked = torch.from_numpy(np.stack(strips))[..., None].expand(-1, -1, -1, 3)  # b s w 3
    if channels == 4:
        stacked = torch.cat([stacked, torch.ones_like(stacked[..., :1])], dim=-1)
    return image.replace(pixels=torch.cat([image.pixels, stacked.to(image.pixels.device)], dim=1))


def _strip(text: str, width: int, size: int) -> "np.ndarray[tuple[int, ...], np.dtype[np.float32]]":
    """Draws `text` in the middle of a grey-scale strip [H, W] in 0..1."""
    height = size + size // 2
    strip = Pillow.new("L", (width, height), _PAPER)
    draw = ImageDraw.Draw(strip)
    font = ImageFont.load_default(size)
    while size > 6 and draw.textlength(text, font) > width - 2:
        size -= 1
        font = ImageFont.load_default(size)
    draw.text((width / 2, height / 2), text, fill=_INK, font=font, anchor="mm")
    return np.asarray(strip).astype(np.float32) / np.float32(255.0)
