"""Loading: what is checked, what is shared with the file, and which precision results."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from safetensors.torch import load_file, save_file
from torch import Tensor

from nodeflow.diffusion.checkpoints import Checkpoint, load_checkpoint
from nodeflow.diffusion.checkpoints.config import METADATA_KEY, FileConfig
from nodeflow.diffusion.checkpoints.families import FAMILIES, build_of
from nodeflow.diffusion.checkpoints.load import parts_of
from nodeflow.diffusion.checkpoints.read import Header, TensorInfo, read_header
from nodeflow.diffusion.errors import CheckpointError, ValueRuleError
from nodeflow.diffusion.latent_formats import SD1
from nodeflow.diffusion.types import Prediction

UNET = "model.diffusion_model."


@pytest.fixture
def changed(micro_file: Path, tmp_path: Path) -> Callable[..., Path]:
    """Writes a copy of the random checkpoint with some tensors replaced, or taken out where None is given."""

    def write(config: dict[str, object] | None = None, **changes: Tensor | None) -> Path:
        weights = load_file(micro_file)
        for name, tensor in changes.items():
            weights.pop(name, None)
            if tensor is not None:
                weights[name] = tensor
        path = tmp_path / "changed.safetensors"
        save_file(weights, path, metadata=None if config is None else {METADATA_KEY: json.dumps(config)})
        return path

    return write


def test_half_precision_files_become_float32_on_a_cpu(micro: Checkpoint, micro_file: Path) -> None:
    assert (micro.model.dtype, micro.clip.dtype, micro.vae.dtype) == ("float32",) * 3
    stored = load_file(micro_file)[f"{UNET}out.2.weight"]
    loaded = micro.model.network.get_parameter("out.2.weight")
    assert torch.equal(loaded, stored.float())
    assert not loaded.requires_grad
    assert not micro.model.network.training


def test_a_checkpoint_knows_its_conventions(micro: Checkpoint) -> None:
    assert (micro.model.family, micro.model.prediction, micro.model.context_dim) == ("sd1", Prediction.EPS, 64)
    assert micro.model.latent_format is micro.vae.latent_format is SD1


def test_weights_of_the_right_type_are_not_copied(micro_file: Path, tmp_path: Path) -> None:
    path = tmp_path / "fp32.safetensors"
    save_file({name: weight.float() for name, weight in load_file(micro_file).items()}, path)
    model = load_checkpoint(path).model
    mapped = [line.split() for line in Path("/proc/self/maps").read_text().splitlines() if line.endswith(path.name)]
    ranges = [tuple(int(bound, 16) for bound in fields[0].split("-")) for fields in mapped]
    assert ranges
    for weight in model.network.parameters():
        assert any(low <= weight.data_ptr() < high for low, high in ranges)


def test_a_precision_can_be_asked_for(micro_file: Path) -> None:
    checkpoint = load_checkpoint(micro_file, dtype="bf16")
    assert (checkpoint.model.dtype, checkpoint.clip.dtype, checkpoint.vae.dtype) == ("bfloat16",) * 3
    with pytest.raises(ValueRuleError, match="fp16 is not for CPUs"):
        load_checkpoint(micro_file, dtype="fp16")


def test_a_device_that_is_not_there_is_refused(micro_file: Path) -> None:
    with pytest.raises(ValueRuleError, match="device 'cuda:99' is not usable here"):
        load_checkpoint(micro_file, device="cuda:99")


def test_settings_in_the_file_are_followed(changed: Callable[..., Path]) -> None:
    config: dict[str, object] = {
        "unet": {"num_heads": 4, "norm_groups": 16},
        "vae": {"norm_groups": 8},
        "text": {"heads": 2},
        "latent": {"scale": 0.5, "name": "mine"},
        "prediction": "v",
    }
    model, clip, vae = load_checkpoint(changed(config))
    assert model.prediction is Prediction.V
    assert model.latent_format.name == vae.latent_format.name == "mine"
    attention = model.network.get_submodule("input_blocks.1.1.transformer_blocks.0.attn1")
    assert getattr(attention, "heads", None) == 4
    assert getattr(model.network.get_submodule("out.0"), "num_groups", None) == 16
    assert getattr(vae.network.get_submodule("decoder.norm_out"), "num_groups", None) == 8
    assert getattr(getattr(clip.network, "config", None), "num_attention_heads", None) == 2


def test_missing_weights_are_named(changed: Callable[..., Path]) -> None:
    names = [f"{UNET}middle_block.0.in_layers.{which}" for which in ("0.weight", "0.bias", "2.weight", "2.bias")]
    with pytest.raises(CheckpointError) as caught:
        load_checkpoint(changed(**dict.fromkeys(names)))
    assert str(caught.value) == (
        "changed.safetensors: UNet: 4 weights are missing: middle_block.0.in_layers.0.weight, "
        "middle_block.0.in_layers.0.bias, middle_block.0.in_layers.2.weight and 1 more"
    )


@pytest.mark.parametrize(
    ("name", "tensor", "message"),
    [
        (f"{UNET}extra.weight", torch.zeros(1), "UNet: 1 weights are unexpected: extra.weight"),
        (
            f"{UNET}out.2.bias",
            torch.zeros(5),
            r"UNet: 1 weights are of the wrong shape: out.2.bias \[5\] instead of \[4\]",
        ),
        (f"{UNET}input_blocks.0.0.weight", torch.zeros(3), r"input_blocks.0.0.weight has shape \[3\]; 4 dimensions"),
        (f"{UNET}input_blocks.0.0.weight", torch.zeros(0, 4, 3, 3), r"has shape \[0, 4, 3, 3\]; 4 dimensions"),
        (
            f"{UNET}input_blocks.0.0.weight",
            torch.zeros(31, 4, 3, 3),
            "UNet: its sizes do not make a network|wrong shape",
        ),
        (f"{UNET}out.2.weight", None, "UNet: out.2.weight is missing, without which its size cannot be told"),
        ("first_stage_model.encoder.down.1.block.0.conv1.weight", torch.zeros(33, 32, 3, 3), "are no multiples of 32"),
        ("first_stage_model.decoder.conv_out.bias", None, "VAE: 1 weights are missing: decoder.conv_out.bias"),
        ("cond_stage_model.transformer.text_model.final_layer_norm.bias", None, "text encoder: 1 weights are missing"),
        (
            "cond_stage_model.transformer.text_model.embeddings.token_embedding.weight",
            torch.zeros(100, 64),
            "text encoder: it knows 100 tokens; CLIP's 49408 are expected",
        ),
        (
            "cond_stage_model.transformer.text_model.embeddings.position_embedding.weight",
            torch.zeros(1, 64),
            "text encoder: it has 1 positions; CLIP's 77 are expected, start and end of a text included",
        ),
    ],
)
def test_weights_that_do_not_fit_are_named(
    name: str, tensor: Tensor | None, message: str, changed: Callable[..., Path]
) -> None:
    with pytest.raises(CheckpointError, match=f"^changed.safetensors: .*{message}"):
        load_checkpoint(changed(**{name: tensor}))


def test_settings_that_no_network_has_are_refused(changed: Callable[..., Path]) -> None:
    with pytest.raises(CheckpointError, match="UNet: its sizes do not make a network"):
        load_checkpoint(changed({"unet": {"norm_groups": 7}}))
    with pytest.raises(CheckpointError, match="UNet: 5 heads do not divide"):
        load_checkpoint(changed({"unet": {"num_heads": 5}}))


@pytest.mark.parametrize(("prefix", "part"), [("first_stage_model.", "VAE"), ("cond_stage_model.", "text encoder")])
def test_a_part_that_is_not_there_is_named(prefix: str, part: str, micro_file: Path, tmp_path: Path) -> None:
    path = tmp_path / "partial.safetensors"
    save_file({name: weight for name, weight in load_file(micro_file).items() if not name.startswith(prefix)}, path)
    sd1 = next(family for family in FAMILIES if family.name == "sd1")
    anything = type(sd1)(sd1.name, sd1.title, lambda _header: True, sd1.build)
    with pytest.raises(CheckpointError, match=f"there is no {part} in the file: no name begins with {prefix}"):
        load_checkpoint(path, families=(anything,))


def the_same_layer(shape: tuple[int, ...], expected: tuple[int, ...]) -> bool:
    """A convolution of one pixel is a matrix, and files have it as either."""
    matrix, convolution = sorted((shape, expected), key=len)
    return shape == expected or (len(matrix) == 2 and convolution == (*matrix, 1, 1))


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_no_change_of_a_header_is_more_than_a_checkpoint_error(data: st.DataObject, micro_file: Path) -> None:
    header = read_header(micro_file)
    tensors = dict(header.tensors)
    name = data.draw(st.sampled_from(sorted(tensors)))
    shape = data.draw(st.none() | st.lists(st.sampled_from([0, 1, 4, 32, 33, 64, 10**6]), max_size=5).map(tuple))
    if shape is None:
        del tensors[name]
    elif not the_same_layer(shape, tensors[name].shape):
        tensors[name] = TensorInfo("F16", shape)
    changed = Header(micro_file, tensors, {})
    refused = False
    try:
        parts_of(changed, build_of(changed)[1], FileConfig())
    except CheckpointError:
        refused = True
    assert refused == (tensors != header.tensors and not name.endswith("position_ids"))


def test_a_truncated_checkpoint_is_refused(micro_file: Path, tmp_path: Path) -> None:
    path = tmp_path / "short.safetensors"
    path.write_bytes(micro_file.read_bytes()[:-100])
    with pytest.raises(CheckpointError, match="truncated"):
        load_checkpoint(path)
