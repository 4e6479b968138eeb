"""The little pictures that scenes are composed of, drawn from Debian's Noto Color Emoji font."""

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from PIL import Image, ImageDraw, ImageFont
from torch import Tensor

from nodeflow.diffusion.training.vocabulary import THINGS

FONT = Path("/usr/share/fonts/truetype/noto/NotoColorEmoji.ttf")
FONT_SIZE = 109  # the one size at which the font holds its bitmaps
SIDE = 128


@dataclass(frozen=True, slots=True)
class Sprites:
    """Sprites as premultiplied RGBA in 0..1, each filling its square as far as its shape allows.

    Attributes:
        full: [N, 4, 128, 128].
        half: [N, 4, 64, 64], the same averaged, for placing them small without aliasing.
    """

    full: Tensor
    half: Tensor

    @classmethod
    def of(cls, full: Tensor) -> "Sprites":
        """Sprites from full-size ones."""
        return cls(full, F.avg_pool2d(full, 2))


def draw_sprite(emoji: str, font: Path = FONT, side: int = SIDE) -> Image.Image:
    """One emoji, cropped to its ink and centred in a transparent square.

    Raises:
        OSError: when the font cannot be read (Debian: package fonts-noto-color-emoji).
        ValueError: when the font has no such emoji.
    """
    canvas = Image.new("RGBA", (2 * FONT_SIZE, 2 * FONT_SIZE))
    face = ImageFont.truetype(str(font), FONT_SIZE)
    ImageDraw.Draw(canvas).text((FONT_SIZE // 4, FONT_SIZE // 4), emoji, font=face, embedded_color=True)
    box = canvas.getchannel("A").getbbox()
    if box is None:
        raise ValueError(f"{font} draws nothing for {emoji!r}")
    ink = canvas.crop(box)
    scale = side / max(ink.size)
    ink = ink.resize((round(ink.width * scale), round(ink.height * scale)), Image.Resampling.LANCZOS)
    square = Image.new("RGBA", (side, side))
    square.paste(ink, ((side - ink.width) // 2, (side - ink.height) // 2))
    return square


def premultiplied(pictures: Iterable[Image.Image]) -> Tensor:
    """RGBA pictures of one size as [N, 4, H, W] in 0..1, the colours multiplied by alpha."""
    stack = np.stack([np.asarray(picture.convert("RGBA"), dtype=np.float32) for picture in pictures]) / 255
    tensor = torch.from_numpy(stack).permute(0, 3, 1, 2).contiguous()
    tensor[:, :3] *= tensor[:, 3:]
    return tensor


def draw_sprites(font: Path = FONT) -> Sprites:
    """A sprite for every thing of the vocabulary, in its order."""
    return Sprites.of(premultiplied(draw_sprite(thing.emoji, font) for thing in THINGS))
