"""Nodes that hold one plain value, to feed several inputs from one place."""

from nodeflow.api import Lane, Prompt, node


@node("Text", category="values", title="Text", lane=Lane.CPU)
def text(value: Prompt = "") -> str:
    """A text for any number of inputs.

    Args:
        value: The text.
    """
    return value


@node("Number", category="values", title="Number", lane=Lane.CPU)
def number(value: float = 0.0) -> float:
    """A number, with or without decimals.

    Args:
        value: The number.
    """
    return value


@node("Integer", category="values", title="Whole number", lane=Lane.CPU)
def integer(value: int = 0) -> int:
    """A whole number.

    Args:
        value: The number.
    """
    return value


@node("Boolean", category="values", title="Yes or no", lane=Lane.CPU)
def boolean(value: bool = False) -> bool:
    """The position of a switch, or any other yes or no.

    Args:
        value: Yes or no.
    """
    return value
