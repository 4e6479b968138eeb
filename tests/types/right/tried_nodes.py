# pyright: strict
"""A node that is tried in a test gives what it declares."""

from nodeflow.api import Graph
from nodeflow.testing import given, run_node
from nodes_under_test import Image, Mask, blur, fetch, soften, split


def tried(picture: Image) -> tuple[Image, Mask, Image, Image]:
    parts = run_node(split, image=picture).value
    soft: Image = run_node(soften, image=parts.image, times=2).value
    fetched: Image = run_node(fetch, url="fox").value
    return run_node(blur, image=soft).value, parts.alpha, soft, fetched


def recorded(graph: Graph, picture: Image) -> Image:
    return graph(blur)(given(graph, picture), radius=1.0)
