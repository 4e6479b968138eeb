"""Rows that several nodes take."""

from typing import Any

from nodeflow.api import Row


class Named(Row):
    """A value and the name by which a text or a sub-graph knows it.

    Attributes:
        name: Letters, digits and `_`.
        content: The value, or a link to one.
    """

    name: str
    content: Any = None
