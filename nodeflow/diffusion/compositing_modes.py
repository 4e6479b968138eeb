"""The ways of laying layers onto each other, by name; torch is not needed to know them."""

from typing import Literal

PorterDuff = Literal[
    "ADD",
    "CLEAR",
    "DARKEN",
    "DST",
    "DST_ATOP",
    "DST_IN",
    "DST_OUT",
    "DST_OVER",
    "LIGHTEN",
    "MULTIPLY",
    "OVERLAY",
    "SCREEN",
    "SRC",
    "SRC_ATOP",
    "SRC_IN",
    "SRC_OUT",
    "SRC_OVER",
    "XOR",
]
"""The rules of Porter and Duff, and blends of SVG and PDF, spelled as ComfyUI's."""
