"""Models that see more than a noisy latent agree with diffusers' pipelines, and what they see without being told."""

import json
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from nodeflow.diffusion.checkpoints import Checkpoint, load_checkpoint
from nodeflow.diffusion.conditioning import encode
from nodeflow.diffusion.errors import ValueRuleError
from nodeflow.diffusion.inpainting import edit_of, inpaint_of, told
from nodeflow.diffusion.latent_formats import SD1
from nodeflow.diffusion.latents import empty_latent
from nodeflow.diffusion.sampling import sample
from nodeflow.diffusion.sampling.beside import beside_of
from nodeflow.diffusion.types import Conditioning, Entry, Image, Inpaint, Latent, Mask, Model, Prediction

Relative = Callable[[Tensor, Tensor], float]
SIZE = 32
"""Pixels of a side; the autoencoder here has cells of 2 pixels."""


def pipeline(beside: int) -> Any:
    """A small random model of diffusers that takes so many channels beside the latent."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # what diffusers warns of at import is not ours
        from diffusers import (
            AutoencoderKL,
            EulerDiscreteScheduler,
            StableDiffusionInpaintPipeline,
            StableDiffusionInstructPix2PixPipeline,
            UNet2DConditionModel,
        )
        from transformers import CLIPTextConfig, CLIPTextModel

        kind = StableDiffusionInpaintPipeline if beside == 5 else StableDiffusionInstructPix2PixPipeline
        with torch.random.fork_rng():
            torch.manual_seed(5)
            unet = UNet2DConditionModel(
                sample_size=SIZE // 2,
                in_channels=4 + beside,
                block_out_channels=(32, 64),
                layers_per_block=1,
                down_block_types=("CrossAttnDownBlock2D", "DownBlock2D"),
                up_block_types=("UpBlock2D", "CrossAttnUpBlock2D"),
                cross_attention_dim=64,
                attention_head_dim=4,
            )
            vae = AutoencoderKL(
                down_block_types=("DownEncoderBlock2D",) * 2,
                up_block_types=("UpDecoderBlock2D",) * 2,
                block_out_channels=(32, 64),
            )
            settings = CLIPTextConfig(
                hidden_size=64, intermediate_size=128, num_hidden_layers=1, num_attention_heads=4, vocab_size=49408
            )
            text = CLIPTextModel(settings)
        # With these four timesteps, which are whole numbers, both engines ask the network about the same levels.
        scheduler = EulerDiscreteScheduler(
            beta_start=0.00085, beta_end=0.012, beta_schedule="scaled_linear", timestep_spacing="linspace"
        )
        made = kind(vae, text, None, unet, scheduler, None, None, requires_safety_checker=False)
    made.set_progress_bar_config(disable=True)
    return made


def loaded(pipe: Any, place: Path) -> Checkpoint:
    for name in ("unet", "vae", "text_encoder"):
        getattr(pipe, name).save_pretrained(place / name)
    (place / "model_index.json").write_text(json.dumps({"_class_name": "StableDiffusionPipeline"}))
    return load_checkpoint(place)


@pytest.fixture(scope="module")
def picture() -> Image:
    return Image(torch.rand(1, SIZE, SIZE, 3, generator=torch.Generator().manual_seed(1)))


@pytest.fixture(scope="module")
def texts() -> Tensor:
    return torch.randn(2, 77, 64, generator=torch.Generator().manual_seed(2))


def start(noise: Tensor) -> Tensor:
    """The noise as diffusers scales it, such that it begins as here: with a variance of 1 + sigma^2."""
    highest = 14.6146412
    return noise * (1 + highest**2) ** 0.5 / highest


def test_an_in_painting_model_agrees_with_diffusers(
    picture: Image, texts: Tensor, tmp_path: Path, relative: Relative
) -> None:
    pipe = pipeline(5)
    ours = loaded(pipe, tmp_path)
    assert (ours.model.family, ours.model.beside) == ("sd1-inpaint", 5)
    hidden = torch.zeros(1, SIZE, SIZE)
    hidden[:, 8:24, 4:20] = 1.0
    inpaint, _ = inpaint_of(ours.vae, picture, Mask(hidden))
    with torch.no_grad():
        seen = (picture.pixels.movedim(-1, 1) * 2 - 1) * (hidden[:, None] < 0.5)
        masked = pipe.vae.encode(seen).latent_dist.mode() * pipe.vae.config.scaling_factor
    assert relative(inpaint.latent.samples * SD1.scale, masked) < 1e-5
    noise = torch.randn(1, 4, 16, 16, generator=torch.Generator().manual_seed(3))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # its scheduler uses numpy in a way that is going out of use
        expected = pipe(
            prompt_embeds=texts[:1],
            negative_prompt_embeds=texts[1:],
            image=picture.pixels.movedim(-1, 1) * 2 - 1,
            mask_image=hidden[:, None],
            masked_image_latents=masked,
            height=SIZE,
            width=SIZE,
            strength=1.0,
            num_inference_steps=4,
            guidance_scale=3.0,
            latents=start(noise),
            output_type="latent",
        ).images
    positive, negative = (told(Conditioning((Entry(text[None]),)), inpaint) for text in texts)
    *_, last = sample(ours.model, positive, negative, Latent(torch.zeros(1, 4, 16, 16)), seed=3, steps=4, cfg=3.0)
    assert relative(last.latent.samples * SD1.scale, expected) < 1e-4


def test_an_editing_model_agrees_with_diffusers(
    picture: Image, texts: Tensor, tmp_path: Path, relative: Relative
) -> None:
    # Without guidance by the picture: diffusers' third side sees none, here the negative one sees it too. So compare
    # the network's answer at one level, and one run at scale 1.
    pipe = pipeline(4)
    ours = loaded(pipe, tmp_path)
    assert (ours.model.family, ours.model.beside) == ("sd1-edit", 4)
    edit, _ = edit_of(ours.vae, picture)
    with torch.no_grad():
        seen = pipe.vae.encode(picture.pixels.movedim(-1, 1) * 2 - 1).latent_dist.mode()
    noise = torch.randn(1, 4, 16, 16, generator=torch.Generator().manual_seed(3))
    positive = told(Conditioning((Entry(texts[:1]),)), edit)
    *_, last = sample(ours.model, positive, positive, Latent(torch.zeros(1, 4, 16, 16)), seed=3, steps=4, cfg=1.0)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        pipe.scheduler.set_timesteps(4)
    x = start(noise) * pipe.scheduler.init_noise_sigma
    with torch.no_grad():
        for timestep in pipe.scheduler.timesteps:
            scaled = pipe.scheduler.scale_model_input(x, timestep)
            out = pipe.unet(torch.cat([scaled, seen], dim=1), timestep, encoder_hidden_states=texts[:1]).sample
            x = pipe.scheduler.step(out, timestep, x).prev_sample
    assert relative(last.latent.samples * SD1.scale, x) < 1e-4


@pytest.mark.parametrize(("channels", "family"), [(9, "sd1-inpaint"), (8, "sd1-edit")])
def test_a_single_file_with_more_channels_is_run(
    channels: int, family: str, micro_file: Path, micro: Checkpoint, tmp_path: Path, relative: Relative
) -> None:
    weights, first = load_file(micro_file), "model.diffusion_model.input_blocks.0.0.weight"
    more = torch.zeros(32, channels, 3, 3, dtype=torch.float16)
    more[:, :4] = weights[first]
    save_file(weights | {first: more}, tmp_path / "more.safetensors", {"format": "pt"})
    found = load_checkpoint(tmp_path / "more.safetensors").model
    assert (found.family, found.beside) == (family, channels - 4)
    prompts = encode(micro.clip, "a cat"), encode(micro.clip, "")
    settings: dict[str, Any] = {"seed": 1, "steps": 3, "cfg": 2.0}
    *_, last = sample(found, *prompts, empty_latent(32, 32), **settings)
    *_, expected = sample(micro.model, *prompts, empty_latent(32, 32), **settings)
    # The weights of what is beside are 0, so that the network does what it did.
    assert relative(last.latent.samples, expected.latent.samples) < 1e-5


class Wide(nn.Module):
    """A network that keeps what it sees."""

    def __init__(self) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.zeros(()))

    def forward(self, x: Tensor, timesteps: Tensor, context: Tensor, y: Tensor | None = None) -> Tensor:
        self.seen = x
        return x[:, :4] * self.weight


def wide(beside: int) -> Model:
    return Model(Wide(), Prediction.EPS, SD1, context_dim=8, family="test", beside=beside)


def words(inpaint: Inpaint | None = None) -> Conditioning:
    return Conditioning((Entry(torch.zeros(1, 77, 8), inpaint=inpaint),))


def seen(model: Model, latent: Latent, inpaint: Inpaint | None = None) -> Tensor:
    list(sample(model, words(inpaint), words(inpaint), latent, seed=0, steps=1, cfg=1.0))
    assert isinstance(model.network, Wide)
    return model.network.seen[:, 4:]


def test_an_in_painting_model_that_is_told_nothing_sees_a_grey_picture() -> None:
    found = seen(wide(5), empty_latent(16, 16, 2))
    assert torch.equal(found[:, :1], torch.ones(1, 1, 2, 2))  # row by row on a CPU
    assert found[0, 1:, 0, 0].tolist() == pytest.approx([0.8223, -0.6876, 0.6364, 0.1380])


def test_an_in_painting_model_takes_the_noise_mask_and_the_latent_for_want_of_better() -> None:
    values = torch.zeros(1, 16, 16)
    values[:, :, 8:] = 0.7
    latent = Latent(torch.randn(1, 4, 2, 2), SD1, noise_mask=Mask(values))
    found = seen(wide(5), latent)
    assert found[0, 0].tolist() == [[0.0, 1.0], [0.0, 1.0]]  # rounded
    torch.testing.assert_close(found[:, 1:], latent.samples * SD1.scale)


def test_pictures_of_another_size_are_scaled_and_cut() -> None:
    values = torch.zeros(1, 32, 64)
    values[:, :, 32:] = 1.0
    inpaint = Inpaint(Mask(values), Latent(torch.arange(8.0).repeat(4, 4, 1)[None], SD1))
    found = seen(wide(5), Latent(torch.zeros(1, 4, 2, 2)), inpaint)
    assert found[0, 0].tolist() == [[0.0, 1.0], [0.0, 1.0]]
    torch.testing.assert_close(found[0, 1, 0] / SD1.scale, torch.tensor([2.5, 4.5]))  # of the middle columns 2 to 5
    tall = Inpaint(Mask(values.mT), Latent(inpaint.latent.samples.mT, SD1))
    torch.testing.assert_close(seen(wide(5), Latent(torch.zeros(1, 4, 2, 2)), tall), found.mT)


@pytest.mark.parametrize("wideness", [63, 64])
def test_of_a_very_wide_picture_something_remains_for_a_square(wideness: int) -> None:
    strip = torch.zeros(1, 4, 1, wideness)
    strip[..., 31:33] = 1.0  # its middle
    inpaint = Inpaint(Mask(torch.ones(1, 1, wideness)), Latent(strip, SD1))
    across = seen(wide(5), Latent(torch.zeros(1, 4, 2, 2)), inpaint)
    torch.testing.assert_close(across, torch.cat([torch.ones(1, 1, 2, 2), torch.full((1, 4, 2, 2), SD1.scale)], 1))
    tall = Inpaint(Mask(inpaint.mask.values.mT), Latent(strip.mT, SD1))
    torch.testing.assert_close(seen(wide(5), Latent(torch.zeros(1, 4, 2, 2)), tall), across)


def test_an_editing_model_without_a_picture_sees_zeros() -> None:
    assert not seen(wide(4), Latent(torch.randn(1, 4, 2, 2), SD1)).any()


def test_other_models_see_nothing_beside() -> None:
    latent = empty_latent(16, 16)
    assert beside_of(wide(0), latent, latent.samples) is None
    inpaint = Inpaint(Mask(torch.ones(7, 4, 4)), Latent(torch.zeros(1, 16, 2, 2)))
    assert seen(wide(0), latent, inpaint).shape[1] == 0


@pytest.mark.parametrize(
    ("inpaint", "message"),
    [
        (Inpaint(Mask(torch.ones(1, 4, 4)), Latent(torch.zeros(1, 16, 2, 2))), "16 channels, the model takes 4"),
        (Inpaint(Mask(torch.ones(3, 4, 4)), Latent(torch.zeros(1, 4, 2, 2))), "3 rows in its mask, the latent 1"),
        (Inpaint(Mask(torch.ones(1, 4, 4)), Latent(torch.zeros(2, 4, 2, 2))), "2 rows in its picture, the latent 1"),
    ],
)
def test_pictures_that_do_not_fit_are_refused(inpaint: Inpaint, message: str) -> None:
    with pytest.raises(ValueRuleError, match=message):
        seen(wide(5), empty_latent(16, 16), inpaint)


def test_a_model_of_a_kind_that_is_not_known_is_refused() -> None:
    with pytest.raises(ValueRuleError, match=r"takes 7 channels; 4, and 8 \(editing\) or 9 \(in-painting\), are what"):
        seen(wide(3), empty_latent(16, 16))
