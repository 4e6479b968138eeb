"""What a network's output means: noise levels, timesteps, and the four predictions."""

import math

import pytest
import torch
from diffusers import DDPMScheduler, LCMScheduler
from torch import Tensor, nn

from nodeflow.diffusion.sampling.prediction import (
    NetworkDenoiser,
    distilled_levels,
    flow_levels,
    levels_of,
    noised,
    scaled_linear_levels,
)
from nodeflow.diffusion.types import Prediction


class Returns(nn.Module):
    """A network that gives what it is told, and keeps what it was given."""

    def __init__(self, out: Tensor) -> None:
        super().__init__()
        self.out = out

    def forward(self, x: Tensor, timesteps: Tensor, context: Tensor, y: Tensor | None = None) -> Tensor:
        self.seen, self.timesteps, self.vector = x, timesteps, y
        return self.out


def test_the_levels_of_stable_diffusion() -> None:
    levels = scaled_linear_levels()
    assert levels.sigma_min == pytest.approx(0.0291671585, rel=1e-7)
    assert levels.sigma_max == pytest.approx(14.6146412, rel=1e-7)
    assert len(levels.table) == 1000


def test_a_level_of_the_table_has_its_index_as_timestep_and_back() -> None:
    levels = scaled_linear_levels()
    indices = torch.tensor([0.0, 1.0, 500.0, 998.0, 999.0])
    sigmas = levels.table[indices.long()]
    assert torch.equal(levels.timestep(sigmas), indices)
    torch.testing.assert_close(levels.sigma(indices), sigmas, rtol=1e-6, atol=0)


def test_between_two_levels_the_nearest_in_the_logarithm_counts() -> None:
    levels = scaled_linear_levels()
    low, high = float(levels.table[500]), float(levels.table[501])
    middle = math.sqrt(low * high)
    assert levels.timestep(torch.tensor([middle * 0.9999, middle * 1.0001])).tolist() == [500.0, 501.0]
    assert float(levels.sigma(torch.tensor([500.5]))) == pytest.approx(middle, rel=1e-6)


def test_levels_beyond_the_table_are_its_ends() -> None:
    levels = scaled_linear_levels()
    assert levels.timestep(torch.tensor([1e-6, 1e6])).tolist() == [0.0, 999.0]
    torch.testing.assert_close(levels.sigma(torch.tensor([-5.0, 2000.0])), levels.table[[0, 999]])


def test_flow_levels_are_proportional_to_timesteps() -> None:
    levels = flow_levels()
    assert (levels.sigma_min, levels.sigma_max) == (pytest.approx(0.001), 1.0)
    assert levels.timestep(torch.tensor([0.25])).tolist() == [250.0]
    assert levels.sigma(torch.tensor([250.0])).tolist() == [0.25]


@pytest.mark.parametrize("prediction", list(Prediction))
def test_a_network_that_knows_the_answer_denoises_perfectly(prediction: Prediction) -> None:
    torch.manual_seed(0)
    clean, noise = torch.randn(2, 4, 3, 5), torch.randn(2, 4, 3, 5)
    sigma = torch.tensor([0.7, 0.7])
    levels = levels_of(prediction)
    x = noised(clean, noise, 0.7, levels)
    spread = math.sqrt(1 + 0.7**2)
    answers = {
        Prediction.EPS: noise,
        Prediction.V: (noise - 0.7 * clean) / spread,  # v = alpha eps - sigma_vp x0
        Prediction.X0: clean,
        Prediction.LCM: noise,  # up to 1e-7 of x: only the lowest timesteps keep more
        Prediction.FLOW: noise - clean,
    }
    network = Returns(answers[prediction])
    denoiser = NetworkDenoiser(network, prediction, levels, torch.float32)
    found = denoiser(x, sigma, torch.zeros(2, 77, 8))
    torch.testing.assert_close(found, clean, rtol=1e-5, atol=1e-5)
    torch.testing.assert_close(network.seen, x if prediction is Prediction.FLOW else x / spread)


