"""Lines of text under pictures, for sheets that show several of them."""

from collections.abc import Sequence

import numpy as np
import torch
from PIL import Image as Pillow
from PIL import ImageDraw, ImageFont

from nodeflow.diffusion.errors import ValueRuleError
from nodeflow.diffusion.types import Image

Font = ImageFont.FreeTypeFont | ImageFont.ImageFont

_PAPER = 255
_INK = 40


def captioned(image: Image, captions: Sequence[str], lines: int = 1) -> Image:
    """Puts a text below each row of a batch, on a white strip.

    Args:
        image: The batch; an alpha channel is kept, and the strip is opaque.
        captions: One text per row; what does not fit is drawn smaller, down to 6 pixels.
        lines: How many lines the strip has room for; texts are wrapped between words.

    Raises:
        ValueRuleError: There is not one caption per row.
    """
    if len(captions) != len(image):
        raise ValueRuleError(f"captions: {len(captions)} texts for {len(image)} pictures")
    size = max(9, round(image.height * 0.09))
    channels = image.pixels.shape[3]
    strips = [np.asarray(strip(caption, image.width, size, lines)) for caption in captions]
    stacked = torch.from_numpy(np.stack(strips).astype(np.float32) / np.float32(255.0))
    stacked = stacked[..., None].expand(-1, -1, -1, 3)  # b s w 3
    if channels == 4:
        stacked = torch.cat([stacked, torch.ones_like(stacked[..., :1])], dim=-1)
    return image.replace(pixels=torch.cat([image.pixels, stacked.to(image.pixels.device)], dim=1))


def strip(text: str, width: int, size: int, lines: int = 1) -> Pillow.Image:
    """Draws a text in the middle of a white strip of grey values.

    Args:
        text: Wrapped between words; drawn smaller where it does not fit, down to 6 pixels.
        width: Of the strip in pixels.
        size: Of the letters in pixels.
        lines: How many lines there is room for.
    """
    height = size * lines + size // 2
    paper = Pillow.new("L", (width, height), _PAPER)
    draw = ImageDraw.Draw(paper)
    font = ImageFont.load_default(size)
    while size > 6 and not _fits(draw, _wrapped(draw, text, font, width), font, width, lines):
        size -= 1
        font = ImageFont.load_default(size)
    wrapped = "\n".join(_wrapped(draw, text, font, width))
    draw.multiline_text((width / 2, height / 2), wrapped, fill=_INK, font=font, anchor="mm", align="center", spacing=1)
    return paper


def _wrapped(draw: ImageDraw.ImageDraw, text: str, font: Font, width: int) -> list[str]:
    """Breaks a text into lines that are no wider than the strip, as far as its words allow."""
    lines = [""]
    for word in text.split():
        longer = f"{lines[-1]} {word}".strip()
        if lines[-1] and draw.textlength(longer, font) > width - 2:
            lines.append(word)
        else:
            lines[-1] = longer
    return lines


def _fits(draw: ImageDraw.ImageDraw, wrapped: Sequence[str], font: Font, width: int, lines: int) -> bool:
    return len(wrapped) <= lines and all(draw.textlength(line, font) <= width - 2 for line in wrapped)
