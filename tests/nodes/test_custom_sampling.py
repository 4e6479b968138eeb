"""Sampling from parts: the same latents as KSampler's, its parts one by one, and mistakes told about inputs."""

from typing import Any, get_args

import pytest
import torch

from nodeflow.api import InputError
from nodeflow.diffusion.sampling.names import SAMPLERS
from nodeflow.diffusion.sampling.table import builtin_table
from nodeflow.diffusion.types import Conditioning, Entry, Guider, Latent, Mask, NoiseChoice, SamplerChoice, Sigmas
from nodeflow_nodes import samplers
from nodeflow_nodes.conditioning import clip_text_encode
from nodeflow_nodes.custom_sampling import sampler_custom, sampler_custom_advanced
from nodeflow_nodes.guiders import basic_guider, cfg_guider
from nodeflow_nodes.latents import empty_latent
from nodeflow_nodes.loaders import Loaded
from nodeflow_nodes.noises import add_noise, disable_noise, random_noise
from nodeflow_nodes.samplers import ksampler_select
from nodeflow_nodes.sampling import ksampler, ksampler_advanced
from nodeflow_nodes.schedulers import basic_scheduler
from nodeflow_nodes.sigmas import flip_sigmas, split_sigmas

Prompts = tuple[Conditioning, Conditioning]
EULER = SamplerChoice("euler")


@pytest.fixture(scope="module")
def prompts(loaded: Loaded) -> Prompts:
    return clip_text_encode(loaded.clip, "a cat"), clip_text_encode(loaded.clip, "")


def near(found: Latent, expected: Latent, tolerance: float = 1e-5) -> bool:
    return bool((found.samples - expected.samples).norm() <= tolerance * expected.samples.norm())


@pytest.mark.parametrize("sampler", ["euler", "euler_ancestral", "dpmpp_2m"])
def test_a_run_of_parts_is_that_of_ksampler(sampler: str, loaded: Loaded, prompts: Prompts) -> None:
    latent = empty_latent(32, 32, 2)
    sigmas, (choice,) = basic_scheduler(loaded.model, "karras", 4), ksampler_select(sampler)
    expected = ksampler(loaded.model, *prompts, latent, 5, 4, 3.0, sampler, "karras")
    custom = sampler_custom(loaded.model, *prompts, choice, sigmas, latent, noise_seed=5, cfg=3.0)
    guider = cfg_guider(loaded.model, *prompts, 3.0)
    advanced = sampler_custom_advanced(random_noise(5).noise, guider, choice, sigmas, latent)
    assert torch.equal(custom.output.samples, expected.samples)
    assert torch.equal(advanced.output.samples, expected.samples)


def test_samplers_that_look_between_levels_differ_from_ksampler_by_the_level_it_leaves_out(
    loaded: Loaded, prompts: Prompts
) -> None:
    latent, sigmas = empty_latent(32, 32), basic_scheduler(loaded.model, "normal", 5)
    left_out = Sigmas((*sigmas.values[:-2], sigmas.values[-1]))
    (choice,) = ksampler_select("uni_pc")
    expected = ksampler(loaded.model, *prompts, latent, 1, 4, 3.0, "uni_pc", "normal")
    found = sampler_custom(loaded.model, *prompts, choice, left_out, latent, noise_seed=1, cfg=3.0)
    assert torch.equal(found.output.samples, expected.samples)


def test_without_a_negative_side_a_run_is_that_at_scale_1(loaded: Loaded, prompts: Prompts) -> None:
    latent, sigmas = empty_latent(32, 32), basic_scheduler(loaded.model, "normal", 3)
    guider = basic_guider(loaded.model, prompts[0])
    found = sampler_custom_advanced(random_noise(2).noise, guider, EULER, sigmas, latent).output
    assert torch.equal(found.samples, ksampler(loaded.model, *prompts, latent, 2, 3, 1.0).samples)
    (choice,) = ksampler_select("euler_cfg_pp")
    with pytest.raises(InputError, match=r"^guider: .*needs a negative conditioning; take a CFGGuider"):
        sampler_custom_advanced(random_noise(2).noise, guider, choice, sigmas, latent)


def test_a_run_that_is_split_is_one_run(loaded: Loaded, prompts: Prompts) -> None:
    latent, sigmas = empty_latent(32, 32), basic_scheduler(loaded.model, "normal", 6)
    whole = ksampler(loaded.model, *prompts, latent, 3, 6, 3.0)
    for step in (0, 2, 6):
        high, low = split_sigmas(sigmas, step)
        first = sampler_custom(loaded.model, *prompts, EULER, high, latent, noise_seed=3, cfg=3.0).output
        silent = disable_noise().noise
        second = sampler_custom_advanced(silent, cfg_guider(loaded.model, *prompts, 3.0), EULER, low, first).output
        # A first part of no step has added noise all the same; a second one that starts from all levels adds none.
        assert near(second, whole), step


