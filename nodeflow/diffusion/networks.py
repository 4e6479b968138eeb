"""The three networks of a checkpoint as values, each with what is needed to call it; torch is not imported."""

import dataclasses
from collections.abc import Hashable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING, Self

from nodeflow.diffusion.batches import dtype_name
from nodeflow.diffusion.errors import ValueRuleError
from nodeflow.diffusion.latent_formats import LatentFormat

if TYPE_CHECKING:
    import torch

    from nodeflow.diffusion.models.passing import Patch
    from nodeflow.diffusion.protocols import Guidance, Masking
    from nodeflow.diffusion.tokens import Tokenizer
    from nodeflow.diffusion.weights import Weight


READY_BYTES_PER_SECOND = 600e6
"""From file to first use, the page cache warm: the 3.4 GB of SD 1.5's UNet in fp32 take 5.7 s on two cores."""


class Prediction(StrEnum):
    """What a network's output means; see `sampling.prediction`."""

    EPS = "eps"
    V = "v"
    X0 = "x0"
    LCM = "lcm"
    FLOW = "flow"


@dataclass(frozen=True, slots=True, eq=False)
class _Network:
    """A network that a value owns.

    Attributes:
        network: The module, in evaluation mode; its weights may be shared with other values.
        weights: Where its numbers come from, by name in its state dict; what is not named is its own.
    """

    network: "torch.nn.Module"
    weights: "Mapping[str, Weight]" = field(default_factory=dict[str, "Weight"], kw_only=True, repr=False)

    @property
    def nbytes(self) -> int:
        """Bytes of weights and buffers, counting a tensor that occurs twice once."""
        return sum(self.storages.values())

    @property
    def storages(self) -> Mapping[Hashable, int]:
        """Bytes of each weight and buffer by its identity: what two values share is to be counted once."""
        from nodeflow.diffusion.memory import computes_in

        # A matrix may lie in its file, outside of our memory, until it is used; then there is a copy to compute with.
        size = computes_in(self.network).itemsize
        used: dict[Hashable, int] = {id(weight): weight.numel() * size for weight in self.network.parameters()}
        used.update((id(buffer), buffer.nbytes) for buffer in self.network.buffers())
        return used

    @property
    def ready_seconds(self) -> float:
        """About what it takes to load this again and to make what it computes with; mapping its file is the least."""
        return self.nbytes / READY_BYTES_PER_SECOND

    @property
    def device(self) -> str:
        """Where the weights are, such as "cpu" or "cuda:0"; "meta" once released."""
        return str(next(self.network.parameters()).device)

    @property
    def dtype(self) -> str:
        """What it computes in, such as "float32"."""
        from nodeflow.diffusion.memory import computes_in

        return dtype_name(computes_in(self.network))

    def to(self, device: "str | torch.device") -> Self:
        """The same network on `device`; itself when it is there already.

        Raises:
            ValueRuleError: It was released.
        """
        from nodeflow.diffusion.memory import moved

        self.require_weights()
        return self if self.device == str(device) else dataclasses.replace(self, network=moved(self.network, device))

    def release(self) -> None:
        """Lets go of the weights; their memory is free once no other value shares them, and this value is spent."""
        self.network.to("meta")

    def require_weights(self) -> None:
        """Checks that the weights are still there.

        Raises:
            ValueRuleError: They were released.
        """
        if self.device == "meta":
            raise ValueRuleError(f"this {type(self).__name__.lower()} was released; load it again")


@dataclass(frozen=True, slots=True, eq=False)
class Model(_Network):
    """A denoising network and what is needed to call it.

    Attributes:
        prediction: What its output means.
        latent_format: The latent space it works in.
        context_dim: Features per token that its cross-attention takes.
        family: Such as "sd1".
        patches: What is done otherwise inside the network, the first one innermost.
        guidance: How the guided picture is changed, the first one innermost.
        masking: How a noise mask is read at each level; None takes it as it is.
        zero_terminal: The highest noise level is noise alone, see `sampling.prediction.scaled_linear_levels`.
        beside: Channels the network takes beside the noisy latent: 5 for in-painting, 4 for editing.
    """

    prediction: Prediction
    latent_format: LatentFormat
    context_dim: int
    family: str
    patches: "tuple[Patch, ...]" = ()
    guidance: "tuple[Guidance, ...]" = ()
    masking: "Masking | None" = None
    zero_terminal: bool = False
    beside: int = 0

    def patched(self, patch: "Patch") -> Self:
        """The same weights, used otherwise inside."""
        return dataclasses.replace(self, patches=(*self.patches, patch))

    def guided(self, guidance: "Guidance") -> Self:
        """The same weights, guided otherwise."""
        return dataclasses.replace(self, guidance=(*self.guidance, guidance))


@dataclass(frozen=True, slots=True, eq=False)
class Clip(_Network):
    """A text encoder with its tokenizer.

    Attributes:
        tokenizer: Text to token numbers.
        skip: Layers left out at the end: 0 takes the last one's output, 1 the one's before.
        max_tokens: So many tokens of a prompt at most are encoded, start and end not counted; 0 is no limit.
    """

    tokenizer: "Tokenizer"
    skip: int = 0
    max_tokens: int = 0


@dataclass(frozen=True, slots=True, eq=False)
class Vae(_Network):
    """An autoencoder between pictures and latents.

    Attributes:
        latent_format: The latent space it makes.
    """

    latent_format: LatentFormat
