"""Nodes that make one model of two."""

from typing import Annotated

from nodeflow.api import Field, Fraction, Run, node, quiet
from nodeflow.diffusion.types import Clip, Model
from nodeflow_nodes.refusals import blaming

Multiplier = Annotated[float, Field(ge=-10, le=10)]


@node("ModelMergeSimple", category="advanced/model_merging", title="Merge models")
def model_merge_simple(model1: Model, model2: Model, ratio: Fraction = 1.0, *, run: Run = quiet) -> Model:
    """Blend two denoising networks of one family, weight by weight.

    Args:
        model1: The first one; also gives all that is no weight.
        model2: The second one.
        ratio: Share of the first: 1 is the first alone, 0 the second.
    """
    from nodeflow.diffusion.merging import blended

    _same_meaning(model1, model2, run)
    with blaming("model2"):
        return blended(model1, model2, ratio)


@node("ModelMergeBlocks", category="advanced/model_merging", title="Merge models by blocks")
def model_merge_blocks(
    model1: Model,
    model2: Model,
    input: Fraction = 1.0,
    middle: Fraction = 1.0,
    out: Fraction = 1.0,
    *,
    run: Run = quiet,
) -> Model:
    """Blend two denoising networks of one family, with a ratio for each half and the middle.

    Args:
        model1: The first one; also gives all that is no weight.
        model2: The second one.
        input: Share of the first on the way down, and in what belongs to no block.
        middle: Share of the first in the middle.
        out: Share of the first on the way up.
    """
    from nodeflow.diffusion.merging import blended_by_blocks

    _same_meaning(model1, model2, run)
    with blaming("model2"):
        return blended_by_blocks(model1, model2, {"input": input, "middle": middle, "out": out})


@node("ModelMergeAdd", category="advanced/model_merging", title="Add models")
def model_merge_add(model1: Model, model2: Model) -> Model:
    """Add the weights of two denoising networks; the second is usually a difference of two others.

    Args:
        model1: The first one; also gives all that is no weight. It may be an in-painting model.
        model2: The second one.
    """
    from nodeflow.diffusion.merging import added

    with blaming("model2"):
        return added(model1, model2)


@node("ModelMergeSubtract", category="advanced/model_merging", title="Subtract models")
def model_merge_subtract(model1: Model, model2: Model, multiplier: Multiplier = 1.0) -> Model:
    """Take the difference of the weights of two denoising networks, to add it to a third.

    Args:
        model1: What is subtracted from; also gives all that is no weight.
        model2: What is subtracted.
        multiplier: Factor for the difference.
    """
    from nodeflow.diffusion.merging import subtracted

    with blaming("model2"):
        return subtracted(model1, model2, multiplier)


@node("CLIPMergeSimple", category="advanced/model_merging", title="Merge text encoders")
def clip_merge_simple(clip1: Clip, clip2: Clip, ratio: Fraction = 1.0) -> Clip:
    """Blend two text encoders, weight by weight.

    Args:
        clip1: The first one; also gives all that is no weight.
        clip2: The second one.
        ratio: Share of the first: 1 is the first alone, 0 the second.
    """
    from nodeflow.diffusion.merging import blended

    with blaming("clip2"):
        return blended(clip1, clip2, ratio)


@node("CLIPMergeAdd", category="advanced/model_merging", title="Add text encoders")
def clip_merge_add(clip1: Clip, clip2: Clip) -> Clip:
    """Add the weights of two text encoders; the second is usually a difference of two others.

    Args:
        clip1: The first one; also gives all that is no weight.
        clip2: The second one.
    """
    from nodeflow.diffusion.merging import added

    with blaming("clip2"):
        return added(clip1, clip2)


@node("CLIPMergeSubtract", category="advanced/model_merging", title="Subtract text encoders")
def clip_merge_subtract(clip1: Clip, clip2: Clip, multiplier: Multiplier = 1.0) -> Clip:
    """Take the difference of the weights of two text encoders, to add it to a third.

    Args:
        clip1: What is subtracted from; also gives all that is no weight.
        clip2: What is subtracted.
        multiplier: Factor for the difference.
    """
    from nodeflow.diffusion.merging import subtracted

    with blaming("clip2"):
        return subtracted(clip1, clip2, multiplier)


def _same_meaning(model1: Model, model2: Model, run: Run) -> None:
    if model1.prediction is not model2.prediction:
        found = f"model1 predicts {model1.prediction}, model2 {model2.prediction}"
        run.warn(f"{found}: a blend of the two predicts neither; blend models of one kind")
