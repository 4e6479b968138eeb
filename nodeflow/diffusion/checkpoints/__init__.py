"""Checkpoint files: told apart by their header alone, and read without copying more than needed."""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from nodeflow.diffusion.checkpoints.load import Checkpoint, load_checkpoint

__all__ = ["Checkpoint", "load_checkpoint"]


def __getattr__(name: str) -> object:
    """Imports torch only when loading is asked for; looking at headers does not need it."""
    if name in __all__:
        from nodeflow.diffusion.checkpoints import load

        return getattr(load, name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
