"""UNet and autoencoder give what diffusers gives for the same random weights.

Tolerance 1e-5 relative in fp32 on the CPU: two implementations of one network differ by about 1e-6.
"""

import re
import warnings
from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from nodeflow.diffusion.models.unet import UNet, UNetConfig
from nodeflow.diffusion.models.vae import AutoencoderKL, VAEConfig

TOLERANCE = 1e-5
BLOCKS = 2  # residual blocks per level in all networks here

UNET_FIXED = {
    "time_embed.0": "time_embedding.linear_1",
    "time_embed.2": "time_embedding.linear_2",
    "label_emb.0.0": "class_embedding.linear_1",
    "label_emb.0.2": "class_embedding.linear_2",
    "input_blocks.0.0": "conv_in",
    "out.0": "conv_norm_out",
    "out.2": "conv_out",
    "middle_block.0": "mid_block.resnets.0",
    "middle_block.1": "mid_block.attentions.0",
    "middle_block.2": "mid_block.resnets.1",
}
RES = {
    "in_layers.0": "norm1",
    "in_layers.2": "conv1",
    "emb_layers.1": "time_emb_proj",
    "out_layers.0": "norm2",
    "out_layers.3": "conv2",
    "skip_connection": "conv_shortcut",
}


def unet_name(name: str) -> str:
    """The name diffusers has for a weight of ours."""
    for ours, theirs in UNET_FIXED.items():
        if name.startswith(ours + "."):
            name = theirs + name.removeprefix(ours)
    if match := re.match(r"(input|output)_blocks\.(\d+)\.(\d)\.(.*)", name):
        way, index, part, rest = match[1], int(match[2]), int(match[3]), match[4]
        level, block = divmod(index - 1 if way == "input" else index, BLOCKS + 1)
        side = f"{'down' if way == 'input' else 'up'}_blocks.{level}"
        if rest.startswith("op."):
            name = f"{side}.downsamplers.0.conv.{rest.removeprefix('op.')}"
        elif rest.startswith("conv."):
            name = f"{side}.upsamplers.0.{rest}"
        else:
            name = f"{side}.{'attentions' if part else 'resnets'}.{block}.{rest}"
    for ours, theirs in RES.items():
        name = name.replace(f".{ours}.", f".{theirs}.")
    return name


def vae_name(name: str, levels: int) -> str:
    """The name diffusers has for a weight of ours."""
    name = re.sub(r"encoder\.down\.(\d)\.block", r"encoder.down_blocks.\1.resnets", name)
    name = re.sub(r"encoder\.down\.(\d)\.downsample", r"encoder.down_blocks.\1.downsamplers.0", name)
    for kind, theirs in (("block", "resnets"), ("upsample", "upsamplers.0")):
        pattern = rf"decoder\.up\.(\d)\.{kind}"
        name = re.sub(pattern, lambda m, to=theirs: f"decoder.up_blocks.{levels - 1 - int(m[1])}.{to}", name)
    name = name.replace("nin_shortcut", "conv_shortcut").replace("norm_out", "conv_norm_out")
    name = re.sub(r"mid\.block_(\d)", lambda m: f"mid_block.resnets.{int(m[1]) - 1}", name)
    for ours, theirs in (("norm", "group_norm"), ("q", "to_q"), ("k", "to_k"), ("v", "to_v"), ("proj_out", "to_out.0")):
        name = name.replace(f"mid.attn_1.{ours}.", f"mid_block.attentions.0.{theirs}.")
    return name


def randomised(network: nn.Module) -> dict[str, Tensor]:
    """Gives every weight of a network a random value of a sensible size, and returns them."""
    generator = torch.Generator().manual_seed(0)
    for name, weight in network.named_parameters():
        spread = weight[0].numel() ** -0.5 if weight.ndim > 1 else 0.1
        mean = 1.0 if name.endswith("weight") and weight.ndim == 1 else 0.0
        weight.data = mean + spread * torch.randn(weight.shape, generator=generator)
    network.eval().requires_grad_(False)
    return dict(network.state_dict())


def diffusers_unet(**changes: Any) -> nn.Module:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # what diffusers warns of at import is not ours
        from diffusers import UNet2DConditionModel
    network: nn.Module = UNet2DConditionModel(layers_per_block=BLOCKS, norm_num_groups=8, **changes).eval()
    return network


