"""Latents in files, ours and ComfyUI's."""

from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

from nodeflow.diffusion.errors import ValueRuleError
from nodeflow.diffusion.latent_files import read_latent, write_latent
from nodeflow.diffusion.latent_formats import SD1
from nodeflow.diffusion.types import Latent


def test_what_is_written_is_read_again(tmp_path: Path) -> None:
    latent = Latent(torch.randn(3, 4, 2, 5), SD1)
    (tmp_path / "a.latent").write_bytes(write_latent(latent, {"nodeflow": "{}"}))
    again = read_latent(tmp_path / "a.latent")
    assert torch.equal(again.samples, latent.samples)
    assert again.format is None


def test_files_from_before_the_mark_are_scaled_back(tmp_path: Path) -> None:
    save_file({"latent_tensor": torch.full((1, 4, 2, 2), 0.18215)}, tmp_path / "old.latent")
    assert torch.allclose(read_latent(tmp_path / "old.latent").samples, torch.ones(1, 4, 2, 2))


def test_half_precision_becomes_float32(tmp_path: Path) -> None:
    tensors = {"latent_tensor": torch.ones(1, 4, 2, 2, dtype=torch.float16), "latent_format_version_0": torch.empty(0)}
    save_file(tensors, tmp_path / "half.latent")
    assert read_latent(tmp_path / "half.latent").samples.dtype == torch.float32


@pytest.mark.parametrize(
    ("content", "message"), [(b"no safetensors", "is no latent that SaveLatent wrote"), (b"", "is no latent that")]
)
def test_what_is_no_latent_is_refused(content: bytes, message: str, tmp_path: Path) -> None:
    (tmp_path / "bad.latent").write_bytes(content)
    with pytest.raises(ValueRuleError, match=message):
        read_latent(tmp_path / "bad.latent")


def test_another_safetensors_file_is_refused_with_what_it_holds(tmp_path: Path) -> None:
    save_file({"weight": torch.ones(2)}, tmp_path / "model.safetensors")
    with pytest.raises(ValueRuleError, match="no floating point tensor 'latent_tensor' among weight"):
        read_latent(tmp_path / "model.safetensors")
    with pytest.raises(FileNotFoundError):
        read_latent(tmp_path / "nothing.latent")
