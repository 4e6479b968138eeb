"""What is told of model files from their headers."""

import json
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

from nodeflow.diffusion.checkpoints.describe import Description, describe

LORA = "lora_unet_input_blocks_1_1_transformer_blocks_0_attn2_to_k.lora_down.weight"
UNET = "model.diffusion_model."


def described(tmp_path: Path, tensors: dict[str, torch.Tensor], **metadata: str) -> Description:
    path = tmp_path / "some.safetensors"
    save_file(tensors, path, {name.replace("__", "."): text for name, text in metadata.items()} or None)
    return describe(path)


def test_a_lora_tells_what_it_is_for_and_what_it_reacts_to(tmp_path: Path) -> None:
    tags = {
        "10_cat": {"cat": 10, "tabby  cat": 12, "red": 1},
        "5_more": {"cat": 5, "dog": 2, "a": 1, "b": 1, "odd": "x"},
    }
    found = described(
        tmp_path,
        {LORA: torch.zeros(4, 768, dtype=torch.bfloat16), "x.alpha": torch.zeros(1)},
        ss_tag_frequency=json.dumps(tags),
        ss_base_model_version="sd_v1",
        modelspec__title="Cats",
    )
    assert (found.family, found.base, found.title) == ("lora", "sd1", "a LoRA for Stable Diffusion 1")
    assert (found.precision, found.parameters, found.tensors, found.nbytes) == ("bf16", 3073, 2, 6148)
    assert found.triggers == ("cat", "tabby cat", "dog", "red", "a")
    assert found.metadata == {"modelspec.title": "Cats", "ss_base_model_version": "sd_v1"}
    assert found.prediction is None


@pytest.mark.parametrize(
    ("key", "said", "base"),
    [
        ("ss_base_model_version", "sdxl_base_v1-0", "sdxl"),
        ("ss_base_model_version", "sd_v2_v", "sd2"),
        ("modelspec.architecture", "stable-diffusion-v1/lora", "sd1"),
        ("modelspec.architecture", "flux-1-dev/lora", "flux"),
        ("modelspec.architecture", "something else", None),
    ],
)
def test_what_shapes_do_not_tell_the_metadata_may(key: str, said: str, base: str | None, tmp_path: Path) -> None:
    found = described(tmp_path, {"lora_unet_x.lora_down.weight": torch.zeros(4, 5)}, **{key.replace(".", "__"): said})
    assert found.base == base


def test_a_phrase_comes_before_tags(tmp_path: Path) -> None:
    tags = json.dumps({"a": {"tag": 1}})
    found = described(
        tmp_path, {LORA: torch.zeros(4, 768)}, modelspec__trigger_phrase=" my cat ", ss_tag_frequency=tags
    )
    assert found.triggers == ("my cat",)


@pytest.mark.parametrize("tags", ["{", "[]", '{"a": 5}', "[" * 100_000])
def test_tags_that_make_no_sense_are_none(tags: str, tmp_path: Path) -> None:
    assert described(tmp_path, {LORA: torch.zeros(4, 768)}, ss_tag_frequency=tags).triggers == ()


def unet(**more: torch.Tensor) -> dict[str, torch.Tensor]:
    names = {"input_blocks.0.0.weight": torch.zeros(1, 4, 3, 3), "input_blocks.1.1.proj_in.weight": torch.zeros(1, 1)}
    return {UNET + name: weight for name, weight in names.items()} | more


@pytest.mark.parametrize(
    ("tensors", "metadata", "prediction"),
    [
        (unet(), {}, "eps or v"),
        (unet(v_pred=torch.empty(0)), {}, "v"),
        (unet(), {"nodeflow__config": '{"prediction": "x0"}'}, "x0"),
        (unet(), {"nodeflow__config": "broken"}, "eps or v"),
        (unet(), {"modelspec__prediction_type": "epsilon"}, "eps"),
        (unet(edm_mean=torch.zeros(1)), {}, "EDM"),
        ({**unet(), "edm_vpred.sigma_max": torch.zeros(1)}, {}, "v (EDM)"),
        ({"double_blocks.0.img_attn.norm.key_norm.scale": torch.zeros(1)}, {}, "flow"),
        ({"input_blocks.0.0.weight": torch.zeros(1, 4, 3, 3)}, {}, "eps"),
        ({"decoder.conv_in.weight": torch.zeros(1, 4, 3, 3)}, {}, None),
    ],
)
def test_what_the_output_means_is_told(
    tensors: dict[str, torch.Tensor], metadata: dict[str, str], prediction: str | None, tmp_path: Path
) -> None:
    assert described(tmp_path, tensors, **metadata).prediction == prediction


def test_what_cannot_be_read_or_told_is_said(tmp_path: Path) -> None:
    path = tmp_path / "some.safetensors"
    path.write_bytes(b"123")
    assert describe(path).fault == "the file is truncated: 3 bytes are no safetensors file"
    assert describe(tmp_path / "absent.safetensors").fault == "cannot be read: No such file or directory"
    assert described(tmp_path, {"a": torch.zeros(1, 1, 1)}).title == "an unknown kind of file"


def test_of_several_precisions_the_large_ones_are_named(tmp_path: Path) -> None:
    tensors = {
        "a": torch.zeros(500),
        "b": torch.zeros(900, dtype=torch.float16),
        "c": torch.zeros(3, dtype=torch.int64),
    }
    assert described(tmp_path, tensors).precision == "fp16, fp32"
    assert described(tmp_path, {"a": torch.empty(0)}).precision == "fp32"


def test_a_folder_of_diffusers_is_described_as_a_whole(tmp_path: Path) -> None:
    (tmp_path / "model_index.json").write_text("{}")
    assert describe(tmp_path / "model_index.json").fault.endswith(
        "is missing; download the model again, with all its folders"
    )
