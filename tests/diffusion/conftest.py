"""A small random network in Stable Diffusion 1's layout, made from seeds, and what another engine computed with it.

Every tensor is drawn from a generator of its own, seeded by its name. The output is 0.95 of the input (by way of the
outermost skip connection) and a little of the random network, so that samples stay bounded.
"""

import hashlib
import math
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file
from torch import Tensor

from nodeflow.diffusion.checkpoints import Checkpoint, load_checkpoint

GOLDEN = Path(__file__).parents[1] / "golden" / "sd1-micro.safetensors"
UNET, VAE, TEXT = "model.diffusion_model.", "first_stage_model.", "cond_stage_model.transformer.text_model."
WIDTH, CONTEXT, NET_SHARE = 32, 64, 0.2
Spec = tuple[str, tuple[int, ...], float | str]
"""Name, shape, and the gain of a weight or what else it is."""


def linear(name: str, out: int, into: int, gain: float = 1.0, bias: bool = True) -> Iterator[Spec]:
    yield f"{name}.weight", (out, into), gain
    if bias:
        yield f"{name}.bias", (out,), "shift"


def conv(name: str, out: int, into: int, size: int = 3, gain: float = 1.0) -> Iterator[Spec]:
    yield f"{name}.weight", (out, into, size, size), gain
    yield f"{name}.bias", (out,), "shift"


def norm(name: str, channels: int) -> Iterator[Spec]:
    yield f"{name}.weight", (channels,), "norm"
    yield f"{name}.bias", (channels,), "shift"


def unet_res(name: str, into: int, out: int) -> Iterator[Spec]:
    yield from norm(f"{name}.in_layers.0", into)
    yield from conv(f"{name}.in_layers.2", out, into, gain=1.4)
    yield from linear(f"{name}.emb_layers.1", out, 4 * WIDTH, gain=1.4)
    yield from norm(f"{name}.out_layers.0", out)
    yield from conv(f"{name}.out_layers.3", out, out)
    if into != out:
        yield from conv(f"{name}.skip_connection", out, into, 1)


def transformer(name: str, channels: int) -> Iterator[Spec]:
    yield from norm(f"{name}.norm", channels)
    yield from conv(f"{name}.proj_in", channels, channels, 1)
    block = f"{name}.transformer_blocks.0"
    for attention, keys in (("attn1", channels), ("attn2", CONTEXT)):
        yield from linear(f"{block}.{attention}.to_q", channels, channels, 1.3, bias=False)
        yield from linear(f"{block}.{attention}.to_k", channels, keys, 1.3, bias=False)
        yield from linear(f"{block}.{attention}.to_v", channels, keys, 1.5, bias=False)
        yield from linear(f"{block}.{attention}.to_out.0", channels, channels)
    yield from linear(f"{block}.ff.net.0.proj", channels * 8, channels)
    yield from linear(f"{block}.ff.net.2", channels, channels * 4)
    for which in ("norm1", "norm2", "norm3"):
        yield from norm(f"{block}.{which}", channels)
    yield from conv(f"{name}.proj_out", channels, channels, 1, 0.5)


def unet() -> Iterator[Spec]:
    """Two levels of one block each, attention everywhere."""
    yield from linear(f"{UNET}time_embed.0", 128, 32, 1.4)
    yield from linear(f"{UNET}time_embed.2", 128, 128, 1.4)
    yield from conv(f"{UNET}input_blocks.0.0", 32, 4)
    yield from conv(f"{UNET}input_blocks.2.0.op", 32, 32)
    yield from conv(f"{UNET}output_blocks.1.2.conv", 64, 64)
    blocks = {"input_blocks.1": (32, 32), "input_blocks.3": (32, 64), "output_blocks.0": (128, 64)}
    blocks |= {"output_blocks.1": (96, 64), "output_blocks.2": (96, 32), "output_blocks.3": (64, 32)}
    for name, (into, out) in blocks.items():
        yield from unet_res(f"{UNET}{name}.0", into, out)
        yield from transformer(f"{UNET}{name}.1", out)
    yield from unet_res(f"{UNET}middle_block.0", 64, 64)
    yield from transformer(f"{UNET}middle_block.1", 64)
    yield from unet_res(f"{UNET}middle_block.2", 64, 64)
    yield from norm(f"{UNET}out.0", 32)
    yield from conv(f"{UNET}out.2", 4, 32, gain=1.7)


def vae_res(name: str, into: int, out: int) -> Iterator[Spec]:
    yield from norm(f"{name}.norm1", into)
    yield from conv(f"{name}.conv1", out, into, gain=1.4)
    yield from norm(f"{name}.norm2", out)
    yield from conv(f"{name}.conv2", out, out)
    if into != out:
        yield from conv(f"{name}.nin_shortcut", out, into, 1)


def vae_middle(name: str) -> Iterator[Spec]:
    yield from vae_res(f"{name}.mid.block_1", 64, 64)
    yield from norm(f"{name}.mid.attn_1.norm", 64)
    for which, gain in (("q", 1.3), ("k", 1.3), ("v", 1.0), ("proj_out", 1.0)):
        yield from conv(f"{name}.mid.attn_1.{which}", 64, 64, 1, gain)
    yield from vae_res(f"{name}.mid.block_2", 64, 64)


