"""What a server computes with."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class Equipment:
    """What a server computes with, and how.

    Attributes:
        models_dirs: Further folders of models.
        dtype: Precision of the networks.
        dev: Take up changed packs: workers are restarted when a file of one is saved.
        prewarm: Documents whose models every worker loads before a job asks for them.
    """

    models_dirs: tuple[Path, ...] = ()
    dtype: str = "auto"
    dev: bool = False
    prewarm: Sequence[bytes] = ()
