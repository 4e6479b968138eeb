"""The steps of a run: what they tell, and the look-out for numbers that are none."""

import torch
from torch import Tensor

from nodeflow.diffusion.errors import NonFiniteError
from nodeflow.diffusion.latent_formats import LatentFormat
from nodeflow.diffusion.sampling.solvers.step import Move
from nodeflow.diffusion.types import Latent


class Watch:
    """Looks at every step for NaN and infinity.

    On a CPU they are told at once. On a GPU, where looking would keep the next step waiting, a flag on the device
    remembers them, and is asked for where a result is read.

    Args:
        sampler: Name of the sampler, for messages.
        total: How many steps there are, if that is known.
        device: Where the run is.
    """

    def __init__(self, sampler: str, total: int | None, device: str | torch.device) -> None:
        self._sampler = sampler
        self._total = total
        self._at_once = torch.device(device).type == "cpu"
        self._first_bad = torch.tensor(-1, device=device)

    def see(self, index: int, x: Tensor) -> None:
        """Looks at where step `index` arrived.

        Raises:
            NonFiniteError: On a CPU, when there is NaN or infinity.
        """
        bad = ~torch.isfinite(x).all() & (self._first_bad < 0)
        self._first_bad = torch.where(bad, index, self._first_bad)
        if self._at_once:
            self.require_finite()

    def require_finite(self) -> None:
        """Waits for the device and asks.

        Raises:
            NonFiniteError: There was NaN or infinity in some step.
        """
        first = int(self._first_bad)
        if first < 0:
            return
        of = "" if self._total is None else f" of {self._total}"
        culprit = f"sampler {self._sampler!r}" if self._at_once else f"the UNet, or sampler {self._sampler!r},"
        way_out = "" if self._at_once else "; the model file may be damaged, or try dtype fp32"
        raise NonFiniteError(f"{culprit} produced NaN or infinity in step {first + 1}{of}{way_out}")


class Raw:
    """How a run's tensors become latents again, on the CPU and raw.

    Args:
        space: The latent space.
        start: The latent that the run began with, whose items and mask the others keep.
        watch: Asked before anything is handed out.
        fade: What is left of the picture in `x`; 1 unless a flow ends before its noise does.
    """

    def __init__(self, space: LatentFormat, start: Latent, watch: Watch, fade: float = 1.0) -> None:
        self._space = space
        self._start = start
        self._watch = watch
        self._fade = fade

    def latent(self, x: Tensor) -> Latent:
        """The latent of `x`, [B, C, h, w] in the network's space.

        Raises:
            NonFiniteError: There was NaN or infinity in some step.
        """
        self._watch.require_finite()
        samples = (x / self._fade / self._space.scale + self._space.shift).cpu()
        return Latent(samples, self._space, self._start.items, self._start.noise_mask)


class Step:
    """One step of a run.

    Its latents are made when they are read, so that a GPU need not wait for a reader in every step.

    Attributes:
        index: Which step, from 0.
        total: How many there are; None where the sampler decides that on its way.
        sigma: The noise level it came from.
    """

    __slots__ = ("_move", "_raw", "index", "sigma", "total")

    def __init__(self, index: int, total: int | None, move: Move, raw: Raw) -> None:
        self.index = index
        self.total = total
        self.sigma = move.sigma
        self._move = move
        self._raw = raw

    @property
    def latent(self) -> Latent:
        """Where it arrived; after the last step this is the result."""
        return self._raw.latent(self._move.x)

    @property
    def denoised(self) -> Latent:
        """What the picture was expected to become, for previews."""
        return self._raw.latent(self._move.denoised)
