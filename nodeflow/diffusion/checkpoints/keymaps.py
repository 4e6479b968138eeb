"""Names of weights: where each part of a checkpoint lies, and how its names become those of our networks."""

from collections.abc import Iterable
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class KeyMap:
    """One part of a file, under the names its network uses.

    Attributes:
        part: What it is called in messages.
        prefix: In front of every name of the part.
        inserted: Put in front where old files leave it out: their names are those of the network without it.
        ignored: Parts of names that carry no weights a network needs.
    """

    part: str
    prefix: str
    inserted: str = ""
    ignored: tuple[str, ...] = ()

    def names(self, keys: Iterable[str]) -> dict[str, str]:
        """Maps names within the part to names in the file."""
        found: dict[str, str] = {}
        for key in keys:
            if key.startswith(self.prefix) and not any(fragment in key for fragment in self.ignored):
                name = key.removeprefix(self.prefix)
                found[name if name.startswith(self.inserted) else self.inserted + name] = key
        return found


UNET = KeyMap("UNet", "model.diffusion_model.")
VAE = KeyMap("VAE", "first_stage_model.", ignored=(".loss.", ".logvar"))
# SD1 files carry Hugging Face's names. Files from 2022 were saved before "text_model." was part of them.
CLIP_L = KeyMap(
    "text encoder",
    "cond_stage_model.transformer.",
    inserted="text_model.",
    ignored=("embeddings.position_ids", "logit_scale", "text_projection.weight"),
)
