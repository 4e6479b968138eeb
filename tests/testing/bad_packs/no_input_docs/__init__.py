"""An input without a description."""

from nodeflow.api import Pack, node

pack = Pack("no_input_docs", "1.0")


@node("no_input_docs.Add")
def add(number: int = 1) -> int:
    """Add one."""
    return number + 1
