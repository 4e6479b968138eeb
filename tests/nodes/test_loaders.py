"""Loading checkpoints and encoding text with them."""

from pathlib import Path

import pytest
import torch

from nodeflow.api import InputError
from nodeflow_nodes.conditioning import clip_text_encode
from nodeflow_nodes.loaders import Loaded, clip_loader, diffusers_loader, load_checkpoint, unet_loader, vae_loader


def test_a_checkpoint_gives_three_networks(loaded: Loaded) -> None:
    assert loaded.model.family == "sd1"
    assert loaded.model.latent_format == loaded.vae.latent_format
    assert loaded.clip.nbytes > 0


def test_a_file_that_is_no_checkpoint_is_told_of_the_input(tmp_path: Path) -> None:
    path = tmp_path / "notes.safetensors"
    path.write_bytes(b"not a model at all")
    with pytest.raises(InputError, match=r"^checkpoint: .*notes\.safetensors"):
        load_checkpoint(path)


def test_a_text_of_any_length_is_encoded(loaded: Loaded) -> None:
    assert clip_text_encode(loaded.clip, "").entries[0].context.shape[1] == 77
    assert clip_text_encode(loaded.clip, "cat " * 200).entries[0].context.shape[1] == 3 * 77


def test_the_same_text_gives_the_same_conditioning(loaded: Loaded) -> None:
    one, other = (clip_text_encode(loaded.clip, "a (red:1.3) cat").entries[0].context for _ in range(2))
    assert torch.equal(one, other)


def test_the_parts_of_a_checkpoint_are_loaded_one_by_one(loaded: Loaded, checkpoint_file: Path) -> None:
    parts = (unet_loader(checkpoint_file), clip_loader(checkpoint_file, device="cpu"), vae_loader(checkpoint_file))
    for part, whole in zip(parts, loaded, strict=True):
        assert all(map(torch.equal, part.network.parameters(), whole.network.parameters()))


def test_what_cannot_be_loaded_is_told_of_the_input(tmp_path: Path) -> None:
    contents = tmp_path / "mine/model_index.json"
    contents.parent.mkdir()
    contents.write_text("{}")
    with pytest.raises(InputError, match=r"^model_path: mine/unet: the folder with the UNet is missing"):
        diffusers_loader(contents)
    for load, input in ((unet_loader, "unet"), (clip_loader, "clip"), (vae_loader, "vae")):
        path = tmp_path / "broken.safetensors"
        path.write_bytes(b"123")
        with pytest.raises(InputError, match=f"^{input}: broken.safetensors: the file is truncated"):
            load(path)
