"""Nodes that mix conditionings and say where, when and how strongly they hold, each against its formula."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch

from nodeflow.api import InputError
from nodeflow.core.node import node_mark
from nodeflow.diffusion.types import Area, Conditioning, Entry, Mask
from nodeflow_nodes.conditioning_mixes import (
    conditioning_average,
    conditioning_combine,
    conditioning_concat,
    conditioning_set_default_combine,
    conditioning_zero_out,
)
from nodeflow_nodes.conditioning_regions import (
    conditioning_set_area,
    conditioning_set_area_percentage,
    conditioning_set_area_strength,
    conditioning_set_mask,
    conditioning_set_timestep_range,
)

MASK = Mask(torch.ones(1, 4, 4))


def text(seed: int, tokens: int = 77, rows: int = 1, width: int = 8, **fields: Any) -> Entry:
    return Entry(torch.randn(rows, tokens, width, generator=torch.Generator().manual_seed(seed)), **fields)


def of(*entries: Entry) -> Conditioning:
    return Conditioning(entries)


def rules(function: Callable[..., Any]) -> tuple[Callable[..., Any], ...]:
    mark = node_mark(function)
    assert mark is not None
    return tuple(mark.checks)


def test_an_average_lies_between_two_texts() -> None:
    one, other = text(1, strength=0.3, area=Area(0, 0, 64, 64)), text(2)
    (found,) = conditioning_average(of(one), of(other), 0.25).entries
    expected = 0.25 * one.context.numpy() + 0.75 * other.context.numpy()
    np.testing.assert_allclose(found.context.numpy(), expected, atol=1e-6)
    assert (found.strength, found.area) == (0.3, one.area)


@pytest.mark.parametrize("tokens", [77, 154, 231])
def test_the_other_text_is_cut_or_filled_to_the_length_of_the_first(tokens: int) -> None:
    one, other = text(1, 154), text(2, tokens)
    (found,) = conditioning_average(of(one), of(other), 0.0).entries
    expected = np.zeros((1, 154, 8), np.float32)
    expected[:, : min(tokens, 154)] = other.context[:, :154].numpy()
    np.testing.assert_array_equal(found.context.numpy(), expected)


def test_vectors_are_averaged_and_one_alone_is_kept() -> None:
    ones, zeros = torch.ones(1, 6), torch.zeros(1, 6)
    cases = {(ones, zeros): 0.25, (None, ones): 1.0, (ones, None): 1.0, (None, None): None}
    for (first, second), expected in cases.items():
        (found,) = conditioning_average(of(text(1, pooled=first)), of(text(2, pooled=second)), 0.25).entries
        assert (None if found.pooled is None else float(found.pooled.mean())) == expected


def test_of_several_texts_to_mix_in_the_first_is_taken_and_the_user_is_told(recorder: Any) -> None:
    found = conditioning_average(of(text(1), text(2)), of(text(3), text(4)), 0.0, run=recorder)
    assert [torch.equal(entry.context, text(3).context) for entry in found.entries] == [True, True]
    conditioning_concat(of(text(1)), of(text(3), text(4)), run=recorder)
    assert recorder.warnings == ["conditioning_from holds 2 texts; the first is used, the others are left out"] * 2


@pytest.mark.parametrize("node", [conditioning_average, conditioning_concat])
def test_texts_of_other_encoders_do_not_mix(node: Callable[..., Conditioning]) -> None:
    with pytest.raises(InputError, match=r"^conditioning_from: 8 and 16 features per token"):
        node(of(text(1)), of(text(2, width=16)))
    with pytest.raises(InputError, match=r"^conditioning_from: 3 and 2 rows"):
        node(of(text(1, rows=3)), of(text(2, rows=2)))


def test_both_are_followed_when_combined() -> None:
    one, other = of(text(1), text(2)), of(text(3))
    assert conditioning_combine(one, other).entries == one.entries + other.entries


def test_a_default_is_added_for_what_is_left() -> None:
    one, other = of(text(1)), of(text(2), text(3))
    found = conditioning_set_default_combine(one, other).entries
    assert found[0] is one.entries[0]
    assert [entry.default for entry in found] == [False, True, True]
    assert [entry.context for entry in found[1:]] == [entry.context for entry in other.entries]


def test_one_text_is_put_behind_another() -> None:
    one, other = text(1, rows=3, start=0.5), text(2, 154)
    (found,) = conditioning_concat(of(one), of(other)).entries
    expected = np.concatenate([one.context.numpy(), np.repeat(other.context.numpy(), 3, axis=0)], axis=1)
    np.testing.assert_array_equal(found.context.numpy(), expected)
    assert found.start == 0.5


def test_zeroing_leaves_lengths_and_everything_else() -> None:
    before = text(1, 154, pooled=torch.ones(1, 6), strength=0.2)
    (found,) = conditioning_zero_out(of(before)).entries
    assert found.context.shape == (1, 154, 8)
    assert not found.context.any()
    assert found.pooled is not None
    assert not found.pooled.any()
    assert found.strength == 0.2
    assert before.context.any()
    assert conditioning_zero_out(of(text(1))).entries[0].pooled is None


def test_an_area_is_set_on_every_text_and_replaces_mask_bounds() -> None:
    before = of(text(1), text(2, mask=MASK, mask_bounds=True))
    for found in conditioning_set_area(before, 128, 64, 32, 16, 0.7).entries:
        assert (found.area, found.strength, found.mask_bounds) == (Area(32, 16, 128, 64), 0.7, False)
    for found in conditioning_set_area_percentage(before, 0.5, 0.0, 0.25, 0.1, 0.7).entries:
        assert found.area == Area(0.25, 0.1, 0.5, 0.0, relative=True)
        assert (found.strength, found.mask_bounds) == (0.7, False)
    assert all(entry.area is None for entry in before.entries)


def test_an_area_at_the_far_edge_is_refused_before_anything_runs() -> None:
    (rule,) = rules(conditioning_set_area_percentage)
    rule(x=0.99, y=0.0)
    with pytest.raises(InputError, match=r"^x: 1 is the far edge"):
        rule(x=1.0, y=0.0)
    with pytest.raises(InputError, match=r"^y: 1 is the far edge"):
        rule(x=0.0, y=1.0)


def test_strength_is_set_without_touching_the_area() -> None:
    before = of(text(1, area=Area(0, 0, 64, 64)))
    (found,) = conditioning_set_area_strength(before, 0.0).entries
    assert (found.strength, found.area) == (0.0, Area(0, 0, 64, 64))


@pytest.mark.parametrize(("choice", "bounds"), [("default", False), ("mask bounds", True)])
def test_a_mask_is_set_with_its_strength(choice: Any, bounds: bool) -> None:
    (found,) = conditioning_set_mask(of(text(1, strength=0.2)), MASK, 0.6, choice).entries
    assert found.mask is MASK
    assert (found.mask_strength, found.mask_bounds, found.strength) == (0.6, bounds, 0.2)


def test_a_range_is_set() -> None:
    (found,) = conditioning_set_timestep_range(of(text(1)), 0.2, 0.7).entries
    assert (found.start, found.end) == (0.2, 0.7)


def test_a_range_that_ends_before_it_starts_is_refused_before_anything_runs() -> None:
    (rule,) = rules(conditioning_set_timestep_range)
    rule(start=0.5, end=0.5)
    with pytest.raises(InputError, match=r"^start: 0\.7 comes after the end, 0\.2"):
        rule(start=0.7, end=0.2)
    with pytest.raises(InputError, match=r"^start: .*no range"):
        conditioning_set_timestep_range(of(text(1)), 0.7, 0.2)
