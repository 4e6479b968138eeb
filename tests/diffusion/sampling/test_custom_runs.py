"""Runs put together from parts: parts of a schedule, given levels, options, silent noise, and what is refused."""

import dataclasses
from collections.abc import Callable, Iterator
from typing import Any

import pytest
import torch
from diffusers import LCMScheduler
from torch import Tensor, nn

from nodeflow.diffusion.checkpoints import Checkpoint
from nodeflow.diffusion.conditioning import encode
from nodeflow.diffusion.errors import NonFiniteError, ValueRuleError
from nodeflow.diffusion.latent_formats import LatentFormat
from nodeflow.diffusion.latents import empty_latent
from nodeflow.diffusion.protocols import Guidance
from nodeflow.diffusion.sampling.guidance import steered
from nodeflow.diffusion.sampling.masked import Graded, Masked, Progress
from nodeflow.diffusion.sampling.names import SAMPLERS
from nodeflow.diffusion.sampling.noise import ItemNoise
from nodeflow.diffusion.sampling.prediction import NetworkDenoiser, scaled_linear_levels
from nodeflow.diffusion.sampling.run import sample, sample_custom, sigmas_of, steps_of
from nodeflow.diffusion.sampling.schedules import karras
from nodeflow.diffusion.sampling.solvers.step import Move
from nodeflow.diffusion.sampling.steps import Raw, Step, Watch
from nodeflow.diffusion.sampling.table import SamplerTable, builtin_table
from nodeflow.diffusion.types import (
    Conditioning,
    Entry,
    Guider,
    Item,
    Latent,
    Mask,
    Model,
    NoiseChoice,
    Prediction,
    SamplerChoice,
    Sigmas,
)

SPACE = LatentFormat("test", scale=0.5)
SETTINGS: dict[str, Any] = {"seed": 3, "steps": 8, "cfg": 3.0}
Prompts = tuple[Conditioning, Conditioning]


class Share(nn.Module):
    """A network that predicts a share of its input, and counts its calls."""

    def __init__(self, share: float) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.tensor(share))
        self.calls = 0

    def forward(self, x: Tensor, timesteps: Tensor, context: Tensor, y: Tensor | None = None) -> Tensor:
        self.calls += 1
        return x * self.weight


def model(share: float = 0.5, prediction: Prediction = Prediction.EPS, **marks: Any) -> Model:
    return Model(Share(share), prediction, SPACE, context_dim=8, family="test", **marks)


def words(rows: int = 1) -> Conditioning:
    return Conditioning((Entry(torch.zeros(rows, 77, 8)),))


def custom(
    network: Model,
    sigmas: tuple[float, ...],
    latent: Latent | None = None,
    choice: SamplerChoice | None = None,
    noise: NoiseChoice | None = None,
    table: SamplerTable | None = None,
) -> list[Step]:
    start = empty_latent(16, 16) if latent is None else latent
    given = (Sigmas(sigmas), choice or SamplerChoice("euler"), noise or NoiseChoice(1))
    return list(sample_custom(Guider(network, words()), start, *given, table=table))


@pytest.fixture(scope="module")
def prompts(micro: Checkpoint) -> Prompts:
    return encode(micro.clip, "a cat"), encode(micro.clip, "")


def last(steps: Iterator[Step]) -> Latent:
    *_, end = steps
    return end.latent


@pytest.mark.parametrize("sampler", ["euler", "ddim"])
def test_two_runs_of_some_steps_are_one_of_all(
    sampler: str, micro: Checkpoint, prompts: Prompts, relative: Callable[[Tensor, Tensor], float]
) -> None:
    # 1e-5 for the way through the raw space and back; a method of several steps would start anew in the second run.
    latent, whole = empty_latent(32, 32), {**SETTINGS, "sampler": sampler}
    once = last(sample(micro.model, *prompts, latent, **whole))
    first = last(sample(micro.model, *prompts, latent, **whole, end=4, leftover_noise=True))
    second = last(sample(micro.model, *prompts, first, **whole, start=4, add_noise=False))
    assert relative(second.samples, once.samples) < 1e-5
    assert relative(first.samples, once.samples) > 0.1


