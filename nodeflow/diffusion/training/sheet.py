"""The sheet of small sprites that comes with the package, so that pictures can be scored where the font is missing."""

from importlib import resources
from pathlib import Path

import torch.nn.functional as F
from PIL import Image
from torch import Tensor

from nodeflow.diffusion.training.sprites import FONT, Sprites, draw_sprite, premultiplied
from nodeflow.diffusion.training.vocabulary import THINGS

SIDE = 32
COLUMNS = 8
FILE = "sprites.png"


def draw_sheet(font: Path = FONT) -> Image.Image:
    """All sprites in rows of eight, 32 pixels each, with alpha."""
    rows = -(-len(THINGS) // COLUMNS)
    sheet = Image.new("RGBA", (COLUMNS * SIDE, rows * SIDE))
    for index, thing in enumerate(THINGS):
        small = draw_sprite(thing.emoji, font).resize((SIDE, SIDE), Image.Resampling.BOX)
        sheet.paste(small, (index % COLUMNS * SIDE, index // COLUMNS * SIDE))
    return sheet


def load_sheet() -> Tensor:
    """The sprites of the package: [N, 4, 32, 32], premultiplied RGBA in 0..1."""
    with resources.files("nodeflow.diffusion").joinpath("data", FILE).open("rb") as file:
        sheet = Image.open(file).convert("RGBA")
    return premultiplied(
        sheet.crop((x, y, x + SIDE, y + SIDE))
        for x, y in ((index % COLUMNS * SIDE, index // COLUMNS * SIDE) for index in range(len(THINGS)))
    )


def sheet_sprites() -> Sprites:
    """The sprites of the package as training takes them: four times enlarged, hence soft, but no font is needed."""
    return Sprites.of(F.interpolate(load_sheet(), scale_factor=4, mode="bilinear").clamp(0, 1))
