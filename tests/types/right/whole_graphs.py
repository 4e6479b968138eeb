# pyright: strict
"""Graphs that every checker accepts."""

from pathlib import Path

from nodeflow.api import Graph, later
from nodes_under_test import Image, Layer, Mask, blur, cut, fetch, first, lay, load, number, save, soften, split, switch


def picture(g: Graph) -> Image:
    image = g(load)(Path("fox.png"))
    parts = g(split)(image)
    color, alpha = parts
    radius = g.input("radius", 3.0)
    soft = g(blur, id="soft", title="Soft")(color, radius, mode="fast")
    chosen = g(switch)(True, yes=later(soft), no=later(g(fetch)("https://example.org/fox.png")))
    kept: Image = g(cut)(chosen, parts.alpha)
    mask: Mask = alpha
    again = g(soften)(g(cut)(kept, mask), times=3)
    result: Image = g(first)([again, image])
    g(save)([result, again])
    g.each(blur)(g(first)([[image, again]]), radius=2.0)
    result = g(lay)(result, [Layer(image=again, strength=g(number)(0.5)), Layer(image=image)])
    body = Graph()
    body.output("image", body(blur)(body.input("image"), body.input("radius", 1.0)))
    g.define("softer", body)
    used = g.call("softer", {"image": result}, overrides={"blur.mode": "fast"})
    result = g(cut)(used["image"], mask)
    g.output("picture", g(lay)(result))
    return result
