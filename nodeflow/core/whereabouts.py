"""Where functions of authors stand, for messages that lead there."""

import inspect
from collections.abc import Callable
from traceback import extract_tb
from typing import Any


def whereabouts(fn: Callable[..., Any], parameter: str | None = None, *, error: BaseException | None = None) -> str:
    """File, line and name of a function, as far as it has them.

    Args:
        parameter: One of its parameters, to be named too.
        error: What it raised; then the line is the last one of its file that this came from.
    """
    code = getattr(inspect.unwrap(fn), "__code__", None)
    name = getattr(fn, "__qualname__", repr(fn)) + (f"({parameter})" if parameter else "")
    if code is None:
        return name
    raised = (
        [] if error is None else [item for item in extract_tb(error.__traceback__) if item.filename == code.co_filename]
    )
    return f"{code.co_filename}:{raised[-1].lineno if raised else code.co_firstlineno}: {name}"
