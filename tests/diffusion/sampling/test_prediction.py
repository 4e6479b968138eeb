"""What a network's output means: noise levels, timesteps, and the four predictions."""

import math

import pytest
import torch
from torch import Tensor, nn

from nodeflow.diffusion.sampling.prediction import (
    NetworkDenoiser,
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
