"""Palettes from files."""

from pathlib import Path
from typing import Annotated

from complete_pack.palette import Palette
from nodeflow.api import InputError, ModelFile, node


@node("complete.LoadPalette", category="colour")
def load_palette(file: Annotated[Path, ModelFile("palettes")]) -> Palette:
    """Read a palette as drawing programs save it.

    Args:
        file: Lines of three numbers after a heading.
    """
    lines = (line.split() for line in file.read_text(encoding="utf-8").splitlines())
    colours = [tuple(map(int, words[:3])) for words in lines if len(words) >= 3 and all(map(str.isdigit, words[:3]))]
    if not colours:
        raise InputError("file", f"{file.name} holds no colours")
    return Palette(tuple((red, green, blue) for red, green, blue in colours))
