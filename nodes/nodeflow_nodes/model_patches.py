"""Nodes that change what a model does inside; each gives a model that shares its weights with the one it was given."""

from typing import Annotated

from nodeflow.api import Field, Fraction, node
from nodeflow.diffusion.types import Model
from nodeflow_nodes.refusals import blaming

Factor = Annotated[float, Field(ge=0.0, le=10.0)]


@node("FreeU", category="model_patches/unet", title="FreeU")
def free_u(model: Model, b1: Factor = 1.1, b2: Factor = 1.2, s1: Factor = 0.9, s2: Factor = 0.2) -> Model:
    """Strengthen what the network knows against what it passes on: better structure, at no cost.

    Args:
        model: What is changed.
        b1: Factor on the features of the deepest blocks.
        b2: Factor on the features of the blocks above them.
        s1: Factor on the coarse part of what is passed on to the deepest blocks.
        s2: Factor on the coarse part of what is passed on to the blocks above them.
    """
    from nodeflow.diffusion.models.patches.freeu import FreeU

    with blaming("model"):
        return model.patched(FreeU.of(model.network, b1, b2, s1, s2))


@node("FreeU_V2", category="model_patches/unet", title="FreeU, second version")
def free_u_v2(model: Model, b1: Factor = 1.3, b2: Factor = 1.4, s1: Factor = 0.9, s2: Factor = 0.2) -> Model:
    """FreeU with a factor that follows what is in the picture, so that flat parts stay as they are.

    Args:
        model: What is changed.
        b1: Highest factor on the features of the deepest blocks.
        b2: Highest factor on the features of the blocks above them.
        s1: Factor on the coarse part of what is passed on to the deepest blocks.
        s2: Factor on the coarse part of what is passed on to the blocks above them.
    """
    from nodeflow.diffusion.models.patches.freeu import FreeU

    with blaming("model"):
        return model.patched(FreeU.of(model.network, b1, b2, s1, s2, by_mean=True))


@node("HyperTile", category="model_patches/unet", title="HyperTile")
def hyper_tile(
    model: Model,
    tile_size: Annotated[int, Field(ge=1, le=2048)] = 256,
    swap_size: Annotated[int, Field(ge=1, le=128)] = 2,
    max_depth: Annotated[int, Field(ge=0, le=10)] = 0,
    scale_depth: bool = False,
) -> Model:
    """Let pixels look only at their own tile of the picture: large pictures take less time and repeat themselves less.

    Args:
        model: What is changed.
        tile_size: Pixels along one side of a tile, at least; 32 or more.
        swap_size: With 3 or more, the size of tiles changes from step to step, among this many less one.
        max_depth: How many of the network's coarser levels are tiled too.
        scale_depth: Make tiles of coarser levels as many times larger as the level is coarser.
    """
    from nodeflow.diffusion.models.patches.tiles import HyperTile

    return model.patched(HyperTile(tile_size, swap_size, max_depth, scale_depth))


@node("TomePatchModel", category="model_patches/unet", title="Token merging")
def tome_patch_model(model: Model, ratio: Fraction = 0.3) -> Model:
    """Let pixels that are alike ask together: large pictures take less time, and lose a little detail.

    Args:
        model: What is changed.
        ratio: Share of the pixels that is merged into others; from 0.75 on it is all that can be.
    """
    from nodeflow.diffusion.models.patches.merging import MergedTokens

    return model.patched(MergedTokens(ratio))
