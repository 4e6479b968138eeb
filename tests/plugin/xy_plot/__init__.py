"""A sheet with one picture for every pair of values that any two inputs can have."""

from collections.abc import Sequence
from typing import Annotated, Any

from nodeflow.api import Field, Graph, InputError, Pack, Ref, SubGraph, expander
from nodeflow.diffusion.types import Image
from nodeflow_nodes.grids import caption, image_grid
from nodeflow_nodes.lists import join_images
from nodeflow_nodes.loops import Passed

pack = Pack(name="xy_plot", version="1.0.0", requires=("nodeflow_nodes",))

Values = Annotated[Sequence[Any], Field(min_length=1, max_length=64)]


@expander("xy_plot.Plot", category="image", title="X/Y plot")
def plot(
    g: Graph,
    body: Annotated[str, SubGraph()],
    x: str,
    xs: Values,
    y: str = "",
    ys: Values = (None,),
    passed: Ref[Sequence[Passed]] = (),
) -> Ref[Image]:
    """Run a sub-graph that gives a picture for all pairs of values, and label each picture with its own.

    Args:
        body: Name of the sub-graph.
        x: What changes from left to right: an input of the sub-graph, or of any node in it as `node.input`.
        xs: Its values.
        y: What changes from top to bottom; empty for a single row.
        ys: Its values.
        passed: Further inputs of the sub-graph, the same for all pictures.
    """
    takes, gives = g.takes(body), g.gives(body)
    if len(gives) != 1:
        raise InputError("body", f'"{body}" gives {", ".join(gives) or "nothing"}; it should give one thing, a picture')
    common = {row.name: row.content for row in passed}
    pictures: list[Image] = []
    for below in ys:
        for across in xs:
            pair = {name: value for name, value in ((x, across), (y, below)) if name}
            given = {name: value for name, value in pair.items() if name in takes}
            inside = {name: value for name, value in pair.items() if name not in takes}
            (picture,) = g.call(body, {**common, **given}, overrides=inside).values()
            pictures.append(g(caption)(picture, ", ".join(f"{name} {value}" for name, value in pair.items())))
    return g(image_grid)(g(join_images)(pictures), len(xs))
