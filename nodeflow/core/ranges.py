"""Numbers held against the range of their input, and the nearest number inside it."""

import math

from nodeflow.core.canonical import number_text
from nodeflow.core.reading import integral
from nodeflow.core.spec import Input, Range
from nodeflow.core.unfit import Unfit


def check_range(number: int | float, bounds: Range, *, whole: bool) -> None:
    """Hold a number against its bounds.

    Raises:
        Unfit: Names the range and the nearest number inside it.
    """
    if not is_inside(number, bounds):
        message = f"{number_text(number)} is {'below' if _below(number, bounds) else 'above'} the range"
        raise Unfit("number.range", message, spell_range(bounds), _nearest(number, bounds, whole))
    if bounds.multiple_of is not None and not _is_multiple(number, bounds.multiple_of):
        step = number_text(bounds.multiple_of)
        raise Unfit("number.step", f"not a multiple of {step}", spell_range(bounds), _nearest(number, bounds, whole))


def spell_range(bounds: Range) -> str:
    """A range in words: ``1 … 100 in steps of 8``."""
    words = [
        f"{sign}{number_text(limit)}"
        for sign, limit in (("≥ ", bounds.ge), ("> ", bounds.gt), ("≤ ", bounds.le), ("< ", bounds.lt))
        if limit is not None
    ]
    if bounds.multiple_of is not None:
        words.append(f"a multiple of {number_text(bounds.multiple_of)}")
    return ", ".join(words)


def starts_at_zero(input: Input) -> bool:
    """Whether it takes whole numbers, and none below 0 because its author has set no lower bound."""
    type_, bounds = input.type, input.range or Range()
    while type_.name in ("list", "optional"):
        type_ = type_.args[0]
    return type_.name == "int" and input.choices is None and bounds.ge is None and bounds.gt is None


def _nearest(number: float, bounds: Range, whole: bool) -> str | None:
    step = bounds.multiple_of or (1 if whole else None)
    if step is None:
        low = -math.inf if bounds.ge is None else bounds.ge
        high = math.inf if bounds.le is None else bounds.le
        candidate = min(max(number, low), high)
    else:
        candidate = step * min(max(round(number / step), _first_step(bounds, step)), _last_step(bounds, step))
    return f"nearest is {number_text(integral(float(candidate)))}" if is_inside(candidate, bounds) else None


def _first_step(bounds: Range, step: float) -> float:
    at_least = -math.inf if bounds.ge is None else math.ceil(bounds.ge / step)
    above = -math.inf if bounds.gt is None else math.floor(bounds.gt / step) + 1
    return max(at_least, above)


def _last_step(bounds: Range, step: float) -> float:
    at_most = math.inf if bounds.le is None else math.floor(bounds.le / step)
    below = math.inf if bounds.lt is None else math.ceil(bounds.lt / step) - 1
    return min(at_most, below)


def _below(number: float, bounds: Range) -> bool:
    return (bounds.ge is not None and number < bounds.ge) or (bounds.gt is not None and number <= bounds.gt)


def _above(number: float, bounds: Range) -> bool:
    return (bounds.le is not None and number > bounds.le) or (bounds.lt is not None and number >= bounds.lt)


def is_inside(number: float, bounds: Range) -> bool:
    """Whether a number is within the bounds; steps are not looked at."""
    return not _below(number, bounds) and not _above(number, bounds)


def _is_multiple(number: float, step: float) -> bool:
    ratio = number / step
    return math.isclose(ratio, round(ratio), rel_tol=1e-9, abs_tol=1e-9)
