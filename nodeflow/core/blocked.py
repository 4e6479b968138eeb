"""The value that keeps everything below it from running."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Blocked:
    """Handed on instead of a value: a node that would receive it does not run and hands it on itself.

    Attributes:
        reason: Shown on the nodes that did not run; empty when there is nothing to say.
    """

    reason: str = ""
