"""Any mixture of areas, masks, strengths and ranges gives what the rule says, cell by cell, and never NaN."""

import math
from collections.abc import Sequence

import numpy as np
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from torch import Tensor, nn

from nodeflow.diffusion.sampling.evaluation import Conditioned
from nodeflow.diffusion.sampling.prediction import NetworkDenoiser, scaled_linear_levels
from nodeflow.diffusion.types import Area, Conditioning, Entry, Mask, Prediction

LEVELS = scaled_linear_levels()
HEIGHT, WIDTH = 13, 21
Picture = NDArray[np.float64]


class Bent(nn.Module):
    """Predicts a bent copy of its input, moved by the mean of the context: every cell by itself."""

    def forward(self, x: Tensor, timesteps: Tensor, context: Tensor, y: Tensor | None = None) -> Tensor:
        return torch.sin(x) + context.mean(dim=(1, 2))[:, None, None, None]


def shares(low: float = 0.0) -> st.SearchStrategy[float]:
    return st.floats(low, 1.0, width=32)


@st.composite
def entries(draw: st.DrawFn) -> Entry:
    area = None
    if draw(st.booleans()):
        x, y = draw(st.integers(0, 8 * WIDTH - 8)), draw(st.integers(0, 8 * HEIGHT - 8))
        area = Area(x // 8 * 8, y // 8 * 8, draw(st.integers(8, 200)), draw(st.integers(8, 200)))
    mask = None
    if draw(st.booleans()):
        seed = draw(st.integers(0, 99))
        values = np.random.default_rng(seed).random((1, HEIGHT, WIDTH), dtype=np.float32)
        mask = Mask(torch.from_numpy(values * (values > draw(shares()))))
    start, end = sorted((draw(shares()), draw(shares()))) if draw(st.booleans()) else (0.0, 1.0)
    tokens = 77 * draw(st.integers(1, 6))
    context = torch.full((1, tokens, 2), draw(st.integers(-9, 9)), dtype=torch.float32)
    strength = draw(st.sampled_from([0.0, 0.1, 1.0, 3.7]))
    factor, bounds = draw(shares()), draw(st.booleans())
    return Entry(context, None, strength, area, mask, factor, bounds, start, end)


def box(entry: Entry) -> tuple[int, int, int, int] | None:
    """Upper and lower edge, left and right."""
    if entry.mask is not None and entry.mask_bounds:
        ys, xs = np.nonzero(entry.mask.values[0].numpy())
        y, x = (int(ys.min()), int(xs.min())) if len(ys) else (0, 0)
        high, wide = (int(ys.max()) + 1 - y, int(xs.max()) + 1 - x) if len(ys) else (8, 8)
        return y, min(y + max(high, 8), HEIGHT), x, min(x + max(wide, 8), WIDTH)
    if entry.area is None:
        return None
    y, x = int(entry.area.y) // 8, int(entry.area.x) // 8
    return y, min(y + int(entry.area.height) // 8, HEIGHT), x, min(x + int(entry.area.width) // 8, WIDTH)


def fade(low: int, high: int, length: int, place: int) -> float:
    ramp = min(8, (high - low) // 4)
    weight = 1.0
    if low > 0 and place - low < ramp:
        weight *= (place - low + 1) / ramp
    if high < length and high - 1 - place < ramp:
        weight *= (high - place) / ramp
    return weight


def by_hand(sides: Sequence[Entry], x: Picture, sigma: float) -> Picture:
    total, weights = np.zeros_like(x), np.full_like(x, 1e-37)
    for entry in sides:
        if not LEVELS.at(entry.end) <= sigma <= LEVELS.at(entry.start):
            continue
        found = box(entry)
        top, bottom, left, right = found or (0, HEIGHT, 0, WIDTH)
        for row in range(top, bottom):
            for column in range(left, right):
                if entry.mask is not None:
                    weight = float(entry.mask.values[0, row, column]) * entry.mask_strength
                elif found is not None:
                    weight = fade(top, bottom, HEIGHT, row) * fade(left, right, WIDTH, column)
                else:
                    weight = 1.0
                guess = math.sin(x[row, column]) + float(entry.context[0, 0, 0])
                total[row, column] += guess * weight * entry.strength
                weights[row, column] += weight * entry.strength
    return total / weights


@settings(max_examples=60, deadline=None)
@given(st.lists(entries(), min_size=1, max_size=11), shares(1 / 64), st.sampled_from([1, 3]))
def test_any_mixture_of_entries_is_the_weighted_mean_of_those_that_hold(
    sides: list[Entry], share: float, rows: int
) -> None:
    sigma = LEVELS.at(share) if share < 1.0 else 0.01
    x = torch.randn(rows, 1, HEIGHT, WIDTH, generator=torch.Generator().manual_seed(0))
    scaled = x / math.sqrt(sigma**2 + 1)
    network = NetworkDenoiser(Bent(), Prediction.X0, LEVELS, torch.float32)
    found = Conditioned(network, Conditioning(tuple(sides)))(x, torch.full((rows,), sigma))
    assert torch.isfinite(found).all()
    for row in range(rows):
        expected = by_hand(sides, scaled[row, 0].double().numpy(), float(torch.tensor(sigma)))
        np.testing.assert_allclose(found[row, 0].numpy(), expected, rtol=1e-4, atol=1e-4)
