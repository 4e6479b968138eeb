"""Folders of diffusers and single parts, loaded and held against what diffusers itself computes."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from diffusers import AutoencoderKL, UNet2DConditionModel
from safetensors.torch import load_file, save_file
from torch import Tensor
from transformers import CLIPTextConfig, CLIPTextModel

from nodeflow.diffusion.autoencoding import decode
from nodeflow.diffusion.checkpoints import Checkpoint, load_checkpoint
from nodeflow.diffusion.checkpoints.diffusersnames import unet_renaming, vae_renaming
from nodeflow.diffusion.checkpoints.keymaps import CLIP_L, UNET, VAE
from nodeflow.diffusion.checkpoints.singles import load_clip, load_model, load_vae
from nodeflow.diffusion.conditioning import encode
from nodeflow.diffusion.errors import CheckpointError
from nodeflow.diffusion.types import Latent

Distance = Callable[[Tensor, Tensor], float]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A small random model as diffusers itself writes it."""
    place = tmp_path_factory.mktemp("models") / "small"
    with torch.random.fork_rng():
        torch.manual_seed(5)
        UNet2DConditionModel(
            block_out_channels=(32, 64),
            layers_per_block=1,
            down_block_types=("CrossAttnDownBlock2D", "DownBlock2D"),
            up_block_types=("UpBlock2D", "CrossAttnUpBlock2D"),
            cross_attention_dim=64,
            attention_head_dim=4,
        ).save_pretrained(place / "unet")
        AutoencoderKL(
            down_block_types=("DownEncoderBlock2D",) * 2,
            up_block_types=("UpDecoderBlock2D",) * 2,
            block_out_channels=(32, 64),
            scaling_factor=0.5,
        ).half().save_pretrained(place / "vae", variant="fp16")
        settings = CLIPTextConfig(
            hidden_size=64, intermediate_size=128, num_hidden_layers=2, num_attention_heads=4, vocab_size=49408
        )
        CLIPTextModel(settings).save_pretrained(place / "text_encoder")
    (place / "model_index.json").write_text(json.dumps({"_class_name": "StableDiffusionPipeline"}))
    (place / "scheduler").mkdir()
    (place / "scheduler/scheduler_config.json").write_text(json.dumps({"prediction_type": "v_prediction"}))
    return place


@pytest.fixture(scope="module")
def loaded(folder: Path) -> Checkpoint:
    return load_checkpoint(folder)


def test_a_folder_computes_what_diffusers_computes(loaded: Checkpoint, folder: Path, relative: Distance) -> None:
    x, context = torch.randn(2, 4, 9, 7), torch.randn(2, 77, 64)
    t = torch.tensor([3, 700])
    unet = UNet2DConditionModel.from_pretrained(folder / "unet")
    vae = AutoencoderKL.from_pretrained(folder / "vae", variant="fp16", torch_dtype=torch.float32)
    with torch.no_grad():
        assert relative(loaded.model.network(x, t, context), unet(x, t, context).sample) < 1e-5
        z = torch.randn(1, 4, 8, 8)
        pixels = (vae.decode(z).sample / 2 + 0.5).clamp(0, 1).movedim(1, -1)
    assert relative(decode(loaded.vae, Latent(z)).pixels, pixels) < 1e-5
    assert loaded.vae.latent_format.scale == 0.5
    assert loaded.model.prediction == "v"


def test_text_of_a_folder_is_encoded_as_transformers_does(loaded: Checkpoint, folder: Path, relative: Distance) -> None:
    tokens = loaded.clip.tokenizer
    text = CLIPTextModel.from_pretrained(folder / "text_encoder")
    assert tokens is not None
    ids = torch.tensor([[49406, 2368, *[49407] * 75]])
    with torch.no_grad():
        ours = loaded.clip.network(input_ids=ids).last_hidden_state
        assert relative(ours, text(input_ids=ids).last_hidden_state) < 1e-5
    assert encode(loaded.clip, "a cat").entries[0].context.shape == (1, 77, 64)