def test_without_leftover_noise_the_first_steps_end_in_a_picture(micro: Checkpoint, prompts: Prompts) -> None:
    *_, end = sample(micro.model, *prompts, empty_latent(32, 32), **SETTINGS, end=4)
    assert (end.index, end.total) == (3, 4)
    assert torch.allclose(end.latent.samples, end.denoised.samples, atol=1e-5)


def test_a_run_that_starts_beyond_its_end_has_no_step() -> None:
    network = model()
    assert list(sample(network, words(), words(), empty_latent(16, 16), **SETTINGS, start=8)) == []
    assert list(sample(network, words(), words(), empty_latent(16, 16), **SETTINGS, start=5, end=5)) == []
    assert network.network.calls == 0  # type: ignore[union-attr]


def test_given_levels_and_those_of_a_schedule_are_one_run(micro: Checkpoint, prompts: Prompts) -> None:
    latent = empty_latent(32, 32, 2)
    settings: dict[str, Any] = {"sampler": "euler_ancestral", "scheduler": "karras", "denoise": 0.7}
    named = last(sample(micro.model, *prompts, latent, **SETTINGS, **settings))
    sigmas = sigmas_of(micro.model, "euler_ancestral", "karras", 8, 0.7)
    guider = Guider(micro.model, *prompts, 3.0)
    given = last(sample_custom(guider, latent, sigmas, SamplerChoice("euler_ancestral"), NoiseChoice(3)))
    assert torch.equal(named.samples, given.samples)


def test_silent_noise_leaves_the_latent_and_keeps_the_noise_of_the_steps() -> None:
    # The network of share 0 predicts no noise: Euler stays where it starts, and the ancestral one adds its own.
    start = Latent(torch.randn(1, 4, 2, 2), SPACE)
    (only,) = custom(model(0.0), (2.0, 1.0), start, noise=NoiseChoice(5, silent=True))
    torch.testing.assert_close(only.latent.samples, start.samples)
    (only,) = custom(model(0.0), (2.0, 1.0), start, SamplerChoice("euler_ancestral"), NoiseChoice(5, silent=True))
    added = ItemNoise(5, [Item(0, 1)], (4, 2, 2))() * (0.75**0.5)  # the split of a step from 2 to 1
    torch.testing.assert_close(only.latent.samples - start.samples, added / SPACE.scale)


def test_options_override_what_a_sampler_stands_for() -> None:
    table = builtin_table()
    seen: dict[str, object] = {}

    def solve(
        denoiser: object, x: Tensor, sigmas: Tensor, noise: object, *, eta: float = 1.0, order: int = 2
    ) -> Iterator[Move]:
        seen.update(eta=eta, order=order)
        yield Move(x, x, float(sigmas[0]))

    table = table.with_sampler("mine", solve)
    mine = dataclasses.replace(table.sampler("mine"), options={"order": 3})
    table = dataclasses.replace(table, samplers={**table.samplers, "mine": mine})
    custom(model(), (1.0, 0.0), choice=SamplerChoice("mine", {"eta": 0.5}), table=table)
    assert seen == {"eta": 0.5, "order": 3}
    with pytest.raises(ValueRuleError, match="sampler 'mine' has no option 'etta'; it has eta, order"):
        custom(model(), (1.0, 0.0), choice=SamplerChoice("mine", {"etta": 0.5}), table=table)
    plain = table.with_sampler("plain", lambda denoiser, x, sigmas, noise: iter([Move(x, x, 1.0)]))
    with pytest.raises(ValueRuleError, match="sampler 'plain' has no option 'eta'; it has none"):
        custom(model(), (1.0, 0.0), choice=SamplerChoice("plain", {"eta": 0.5}), table=plain)


@pytest.mark.parametrize("values", [(), (3.0,), (0.0,), (0.0, 0.0)])
def test_fewer_than_two_different_levels_are_no_step(values: tuple[float, ...]) -> None:
    assert custom(model(), values) == []


def test_a_level_that_follows_itself_is_no_step() -> None:
    steps = custom(model(), (4.0, 2.0, 2.0, 0.0))
    assert [(step.index, step.total, step.sigma) for step in steps] == [(0, 2, 4.0), (1, 2, 2.0)]


