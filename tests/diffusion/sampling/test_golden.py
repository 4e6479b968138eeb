"""The samplers, image-to-image and in-painting agree with another engine, number for number.

Tolerance 1e-4 relative on final latents, in fp32 on the CPU: eight steps of guided sampling amplify the rounding of two
implementations of one network (1e-6 per call) to 9e-6 at most here, while another solver differs by 1e-2 or more.
"""

from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from safetensors import safe_open
from torch import Tensor

from nodeflow.diffusion.checkpoints import Checkpoint
from nodeflow.diffusion.conditioning import encode
from nodeflow.diffusion.latents import empty_latent
from nodeflow.diffusion.sampling import sample
from nodeflow.diffusion.types import Conditioning, Latent, Mask

TOLERANCE = 1e-4
with safe_open(Path(__file__).parents[2] / "golden" / "sd1-micro.safetensors", "pt") as numbers:
    CASES = [tuple(key.split(".")[1:]) for key in sorted(numbers.keys()) if key.startswith("sample.")]
"""All that the file holds: sampler and scheduler."""


@pytest.fixture(scope="module")
def prompts(micro: Checkpoint) -> tuple[Conditioning, Conditioning]:
    return encode(micro.clip, "a photo of a (cat:1.3)"), encode(micro.clip, "blurry")


def result(
    micro: Checkpoint,
    prompts: tuple[Conditioning, Conditioning],
    latent: Latent,
    sampler: str,
    scheduler: str,
    denoise: float = 1.0,
) -> Tensor:
    settings = {"seed": 42, "steps": 8, "cfg": 3.0}
    *_, last = sample(micro.model, *prompts, latent, sampler=sampler, scheduler=scheduler, denoise=denoise, **settings)
    assert (last.index, last.total) == (7, 8)
    return last.latent.samples


@pytest.mark.parametrize(("sampler", "scheduler"), CASES)
def test_a_sampler_agrees_with_comfyui(
    sampler: str,
    scheduler: str,
    micro: Checkpoint,
    prompts: tuple[Conditioning, Conditioning],
    golden: dict[str, Tensor],
    relative: Callable[[Tensor, Tensor], float],
) -> None:
    found = result(micro, prompts, empty_latent(64, 64, 2), sampler, scheduler)
    assert relative(found, golden[f"sample.{sampler}.{scheduler}"]) < TOLERANCE


def test_image_to_image_agrees_with_comfyui(
    micro: Checkpoint,
    prompts: tuple[Conditioning, Conditioning],
    golden: dict[str, Tensor],
    relative: Callable[[Tensor, Tensor], float],
) -> None:
    start = Latent(golden["vae.encode"], micro.vae.latent_format)
    found = result(micro, prompts, start, "euler", "karras", denoise=0.5)
    assert relative(found, golden["img2img.euler.0.5"]) < TOLERANCE


def test_a_noise_mask_agrees_with_comfyui(
    micro: Checkpoint,
    prompts: tuple[Conditioning, Conditioning],
    golden: dict[str, Tensor],
    relative: Callable[[Tensor, Tensor], float],
) -> None:
    mask = torch.zeros(1, 64, 64)
    mask[:, 16:48, 16:48] = 1
    start = Latent(golden["vae.encode"], micro.vae.latent_format, noise_mask=Mask(mask))
    found = result(micro, prompts, start, "euler", "normal")
    assert relative(found, golden["inpaint.euler"]) < TOLERANCE
    assert torch.allclose(found[..., 0], golden["vae.encode"][..., 0], atol=1e-5)  # outside of the mask it stays
