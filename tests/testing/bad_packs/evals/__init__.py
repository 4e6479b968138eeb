"""A node that runs text as code."""

from nodeflow.api import Pack, node

pack = Pack("evals", "1.0")


@node("evals.Calculate")
def calculate(formula: str = "1 + 1") -> int:
    """Calculate something.

    Args:
        formula: What to calculate.
    """
    return int(eval(formula))  # noqa: S307
