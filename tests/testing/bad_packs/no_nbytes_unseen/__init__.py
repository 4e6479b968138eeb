"""A value that does not say how large it is, made by a node that cannot be tried."""

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

from nodeflow.api import ModelFile, Pack, node

pack = Pack("no_nbytes_unseen", "1.0")


@dataclass(frozen=True)
class Weights:
    """What a file holds."""

    data: bytes


@node("no_nbytes_unseen.Load")
def load(file: Annotated[Path, ModelFile("no_nbytes_unseen")]) -> Weights:
    """Read a file of weights.

    Args:
        file: Which one.
    """
    return Weights(file.read_bytes())