def test_a_sampler_that_decides_on_its_steps_promises_no_number() -> None:
    table = builtin_table()
    euler = dataclasses.replace(table.sampler("euler"), own_steps=True)
    table = dataclasses.replace(table, samplers={"mine": euler})
    assert steps_of("mine", Sigmas((1.0, 0.5, 0.0)), table=table) is None
    steps = custom(model(), (1.0, 0.5, 0.0), choice=SamplerChoice("mine"), table=table)
    assert [step.total for step in steps] == [None, None]


def test_euler_finds_the_noise_that_a_picture_comes_of(
    micro: Checkpoint, prompts: Prompts, relative: Callable[[Tensor, Tensor], float]
) -> None:
    # Up and down again over 200 steps; Euler's error at that many is a few per cent.
    start = last(sample(micro.model, *prompts, empty_latent(32, 32), seed=1, steps=8, cfg=1.0))
    guider, silent = Guider(micro.model, prompts[0]), NoiseChoice(0, silent=True)
    down = sigmas_of(micro.model, "euler", "karras", 100)
    up = Sigmas((1e-4, *reversed(down.values[:-1])))
    noise = last(sample_custom(guider, start, up, SamplerChoice("euler"), silent))
    again = last(sample_custom(guider, noise, down, SamplerChoice("euler"), silent))
    assert float(noise.samples.std()) * micro.model.latent_format.scale == pytest.approx(14.6, rel=0.3)
    assert relative(again.samples, start.samples) < 0.1


@pytest.mark.parametrize(
    ("sigmas", "sampler", "message"),
    [
        ((2.0, 1.0, 1.5), "euler", "fall all the way, or rise all the way"),
        ((0.0, 1.0), "euler", "must start above 0"),
        ((1.0, 2.0), "euler_ancestral", "sampler 'euler_ancestral' cannot go from low sigmas to high ones"),
        ((1.0, 0.0), "eulr", "did you mean euler"),
    ],
)
def test_levels_that_no_sampler_can_take_are_refused(sigmas: tuple[float, ...], sampler: str, message: str) -> None:
    network = model()
    with pytest.raises(ValueRuleError, match=message):
        custom(network, sigmas, choice=SamplerChoice(sampler))
    assert network.network.calls == 0  # type: ignore[union-attr]


def test_levels_above_one_are_none_of_a_flow() -> None:
    with pytest.raises(ValueRuleError, match="flow model are not above 1, found 14"):
        custom(model(prediction=Prediction.FLOW), (14.0, 0.0))


def test_a_flow_that_is_left_noisy_can_go_on() -> None:
    # A network of share 1 makes the flow x / sigma only at 1, so compare with one run over the same levels.
    network = model(1.0, Prediction.FLOW)
    start = Latent(torch.randn(1, 4, 2, 2), SPACE)
    once = custom(network, (1.0, 0.6, 0.3, 0.0), start)[-1].latent
    half = custom(network, (1.0, 0.6), start)[-1].latent
    rest = custom(network, (0.6, 0.3, 0.0), half, noise=NoiseChoice(silent=True))[-1].latent
    torch.testing.assert_close(rest.samples, once.samples)
    back = custom(network, (0.5, 1.0), start, noise=NoiseChoice(silent=True))[-1].latent
    assert bool(torch.isfinite(back.samples).all())


@dataclasses.dataclass(frozen=True)
class Wanting(Guidance):
    """Guidance that wants the negative side and changes nothing."""

    @property
    def needs_negative(self) -> bool:
        return True

    def wrap(self, inner: Any, sides: Any) -> Any:
        return inner


def test_without_a_negative_side_nothing_may_need_one() -> None:
    start, sigmas, noise = empty_latent(16, 16), Sigmas((1.0, 0.0)), NoiseChoice()
    table = builtin_table()
    both = dataclasses.replace(table.sampler("euler"), negative=True)
    table = dataclasses.replace(table, samplers={**table.samplers, "both": both})

    def run(guider: Guider, name: str = "euler") -> None:
        list(sample_custom(guider, start, sigmas, SamplerChoice(name), noise, table=table))

    with pytest.raises(ValueRuleError, match="cfg 2 needs a negative conditioning"):
        run(Guider(model(), words(), cfg=2.0))
    with pytest.raises(ValueRuleError, match="sampler 'both' needs a negative conditioning"):
        run(Guider(model(), words()), "both")
    with pytest.raises(ValueRuleError, match="guidance of this model needs a negative conditioning"):
        run(Guider(model().guided(Wanting()), words()))
    run(Guider(model().guided(Wanting()), words(), words()))


