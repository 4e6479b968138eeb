"""Weights that lie in a file, read again when their own numbers are asked for."""

from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from nodeflow.diffusion.checkpoints.read import Header, opened
from nodeflow.diffusion.weights import Files, Weight

DTYPES = {
    "F64": torch.float64,
    "F32": torch.float32,
    "F16": torch.float16,
    "BF16": torch.bfloat16,
    "F8_E4M3": torch.float8_e4m3fn,
    "F8_E5M2": torch.float8_e5m2,
    "I64": torch.int64,
    "I32": torch.int32,
    "I16": torch.int16,
    "I8": torch.int8,
    "U8": torch.uint8,
    "BOOL": torch.bool,
}
"""The names of safetensors; types that it leaves out here hold no weights."""


@dataclass(frozen=True, slots=True)
class FileWeight:
    """A weight in a file.

    Attributes:
        header: Of the file.
        name: In the file.
        shape: As the network has it; the file may write a convolution of one pixel as a matrix.
        dtype: In the file.
    """

    header: Header
    name: str
    shape: tuple[int, ...]
    dtype: torch.dtype

    def stored(self, files: Files) -> Tensor:
        """Reads it; see `Weight`.

        Raises:
            CheckpointError: The file is not the one whose header this is.
            OSError: It cannot be read.
        """
        reader = files.opened((self.header.path, self.header.state), lambda: opened(self.header))
        found: Tensor = reader.get_tensor(self.name)
        return found.to(files.device).reshape(self.shape)

    def unrounded(self, files: Files) -> Tensor:
        """Reads it as float32; see `Weight`."""
        return self.stored(files).float()


def file_weights(header: Header, names: Mapping[str, str], network: nn.Module) -> Mapping[str, Weight]:
    """The weights of a network that are in a file.

    Args:
        header: Of the file.
        names: Name in the network to name in the file.
        network: Gives the shapes.
    """
    shapes = {name: tuple(weight.shape) for name, weight in network.named_parameters()}
    return {
        name: FileWeight(header, source, shapes[name], DTYPES[header.tensors[source].dtype])
        for name, source in names.items()
        if name in shapes and header.tensors[source].dtype in DTYPES
    }
