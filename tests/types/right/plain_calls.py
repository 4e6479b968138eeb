# pyright: strict
"""Nodes that are called as the functions they are."""

import asyncio
from pathlib import Path

from nodeflow.api import Graph, InputError, later, quiet
from nodes_under_test import Image, blur, load, soften, split, switch


@blur.check
def small(radius: float) -> None:
    if radius > 64:
        raise InputError("radius", "must be at most 64")


def called() -> Image:
    image: Image = load(Path("fox.png"))
    image = split(blur(image, radius=2, run=quiet)).image
    image = soften(Graph(), image, 2)
    return asyncio.run(_chosen(image))


async def _chosen(image: Image) -> Image:
    return await switch(False, later(image), no=later(image))