def test_a_mask_keeps_its_outside_with_the_noise_of_the_run_or_fresh_noise() -> None:
    seen: list[Tensor] = []

    def watching(denoiser: Any, x: Tensor, sigmas: Tensor, noise: object) -> Iterator[Move]:
        clean = denoiser(x, sigmas[:1])
        seen.append(clean)
        yield Move(x, clean, float(sigmas[0]))

    class Passing(Share):
        def forward(self, x: Tensor, timesteps: Tensor, context: Tensor, y: Tensor | None = None) -> Tensor:
            self.x = x * 2.0**0.5  # as it was before scaling, at sigma 1
            return super().forward(x, timesteps, context)

    network = Passing(0.0)
    plain = Model(network, Prediction.EPS, SPACE, context_dim=8, family="test")
    mask = torch.zeros(1, 16, 16)
    mask[:, 8:] = 1.0
    start = Latent(torch.randn(1, 4, 2, 2), SPACE, noise_mask=Mask(mask))
    table = builtin_table().with_sampler("mine", watching)
    fresh = dataclasses.replace(table.sampler("mine"), fresh_mask_noise=True)
    table = dataclasses.replace(table, samplers={**table.samplers, "fresh": fresh})
    for name, seed in (("mine", 7), ("fresh", 8)):
        custom(plain, (1.0, 0.0), start, SamplerChoice(name), NoiseChoice(7), table)
        noise = ItemNoise(seed, [Item(0, 1)], (4, 2, 2))()
        own = ItemNoise(7, [Item(0, 1)], (4, 2, 2))()
        clean = start.samples * SPACE.scale
        torch.testing.assert_close(network.x[:, :, 0], (clean + noise)[:, :, 0])
        torch.testing.assert_close(network.x[:, :, 1], (clean + own)[:, :, 1])
        torch.testing.assert_close(seen[-1][:, :, 0], clean[:, :, 0])


def test_the_fresh_noise_of_the_largest_seed_is_that_of_0() -> None:
    mask = Mask(torch.full((1, 2, 2), 0.5))
    start = Latent(torch.randn(1, 4, 2, 2), SPACE, noise_mask=mask)
    table = builtin_table()
    fresh = dataclasses.replace(table.sampler("euler"), fresh_mask_noise=True)
    table = dataclasses.replace(table, samplers={"fresh": fresh})
    steps = custom(model(), (1.0, 0.0), start, SamplerChoice("fresh"), NoiseChoice(2**64 - 1), table)
    assert len(steps) == 1


def test_a_graded_mask_frees_a_picture_step_by_step() -> None:
    values = torch.tensor([[[1.0, 0.6], [0.3, 0.0]]])
    start = Latent(torch.ones(1, 4, 2, 2), SPACE, noise_mask=Mask(values))
    sigmas = sigmas_of(model(), "euler", "normal", 4).values
    steps = custom(model(0.0, masking=Graded()), sigmas, start)
    kept = [torch.isclose(step.denoised.samples[0, 0], torch.tensor(1.0)).flatten().tolist() for step in steps]
    assert kept == [
        [False, True, True, True],
        [False, True, True, True],
        [False, False, True, True],
        [False, False, False, False],  # at the last timestep everything is free
    ]


def test_on_a_device_that_must_not_wait_a_flag_remembers_numbers_that_are_none() -> None:
    # The meta device stands for one: nothing can be read from it, so that looking at a step would fail.
    watch = Watch("euler", 3, "meta")
    watch.see(0, torch.full((1, 4, 2, 2), float("nan"), device="meta"))
    flag = Watch("euler", 3, "cpu")
    flag._at_once = False
    flag.see(0, torch.zeros(1))
    flag.require_finite()
    for index in (1, 2):
        flag.see(index, torch.tensor([float("inf")]))
    with pytest.raises(NonFiniteError, match=r"the UNet, or sampler 'euler', produced .* in step 2 of 3; the model"):
        flag.require_finite()
    step = Step(
        1, 3, Move(torch.zeros(1, 4, 2, 2), torch.zeros(1, 4, 2, 2), 1.0), Raw(SPACE, empty_latent(16, 16), flag)
    )
    with pytest.raises(NonFiniteError):
        _ = step.latent


