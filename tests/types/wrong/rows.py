# pyright: strict
"""Rows that do not fit: every line marked `wrong` is refused."""

from pathlib import Path

from nodeflow.api import Graph
from nodes_under_test import Layer, lay, load, number, split

g = Graph()
image = g(load)(Path("fox.png"))
half = g(number)(0.5)

Layer(image=half)  # wrong: a number for an image
Layer(image=image, strenght=half)  # wrong: no such field
Layer(strength=half)  # wrong: a needed field is missing
Layer(image, half)  # wrong: fields are given by name
Layer(image=g(split)(image))  # wrong: both outputs for one of them
g(lay)(image, Layer(image=image))  # wrong: one row for a list
g(lay)(image, [image])  # wrong: a picture for a row
Layer(image=image).strength = 0.5  # wrong: a row never changes
