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


def flux(channels: int) -> dict[str, tuple[int, ...]]:
    return {"double_blocks.0.img_attn.norm.key_norm.scale": (128,), "img_in.weight": (3072, channels)}


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
        ({"unet.up.0.attn2.to_k.hada_w1_a": (320, 4), "x.hada_w1_b": (4, 768)}, "lora"),
        ({"lycoris_a.lokr_w1": (4, 4)}, "lora"),
        ({"image_proj.proj.weight": (3072, 1024), "ip_adapter.1.to_k_ip.weight": (320, 768)}, "ip-adapter"),
        ({"adapter.body.0.block1.weight": (1,), "adapter.conv_in.weight": (320, 192, 3, 3)}, "t2i-adapter"),
        ({P + "joint_blocks.0.context_block.attn.qkv.weight": (1, 1)}, "sd3"),
        (flux(64), "flux"),
        (flux(64) | {"guidance_in.in_layer.weight": (3072, 256)}, "flux-dev"),
        (flux(384) | {"guidance_in.in_layer.weight": (3072, 256)}, "flux-fill"),
        (flux(128) | {"guidance_in.in_layer.weight": (3072, 256)}, "flux-control"),
        ({"up_blocks.0.motion_modules.0.proj_in.weight": (1,)}, "motion"),
        (unet(9, linear=True, vector=True) | {"conditioner.embedders.1.model.x": (1,)}, "sdxl-inpaint"),
        (unet(8, linear=True, vector=True) | {"conditioner.embedders.1.model.x": (1,)}, "sdxl-edit"),
        (unet(linear=True, vector=True) | {"embedder.model.visual.proj": (1280, 1024)}, "sd2-unclip"),
        (unet(9, linear=True), "sd2-inpaint"),
        (unet(5, linear=True), "sd2-depth"),
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
        ({"single_transformer_blocks.0.attn.to_q.weight": (1,)}, "diffusers-transformer"),
        ({"taesd_decoder.1.weight": (64, 4, 3, 3)}, "taesd"),
        ({"decoder.conv_in.weight": (512, 4, 3, 3)}, "vae"),
        ({"first_stage_model.decoder.conv_in.weight": (512, 4, 3, 3)}, "vae"),
        ({"vision_model.embeddings.class_embedding": (1024,)}, "clip-vision"),
        ({"encoder.block.0.layer.0.SelfAttention.q.weight": (4096, 4096)}, "t5"),
        ({"emb_params": (8, 768)}, "embedding"),
        ({"clip_g": (2, 1280), "clip_l": (2, 768)}, "embedding"),
        ({"text_model.embeddings.token_embedding.weight": (49408, 768)}, "text"),
        ({"model.1.sub.0.RDB1.conv1.0.weight": (32, 64, 3, 3)}, "esrgan"),
        ({"layers.0.residual_group.blocks.0.attn.qkv.weight": (1, 1)}, "upscale"),
    ],
)
def test_a_file_is_what_its_names_say(tensors: dict[str, tuple[int, ...]], name: str) -> None:
    assert family_of(of(tensors)).name == name


WIDTH_AFTER = {
    "lora": "lora_unet_input_blocks_1_1_transformer_blocks_0_attn2_to_k.lora_down.weight",
    "diffusers lora": "unet.down_blocks.0.attentions.0.transformer_blocks.0.attn2.processor.to_k_lora.down.weight",
    "peft lora": "unet.mid_block.attentions.0.transformer_blocks.0.attn2.to_k.lora_A.weight",
    "controlnet": "control_model.input_blocks.1.1.transformer_blocks.0.attn2.to_k.weight",
    "unet": "down_blocks.0.attentions.0.transformer_blocks.0.attn2.to_k.weight",
}
MARK = {"controlnet": "control_model.input_hint_block.0.weight", "unet": "down_blocks.0.resnets.0.time_emb_proj.bias"}


@pytest.mark.parametrize("kind", WIDTH_AFTER)
@pytest.mark.parametrize(("width", "base"), [(768, "1"), (1024, "2"), (2048, "XL")])
def test_what_an_addition_is_made_for_is_told_by_the_width_of_the_text(kind: str, width: int, base: str) -> None:
    header = of({WIDTH_AFTER[kind]: (8, width), MARK.get(kind, "lora_unet_x.lora_down.weight"): (1,)})
    assert family_of(header).described(header).endswith(f" for Stable Diffusion {base}")


@pytest.mark.parametrize(
    ("tensors", "described"),
    [
        ({"lora_te_text_model_encoder_layers_0_self_attn_q_proj.lora_down.weight": (8, 768)}, "a LoRA for {}1"),
        ({"lora_te2_text_model_encoder_layers_0_self_attn_q_proj.lora_down.weight": (8, 1280)}, "a LoRA for {}XL"),
        ({"transformer.single_transformer_blocks.0.attn.to_q.lora_A.weight": (8, 3072)}, "a LoRA for Flux"),
        ({"transformer.transformer_blocks.0.attn.add_k_proj.lora_A.weight": (8, 1536)}, "a LoRA for {}3"),
        ({"lora_unet_middle_block_1_proj_in.lora_down.weight": (8, 1280)}, "a LoRA"),
        ({"emb_params": (8, 768)}, "an embedding for {}1"),
        ({"<cat>": (1024,)}, "an embedding for {}2"),
        ({"clip_g": (2, 1280), "clip_l": (2, 768)}, "an embedding for {}XL"),
        ({"text_model.embeddings.token_embedding.weight": (49408, 768)}, "a text encoder for {}1"),
        ({"decoder.conv_in.weight": (512, 16, 3, 3)}, "an autoencoder for Flux"),
        ({"decoder.conv_in.weight": (512, 4, 3, 3)}, "an autoencoder"),
        ({"body.0.in_conv.weight": (1,), "conv_in.weight": (320, 768, 3, 3)}, "a T2I-Adapter for {}XL"),
        ({"body.0.in_conv.weight": (1,), "conv_in.weight": (320, 192, 3, 3)}, "a T2I-Adapter for {}1"),
    ],
)
def test_additions_say_what_they_are_for(tensors: dict[str, tuple[int, ...]], described: str) -> None:
    header = of(tensors)
    assert family_of(header).described(header) == described.format("Stable Diffusion ")


def test_whole_published_headers_of_other_families_are_recognised() -> None:
    assert family_of(stripped("sd2")).name == "sd2"
    assert family_of(stripped("sdxl-refiner")).name == "sdxl-refiner"


@pytest.mark.parametrize(
    ("tensors", "message"),
    [
        ({"lora_unet_x_attn2_to_k.lora_down.weight": (8, 2048)}, "it is a LoRA for Stable Diffusion XL, not a .*loras"),
        (
            {"decoder.conv_in.weight": (512, 4, 3, 3)},
            "it is an autoencoder, not a checkpoint; .*folder vae .*VAELoader",
        ),
        ({"emb_params": (8, 768)}, r"embedding for Stable Diffusion 1, .*folder embeddings .*embedding:NAME"),
    ],
)
def test_what_is_no_checkpoint_is_told_where_it_belongs(tensors: dict[str, tuple[int, ...]], message: str) -> None:
    with pytest.raises(CheckpointError, match=message):
        build_of(of(tensors))


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
