"""Where the parts of a checkpoint lie: in one file, in those of a diffusers folder, or each in a file of its own."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field

from nodeflow.diffusion.checkpoints.config import FileConfig
from nodeflow.diffusion.checkpoints.diffusersnames import Renaming, unet_renaming, vae_renaming
from nodeflow.diffusion.checkpoints.keymaps import CLIP_L, UNET, VAE, KeyMap
from nodeflow.diffusion.checkpoints.read import Header


@dataclass(frozen=True, slots=True)
class Source:
    """One part of a checkpoint.

    Attributes:
        part: What it is called in messages.
        header: Of the file it is in.
        names: Name in the network to name in the file.
    """

    part: str
    header: Header
    names: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Sources:
    """A whole checkpoint.

    Attributes:
        header: Tells the family; for a folder, what it would be if all were in one file.
        config: What shapes cannot tell.
        apart: Parts with a file of their own, by the prefix that they have in `header`.
    """

    header: Header
    config: FileConfig
    apart: Mapping[str, Source] = field(default_factory=dict[str, Source])

    def part(self, keymap: KeyMap) -> Source:
        """One part.

        Raises:
            CheckpointError: It is not there.
        """
        if keymap.prefix in self.apart:
            return self.apart[keymap.prefix]
        names = keymap.names(self.header.tensors)
        if not names:
            raise self.header.error(f"there is no {keymap.part} in the file: no name begins with {keymap.prefix}")
        return Source(keymap.part, self.header, names)


@dataclass(frozen=True, slots=True)
class Alone:
    """How a part is found in a file that may hold it alone.

    Attributes:
        keymap: Its names within a whole checkpoint.
        mark: A name by which it is found.
        prefixes: Further prefixes that are in use; the empty one is tried too.
        theirs: The name by which it is found in diffusers' layout; empty when that has the same names.
        renaming: From diffusers' names.
    """

    keymap: KeyMap
    mark: str
    prefixes: tuple[str, ...] = ()
    theirs: str = ""
    renaming: Callable[[Iterable[str]], Renaming] | None = None

    def source(self, header: Header) -> Source | None:
        """Where the part is in a file; None when it is not there."""
        for prefix in (self.keymap.prefix, *self.prefixes, ""):
            inside = [name.removeprefix(prefix) for name in header.tensors if name.startswith(prefix)]
            if self.theirs and self.theirs in inside and self.renaming is not None:
                renaming = self.renaming(inside)
                return self._source(header, prefix, {name: renaming.to_ours(name) or name for name in inside})
            if self.mark in inside or self.mark.removeprefix(self.keymap.inserted) in inside:
                return self._source(header, prefix, {name: name for name in inside})
        return None

    def _source(self, header: Header, prefix: str, ours: Mapping[str, str]) -> Source:
        """What `keymap` makes of the names, were they those of a whole checkpoint."""
        places = {self.keymap.prefix + our: prefix + name for name, our in ours.items()}
        found = self.keymap.names(places)
        return Source(self.keymap.part, header, {name: places[place] for name, place in found.items()})


UNET_ALONE = Alone(
    UNET,
    "input_blocks.0.0.weight",
    ("model.model.", "net.", "unet."),
    "down_blocks.0.resnets.0.time_emb_proj.weight",
    unet_renaming,
)
VAE_ALONE = Alone(VAE, "decoder.conv_in.weight", ("vae.",), "decoder.up_blocks.0.resnets.0.conv1.weight", vae_renaming)
TEXT_ALONE = Alone(
    CLIP_L,
    "text_model.embeddings.token_embedding.weight",
    ("conditioner.embedders.0.transformer.", "text_encoders.clip_l.transformer.", "clip_l.transformer."),
)
