"""Palettes, and how they are kept on disk."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

from base_pack.colours import Colour

from nodeflow.api import Encoded

GOLD: Final[Colour] = (255, 215, 0)


@dataclass(frozen=True, slots=True)
class Palette:
    """Some colours, the most frequent first."""

    colours: tuple[Colour, ...]

    @property
    def nbytes(self) -> int:
        """Bytes in memory, so that the cache knows what it costs to keep."""
        return 3 * len(self.colours)


class PaletteCodec:
    """Writes a palette as three bytes a colour."""

    def encode(self, value: Palette, /) -> Encoded:
        return Encoded({"count": len(value.colours)}, [bytes(part for colour in value.colours for part in colour)])

    def decode(self, encoded: Encoded, /) -> Palette:
        if not isinstance(encoded.header, dict) or len(encoded.blobs) != 1:
            raise ValueError("not a palette")
        parts = bytes(encoded.blobs[0])
        if len(parts) != 3 * int(str(encoded.header.get("count"))):
            raise ValueError("a palette with another number of colours")
        return Palette(tuple(_in_threes(parts)))


codec = PaletteCodec()


def _in_threes(parts: bytes) -> Iterable[Colour]:
    return zip(parts[0::3], parts[1::3], parts[2::3], strict=True)
