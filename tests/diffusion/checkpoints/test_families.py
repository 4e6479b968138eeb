"""Families are told from headers alone, without weights."""

import gzip
import json
from collections.abc import Iterable, Mapping
from pathlib import Path

import pytest

from nodeflow.diffusion.checkpoints.config import FileConfig
from nodeflow.diffusion.checkpoints.families import FAMILIES, Family, build_of, family_of
from nodeflow.diffusion.checkpoints.infer import Shapes, unet_config
from nodeflow.diffusion.checkpoints.keymaps import UNET
from nodeflow.diffusion.checkpoints.load import parts_of
from nodeflow.diffusion.checkpoints.read import Header, TensorInfo
from nodeflow.diffusion.errors import CheckpointError
from nodeflow.diffusion.models.unet import UNetConfig

HEADERS = Path(__file__).parents[2] / "headers"
P = UNET.prefix
CLIP = "cond_stage_model.transformer.text_model.embeddings.token_embedding.weight"


def of(tensors: Mapping[str, Iterable[int]]) -> Header:
    return Header(
        Path("some.safetensors"), {name: TensorInfo("F16", tuple(shape)) for name, shape in tensors.items()}, {}
    )


def stripped(name: str) -> Header:
    """The header of a published file, from the list of its names and shapes."""
    lines = gzip.decompress((HEADERS / f"{name}.txt.gz").read_bytes()).decode().splitlines()
    return of({key: json.loads(shape) for key, shape in (line.split(" ", 1) for line in lines)})


def unet(channels: int = 4, *, linear: bool = False, vector: bool = False) -> dict[str, tuple[int, ...]]:
    names: dict[str, tuple[int, ...]] = {P + "input_blocks.0.0.weight": (320, channels, 3, 3)}
    names[P + "input_blocks.1.1.proj_in.weight"] = (320, 320) if linear else (320, 320, 1, 1)
    if vector:
        names[P + "label_emb.0.0.weight"] = (1280, 2816)
    return names


def test_stable_diffusion_1_5_is_built_from_its_header() -> None:
    header = stripped("sd15")
    family, build = build_of(header)
    assert family.name == "sd1"
    parts = parts_of(header, build, FileConfig())  # every weight is found, and has the shape our networks give it
    assert [len(part.sources) for part in parts] == [686, 248, 196]
    assert sum(weight.numel() for part in parts for weight in part.network.parameters()) == 1_066_235_307


def test_the_configuration_of_stable_diffusion_1_5_is_the_default_one() -> None:
    header = stripped("sd15")
    found = unet_config(Shapes(header, UNET.names(header.tensors), "UNet"), FileConfig())
    assert found == UNetConfig()


def test_a_file_of_2022_without_text_model_in_its_names_is_the_same() -> None:
    header = stripped("sd15")
    old = of(
        {name.replace("transformer.text_model.", "transformer."): info.shape for name, info in header.tensors.items()}
    )
    family, build = build_of(old)
    assert family.name == "sd1"
    assert len(parts_of(old, build, FileConfig())[2].sources) == 196


def test_what_training_left_in_a_file_is_ignored() -> None:
    header = stripped("sd15")
    extra = {"alphas_cumprod": (1000,), "model_ema.decay": (), "first_stage_model.loss.logvar": ()}
    more = of({name: info.shape for name, info in header.tensors.items()} | extra)
    parts = parts_of(more, build_of(more)[1], FileConfig())
    assert [len(part.sources) for part in parts] == [686, 248, 196]


def test_stable_diffusion_xl_is_recognised_but_not_run() -> None:
    header = stripped("sdxl")
    assert family_of(header).name == "sdxl"
    with pytest.raises(CheckpointError, match="looks like Stable Diffusion XL, which is recognised but not"):
        build_of(header)


def test_the_configuration_of_stable_diffusion_xl_is_inferred() -> None:
    header = stripped("sdxl")
    found = unet_config(Shapes(header, UNET.names(header.tensors), "UNet"), FileConfig())
    assert found == UNetConfig(
        channel_mult=(1, 2, 4),
        num_res_blocks=(2, 2, 2),
        transformer_depth=(0, 0, 2, 2, 10, 10),
        transformer_depth_output=(0, 0, 0, 2, 2, 2, 10, 10, 10),
        transformer_depth_middle=10,
        context_dim=2048,
        use_linear=True,
        adm_in_channels=2816,
        num_heads=None,
        num_head_channels=64,
    )


@pytest.mark.parametrize(
    ("tensors", "name"),
    [
        ({"lora_unet_input_blocks_1_1_proj_in.lora_down.weight": (4, 320)}, "lora"),
        ({"unet.down_blocks.0.attentions.0.to_q.lora_A.weight": (4, 320)}, "lora"),
        (
            {"control_model.input_hint_block.0.weight": (16, 3, 3, 3), "control_model.zero_convs.0.0.weight": (1,)},
            "controlnet",
        ),
        ({"controlnet_cond_embedding.conv_in.weight": (16, 3, 3, 3)}, "controlnet"),
        ({P + "joint_blocks.0.context_block.attn.qkv.weight": (1, 1)}, "sd3"),
        ({"double_blocks.0.img_attn.norm.key_norm.scale": (128,)}, "flux"),
        (unet() | {P + "input_blocks.1.0.time_stack.in_layers.0.weight": (1,)}, "svd"),
        (unet(linear=True, vector=True) | {"conditioner.embedders.1.model.ln_final.weight": (1280,)}, "sdxl"),
        (unet(linear=True, vector=True) | {"conditioner.embedders.0.model.ln_final.weight": (1280,)}, "sdxl-refiner"),
        (unet(7, linear=True), "upscaler"),
        (unet(linear=True) | {"cond_stage_model.model.ln_final.weight": (1024,)}, "sd2"),
        (unet(9) | {CLIP: (49408, 768)}, "sd1-inpaint"),
        (unet(8) | {CLIP: (49408, 768)}, "sd1-edit"),
        (unet() | {CLIP: (49408, 768)}, "sd1"),
        (unet(), "unet"),
        ({"input_blocks.0.0.weight": (320, 4, 3, 3)}, "unet"),
        ({"down_blocks.0.resnets.0.time_emb_proj.weight": (320, 1280)}, "diffusers-unet"),
        ({"decoder.conv_in.weight": (512, 4, 3, 3)}, "vae"),
        ({"text_model.embeddings.token_embedding.weight": (49408, 768)}, "text"),
        ({"model.1.sub.0.RDB1.conv1.0.weight": (32, 64, 3, 3)}, "esrgan"),
    ],
)
def test_a_file_is_what_its_names_say(tensors: dict[str, tuple[int, ...]], name: str) -> None:
    assert family_of(of(tensors)).name == name


def test_every_family_that_is_only_recognised_has_a_way_out() -> None:
    for family in FAMILIES:
        only = Family(family.name, family.title, lambda _header: True)
        with pytest.raises(CheckpointError, match=r"recognised but not runnable yet; choose a Stable Diffusion 1\.x"):
            build_of(of({"x": (1,)}), (only,))


def test_an_unknown_file_is_described() -> None:
    with pytest.raises(
        CheckpointError, match=r"some\.safetensors: unknown kind of model: 2 tensors, such as a\.weight, b\.bias"
    ):
        family_of(of({"b.bias": (1,), "a.weight": (1, 1)}))


def test_another_table_of_families_can_be_asked() -> None:
    mine = Family("mine", "My model", lambda header: "mine.version" in header.tensors)
    assert family_of(of({"mine.version": ()}), (mine, *FAMILIES)) is mine