def test_the_table_of_contents_stands_for_its_folder(folder: Path, loaded: Checkpoint) -> None:
    again = load_checkpoint(folder / "model_index.json")
    assert all(map(torch.equal, again.model.network.parameters(), loaded.model.network.parameters()))


def test_a_folder_and_the_same_weights_in_one_file_are_the_same_model(folder: Path, tmp_path: Path) -> None:
    unet = load_file(folder / "unet/diffusion_pytorch_model.safetensors")
    vae = load_file(folder / "vae/diffusion_pytorch_model.fp16.safetensors")
    text = load_file(folder / "text_encoder/model.safetensors")
    names, others = unet_renaming(unet), vae_renaming(vae)
    weights = {UNET.prefix + str(names.to_ours(name)): weight for name, weight in unet.items()}
    weights |= {VAE.prefix + str(others.to_ours(name)): weight for name, weight in vae.items()}
    weights |= {f"{CLIP_L.prefix}text_model.{n.removeprefix('text_model.')}": weight for n, weight in text.items()}
    settings = {"unet": {"num_heads": 4}, "text": {"heads": 4}, "latent": {"scale": 0.5}, "prediction": "v"}
    save_file(weights, tmp_path / "one.safetensors", {"nodeflow.config": json.dumps(settings)})
    for one, many in zip(load_checkpoint(tmp_path / "one.safetensors"), load_checkpoint(folder), strict=True):
        found = dict(many.network.named_parameters())
        assert all(torch.equal(weight, found[name]) for name, weight in one.network.named_parameters())


@pytest.mark.parametrize("part", ["unet", "vae", "text_encoder"])
def test_a_missing_part_is_named(part: str, folder: Path, tmp_path: Path) -> None:
    copy = shutil.copytree(folder, tmp_path / "copy")
    shutil.rmtree(copy / part)
    with pytest.raises(CheckpointError, match=f"^copy/{part}: the folder with the .* is missing; download"):
        load_checkpoint(copy)
    (copy / part).mkdir()
    with pytest.raises(CheckpointError, match=f"^copy/{part}: the weights of the .* are missing; expected diffusion"):
        load_checkpoint(copy)
    (copy / part / "pytorch_model.bin").touch()
    with pytest.raises(CheckpointError, match=r"there is only pytorch_model\.bin, a pickled file.*nodeflow convert"):
        load_checkpoint(copy)
    (copy / part / "pytorch_model.bin").unlink()
    (copy / part / "model.safetensors.index.json").touch()
    with pytest.raises(CheckpointError, match="in several files"):
        load_checkpoint(copy)
    save_file({"a": torch.zeros(1)}, copy / part / "model.safetensors")
    with pytest.raises(CheckpointError, match=f"^copy/{part}/model.safetensors: there is no .* in it"):
        load_checkpoint(copy)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (
            None,
            "there is no model_index.json, so it is no model folder of diffusers; download .* or load a single file",
        ),
        ("{", r"^copy/model_index.json: not usable as JSON: Expecting .*\(char 1\); download it again$"),
        ("[" * 100_000, "^copy/model_index.json: not usable as JSON: it is nested too deeply; download it again$"),
        ('{"a": ' + "1" * 5000 + "}", "JSON: Exceeds the limit .* value has 5000 digits; download it again$"),
        ('{"a": "' + "x" * 2**20 + '"}', "^copy/model_index.json: larger than 1,048,576 bytes, so no settings; downl"),
        ("[]", "copy/model_index.json: not a table of settings; download it again"),
        ('{"_class_name": "StableDiffusionXLPipeline"}', "it is Stable Diffusion XL .* recognised but not runnable"),
    ],
)
def test_a_folder_of_another_kind_is_told(content: str | None, message: str, tmp_path: Path) -> None:
    copy = tmp_path / "copy"
    copy.mkdir()
    if content is not None:
        (copy / "model_index.json").write_text(content)
    with pytest.raises(CheckpointError, match=message):
        load_checkpoint(copy)


