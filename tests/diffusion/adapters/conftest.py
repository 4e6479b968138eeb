"""Random LoRA files for the random checkpoint, in the names that each trainer gives them."""

from collections.abc import Callable, Mapping
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file
from torch import Tensor

Draw = Callable[..., Tensor]


@pytest.fixture
def draw() -> Draw:
    """Random numbers, the same at every run."""
    generator = torch.Generator().manual_seed(7)

    def drawn(*shape: int) -> Tensor:
        return torch.randn(shape, generator=generator) * 0.2

    return drawn


@pytest.fixture
def saved(tmp_path: Path) -> Callable[[Mapping[str, Tensor]], Path]:
    """Writes tensors into a file of their own."""

    def save(tensors: Mapping[str, Tensor], name: str = "detail.safetensors", **metadata: str) -> Path:
        path = tmp_path / name
        save_file({key: tensor.contiguous() for key, tensor in tensors.items()}, path, metadata=metadata or None)
        return path

    return save
