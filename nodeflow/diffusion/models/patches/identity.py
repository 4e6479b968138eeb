"""Self-attention without attention."""

from dataclasses import dataclass

from torch import Tensor

from nodeflow.diffusion.models.passing import Attend, AttentionLayer, Patch, Place


@dataclass(frozen=True, slots=True)
class IdentityAttention(Patch):
    """In the middle of the UNet every pixel looks at itself only (Ahn et al. 2024, 2403.17377, eq. 14)."""

    def self_attention(self, attend: Attend, attention: AttentionLayer, x: Tensor, place: Place) -> Tensor:
        """See `Patch`."""
        if place.stage != "middle":
            return attend(x, None)
        result: Tensor = attention.to_out(attention.to_v(x))
        return result
