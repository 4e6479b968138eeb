# pyright: strict
"""Literals and names that do not fit: every line marked `wrong` is refused."""

from pathlib import Path

from nodeflow.api import Graph
from nodes_under_test import blur, fetch, load, plain, soften

g = Graph()
image = g(load)(Path("fox.png"))

g(blur)(image, radius="wide")  # wrong: a text for a number
g(blur)(image, mode="slow")  # wrong: no such choice
g(blur)(image, radios=3.0)  # wrong: no such input
g(blur)()  # wrong: a needed input is missing
g(blur)(image, 1.0, "fast", 4)  # wrong: one too many
g(load)("fox.png")  # wrong: a text for a path
g(soften)(image, times=1.5)  # wrong: part of a time
g(soften)(g, image)  # wrong: the graph is not given
g(blur)(g(fetch)(url=3))  # wrong: a number for a text
g(plain)(image)  # wrong: a function that is no node
g(blur)(image, run=None)  # wrong: a run is no None
g.output(image, "picture")  # wrong: name and value the other way round