def test_contents_that_are_a_folder_or_no_text_are_told(tmp_path: Path) -> None:
    (tmp_path / "copy/model_index.json").mkdir(parents=True)
    with pytest.raises(CheckpointError, match=r"^copy: there is no model_index\.json"):
        load_checkpoint(tmp_path / "copy")
    (tmp_path / "copy/model_index.json").rmdir()
    (tmp_path / "copy/model_index.json").write_bytes(b'{"a": "\xff"}')
    with pytest.raises(CheckpointError, match=r"not usable as JSON: it is no text in UTF-8; download it again$"):
        load_checkpoint(tmp_path / "copy")


@pytest.mark.parametrize(
    ("header", "message"),
    [
        (b'{"a": ' + b"[" * 100_000, "it is nested too deeply"),
        (b'{"a": 1', r"Expecting ',' delimiter: line 1 column 8 \(char 7\)"),
        (b"[]", "not a table of tensors"),
    ],
)
def test_a_damaged_header_is_said_with_the_part_it_belongs_to(header: bytes, message: str, tmp_path: Path) -> None:
    (tmp_path / "copy/unet").mkdir(parents=True)
    (tmp_path / "copy/model_index.json").write_text("{}")
    file = tmp_path / "copy/unet/diffusion_pytorch_model.safetensors"
    file.write_bytes(len(header).to_bytes(8, "little") + header)
    with pytest.raises(CheckpointError, match=f"^copy/unet/{file.name}: damaged header: {message}; download it again$"):
        load_checkpoint(tmp_path / "copy")


def equal(one: torch.nn.Module, other: torch.nn.Module) -> bool:
    found = dict(other.named_parameters())
    return all(torch.equal(weight, found[name]) for name, weight in one.named_parameters())


def test_parts_are_loaded_out_of_files_of_every_layout(folder: Path, loaded: Checkpoint, tmp_path: Path) -> None:
    """Heads and groups are those of Stable Diffusion where a file has no settings; the weights are all the same."""
    vae = load_vae(folder / "vae/diffusion_pytorch_model.fp16.safetensors")
    assert equal(vae.network, loaded.vae.network)
    model = load_model(folder / "unet/diffusion_pytorch_model.safetensors")
    assert equal(model.network, loaded.model.network)
    assert (model.family, model.prediction) == ("sd1", "eps")
    clip = load_clip(folder / "text_encoder/model.safetensors")
    assert equal(clip.network, loaded.clip.network)


def test_parts_are_loaded_bare_or_out_of_a_checkpoint(micro: Checkpoint, micro_file: Path, tmp_path: Path) -> None:
    weights = load_file(micro_file)
    prefixes = (UNET.prefix, VAE.prefix, CLIP_L.prefix)
    loaders = (load_model, load_vae, load_clip)
    wanted = (micro.model, micro.vae, micro.clip)
    for prefix, load, value in zip(prefixes, loaders, wanted, strict=True):
        assert equal(load(micro_file).network, value.network)  # type: ignore[operator]
        bare = tmp_path / f"{prefix}safetensors"
        save_file({n.removeprefix(prefix): w for n, w in weights.items() if n.startswith(prefix)}, bare)
        assert equal(load(bare).network, value.network)  # type: ignore[operator]


def test_a_file_without_the_part_says_what_it_is(folder: Path, tmp_path: Path) -> None:
    lora = tmp_path / "style.safetensors"
    save_file({"lora_unet_attn2_to_k.lora_down.weight": torch.zeros(4, 768)}, lora)
    for load in (load_model, load_vae, load_clip):
        with pytest.raises(CheckpointError, match=r"^style\.safetensors: there is no .*: it is a LoRA .*folder loras"):
            load(lora)


def test_a_network_of_another_family_is_not_loaded(tmp_path: Path) -> None:
    unet = tmp_path / "unet.safetensors"
    names = {"input_blocks.0.0.weight": (320, 4, 3, 3), "input_blocks.1.1.proj_in.weight": (320, 320)}
    save_file({name: torch.zeros(shape) for name, shape in names.items()}, unet)
    with pytest.raises(CheckpointError, match="the UNet of Stable Diffusion 2, which is recognised but not runnable"):
        load_model(unet)