def diffusers_vae(**changes: Any) -> Any:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        from diffusers import AutoencoderKL as Peer
    return Peer(layers_per_block=BLOCKS, norm_num_groups=8, latent_channels=4, **changes).eval()


SD1 = UNetConfig(
    model_channels=16,
    channel_mult=(1, 2),
    num_res_blocks=(2, 2),
    transformer_depth=(1, 1, 0, 0),
    transformer_depth_output=(1, 1, 1, 0, 0, 0),
    context_dim=24,
    num_heads=4,
    norm_groups=8,
)
SD1_PEER: dict[str, Any] = {
    "block_out_channels": (16, 32),
    "down_block_types": ("CrossAttnDownBlock2D", "DownBlock2D"),
    "up_block_types": ("UpBlock2D", "CrossAttnUpBlock2D"),
    "cross_attention_dim": 24,
    "attention_head_dim": 4,
}
XL = UNetConfig(
    model_channels=16,
    channel_mult=(1, 2, 4),
    num_res_blocks=(2, 2, 2),
    transformer_depth=(0, 0, 1, 1, 2, 2),
    transformer_depth_output=(0, 0, 0, 1, 1, 1, 2, 2, 2),
    transformer_depth_middle=2,
    context_dim=24,
    use_linear=True,
    adm_in_channels=20,
    num_heads=None,
    num_head_channels=16,
    norm_groups=8,
)
XL_PEER: dict[str, Any] = {
    "block_out_channels": (16, 32, 64),
    "down_block_types": ("DownBlock2D", "CrossAttnDownBlock2D", "CrossAttnDownBlock2D"),
    "up_block_types": ("CrossAttnUpBlock2D", "CrossAttnUpBlock2D", "UpBlock2D"),
    "cross_attention_dim": 24,
    "attention_head_dim": (1, 2, 4),
    "transformer_layers_per_block": (1, 1, 2),
    "use_linear_projection": True,
    "class_embed_type": "projection",
    "projection_class_embeddings_input_dim": 20,
}


@pytest.mark.parametrize(("config", "peer"), [(SD1, SD1_PEER), (XL, XL_PEER)], ids=["sd1", "xl"])
@pytest.mark.parametrize("size", [(8, 8), (17, 13)])
def test_the_unet_agrees_with_diffusers(
    config: UNetConfig, peer: dict[str, Any], size: tuple[int, int], relative: Callable[[Tensor, Tensor], float]
) -> None:
    ours, theirs = UNet(config), diffusers_unet(**peer)
    theirs.load_state_dict({unet_name(name): weight for name, weight in randomised(ours).items()})
    torch.manual_seed(1)
    x, context = torch.randn(2, 4, *size), torch.randn(2, 77, 24)
    timesteps = torch.tensor([999.0, 20.0])
    vector = torch.randn(2, 20) if config.adm_in_channels else None
    with torch.inference_mode():
        found = ours(x, timesteps, context, vector)
        expected = theirs(x, timesteps, context, class_labels=vector).sample
    assert float(expected.std()) > 0.1
    assert relative(found, expected) < TOLERANCE


@pytest.mark.parametrize("size", [(32, 32), (24, 40)])
def test_the_autoencoder_agrees_with_diffusers(
    size: tuple[int, int], relative: Callable[[Tensor, Tensor], float]
) -> None:
    ours = AutoencoderKL(VAEConfig(channels=16, channel_mult=(1, 2, 2), num_res_blocks=BLOCKS, norm_groups=8))
    theirs = diffusers_vae(
        block_out_channels=(16, 32, 32),
        down_block_types=("DownEncoderBlock2D",) * 3,
        up_block_types=("UpDecoderBlock2D",) * 3,
    )
    shapes = {name: weight.shape for name, weight in theirs.state_dict().items()}
    weights = {vae_name(name, 3): weight for name, weight in randomised(ours).items()}
    # diffusers keeps the 1x1 convolutions of the attention as matrices.
    theirs.load_state_dict({name: weight.reshape(shapes[name]) for name, weight in weights.items()})
    torch.manual_seed(1)
    picture = torch.rand(2, 3, *size) * 2 - 1
    with torch.inference_mode():
        mean, logvar = ours.encode_moments(picture)
        posterior = theirs.encode(picture).latent_dist
        assert relative(mean, posterior.mean) < TOLERANCE
        assert relative(logvar, posterior.logvar) < TOLERANCE
        assert relative(ours.decode(mean), theirs.decode(mean).sample) < TOLERANCE
