"""One sampling run: its items, its steps, and what it refuses."""

import dataclasses
from collections.abc import Callable, Iterator
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from nodeflow.diffusion.checkpoints import Checkpoint
from nodeflow.diffusion.conditioning import encode
from nodeflow.diffusion.errors import NonFiniteError, ValueRuleError
from nodeflow.diffusion.latent_formats import SDXL, LatentFormat
from nodeflow.diffusion.latents import empty_latent
from nodeflow.diffusion.sampling import Step, sample
from nodeflow.diffusion.sampling.table import builtin_table
from nodeflow.diffusion.types import Conditioning, Entry, Item, Latent, Model, Prediction

SETTINGS: dict[str, Any] = {"seed": 1, "steps": 3, "cfg": 2.0}


class Echo(nn.Module):
    """A network that predicts a share of its input, and writes down how it was called."""

    def __init__(self, share: float = 0.5) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.tensor(share))
        self.rows: list[int] = []

    def forward(self, x: Tensor, timesteps: Tensor, context: Tensor, y: Tensor | None = None) -> Tensor:
        self.rows.append(len(x))
        return x * self.weight + context.mean(dim=(1, 2))[:, None, None, None]


def model(share: float = 0.5, prediction: Prediction = Prediction.EPS, **space: float) -> Model:
    return Model(Echo(share), prediction, LatentFormat("test", **space), context_dim=8, family="test")  # type: ignore[arg-type]


def words(value: float = 0.0, features: int = 8, rows: int = 1) -> Conditioning:
    return Conditioning((Entry(torch.full((rows, 77, features), value)),))


def run(network: Model, latent: Latent, **changes: Any) -> list[Step]:
    return list(sample(network, words(0.1), words(), latent, **{**SETTINGS, **changes}))


@pytest.mark.parametrize("sampler", ["euler", "euler_ancestral", "ddim", "dpmpp_2m"])
@pytest.mark.parametrize(("size", "cfg"), [((64, 64), 2.0), ((40, 24), 2.0), ((40, 24), 1.0)])
def test_an_item_alone_equals_its_row_in_the_batch(
    sampler: str, size: tuple[int, int], cfg: float, micro: Checkpoint, relative: Callable[[Tensor, Tensor], float]
) -> None:
    # 1e-6 relative, as documented; on most processors the numbers are equal. The second size has 60 numbers per row,
    # which is no multiple of 16: there torch draws the k-th single noise differently.
    prompts = encode(micro.clip, "a cat"), encode(micro.clip, "")
    batch = empty_latent(*size, batch_size=3)
    settings: dict[str, Any] = {"seed": 7, "steps": 4, "cfg": cfg, "sampler": sampler}
    *_, together = sample(micro.model, *prompts, batch, **settings)
    *_, alone = sample(micro.model, *prompts, batch.select([2]), **settings)
    *_, turned = sample(micro.model, *prompts, batch.select([1, 0]), **settings)
    assert alone.latent.items == (Item(2, 3),)
    assert relative(alone.latent.samples[0], together.latent.samples[2]) < 1e-6
    assert relative(turned.latent.samples[1], together.latent.samples[0]) < 1e-6
    assert relative(turned.latent.samples[0], together.latent.samples[2]) > 0.1


@pytest.mark.parametrize("cfg", [1.0, 2.0])
def test_an_item_of_a_large_batch_is_the_same_alone(
    cfg: float, micro: Checkpoint, relative: Callable[[Tensor, Tensor], float]
) -> None:
    prompts = encode(micro.clip, "a cat"), encode(micro.clip, "")
    batch = empty_latent(64, 64, batch_size=9)
    settings: dict[str, Any] = {"seed": 7, "steps": 2, "cfg": cfg, "sampler": "euler"}
    *_, together = sample(micro.model, *prompts, batch, **settings)
    for row in (0, 8):
        *_, alone = sample(micro.model, *prompts, batch.select([row]), **settings)
        assert relative(alone.latent.samples[0], together.latent.samples[row]) < 1e-6


def test_the_same_seed_gives_the_same_and_another_another(micro: Checkpoint) -> None:
    prompts = encode(micro.clip, "a cat"), encode(micro.clip, "")
    first, again, other = (
        [step.latent.samples for step in sample(micro.model, *prompts, empty_latent(16, 16), **{**SETTINGS, "seed": s})]
        for s in (1, 1, 2)
    )
    assert torch.equal(first[-1], again[-1])
    assert not torch.allclose(first[-1], other[-1])


def test_every_step_tells_where_it_is() -> None:
    steps = run(model(), empty_latent(16, 16))
    assert [(step.index, step.total) for step in steps] == [(0, 3), (1, 3), (2, 3)]
    assert [round(step.sigma, 4) for step in steps] == [14.6146, 1.6156, 0.0292]
    assert steps[0].latent.samples.shape == steps[0].denoised.samples.shape == (1, 4, 2, 2)


def test_the_last_latent_is_the_last_denoised_one() -> None:
    last = run(model(), empty_latent(16, 16))[-1]
    assert torch.allclose(last.latent.samples, last.denoised.samples, atol=1e-6)


def test_nothing_runs_before_the_first_step_is_asked_for() -> None:
    network = model()
    steps: Iterator[Step] = sample(network, words(), words(), empty_latent(16, 16), **SETTINGS)
    assert isinstance(network.network, Echo)
    assert network.network.rows == []
    next(steps)
    assert network.network.rows == [2]  # one call, for the negative and the positive together


