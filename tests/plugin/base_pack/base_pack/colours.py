"""Colours and their names."""

from collections.abc import Mapping
from typing import Final, TypeAlias

Colour: TypeAlias = tuple[int, int, int]
"""Red, green, blue, each from 0 to 255."""

BLACK: Final[Colour] = (0, 0, 0)
WHITE: Final[Colour] = (255, 255, 255)
NAMES: Final[Mapping[str, Colour]] = {
    "black": BLACK,
    "white": WHITE,
    "red": (220, 30, 30),
    "green": (30, 160, 60),
    "blue": (40, 70, 210),
    "yellow": (250, 220, 50),
    "brown": (130, 80, 40),
    "grey": (128, 128, 128),
}


def distance(one: Colour, other: Colour) -> int:
    """The square of the distance of two colours."""
    return sum((a - b) ** 2 for a, b in zip(one, other, strict=True))


def nearest_name(colour: Colour) -> str:
    """What people would call a colour."""
    return min(NAMES, key=lambda name: distance(NAMES[name], colour))