def test_parts_of_a_schedule_are_one_run_too(loaded: Loaded, prompts: Prompts) -> None:
    latent = empty_latent(32, 32)
    settings: dict[str, Any] = {"noise_seed": 3, "steps": 6, "cfg": 3.0}
    whole = ksampler(loaded.model, *prompts, latent, 3, 6, 3.0)
    first = ksampler_advanced(
        loaded.model, *prompts, latent, end_at_step=4, return_with_leftover_noise="enable", **settings
    )
    second = ksampler_advanced(loaded.model, *prompts, first, "disable", start_at_step=4, **settings)
    assert near(second, whole)
    assert torch.equal(ksampler_advanced(loaded.model, *prompts, latent, **settings).samples, whole.samples)
    stopped = ksampler_advanced(loaded.model, *prompts, latent, end_at_step=4, **settings)
    assert not near(stopped, first, 0.01)


def test_steps_that_there_are_not_hand_the_latent_on_and_say_so(
    loaded: Loaded, prompts: Prompts, recorder: Any
) -> None:
    latent = Latent(torch.randn(1, 4, 4, 4))
    found = ksampler_advanced(loaded.model, *prompts, latent, steps=5, start_at_step=5, run=recorder)
    assert found is latent
    assert recorder.warnings == ["there is no step from 5 to 10000 of 5; the latent is handed on as it is"]


def test_the_denoised_output_is_the_picture_behind_the_noise(loaded: Loaded, prompts: Prompts) -> None:
    latent, (high, _) = empty_latent(32, 32), split_sigmas(basic_scheduler(loaded.model, "normal", 6), 3)
    found = sampler_custom(loaded.model, *prompts, EULER, high, latent, noise_seed=3, cfg=1.0)
    rest = Sigmas((*high.values[-2:-1], 0.0))
    before = sampler_custom(
        loaded.model, *prompts, EULER, Sigmas(high.values[:-1]), latent, noise_seed=3, cfg=1.0
    ).output
    at_once = sampler_custom(loaded.model, *prompts, EULER, rest, before, add_noise=False, cfg=1.0).output
    assert near(found.denoised_output, at_once)
    assert not near(found.output, found.denoised_output, 0.01)


def test_no_levels_hand_the_latent_on(loaded: Loaded, prompts: Prompts) -> None:
    latent = Latent(torch.randn(1, 4, 4, 4))
    found = sampler_custom(loaded.model, *prompts, EULER, Sigmas(()), latent)
    assert found.output is found.denoised_output is latent


def test_each_step_is_reported_with_a_preview(loaded: Loaded, prompts: Prompts, recorder: Any) -> None:
    sigmas = basic_scheduler(loaded.model, "normal", 4)
    sampler_custom(loaded.model, *prompts, EULER, sigmas, empty_latent(32, 32), run=recorder)
    assert recorder.steps == len(recorder.previews) == 4


def test_a_sampler_of_a_pack_is_used(loaded: Loaded, prompts: Prompts, recorder: Any) -> None:
    latent, sigmas = empty_latent(32, 32), basic_scheduler(loaded.model, "normal", 3)
    recorder.added = {"samplers": {"mine": builtin_table().sampler("euler").solve}}
    found = sampler_custom(loaded.model, *prompts, SamplerChoice("mine"), sigmas, latent, run=recorder)
    expected = sampler_custom(loaded.model, *prompts, EULER, sigmas, latent)
    assert torch.equal(found.output.samples, expected.output.samples)
    with pytest.raises(InputError, match=r"^sampler: .*'mine' is unknown"):
        sampler_custom(loaded.model, *prompts, SamplerChoice("mine"), sigmas, latent)


def test_levels_that_rise_are_for_euler(loaded: Loaded, prompts: Prompts) -> None:
    latent = Latent(torch.randn(1, 4, 4, 4))
    up = flip_sigmas(basic_scheduler(loaded.model, "normal", 4))
    noisy = sampler_custom(loaded.model, *prompts, EULER, up, latent, add_noise=False, cfg=1.0).output
    assert noisy.samples.std() > 2 * latent.samples.std()
    (choice,) = ksampler_select("euler_ancestral")
    with pytest.raises(InputError, match=r"^sampler: sampler 'euler_ancestral' cannot go from low sigmas to high ones"):
        sampler_custom(loaded.model, *prompts, choice, up, latent)


