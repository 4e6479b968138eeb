# pyright: strict
"""Links that do not fit: every line marked `wrong` is refused."""

from pathlib import Path

from nodeflow.api import Graph, later
from nodes_under_test import Image, Mask, blur, cut, first, load, save, soften, split, switch

g = Graph()
image = g(load)(Path("fox.png"))
parts = g(split)(image)

g(blur)(parts.alpha)  # wrong: a mask for an image
g(blur)(g(split)(image))  # wrong: both outputs for one of them
g(cut)(parts.alpha, parts.image)  # wrong: the two the other way round
g(save)(image)  # wrong: one picture for a list
g(save)([image, parts.alpha])  # wrong: a mask in a list of pictures
print(parts.beta)  # wrong: there is no such output
g(blur)(g(save)([image]))  # wrong: an effect has no output
g(soften)(parts.alpha)  # wrong: a mask through an expander
g(cut)(g(soften)(image), g(soften)(image))  # wrong: what an expander gives has its type
g(blur)(g(switch)(True, later(parts.alpha), later(parts.alpha)))  # wrong: the type goes through a lazy switch
g(switch)(True, image, later(image))  # wrong: a lazy input takes what comes later
mask: Mask = g(first)([image])  # wrong: the type goes through a list
kept: Image = g(load)  # wrong: the recorder is not its result
