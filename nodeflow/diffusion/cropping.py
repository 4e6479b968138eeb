"""The middle of pictures, latents and masks, in other proportions."""


def central(high: int, wide: int, aspect: float) -> tuple[slice, slice]:
    """The largest central part whose width is `aspect` times its height.

    As much is cut off at either end of a side, and a row and a column are left however thin the part should be. Of the
    ways to compute it, this one rounds as ComfyUI does where half a pixel decides.

    Args:
        high: How many rows there are.
        wide: How many columns.
        aspect: Above 0.

    Returns:
        The rows and the columns of the part.
    """
    found = wide / high
    left = round((wide - wide * (aspect / found)) / 2) if found > aspect else 0
    top = round((high - high * (found / aspect)) / 2) if found < aspect else 0
    left, top = min(left, (wide - 1) // 2), min(top, (high - 1) // 2)
    return slice(top, high - top), slice(left, wide - left)