def test_numbers_that_are_none_are_told_without_a_total_too() -> None:
    watch = Watch("dpm_adaptive", None, "cpu")
    with pytest.raises(NonFiniteError, match=r"sampler 'dpm_adaptive' produced NaN or infinity in step 5$"):
        watch.see(4, torch.tensor([float("nan")]))


@pytest.mark.parametrize("sampler", SAMPLERS)
@pytest.mark.parametrize("steps", [1, 2, 3, 7])
def test_the_number_of_steps_that_a_sampler_promises_is_the_one_it_makes(sampler: str, steps: int) -> None:
    settings: dict[str, Any] = {"seed": 0, "steps": steps, "cfg": 2.0, "sampler": sampler}
    made = list(sample(model(0.9), words(), words(), empty_latent(16, 16), **settings))
    assert {step.total for step in made} <= {len(made), None}
    assert [step.index for step in made] == list(range(len(made)))


@pytest.mark.parametrize("sampler", [name for name, row in SAMPLERS.items() if row.rises])
def test_samplers_that_rise_stay_finite_on_the_way_up(sampler: str) -> None:
    up = Sigmas((1e-4, *reversed(sigmas_of(model(), "euler", "karras", 12).values[:-1])))
    start = Latent(torch.randn(1, 4, 2, 2), SPACE)
    steps = custom(model(0.9), up.values, start, SamplerChoice(sampler), NoiseChoice(silent=True))
    assert [step.sigma for step in steps] == pytest.approx(up.values[:-1])
    assert bool(torch.isfinite(steps[-1].latent.samples).all())


@pytest.mark.parametrize("sampler", [name for name, row in SAMPLERS.items() if not row.own_steps])
def test_no_step_waits_for_the_device(sampler: str) -> None:
    # Tensors of the meta device have no numbers: whatever looks at one, as a wait for a GPU does, fails.
    with torch.device("meta"):
        share, context = Share(0.5), torch.zeros(2, 77, 64)
        x, mask = torch.zeros(2, 4, 8, 8), torch.zeros(1, 1, 8, 8)
    levels = scaled_linear_levels()
    network = NetworkDenoiser(share, Prediction.EPS, levels, torch.float32, (), levels.to("meta"))
    sides = [lambda x, sigma: network(x, sigma, context)] * 2
    entry = builtin_table().sampler(sampler)
    guided = steered(*sides, 3.0, negative_wanted=entry.negative)
    sigmas = karras(levels, 4)
    masked = Masked(guided, x, x, mask, masking=Graded(), progress=Progress.of(sigmas, levels, "meta"))
    watch = Watch(sampler, 4, "meta")
    with torch.inference_mode():
        for index, move in enumerate(entry.solve(masked, x, sigmas, MetaNoise(x), **entry.keywords(levels))):
            watch.see(index, move.x)
            assert move.x.device.type == move.denoised.device.type == "meta"


class MetaNoise:
    """Noise without numbers."""

    def __init__(self, like: Tensor) -> None:
        self._like = like

    def __call__(self) -> Tensor:
        return torch.zeros_like(self._like)

    def between(self, _high: float, _low: float) -> Tensor:
        return torch.zeros_like(self._like)


def test_a_consistency_model_is_sampled_as_diffusers_does(relative: Callable[[Tensor, Tensor], float]) -> None:
    scheduler = LCMScheduler(beta_start=0.00085, beta_end=0.012, beta_schedule="scaled_linear")
    scheduler.set_timesteps(4)
    x = torch.randn(1, 4, 4, 4, generator=torch.Generator().manual_seed(3))
    noise = torch.Generator().manual_seed(3)  # here, too, the noise of the steps begins with that of the start
    for timestep in scheduler.timesteps:
        x = scheduler.step(0.4 * x, timestep, x, noise).prev_sample
    settings: dict[str, Any] = {"seed": 3, "steps": 4, "cfg": 1.0, "sampler": "lcm", "scheduler": "simple"}
    found = last(sample(model(0.4, Prediction.LCM), words(), words(), empty_latent(32, 32), **settings))
    # It computes its levels in float32, 1e-5 off; and a share of 4e-8 of x at most is kept.
    assert relative(found.samples * SPACE.scale, x) < 1e-4
