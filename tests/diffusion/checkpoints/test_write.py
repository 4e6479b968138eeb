"""Written checkpoints are the ones that were read: to the byte where nothing changed, rounded once where it did."""

import json
import tracemalloc
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from safetensors import safe_open
from safetensors.torch import load_file, save_file
from torch import Tensor

from nodeflow.diffusion.checkpoints import Checkpoint, load_checkpoint
from nodeflow.diffusion.checkpoints.read import read_header
from nodeflow.diffusion.checkpoints.singles import load_clip, load_model, load_vae
from nodeflow.diffusion.checkpoints.write import Writing, checkpoint_file, clip_file, model_file, vae_file
from nodeflow.diffusion.errors import CheckpointError
from nodeflow.diffusion.reweighting import reweighted
from nodeflow.diffusion.types import Prediction
from nodeflow.diffusion.weights import ComputedWeight

NAME = "middle_block.1.proj_in.weight"


def written(file: Writing, path: Path) -> Path:
    path.write_bytes(b"".join(file.chunks()))
    return path


def raw(path: Path) -> Mapping[str, tuple[torch.dtype, bytes]]:
    return {name: (w.dtype, w.view(torch.uint8).numpy().tobytes()) for name, w in load_file(path).items() if w.numel()}


def metadata(path: Path) -> Mapping[str, str]:
    with safe_open(path, "pt") as file:
        return file.metadata()


def equal(one: torch.nn.Module, other: torch.nn.Module) -> bool:
    found = dict(other.named_parameters())
    return all(torch.equal(weight, found[name]) for name, weight in one.named_parameters())


@pytest.mark.parametrize("dtype", ["fp32", "bf16"])
def test_what_was_read_is_written_to_the_byte_whatever_it_was_computed_in(
    dtype: str, micro_file: Path, tmp_path: Path
) -> None:
    loaded = load_checkpoint(micro_file, dtype=dtype)  # type: ignore[arg-type]
    found = raw(written(checkpoint_file(*loaded), tmp_path / "again.safetensors"))
    before = raw(micro_file)
    assert {name for name in before if name not in found} == {
        "cond_stage_model.transformer.text_model.embeddings.position_ids"
    }
    assert found == {name: before[name] for name in found}


def test_a_checkpoint_that_was_written_is_loaded_as_the_one_before(micro: Checkpoint, tmp_path: Path) -> None:
    path = written(checkpoint_file(*micro, "mine", {"nodeflow": "{}"}), tmp_path / "again.safetensors")
    again = load_checkpoint(path)
    assert all(equal(one.network, other.network) for one, other in zip(again, micro, strict=True))
    assert again.model.latent_format == micro.model.latent_format
    assert metadata(path) == {
        "format": "pt",
        "nodeflow": "{}",
        "modelspec.architecture": "stable-diffusion-v1",
        "modelspec.prediction_type": "epsilon",
        "modelspec.sai_model_spec": "1.0.0",
        "modelspec.title": "mine",
    }


def test_writing_twice_gives_the_same_bytes(micro: Checkpoint) -> None:
    text = dict.fromkeys("bac", "x")
    one, other = (b"".join(vae_file(micro.vae, "mine", text).chunks()) for _ in range(2))
    assert one == other


def test_changed_weights_are_rounded_once_to_the_precision_of_the_file(micro_file: Path, tmp_path: Path) -> None:
    model = load_checkpoint(micro_file, dtype="bf16").model
    changed = reweighted(model, {NAME: ComputedWeight((model.weights[NAME],), lambda w: w * 1.01)})
    path = written(model_file(changed), tmp_path / "changed.safetensors")
    before, after = load_file(micro_file), load_file(path)
    name = f"model.diffusion_model.{NAME}"
    assert torch.equal(after[name], (before[name].float() * 1.01).half())
    assert [key for key in after if not torch.equal(after[key], before[key])] == [name]


def test_parts_are_written_alone_and_loaded_alone(micro: Checkpoint, tmp_path: Path) -> None:
    model = load_model(written(model_file(micro.model), tmp_path / "model.safetensors"))
    clip = load_clip(written(clip_file(micro.clip), tmp_path / "clip.safetensors"))
    vae = load_vae(written(vae_file(micro.vae), tmp_path / "vae.safetensors"))
    for one, other in zip((model, clip, vae), micro, strict=True):
        assert equal(one.network, other.network)
    assert "text_model.final_layer_norm.weight" in load_file(tmp_path / "clip.safetensors")
    assert "decoder.conv_in.weight" in load_file(tmp_path / "vae.safetensors")


def test_what_shapes_cannot_tell_is_written_too(micro_file: Path, tmp_path: Path) -> None:
    settings = {
        "unet": {"num_heads": 4, "norm_groups": 16},
        "vae": {"norm_groups": 16},
        "text": {"heads": 2, "activation": "gelu"},
        "latent": {"scale": 0.5, "name": "mine", "preview": "anchored"},
        "prediction": "x0",
    }
    odd = tmp_path / "odd.safetensors"
    save_file(load_file(micro_file), odd, {"nodeflow.config": json.dumps(settings)})
    path = written(checkpoint_file(*load_checkpoint(odd)), tmp_path / "again.safetensors")
    assert json.loads(metadata(path)["nodeflow.config"]) == settings


def test_the_meaning_of_the_output_is_marked_as_other_programs_do(micro: Checkpoint, tmp_path: Path) -> None:
    model = replace(micro.model, prediction=Prediction.V, zero_terminal=True)
    path = written(model_file(model), tmp_path / "v.safetensors")
    assert read_header(path).tensors["v_pred"].shape == (0,)
    again = load_model(path)
    assert (again.prediction, again.zero_terminal) == (Prediction.V, True)
    assert metadata(path)["modelspec.prediction_type"] == "v"


def test_a_network_of_no_file_is_written_as_it_is(micro: Checkpoint, tmp_path: Path) -> None:
    path = written(vae_file(replace(micro.vae, weights={})), tmp_path / "vae.safetensors")
    assert {weight.dtype for weight in load_file(path).values()} == {torch.float32}
    assert equal(load_vae(path).network, micro.vae.network)


def test_a_source_that_is_gone_is_told(micro_file: Path, tmp_path: Path) -> None:
    copy = tmp_path / "copy.safetensors"
    copy.write_bytes(micro_file.read_bytes())
    model = load_checkpoint(copy).model
    copy.unlink()
    with pytest.raises(CheckpointError, match=r"^copy\.safetensors: the file is gone since it was loaded"):
        list(model_file(model).chunks())


def test_a_file_is_never_in_memory_as_a_whole(tmp_path: Path) -> None:
    name, part = "model.diffusion_model.", 2**20
    from nodeflow.diffusion.weights import HeldWeight

    many: dict[str, Tensor] = {f"{name}{number}": torch.zeros(part // 4) for number in range(32)}
    file = Writing({key: HeldWeight(weight) for key, weight in many.items()}, {})
    tracemalloc.start()
    size = sum(len(chunk) for chunk in file.chunks())
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert size > 32 * part
    assert peak < 4 * part
