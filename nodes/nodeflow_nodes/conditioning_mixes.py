"""Nodes that make new conditionings out of given ones."""

from dataclasses import replace

from nodeflow.api import Fraction, Run, node, quiet
from nodeflow.diffusion.types import Conditioning
from nodeflow_nodes.refusals import blaming


@node("ConditioningAverage", category="conditioning", title="Conditioning (average)")
def conditioning_average(
    conditioning_to: Conditioning,
    conditioning_from: Conditioning,
    conditioning_to_strength: Fraction = 1.0,
    *,
    run: Run = quiet,
) -> Conditioning:
    """Mix two texts into one that lies between them.

    Args:
        conditioning_to: What the mix is at strength 1; its areas, masks and ranges are kept.
        conditioning_from: What the mix is at strength 0; of several texts the first is taken.
        conditioning_to_strength: Share of `conditioning_to`.
    """
    from nodeflow.diffusion.mixing import averaged

    _warn_of_more(conditioning_from, run)
    with blaming("conditioning_from"):
        return averaged(conditioning_to, conditioning_from, conditioning_to_strength)


@node("ConditioningCombine", category="conditioning", title="Conditioning (combine)")
def conditioning_combine(conditioning_1: Conditioning, conditioning_2: Conditioning) -> Conditioning:
    """Follow two conditionings at once: at every step the pictures that each of them leads to are averaged.

    Args:
        conditioning_1: The one.
        conditioning_2: The other; where each holds and how strong it is stays as it was.
    """
    return conditioning_1.combine(conditioning_2)


@node("ConditioningSetDefaultCombine", category="conditioning", title="Conditioning (default)")
def conditioning_set_default_combine(cond: Conditioning, cond_default: Conditioning) -> Conditioning:
    """Add a conditioning for what areas and masks leave over: it fills the rest of the picture.

    Args:
        cond: Conditionings with areas or masks.
        cond_default: What holds where the weights of these stay below 1; its own area, mask and strength do not matter.
    """
    return cond.combine(cond_default.map(lambda entry: replace(entry, default=True)))


@node("ConditioningConcat", category="conditioning", title="Conditioning (concatenate)")
def conditioning_concat(
    conditioning_to: Conditioning, conditioning_from: Conditioning, *, run: Run = quiet
) -> Conditioning:
    """Put one text behind another, encoded apart, so that the words of one do not colour the other's.

    Args:
        conditioning_to: What comes first; its areas, masks and ranges are kept.
        conditioning_from: What comes behind it; of several texts the first is taken.
    """
    from nodeflow.diffusion.mixing import concatenated

    _warn_of_more(conditioning_from, run)
    with blaming("conditioning_from"):
        return concatenated(conditioning_to, conditioning_from)


@node("ConditioningZeroOut", category="advanced/conditioning", title="Conditioning (zero out)")
def conditioning_zero_out(conditioning: Conditioning) -> Conditioning:
    """Replace the text by zeros: less than an empty prompt, which still says something.

    Args:
        conditioning: Gives length, areas, masks and ranges.
    """
    from nodeflow.diffusion.mixing import zeroed

    return zeroed(conditioning)


def _warn_of_more(conditioning_from: Conditioning, run: Run) -> None:
    count = len(conditioning_from.entries)
    if count > 1:
        run.warn(f"conditioning_from holds {count} texts; the first is used, the others are left out")
