"""Guidance: one call for both sides, contexts of different lengths, several entries on one side."""

import pytest
import torch
from torch import Tensor, nn

from nodeflow.diffusion.checkpoints import Checkpoint
from nodeflow.diffusion.conditioning import encode
from nodeflow.diffusion.sampling.evaluation import Conditioned, Together
from nodeflow.diffusion.sampling.guidance import steered
from nodeflow.diffusion.sampling.prediction import NetworkDenoiser, scaled_linear_levels
from nodeflow.diffusion.types import Conditioning, Entry, Prediction

X, SIGMA = torch.ones(2, 4, 2, 2), torch.ones(2)


class Mean(nn.Module):
    """Predicts the mean of the context as the picture, and keeps the shapes it saw."""

    def __init__(self) -> None:
        super().__init__()
        self.contexts: list[tuple[int, ...]] = []
        self.vectors: list[tuple[int, ...] | None] = []

    def forward(self, x: Tensor, timesteps: Tensor, context: Tensor, y: Tensor | None = None) -> Tensor:
        self.contexts.append(tuple(context.shape))
        self.vectors.append(None if y is None else tuple(y.shape))
        return context.mean(dim=(1, 2))[:, None, None, None].expand_as(x)


def network(module: nn.Module) -> NetworkDenoiser:
    return NetworkDenoiser(module, Prediction.X0, scaled_linear_levels(), torch.float32)


def entry(value: float, tokens: int = 77, strength: float = 1.0) -> Entry:
    return Entry(torch.full((1, tokens, 3), value), strength=strength)


def conditioned(net: NetworkDenoiser, *entries: Entry) -> Conditioned:
    return Conditioned(net, Conditioning(entries))


def together(sides: list[Conditioned], x: Tensor, sigma: Tensor) -> list[Tensor]:
    return Together(sides)(range(len(sides)), x, sigma)


def test_guidance_extrapolates_from_the_negative_through_the_positive() -> None:
    net = network(Mean())
    out = steered(conditioned(net, entry(3.0)), conditioned(net, entry(1.0)), 4.0)(X, SIGMA)
    torch.testing.assert_close(out, torch.full_like(X, 1.0 + (3.0 - 1.0) * 4.0))


def test_both_sides_are_one_call_with_the_negative_first() -> None:
    module = Mean()
    net = network(module)
    away, towards = together([conditioned(net, entry(1.0)), conditioned(net, entry(3.0))], X, SIGMA)
    assert module.contexts == [(4, 77, 3)]
    assert float(away.mean()) == pytest.approx(1.0)
    assert float(towards.mean()) == pytest.approx(3.0)


@pytest.mark.parametrize("scale", [1.0, 1.0 + 1e-12])
def test_at_scale_one_the_positive_is_all_there_is(scale: float) -> None:
    module = Mean()
    net = network(module)
    out = steered(conditioned(net, entry(3.0)), conditioned(net, entry(1.0)), scale)(X, SIGMA)
    torch.testing.assert_close(out, torch.full_like(X, 3.0))
    assert module.contexts == [(1, 77, 3)] * 2  # on a CPU, row by row


def test_a_sampler_may_ask_for_the_negative_side_at_scale_one() -> None:
    module = Mean()
    net = network(module)
    sides = (conditioned(net, entry(3.0)), conditioned(net, entry(1.0)))
    denoised, negative = steered(*sides, 1.0, negative_wanted=True).both(X, SIGMA)
    torch.testing.assert_close(denoised, torch.full_like(X, 3.0))
    torch.testing.assert_close(negative, X)
    assert module.contexts == [(4, 77, 3)]  # one call for both


def test_denoisers_of_any_kind_can_be_guided() -> None:
    out = steered(lambda x, sigma: x * 3, lambda x, sigma: x, 2.0)(X, SIGMA)
    torch.testing.assert_close(out, X * 5)


def test_contexts_of_different_lengths_are_repeated_to_a_common_one() -> None:
    module = Mean()
    net = network(module)
    together([conditioned(net, entry(1.0, 77 * 2)), conditioned(net, entry(3.0, 77 * 3))], X, SIGMA)
    assert module.contexts == [(4, 77 * 6, 3)]


def test_contexts_that_would_become_too_long_take_a_call_each() -> None:
    module = Mean()
    net = network(module)
    long, short = together([conditioned(net, entry(1.0, 77 * 5)), conditioned(net, entry(3.0))], X, SIGMA)
    assert module.contexts == [(1, 77 * 5, 3)] * 2 + [(1, 77, 3)] * 2  # on a CPU, row by row
    assert float(long.mean()) == pytest.approx(1.0)
    assert float(short.mean()) == pytest.approx(3.0)


def test_repeating_a_context_changes_the_real_network_by_rounding_only(micro: Checkpoint) -> None:
    net = NetworkDenoiser.of(micro.model)
    short, long = encode(micro.clip, "cat"), encode(micro.clip, "dog " * 100)
    x, sigma = torch.randn(1, 4, 8, 8, generator=torch.Generator().manual_seed(0)), torch.ones(1)
    with torch.inference_mode():
        both = together([Conditioned(net, short), Conditioned(net, long)], x, sigma)
        alone = [Conditioned(net, side)(x, sigma) for side in (short, long)]
    torch.testing.assert_close(both[0], alone[0], rtol=1e-5, atol=1e-5)  # fp32 rounding of twice as many summands
    torch.testing.assert_close(both[1], alone[1], rtol=1e-5, atol=1e-5)


def test_several_entries_are_averaged_by_strength() -> None:
    net = network(Mean())
    out = conditioned(net, entry(1.0, strength=3.0), entry(5.0, strength=1.0))(X, SIGMA)
    torch.testing.assert_close(out, torch.full_like(X, 2.0))


def test_vectors_go_with_their_entries() -> None:
    module = Mean()
    entries = (Entry(torch.zeros(1, 77, 3), torch.zeros(1, 6)), Entry(torch.zeros(2, 77, 3), torch.zeros(2, 6)))
    conditioned(network(module), *entries)(X, SIGMA)
    assert module.vectors == [(4, 6)]
