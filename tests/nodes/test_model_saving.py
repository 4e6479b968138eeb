"""Models are written in pieces, with the document, and can be loaded again."""

from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors import safe_open

from nodeflow.api import InputError
from nodeflow_nodes.loaders import Loaded, clip_loader, load_checkpoint, unet_loader, vae_loader
from nodeflow_nodes.model_saving import checkpoint_save, clip_save, model_save, vae_save


def test_a_saved_checkpoint_is_the_checkpoint(loaded: Loaded, recorder: Any, tmp_path: Path) -> None:
    checkpoint_save(*loaded, "checkpoints/mine", run=recorder)
    prefix, suffix, data = recorder.saved[0]
    assert (prefix, suffix) == ("checkpoints/mine", "safetensors")
    path = tmp_path / "again.safetensors"
    path.write_bytes(data)
    for one, other in zip(load_checkpoint(path), loaded, strict=True):
        assert all(map(torch.equal, one.network.parameters(), other.network.parameters()))
    with safe_open(path, "pt") as file:
        assert file.metadata()["modelspec.title"] == "mine"
        assert file.metadata()["nodeflow"] == '{"nodeflow": 1}'
    assert recorder.steps == sum(len(list(value.network.parameters())) for value in loaded) + 1


def test_parts_are_saved_alone(loaded: Loaded, recorder: Any, tmp_path: Path) -> None:
    model_save(loaded.model, run=recorder)
    clip_save(loaded.clip, run=recorder)
    vae_save(loaded.vae, run=recorder)
    assert [prefix for prefix, _, _ in recorder.saved] == ["diffusion_models/nodeflow", "clip/nodeflow", "vae/nodeflow"]
    for (_, _, data), load, value in zip(recorder.saved, (unet_loader, clip_loader, vae_loader), loaded, strict=True):
        path = tmp_path / f"{load.__name__}.safetensors"
        path.write_bytes(data)
        assert all(map(torch.equal, load(path).network.parameters(), value.network.parameters()))


def test_a_network_that_was_released_is_told(checkpoint_file: Path, recorder: Any) -> None:
    clip = load_checkpoint(checkpoint_file).clip
    clip.release()
    with pytest.raises(InputError, match=r"^clip: this clip was released"):
        clip_save(clip, run=recorder)