def test_without_guidance_the_negative_is_not_evaluated() -> None:
    network = model()
    run(network, empty_latent(16, 16, 2), cfg=1.0)
    assert isinstance(network.network, Echo)
    assert network.network.rows == [1] * 6  # two pictures, three steps, each by itself


def test_without_denoising_there_is_no_step() -> None:
    assert run(model(), empty_latent(16, 16), denoise=0.0) == []


def test_a_run_with_little_denoising_stays_near_its_latent(micro: Checkpoint, golden: dict[str, Tensor]) -> None:
    start = Latent(golden["vae.encode"], micro.model.latent_format)
    prompts = encode(micro.clip, "a cat"), encode(micro.clip, "")
    far, near = (
        [step.latent.samples for step in sample(micro.model, *prompts, start, denoise=share, **SETTINGS)][-1]
        for share in (0.9, 0.05)
    )
    assert (near - start.samples).norm() < (far - start.samples).norm() / 4


def test_latents_are_scaled_for_the_network_and_back() -> None:
    # The network of share 0 predicts no noise, so that x0 = x: the raw latent is what it was, plus noise.
    shifted = model(0.0, scale=2.0, shift=3.0)
    start = Latent(torch.full((1, 4, 2, 2), 5.0), shifted.latent_format)
    last = list(sample(shifted, words(), words(), start, denoise=0.01, seed=0, steps=1, cfg=1.0))[-1]
    assert last.latent.format == shifted.latent_format
    assert (last.latent.samples - 5.0).abs().max() < 0.1


def test_everything_stays_outside_of_autograd() -> None:
    assert not run(model(), empty_latent(16, 16))[-1].latent.samples.requires_grad


def test_the_caller_is_not_put_into_inference_mode() -> None:
    steps = sample(model(), words(), words(), empty_latent(16, 16), **SETTINGS)
    next(steps)
    assert not torch.is_inference_mode_enabled()
    assert torch.is_grad_enabled()


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"seed": -1}, "seed -1"),
        ({"seed": 2**64}, "seed"),
        ({"steps": 0}, "steps 0 is below 1"),
        ({"steps": 10_001}, "steps 10001 is above 10000"),
        ({"start": -1}, "start step -1 is below 0"),
        ({"end": -1}, "end step -1 is below 0"),
        ({"cfg": float("nan")}, "cfg"),
        ({"denoise": 1.5}, "denoise 1.5"),
        ({"sampler": "eulr"}, "did you mean euler"),
        ({"scheduler": "karas"}, "did you mean karras"),
    ],
)
def test_wrong_settings_are_refused(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueRuleError, match=message):
        run(model(), empty_latent(16, 16), **changes)


def test_the_largest_seed_works() -> None:
    assert len(run(model(), empty_latent(16, 16), seed=2**64 - 1)) == 3


@pytest.mark.parametrize(
    ("positive", "latent", "message"),
    [
        (words(features=9), empty_latent(16, 16), "9 features per token, the model takes 8"),
        (words(rows=2), empty_latent(16, 16, 3), "2 rows, the latent 3"),
        (words(), empty_latent(16, 16, channels=16), "16 channels, the model takes 4"),
        (words(), Latent(torch.zeros(1, 4, 2, 2), SDXL), "of space sdxl, the model works in test"),
    ],
)
def test_what_does_not_fit_the_model_is_refused(positive: Conditioning, latent: Latent, message: str) -> None:
    with pytest.raises(ValueRuleError, match=message):
        list(sample(model(), positive, words(), latent, **SETTINGS))


def test_nan_from_the_network_is_an_error_that_names_it() -> None:
    with pytest.raises(NonFiniteError, match=r"UNet produced NaN or infinity at sigma 14\.61, timestep 999"):
        run(model(float("nan")), empty_latent(16, 16))


def test_infinity_from_the_sampler_is_an_error_that_names_it() -> None:
    with pytest.raises(NonFiniteError, match="sampler 'euler' produced NaN or infinity in step 1 of 3"):
        run(model(3e37), empty_latent(16, 16), cfg=1.0)


def test_a_released_model_says_so() -> None:
    network = model()
    network.release()
    with pytest.raises(ValueRuleError, match="this model was released"):
        run(network, empty_latent(16, 16))


def test_flow_models_run_with_samplers_that_can_solve_them() -> None:
    # If the data are all zeros, the best flow is x / sigma, which the network of share 1 gives only at sigma 1: one
    # Euler step from there ends at the data.
    network = model(1.0, Prediction.FLOW)
    (only,) = run(network, empty_latent(16, 16), steps=1, cfg=1.0, scheduler="simple")
    assert torch.allclose(only.latent.samples + 0.1, torch.zeros(1, 4, 2, 2), atol=1e-6)  # 0.1 is what the words add
    with pytest.raises(ValueRuleError, match="cannot solve flow models"):
        run(network, empty_latent(16, 16), sampler="dpmpp_sde")


def test_a_sampler_that_looks_between_levels_leaves_out_the_one_before_the_last() -> None:
    table = builtin_table()
    entry = dataclasses.replace(table.sampler("euler"), drops_penultimate=True)
    table = dataclasses.replace(table, samplers={**table.samplers, "looking": entry})
    steps = run(model(), empty_latent(16, 16), sampler="looking", table=table)
    longer = run(model(), empty_latent(16, 16), steps=4)
    assert [step.sigma for step in steps] == [step.sigma for step in longer[:-1]]
