"""A node without a description."""

from nodeflow.api import Pack, node

pack = Pack("no_node_docs", "1.0")


@node("no_node_docs.Add")
def add(number: int = 1) -> int:
    """

    Args:
        number: To which one is added.
    """
    return number + 1
