# pyright: strict
"""Nodes that are declared wrongly: every line marked `wrong` is refused."""

from typing import Annotated

from nodeflow.api import Field, Graph, Ref, Run, Seed, expander, migrates, node, quiet
from nodes_under_test import Image, Mask, blur, soften

blur(Mask())  # wrong: a plain call is checked too
soften(Image(), 2)  # wrong: called without a graph
blur.chek(lambda: None)  # wrong: a misspelt method


@node("test.A", version="1")  # wrong: a version is a number
def first_version(seed: Seed = 0) -> int:
    return seed


@expander("test.B")
def mixes(g: Graph, image: Ref[Image]) -> Ref[Mask]:
    return g(blur)(image)  # wrong: a picture for a mask


@migrates("test.A", "1")  # wrong: a version is a number
def migrate(inputs: dict[str, object]) -> dict[str, object]:
    return inputs


@node("test.C")
def bad_default(size: Annotated[int, Field(ge=1)] = "big") -> int:  # wrong: a text for a number
    return size


@node("test.D")
def bad_run(*, run: Run = 3) -> None:  # wrong: a number for a run
    run.warn("never")


@blur.check  # wrong: a rule returns nothing
def returns(radius: float) -> bool:
    return radius > quiet.part  # wrong: no such attribute of a run