def test_the_network_computes_in_its_dtype_and_the_rest_in_float32() -> None:
    network = Returns(torch.zeros(1, 4, 2, 2, dtype=torch.bfloat16))
    denoiser = NetworkDenoiser(network, Prediction.EPS, scaled_linear_levels(), torch.bfloat16)
    out = denoiser(torch.ones(1, 4, 2, 2), torch.ones(1), torch.zeros(1, 77, 8), torch.ones(1, 3))
    assert network.seen.dtype == torch.bfloat16
    assert network.timesteps.dtype == torch.float32
    assert network.vector is not None
    assert network.vector.dtype == torch.bfloat16
    assert out.dtype == torch.float32


def test_a_full_start_has_the_variance_of_training_at_the_highest_level_only() -> None:
    levels, zeros, ones = scaled_linear_levels(), torch.zeros(1), torch.ones(1)
    assert float(noised(zeros, ones, levels.sigma_max, levels, full=True)) == pytest.approx(14.6488, rel=1e-5)
    assert float(noised(zeros, ones, 20.0, levels, full=True)) == pytest.approx(math.sqrt(401))
    assert float(noised(zeros, ones, 10.0, levels, full=True)) == 10.0
    assert float(noised(zeros, ones, levels.sigma_max, levels)) == pytest.approx(levels.sigma_max)


@pytest.mark.parametrize(("share", "expected"), [(0.1, 8.30717), (0.5, 1.61558)])
def test_a_share_of_the_way_has_the_level_that_comfyui_gives_it(share: float, expected: float) -> None:
    assert scaled_linear_levels().at(share) == pytest.approx(expected, rel=1e-5)


def test_before_the_way_begins_is_above_all_levels_and_after_it_is_none() -> None:
    assert scaled_linear_levels().at(0.0) > 1e8
    assert scaled_linear_levels().at(1.0) == 0.0
    assert [flow_levels().at(share) for share in (0.0, 0.25, 1.0)] == [1.0, 0.75, 0.0]


def test_levels_that_end_in_pure_noise_are_those_of_diffusers() -> None:
    found = scaled_linear_levels(zero_terminal=True).table
    peer = DDPMScheduler(
        beta_start=0.00085, beta_end=0.012, beta_schedule="scaled_linear", rescale_betas_zero_snr=True
    ).alphas_cumprod.double()
    # It computes in float32: the difference grows to 1e-4 where hardly anything of the picture is left.
    torch.testing.assert_close(found[:-1].double(), ((1 - peer) / peer).sqrt()[:-1], rtol=1e-3, atol=0)
    assert float(found[0]) == pytest.approx(0.0291671585, rel=1e-6)
    assert float(found[-1]) == pytest.approx(4518.76, rel=1e-5)


def test_a_consistency_model_knows_every_twentieth_step() -> None:
    whole, levels = scaled_linear_levels(), levels_of(Prediction.LCM)
    assert torch.equal(levels.table, whole.table[19::20])
    assert levels.timestep(levels.table[[0, 1, 49]]).tolist() == [19.0, 39.0, 999.0]
    torch.testing.assert_close(levels.sigma(torch.tensor([19.0, 39.0, 999.0])), levels.table[[0, 1, 49]])
    assert levels.at(0.5) == pytest.approx(float(levels.sigma(torch.tensor([499.5]))))


def test_a_consistency_model_keeps_the_share_of_its_input_that_diffusers_keeps() -> None:
    scheduler = LCMScheduler()
    levels = distilled_levels(scaled_linear_levels(), 1000)  # all of them, so that a low one is among them
    x = torch.ones(1, 1, 1, 1)
    for timestep in (0, 1, 999):
        sigma = levels.table[timestep : timestep + 1]
        found = NetworkDenoiser(Returns(torch.zeros(1, 1, 1, 1)), Prediction.LCM, levels, torch.float32)
        skip, out = scheduler.get_scalings_for_boundary_condition_discrete(timestep)
        assert float(found(x, sigma, torch.zeros(1, 1, 1))) == pytest.approx(float(skip + out), rel=1e-6)


def test_what_editing_networks_see_beside_the_latent_is_not_scaled() -> None:
    network = Returns(torch.zeros(1, 4, 2, 2))
    denoiser = NetworkDenoiser(network, Prediction.EPS, scaled_linear_levels(), torch.float32)
    denoiser(torch.ones(1, 4, 2, 2), torch.ones(1), torch.zeros(1, 77, 8), beside=torch.full((1, 5, 2, 2), 3.0))
    assert network.seen.shape == (1, 9, 2, 2)
    assert network.seen[:, 4:].unique().tolist() == [3.0]
