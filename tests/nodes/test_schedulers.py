"""Nodes that make noise levels give those of the library, of KSampler, and of formulas."""

import math
from itertools import pairwise
from typing import Any

import pytest
import torch

from nodeflow.api import InputError
from nodeflow.diffusion.types import Model, Prediction, Sigmas
from nodeflow_nodes import schedulers
from nodeflow_nodes.loaders import Loaded
from nodeflow_nodes.model_sampling import model_sampling_discrete
from nodeflow_nodes.schedulers import basic_scheduler

KARRAS = (14.614643, 4.796535, 1.274101, 0.247950, 0.029167, 0.0)
"""Five steps, of ComfyUI 0.3.64."""


@pytest.fixture(scope="module")
def model(loaded: Loaded) -> Model:
    return loaded.model


def test_a_schedule_by_name_is_that_of_comfyui(model: Model) -> None:
    assert basic_scheduler(model, "karras", 5).values == pytest.approx(KARRAS, rel=1e-5)
    assert basic_scheduler(model, "simple", 5).values[1] == pytest.approx(5.087763, rel=1e-6)


def test_with_less_denoising_there_are_the_last_levels_of_a_longer_way(model: Model) -> None:
    assert basic_scheduler(model, "normal", 4, 0.5).values == basic_scheduler(model, "normal", 8).values[4:]
    assert basic_scheduler(model, "normal", 4, 0.0) == Sigmas(())
    with pytest.raises(InputError, match=r"^denoise: denoise 1e-09 is too small for 4 steps; take 0, or 4e-06 at"):
        basic_scheduler(model, "normal", 4, 1e-9)


def test_a_schedule_of_a_pack_is_used(model: Model, recorder: Any) -> None:
    recorder.added = {"schedulers": {"steep": lambda levels, steps: torch.tensor([4.0, 1.0, 0.0])}}
    assert basic_scheduler(model, "steep", 2, run=recorder).values == (4.0, 1.0, 0.0)
    with pytest.raises(InputError, match=r"^scheduler: .*did you mean karras"):
        basic_scheduler(model, "karas", 2)


def test_the_formulas_have_their_closed_forms() -> None:
    karras = schedulers.karras_scheduler(3, 8.0, 1.0, rho=3.0).values
    assert karras == pytest.approx([8.0, 1.5**3, 1.0, 0.0])  # cube roots 2, 1.5, 1
    exponential = schedulers.exponential_scheduler(3, 16.0, 1.0).values
    assert exponential == pytest.approx([16.0, 4.0, 1.0, 0.0])
    poly = schedulers.polyexponential_scheduler(3, 16.0, 1.0, rho=2.0).values
    assert poly == pytest.approx([16.0, 2.0, 1.0, 0.0])  # 16 to the power of 1, 1/4, 0
    vp = schedulers.vp_scheduler(2, beta_d=0.0, beta_min=1.0, eps_s=0.5).values
    assert vp == pytest.approx([math.sqrt(math.e - 1), math.sqrt(math.exp(0.5) - 1), 0.0])
    laplace = schedulers.laplace_scheduler(3, 100.0, 0.01, mu=0.0, beta=1.0).values
    assert len(laplace) == 3
    assert laplace[1] == pytest.approx(1.0, rel=1e-4)  # the median of a distribution around log 1
    assert laplace[0] == pytest.approx(100.0)


def test_the_default_of_karras_is_that_of_the_model(model: Model) -> None:
    assert schedulers.karras_scheduler(5).values == pytest.approx(KARRAS, rel=2e-5)


def test_beta_turbo_and_align_your_steps_are_those_of_the_library(model: Model) -> None:
    beta = schedulers.beta_sampling_scheduler(model, 5).values
    assert beta == pytest.approx([14.614641, 7.371844, 2.615236, 1.027329, 0.395510, 0.0], rel=1e-6)
    turbo = schedulers.sd_turbo_scheduler(model, 2, 0.7).values
    table = basic_scheduler(model, "simple", 10).values  # 999, 899, …
    assert turbo == pytest.approx([table[3], table[4], 0.0])
    aligned = schedulers.align_your_steps_scheduler("SD1", 10).values
    assert len(aligned) == 11
    assert schedulers.align_your_steps_scheduler("SD1", 10, 0.5).values == aligned[5:]


