"""A value that does not say how large it is."""

from dataclasses import dataclass
from typing import Annotated

from nodeflow.api import Field, Pack, node

pack = Pack("no_nbytes", "1.0")


@dataclass(frozen=True)
class Sound:
    """Samples."""

    samples: bytes


@node("no_nbytes.Silence")
def silence(seconds: Annotated[int, Field(ge=1, le=10)] = 1) -> Sound:
    """Silence.

    Args:
        seconds: How long it is.
    """
    return Sound(bytes(8000 * seconds))