def vae() -> Iterator[Spec]:
    """Widths 32, 32, 64, 64 with one block on the way down and two on the way up."""
    widths = (32, 32, 64, 64)
    yield from conv(f"{VAE}encoder.conv_in", 32, 3)
    yield from conv(f"{VAE}decoder.conv_in", 64, 4)
    for level, width in enumerate(widths):
        yield from vae_res(f"{VAE}encoder.down.{level}.block.0", widths[max(level - 1, 0)], width)
        yield from vae_res(f"{VAE}decoder.up.{level}.block.0", widths[min(level + 1, 3)], width)
        yield from vae_res(f"{VAE}decoder.up.{level}.block.1", width, width)
        if level < 3:
            yield from conv(f"{VAE}encoder.down.{level}.downsample.conv", width, width)
        if level > 0:
            yield from conv(f"{VAE}decoder.up.{level}.upsample.conv", width, width)
    for half, channels, out, gain in (("encoder", 64, 8, 3.0), ("decoder", 32, 3, 1.2)):
        yield from vae_middle(f"{VAE}{half}")
        yield from norm(f"{VAE}{half}.norm_out", channels)
        yield from conv(f"{VAE}{half}.conv_out", out, channels, gain=gain)
    yield from conv(f"{VAE}quant_conv", 8, 8, 1, 3.0)
    yield from conv(f"{VAE}post_quant_conv", 4, 4, 1)


def text(layers: int = 2, mlp: int = 128) -> Iterator[Spec]:
    yield f"{TEXT}embeddings.position_ids", (1, 77), "positions"
    yield f"{TEXT}embeddings.token_embedding.weight", (49408, CONTEXT), "tokens"
    yield f"{TEXT}embeddings.position_embedding.weight", (77, CONTEXT), "places"
    deep = 1.5 * (1 / math.sqrt(layers))
    for layer in range(layers):
        name = f"{TEXT}encoder.layers.{layer}"
        for which, gain in (("q_proj", 1.3), ("k_proj", 1.3), ("v_proj", 1.0), ("out_proj", deep)):
            yield from linear(f"{name}.self_attn.{which}", CONTEXT, CONTEXT, gain)
        yield from norm(f"{name}.layer_norm1", CONTEXT)
        yield from linear(f"{name}.mlp.fc1", mlp, CONTEXT)
        yield from linear(f"{name}.mlp.fc2", CONTEXT, mlp, deep)
        yield from norm(f"{name}.layer_norm2", CONTEXT)
    yield from norm(f"{TEXT}final_layer_norm", CONTEXT)


def draw(name: str, shape: tuple[int, ...], kind: float | str) -> Tensor:
    if kind == "positions":
        return torch.arange(shape[-1])[None].clone()
    seed = int.from_bytes(hashlib.sha256(f"0\0{name}".encode()).digest()[:8], "little") >> 1
    x = torch.randn(shape, generator=torch.Generator().manual_seed(seed))
    if kind == "norm":
        return x * 0.1 + 1.0
    if isinstance(kind, str):
        return x * {"shift": 0.05, "tokens": 0.5, "places": 0.2}[kind]
    return x.mul_(kind / math.sqrt(math.prod(shape[1:])))


def wire_skip_path(weights: dict[str, Tensor]) -> None:
    """Makes the UNet pass its input on: channels that hold +x and -x and nothing else, as silu(a) - silu(-a) = a."""
    into, out = f"{UNET}input_blocks.0.0", f"{UNET}output_blocks.3."
    weights[f"{into}.weight"][:4] = 0
    weights[f"{into}.bias"][:4] = 0
    for name in ("0.skip_connection", "0.out_layers.3", "1.proj_out"):
        weights[f"{out}{name}.weight"][:8] = 0
        weights[f"{out}{name}.bias"][:8] = 0
    weights[f"{UNET}out.0.weight"][:8] = 1.0
    weights[f"{UNET}out.0.bias"][:8] = 0.0
    weights[f"{UNET}out.2.weight"] *= NET_SHARE
    weights[f"{UNET}out.2.bias"] *= NET_SHARE
    weights[f"{UNET}out.2.weight"][:, :8] = 0
    for channel in range(4):
        weights[f"{into}.weight"][channel, channel, 1, 1] = 1.0
        for row, sign in ((2 * channel, 1.0), (2 * channel + 1, -1.0)):
            weights[f"{out}0.skip_connection.weight"][row, WIDTH + channel] = sign
            weights[f"{UNET}out.2.weight"][channel, row, 1, 1] = 0.95 * sign


def micro_weights() -> dict[str, Tensor]:
    """All weights of the random checkpoint, in fp16 as they are stored."""
    weights = {name: draw(name, shape, kind) for part in (unet, vae, text) for name, shape, kind in part()}
    wire_skip_path(weights)
    weights[f"{VAE}quant_conv.weight"][4:] *= 0.05  # a small variance of the latent, centred on exp(-10)
    weights[f"{VAE}quant_conv.bias"][4:] = -10.0
    return {name: weight.half() if weight.is_floating_point() else weight for name, weight in weights.items()}


@pytest.fixture(scope="session")
def micro_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The random checkpoint as a file."""
    path = tmp_path_factory.mktemp("checkpoints") / "micro.safetensors"
    save_file(micro_weights(), path, metadata={"format": "pt"})
    return path


@pytest.fixture(scope="session")
def micro(micro_file: Path) -> Checkpoint:
    """The random checkpoint, loaded in fp32 on the CPU."""
    return load_checkpoint(micro_file)


@pytest.fixture(scope="session")
def golden() -> dict[str, Tensor]:
    """What ComfyUI 0.3.64 computed with the random checkpoint; see tests/golden/README.md."""
    return load_file(GOLDEN)


@pytest.fixture(scope="session")
def relative() -> Callable[[Tensor, Tensor], float]:
    """The norm of the difference of two tensors over the norm of the second."""

    def distance(found: Tensor, expected: Tensor) -> float:
        assert found.shape == expected.shape
        return float((found.double() - expected.double()).norm() / expected.double().norm())

    return distance
