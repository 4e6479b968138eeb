"""Nodes that divide and change noise levels."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nodeflow.api import InputError
from nodeflow.diffusion.types import Sigmas
from nodeflow_nodes.loaders import Loaded
from nodeflow_nodes.model_sampling import model_sampling_discrete
from nodeflow_nodes.sigmas import (
    extend_intermediate_sigmas,
    flip_sigmas,
    sampling_percent_to_sigma,
    set_first_sigma,
    split_sigmas,
    split_sigmas_denoise,
)

WHOLE = Sigmas((8.0, 4.0, 2.0, 1.0, 0.0))
ANY = st.lists(st.floats(0, 100), max_size=20).map(lambda values: Sigmas(tuple(sorted(values, reverse=True))))


def test_levels_are_divided_after_a_number_of_steps() -> None:
    high, low = split_sigmas(WHOLE, 1)
    assert (high.values, low.values) == ((8.0, 4.0), (4.0, 2.0, 1.0, 0.0))
    high, low = split_sigmas(WHOLE, 0)
    assert (high.values, low.values) == ((8.0,), WHOLE.values)
    high, low = split_sigmas(WHOLE, 9)
    assert (high.values, low.values) == (WHOLE.values, ())


def test_levels_are_divided_by_the_share_of_the_second_part() -> None:
    high, low = split_sigmas_denoise(WHOLE, 0.25)
    assert (high.values, low.values) == ((8.0, 4.0, 2.0, 1.0), (1.0, 0.0))
    high, low = split_sigmas_denoise(WHOLE, 1.0)
    assert (high.values, low.values) == ((8.0,), WHOLE.values)
    high, low = split_sigmas_denoise(WHOLE, 0.0)
    assert (high.values, low.values) == (WHOLE.values, (0.0,))


@given(ANY, st.floats(0, 1), st.integers(0, 30))
def test_no_step_is_lost_where_levels_are_divided(sigmas: Sigmas, denoise: float, step: int) -> None:
    for high, low in (split_sigmas_denoise(sigmas, denoise), split_sigmas(sigmas, step)):
        assert high.steps + low.steps == sigmas.steps
        if high.values and low.values:
            assert high.values[-1] == low.values[0]


def test_reversed_levels_begin_a_little_above_0() -> None:
    assert flip_sigmas(WHOLE).values == (0.0001, 1.0, 2.0, 4.0, 8.0)
    assert flip_sigmas(Sigmas((3.0, 2.0))).values == (2.0, 3.0)
    assert flip_sigmas(Sigmas(())).values == ()


def test_the_first_level_can_be_set() -> None:
    assert set_first_sigma(WHOLE, 20.0).values == (20.0, 4.0, 2.0, 1.0, 0.0)
    with pytest.raises(InputError, match=r"^sigmas: there is no noise level to replace"):
        set_first_sigma(Sigmas(()), 20.0)


def test_more_levels_come_between_those_of_a_range() -> None:
    assert extend_intermediate_sigmas(WHOLE, 2, end_at_sigma=3.0).values == (8.0, 6.0, 4.0, 3.0, 2.0, 1.0, 0.0)
    assert extend_intermediate_sigmas(WHOLE, 2, 4.0, 2.0).values == (8.0, 4.0, 3.0, 2.0, 1.5, 1.0, 0.0)
    assert extend_intermediate_sigmas(WHOLE, 1, end_at_sigma=0.0) == WHOLE
    assert extend_intermediate_sigmas(Sigmas(()), 2) == Sigmas(())


@pytest.mark.parametrize(
    ("spacing", "share"), [("linear", 0.5), ("cosine", math.sqrt(0.5)), ("sine", 1 - math.sqrt(0.5))]
)
def test_new_levels_lie_as_asked(spacing: str, share: float) -> None:
    found = extend_intermediate_sigmas(Sigmas((20.0, 10.0)), 2, spacing=spacing).values  # type: ignore[arg-type]
    assert found == pytest.approx((20.0, 20.0 - 10.0 * share, 10.0))


def test_the_level_at_a_share_of_the_way_is_that_of_comfyui(loaded: Loaded) -> None:
    def at(share: float, actual: bool = False) -> float:
        return sampling_percent_to_sigma(loaded.model, share, actual).sigma_value

    assert at(0.5) == pytest.approx(1.61558, rel=1e-5)
    assert at(0.5, actual=True) == at(0.5)
    assert (at(0.0), at(1.0)) == (pytest.approx(999_999_999.9), 0.0)
    assert (at(0.0, actual=True), at(1.0, actual=True)) == pytest.approx((14.614641, 0.0291671), rel=1e-5)
    zero = model_sampling_discrete(loaded.model, "v_prediction", zsnr=True)
    assert sampling_percent_to_sigma(zero, 0.0, True).sigma_value == pytest.approx(4518.76, rel=1e-5)
