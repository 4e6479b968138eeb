"""Sampling: from noise to a latent that matches the conditioning, step by step."""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from nodeflow.diffusion.sampling.run import Step, sample, sample_custom, sigmas_of

__all__ = ["Step", "sample", "sample_custom", "sigmas_of"]


def __getattr__(name: str) -> object:
    """Imports torch only when sampling is asked for; the names of samplers do not need it."""
    if name in __all__:
        from nodeflow.diffusion.sampling import run

        return getattr(run, name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