@pytest.mark.parametrize(
    ("choice", "told"),
    [
        (SamplerChoice("euler", {"eta": 1.0}), "sampler 'euler' has no option 'eta'; it has s_churn"),
        (SamplerChoice("dpmpp_sde", {"r": 0.0}), "dpmpp_sde: r 0 is not above 0"),
        (SamplerChoice("dpm_adaptive", {"accept_safety": 9.0}), "dpm_adaptive: no step from sigma"),
        (SamplerChoice("ipndm", {"max_order": 9}), "ipndm: max_order 9 is not in 1..4"),
    ],
)
def test_wrong_options_are_said_of_the_sampler(
    choice: SamplerChoice, told: str, loaded: Loaded, prompts: Prompts
) -> None:
    sigmas, latent = Sigmas((2.0, 1.0, 0.0)), empty_latent(32, 32)
    with pytest.raises(InputError, match=f"^sampler: {told}"):
        sampler_custom(loaded.model, *prompts, choice, sigmas, latent)
    with pytest.raises(InputError, match=f"^sampler: {told}"):
        sampler_custom_advanced(NoiseChoice(), cfg_guider(loaded.model, *prompts, 2.0), choice, sigmas, latent)


def test_levels_that_go_up_and_down_are_said_of_the_sigmas(loaded: Loaded, prompts: Prompts) -> None:
    with pytest.raises(InputError, match=r"^sigmas: sigmas must fall all the way, or rise all the way"):
        sampler_custom(loaded.model, *prompts, EULER, Sigmas((1.0, 2.0, 0.5)), empty_latent(32, 32))


def test_added_noise_has_the_difference_of_the_levels(loaded: Loaded) -> None:
    latent = Latent(torch.randn(1, 4, 8, 8, generator=torch.Generator().manual_seed(0)))
    unit = torch.randn(1, 4, 8, 8, generator=torch.Generator().manual_seed(7)) / loaded.model.latent_format.scale
    noise = random_noise(7).noise
    several = add_noise(loaded.model, noise, Sigmas((5.0, 3.0, 2.0)), latent)
    torch.testing.assert_close(several.samples, latent.samples + 3.0 * unit)
    single = add_noise(loaded.model, noise, Sigmas((5.0,)), latent)
    torch.testing.assert_close(single.samples, latent.samples + 5.0 * unit)
    assert add_noise(loaded.model, noise, Sigmas(()), latent) is latent
    torch.testing.assert_close(
        add_noise(loaded.model, disable_noise().noise, Sigmas((5.0,)), latent).samples, latent.samples
    )


def test_noise_is_added_to_latents_of_the_model_only(loaded: Loaded) -> None:
    with pytest.raises(InputError, match=r"^latent: the latent has 16 channels, the model takes 4"):
        add_noise(loaded.model, NoiseChoice(), Sigmas((1.0,)), Latent(torch.zeros(1, 16, 4, 4)))


def test_added_noise_is_what_a_run_adds_below_the_highest_level(loaded: Loaded, prompts: Prompts) -> None:
    latent = Latent(torch.randn(1, 4, 4, 4))
    sigmas = basic_scheduler(loaded.model, "karras", 4, 0.5)
    expected = sampler_custom(loaded.model, *prompts, EULER, sigmas, latent, noise_seed=9).output
    noisy = add_noise(loaded.model, NoiseChoice(9), Sigmas(sigmas.values[:1]), latent)
    found = sampler_custom(loaded.model, *prompts, EULER, sigmas, noisy, add_noise=False).output
    assert near(found, expected)


@pytest.mark.parametrize(
    ("make", "name"),
    [
        (samplers.sampler_euler_ancestral, "euler_ancestral"),
        (samplers.sampler_euler_ancestral_cfgpp, "euler_ancestral_cfg_pp"),
        (samplers.sampler_lms, "lms"),
        (samplers.sampler_dpmpp_2s_ancestral, "dpmpp_2s_ancestral"),
        (samplers.sampler_dpmpp_sde, "dpmpp_sde"),
        (samplers.sampler_dpmpp_2m_sde, "dpmpp_2m_sde"),
        (samplers.sampler_dpmpp_3m_sde, "dpmpp_3m_sde"),
        (samplers.sampler_dpm_adaptative, "dpm_adaptive"),
        (samplers.sampler_er_sde, "er_sde"),
    ],
)
def test_with_its_defaults_a_sampler_is_the_one_of_that_name(
    make: Any, name: str, loaded: Loaded, prompts: Prompts
) -> None:
    latent, sigmas = empty_latent(32, 32), basic_scheduler(loaded.model, "karras", 4)
    found = sampler_custom(loaded.model, *prompts, make().sampler, sigmas, latent, noise_seed=1, cfg=2.0).output
    (choice,) = ksampler_select(name)
    expected = sampler_custom(loaded.model, *prompts, choice, sigmas, latent, noise_seed=1, cfg=2.0).output
    assert torch.equal(found.samples, expected.samples)


