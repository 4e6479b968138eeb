"""The results of one node on their way to the disk or back."""

from dataclasses import dataclass

from nodeflow.core.types import Encoded


@dataclass(frozen=True, slots=True)
class Stored:
    """What a file of the result cache holds.

    Attributes:
        type: Type id of the node, for people who look into a file.
        seconds: What computing the node took.
        total: What computing it took with everything above it, the longest way counted.
        content: The encoded outputs.
    """

    type: str
    seconds: float
    total: float
    content: Encoded