@pytest.mark.parametrize(
    ("name", "settings", "message"),
    [
        ("karras_scheduler", {"rho": 0.0}, "^rho: "),
        ("karras_scheduler", {"sigma_min": 20.0}, "^sigma_min: .*14.6146 is below sigma_min 20"),
        ("exponential_scheduler", {"sigma_min": 0.0}, "^sigma_min: .*not above 0"),
        (
            "karras_scheduler",
            {"rho": 1e-300},
            "^rho: karras: rho 1e-300 from 14.6146 to 0.0291675 gives .*; usual is 7$",
        ),
        ("karras_scheduler", {"rho": 0.001}, "^rho: .* 0 or not finite"),
        ("polyexponential_scheduler", {"rho": 0.0}, "^rho: "),
        ("polyexponential_scheduler", {"sigma_min": 0.0, "rho": 0.0}, "^sigma_min: sigma_min 0 is not above 0"),
        ("polyexponential_scheduler", {"sigma_min": 5e-324}, r"^sigma_min: .* is below 1\.2e-38, the least number of"),
        ("laplace_scheduler", {"sigma_min": 0.0}, "^sigma_min: "),
        ("vp_scheduler", {"beta_d": 5000.0}, "^beta_d: .*not finite"),
    ],
)
def test_ends_that_make_no_levels_are_refused(name: str, settings: dict[str, float], message: str) -> None:
    with pytest.raises(InputError, match=message):
        getattr(schedulers, name)(**settings)


@pytest.mark.parametrize("rho", [1e-3, 0.5, 7.0, 100.0])
@pytest.mark.parametrize("lowest", [1e-37, 1e-6, 5000.0])
@pytest.mark.parametrize("steps", [1, 10_000])
def test_the_widest_settings_make_levels_at_once(steps: int, lowest: float, rho: float) -> None:
    made = (
        schedulers.exponential_scheduler(steps, 5000.0, lowest),
        schedulers.polyexponential_scheduler(steps, 5000.0, lowest, rho),
        schedulers.laplace_scheduler(steps, 5000.0, lowest, mu=-10.0, beta=10.0),
        *((schedulers.karras_scheduler(steps, 5000.0, lowest, rho),) if rho >= 1.0 else ()),
    )
    for sigmas in made:
        assert len(sigmas) >= steps
        assert all(high >= low for high, low in pairwise(sigmas.values))
        assert min(sigmas.values[:steps]) > 0.0


def test_a_beta_distribution_needs_shapes_above_0(model: Model) -> None:
    with pytest.raises(InputError, match=r"^alpha: "):
        schedulers.beta_sampling_scheduler(model, 5, alpha=0.0)
    with pytest.raises(InputError, match=r"^beta: "):
        schedulers.beta_sampling_scheduler(model, 5, beta=0.0)


def test_a_model_can_be_told_what_it_predicts(model: Model) -> None:
    velocity = model_sampling_discrete(model, "v_prediction", zsnr=True)
    assert (velocity.prediction, velocity.network) == (Prediction.V, model.network)
    assert basic_scheduler(velocity, "simple", 2).values[0] == pytest.approx(4518.76, rel=1e-5)
    consistent = model_sampling_discrete(model, "lcm")
    assert consistent.prediction is Prediction.LCM
    assert basic_scheduler(consistent, "simple", 50).values[-2] == pytest.approx(
        basic_scheduler(model, "normal", 1000).values[980], rel=1e-3
    )
    assert model_sampling_discrete(velocity, "eps").prediction is Prediction.EPS
    assert model_sampling_discrete(velocity, "x0").prediction is Prediction.X0
    assert not model_sampling_discrete(velocity, "eps").zero_terminal