def test_sa_solver_adds_noise_between_shares_of_the_way(loaded: Loaded, prompts: Prompts) -> None:
    latent, sigmas = empty_latent(32, 32), basic_scheduler(loaded.model, "karras", 4)

    def run(choice: SamplerChoice) -> Latent:
        return sampler_custom(loaded.model, *prompts, choice, sigmas, latent, noise_seed=1, cfg=2.0).output

    (found,) = samplers.sampler_sa_solver(loaded.model)
    assert (found.options["sde_high"], found.options["sde_low"]) == pytest.approx((5.0871, 0.51), rel=0.3)
    (pece,) = samplers.sampler_sa_solver(loaded.model, use_pece=True)
    (none,) = samplers.sampler_sa_solver(loaded.model, eta=0.0)
    assert not torch.equal(run(found).samples, run(pece).samples)
    assert not torch.equal(run(found).samples, run(none).samples)


def test_every_option_that_a_node_sets_is_one_of_its_sampler(loaded: Loaded) -> None:
    made = [
        samplers.sampler_euler_ancestral(0.5),
        samplers.sampler_euler_ancestral_cfgpp(0.5),
        samplers.sampler_lms(2),
        samplers.sampler_dpmpp_2s_ancestral(0.5),
        *(samplers.sampler_dpmpp_sde(0.5, noise_device=device) for device in get_args(samplers.NoiseDevice)),
        *(samplers.sampler_dpmpp_2m_sde("heun", noise_device=device) for device in get_args(samplers.NoiseDevice)),
        *(samplers.sampler_dpmpp_3m_sde(0.5, noise_device=device) for device in get_args(samplers.NoiseDevice)),
        samplers.sampler_dpm_adaptative(2),
        samplers.sampler_er_sde("ODE"),
        samplers.sampler_sa_solver(loaded.model),
    ]
    for (choice,) in made:
        assert choice.name in SAMPLERS
        builtin_table().sampler(choice.name).with_options(choice.name, choice.options)


def test_a_latent_that_does_not_fit_is_refused_before_the_run(loaded: Loaded, prompts: Prompts) -> None:
    sigmas = Sigmas((1.0, 0.0))
    with pytest.raises(InputError, match=r"^latent: the latent has 16 channels, the model takes 4"):
        sampler_custom(loaded.model, *prompts, EULER, sigmas, Latent(torch.zeros(1, 16, 4, 4)))
    guider = Guider(loaded.model, *prompts, 3.0)
    with pytest.raises(InputError, match=r"^latent: the latent has 16 channels"):
        sampler_custom_advanced(NoiseChoice(), guider, EULER, sigmas, Latent(torch.zeros(1, 16, 4, 4)))
    other = Conditioning((Entry(torch.zeros(1, 77, 768)),))
    with pytest.raises(InputError, match=r"^negative: the negative conditioning has 768 features"):
        sampler_custom(loaded.model, prompts[0], other, EULER, sigmas, empty_latent(32, 32))
    with pytest.raises(InputError, match=r"^guider: the positive conditioning has 768 features"):
        sampler_custom_advanced(NoiseChoice(), basic_guider(loaded.model, other), EULER, sigmas, empty_latent(32, 32))


def test_a_mask_keeps_what_is_outside(loaded: Loaded, prompts: Prompts) -> None:
    values = torch.zeros(1, 32, 32)
    values[:, :, 16:] = 1.0
    latent = Latent(torch.randn(1, 4, 4, 4), noise_mask=Mask(values))
    found = sampler_custom(loaded.model, *prompts, EULER, basic_scheduler(loaded.model, "normal", 3), latent).output
    torch.testing.assert_close(found.samples[..., :2], latent.samples[..., :2], rtol=1e-4, atol=1e-4)
    assert not torch.allclose(found.samples[..., 2:], latent.samples[..., 2:])


def test_the_second_part_of_a_run_keeps_the_noise_outside_of_a_mask(loaded: Loaded, prompts: Prompts) -> None:
    mask = torch.zeros(1, 32, 32)
    mask[:, :16] = 1.0
    latent = Latent(torch.randn(1, 4, 4, 4), noise_mask=Mask(mask))
    settings: dict[str, Any] = {"noise_seed": 3, "steps": 4, "cfg": 1.0}
    first = ksampler_advanced(
        loaded.model, *prompts, latent, end_at_step=2, return_with_leftover_noise="enable", **settings
    )
    second = ksampler_advanced(loaded.model, *prompts, first, "disable", start_at_step=2, **settings)
    torch.testing.assert_close(second.samples[:, :, 2:], first.samples[:, :, 2:], rtol=1e-4, atol=1e-4)
    assert float((second.samples - latent.samples)[:, :, 2:].std()) > 0.5
