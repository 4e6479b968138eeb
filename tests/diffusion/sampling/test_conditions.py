"""Entries that hold for an area, under a mask or for a share of the schedule: what they give, and what they cost."""

import pytest
import torch
from torch import Tensor, nn

from nodeflow.diffusion.checkpoints import Checkpoint
from nodeflow.diffusion.conditioning import encode
from nodeflow.diffusion.errors import ValueRuleError
from nodeflow.diffusion.sampling.conditions import require_fitting
from nodeflow.diffusion.sampling.evaluation import Conditioned, Together
from nodeflow.diffusion.sampling.guidance import steered
from nodeflow.diffusion.sampling.prediction import NetworkDenoiser, scaled_linear_levels
from nodeflow.diffusion.sampling.regions import Box, feathered
from nodeflow.diffusion.types import Area, Conditioning, Entry, Latent, Mask, Model, Prediction

LEVELS = scaled_linear_levels()
X, SIGMA = torch.ones(1, 4, 16, 32), torch.ones(1)
LEFT, RIGHT = Area(0, 0, 128, 128), Area(128, 0, 128, 128)


class Mean(nn.Module):
    """Predicts the mean of the context as the picture, and keeps what it was asked."""

    def __init__(self) -> None:
        super().__init__()
        self.calls: list[tuple[tuple[int, ...], Tensor]] = []

    @property
    def shapes(self) -> list[tuple[int, ...]]:
        return [shape for shape, _ in self.calls]

    def forward(self, x: Tensor, timesteps: Tensor, context: Tensor, y: Tensor | None = None) -> Tensor:
        self.calls.append((tuple(x.shape), context))
        return context.mean(dim=(1, 2))[:, None, None, None].expand_as(x)


def network(module: nn.Module) -> NetworkDenoiser:
    return NetworkDenoiser(module, Prediction.X0, LEVELS, torch.float32)


def entry(value: float, **fields: object) -> Entry:
    return Entry(torch.full((1, 77, 3), value), **fields)  # type: ignore[arg-type]


def given(*entries: Entry, x: Tensor = X, sigma: Tensor = SIGMA, module: Mean | None = None) -> Tensor:
    """What a side of these entries gives, first channel."""
    return Conditioned(network(module or Mean()), Conditioning(entries))(x, sigma)[:, 0]


def test_an_area_is_all_that_the_network_sees_and_the_rest_is_nothing() -> None:
    module = Mean()
    found = given(entry(3.0, area=LEFT), module=module)
    assert module.shapes == [(1, 4, 16, 16)]
    assert found[..., :16].allclose(torch.tensor(3.0))
    assert found[..., 16:].eq(0.0).all()


def test_two_areas_of_one_size_share_a_call_and_each_gets_its_own() -> None:
    module = Mean()
    found = given(entry(3.0, area=LEFT), entry(5.0, area=RIGHT), module=module)
    assert module.shapes == [(2, 4, 16, 16)]
    assert found[..., :16].allclose(torch.tensor(3.0))
    assert found[..., 16:].allclose(torch.tensor(5.0))


def test_where_entries_overlap_the_mean_is_weighted_by_strength_and_feather() -> None:
    weight = 2.0 * feathered(Box(0, 8, 16, 16), (16, 32), X.device)[0, 0]
    found = given(entry(1.0), entry(4.0, area=Area(64, 0, 128, 128), strength=2.0))[0]
    expected = torch.ones(16, 32)
    expected[:, 8:24] = (1.0 + 4.0 * weight) / (1.0 + weight)
    torch.testing.assert_close(found, expected)


def test_a_mask_weighs_by_its_values_and_both_strengths() -> None:
    mask = torch.rand(1, 16, 32, generator=torch.Generator().manual_seed(0))
    found = given(entry(1.0), entry(4.0, mask=Mask(mask), mask_strength=0.5, strength=3.0))
    torch.testing.assert_close(found, (1.0 + 4.0 * mask * 1.5) / (1.0 + mask * 1.5))


def test_a_mask_in_an_area_is_cut_to_it_and_not_feathered() -> None:
    mask = torch.rand(1, 16, 32, generator=torch.Generator().manual_seed(1))
    module = Mean()
    found = given(entry(1.0), entry(4.0, mask=Mask(mask), area=RIGHT), module=module)
    assert module.shapes == [(1, 4, 16, 32), (1, 4, 16, 16)]
    expected = (1.0 + 4.0 * mask) / (1.0 + mask)
    assert found[..., :16].eq(1.0).all()
    torch.testing.assert_close(found[..., 16:], expected[..., 16:])


def test_with_mask_bounds_the_network_sees_the_bounding_box_only() -> None:
    mask = torch.zeros(1, 16, 32)
    mask[:, 2:12, 5:20] = 1.0
    module = Mean()
    found = given(entry(4.0, mask=Mask(mask), mask_bounds=True, area=LEFT), module=module)
    assert module.shapes == [(1, 4, 10, 15)]
    torch.testing.assert_close(found, 4.0 * mask)


def test_each_row_may_have_a_mask_of_its_own() -> None:
    masks = torch.zeros(2, 16, 32)
    masks[0, :, :16], masks[1, :, 16:] = 1.0, 1.0
    found = given(entry(4.0, mask=Mask(masks)), x=X.expand(2, -1, -1, -1), sigma=torch.ones(2))
    torch.testing.assert_close(found, 4.0 * masks)


@pytest.mark.parametrize(
    ("share", "values"), [(0.0, [1.0]), (0.3, [1.0]), (0.5, [1.0, 3.0]), (0.7, [1.0, 3.0]), (1.0, [1.0])]
)
def test_an_entry_holds_between_two_shares_of_the_schedule_and_costs_nothing_elsewhere(
    share: float, values: list[float]
) -> None:
    module = Mean()
    sigma = torch.tensor([min(LEVELS.at(share), 14.6)])
    found = given(entry(1.0), entry(3.0, start=0.5, end=0.7), sigma=sigma, module=module)
    assert module.shapes == [(len(values), 4, 16, 32)]
    assert found.allclose(torch.tensor(sum(values) / len(values)))


def test_each_row_is_at_its_own_level() -> None:
    sigma = torch.tensor([LEVELS.at(0.2), LEVELS.at(0.8)])
    found = given(entry(1.0, end=0.5), entry(3.0), x=X.expand(2, -1, -1, -1), sigma=sigma)
    assert [float(row.mean()) for row in found] == pytest.approx([2.0, 3.0])


def test_a_side_without_an_entry_that_holds_is_nothing_and_costs_nothing() -> None:
    module = Mean()
    found = given(entry(1.0, start=0.5), sigma=torch.tensor([14.0]), module=module)
    assert found.eq(0.0).all()
    assert module.calls == []


@pytest.mark.parametrize(
    "weightless",
    [{"strength": 0.0}, {"strength": 0.0, "area": LEFT}, {"mask": Mask(torch.zeros(1, 8, 8)), "mask_bounds": True}],
    ids=str,
)
def test_an_entry_without_weight_costs_nothing(weightless: dict[str, object]) -> None:
    module = Mean()
    assert given(entry(7.0, **weightless), entry(1.0), module=module).allclose(torch.tensor(1.0))
    assert module.shapes == [(1, 4, 16, 32)]


def test_a_default_fills_what_the_others_leave_of_one() -> None:
    weight = feathered(Box(0, 16, 16, 16), (16, 32), X.device)[0, 0] * 0.5
    found = given(entry(3.0, area=RIGHT, strength=0.5), entry(7.0, default=True, area=LEFT, strength=9.0))[0]
    expected = torch.full((16, 32), 7.0)
    expected[:, 16:] = 3.0 * weight + 7.0 * (1 - weight)
    torch.testing.assert_close(found, expected)


def test_a_default_costs_nothing_where_nothing_is_left() -> None:
    module = Mean()
    assert given(entry(3.0, strength=2.0), entry(7.0, default=True), module=module).allclose(torch.tensor(3.0))
    assert module.shapes == [(1, 4, 16, 32)]


def test_a_default_holds_for_its_share_of_the_schedule_only_and_alone_it_is_everything() -> None:
    late, early = entry(7.0, default=True, start=0.5), entry(9.0, default=True, end=0.5)
    assert given(late, early, sigma=torch.tensor([14.0])).allclose(torch.tensor(9.0))
    assert given(entry(7.0, default=True)).allclose(torch.tensor(7.0))


def test_an_area_on_one_side_has_the_other_side_look_at_it_too() -> None:
    module = Mean()
    net = network(module)
    positive = Conditioning((entry(5.0), entry(3.0, area=RIGHT, strength=2.0, start=0.1)))
    sides = Together([Conditioned(net, positive), Conditioned(net, Conditioning((entry(1.0),)))])
    _, away = sides([0, 1], X, SIGMA)
    assert module.shapes == [(2, 4, 16, 32), (2, 4, 16, 16)]
    assert [float(row.mean()) for _, context in module.calls for row in context] == [5.0, 1.0, 3.0, 1.0]
    assert away.allclose(torch.tensor(1.0))
    sides([0, 1], X, torch.tensor([14.0]))  # the copy holds when what it is a copy of does
    assert module.shapes[2:] == [(2, 4, 16, 32)]


def test_the_copy_says_what_the_smallest_entry_around_the_area_does() -> None:
    module = Mean()
    net = network(module)
    positive = Conditioning((entry(9.0, area=Area(128, 0, 64, 64)),))
    negative = Conditioning((entry(1.0), entry(2.0, area=RIGHT), entry(3.0, area=Area(0, 0, 256, 128))))
    Together([Conditioned(net, positive), Conditioned(net, negative)])([1], X, SIGMA)
    assert [float(row.mean()) for shape, context in module.calls if shape[-1] == 8 for row in context] == [2.0]


@pytest.mark.parametrize("other", [{"area": Area(0, 0, 128, 128)}, {"area": Area(0.0, 0.0, 0.5, 1.0, relative=True)}])
def test_an_equal_area_or_none_around_it_makes_no_copy(other: dict[str, object]) -> None:
    for area, calls in ((LEFT, 1), (Area(64, 0, 128, 128), 1)):
        module = Mean()
        net = network(module)
        sides = [Conditioned(net, Conditioning((entry(1.0, area=area),)))]
        sides += [Conditioned(net, Conditioning((entry(2.0, **other),)))]
        Together(sides)([1], X, SIGMA)
        assert len(module.calls) == calls


def test_two_texts_for_one_area_are_answered_by_one_copy() -> None:
    module = Mean()
    net = network(module)
    sides = [Conditioned(net, Conditioning((entry(1.0, area=LEFT), entry(2.0, area=LEFT))))]
    sides += [Conditioned(net, Conditioning((entry(3.0),)))]
    Together(sides)([1], X, SIGMA)
    assert module.shapes == [(1, 4, 16, 32), (1, 4, 16, 16)]


def test_many_entries_take_calls_of_two_to_eight_rows_on_a_cpu() -> None:
    module = Mean()
    found = given(*(entry(float(value)) for value in range(17)), module=module)
    assert [shape[0] for shape in module.shapes] == [5, 6, 6]
    assert found.allclose(torch.tensor(8.0))


def test_the_network_is_told_the_same_tensors_at_every_step() -> None:
    module = Mean()
    side = Together([Conditioned(network(module), Conditioning((entry(1.0), entry(2.0, area=LEFT))))])
    for sigma in (10.0, 5.0, 1.0):
        side([0], torch.randn(2, 4, 16, 32), torch.full((2,), sigma))
    contexts = [context for _, context in module.calls]
    per_step = len(contexts) // 3
    assert all(context is contexts[index % per_step] for index, context in enumerate(contexts))


def test_what_is_beside_the_latent_is_cut_to_the_area() -> None:
    seen: list[Tensor] = []

    class Beside(nn.Module):
        def forward(self, x: Tensor, timesteps: Tensor, context: Tensor, y: Tensor | None = None) -> Tensor:
            seen.append(x[:, 4:])
            return x[:, :4]

    beside = torch.arange(16.0 * 32).reshape(1, 1, 16, 32)
    side = Conditioning((entry(1.0, area=RIGHT),))
    Conditioned(network(Beside()), side, beside=lambda _, size: beside[..., : size[0], : size[1]])(X, SIGMA)
    assert torch.equal(seen[0], beside[..., 16:])


def regional(checkpoint: Checkpoint) -> Conditioning:
    cat, dog = (encode(checkpoint.clip, text).entries[0] for text in ("cat", "dog " * 90))
    mask = torch.zeros(1, 64, 96)
    mask[:, :40, 16:64] = 1.0
    return Conditioning(
        (
            Entry(cat.context, area=Area(0.0, 0.0, 0.5, 1.0, relative=True)),
            Entry(dog.context, area=Area(32, 8, 64, 56), strength=1.3, end=0.9),
            Entry(cat.context, mask=Mask(mask), mask_bounds=True),
            Entry(dog.context, strength=0.4),
        )
    )


def test_a_picture_with_regions_is_the_same_alone_and_in_its_batch(micro: Checkpoint) -> None:
    net = NetworkDenoiser.of(micro.model)
    x = torch.randn(3, 4, 8, 12, generator=torch.Generator().manual_seed(0)) * 3
    sigma = torch.full((3,), 3.0)

    def denoised(rows: slice) -> Tensor:
        sides = Conditioned(net, regional(micro)), Conditioned(net, encode(micro.clip, ""))
        return steered(*sides, 5.0)(x[rows], sigma[rows])

    with torch.inference_mode():
        whole = denoised(slice(0, 3))
        alone = torch.cat([denoised(slice(row, row + 1)) for row in range(3)])
    assert float((whole - alone).abs().max()) <= 1e-6 * float(whole.abs().max())


def test_a_full_area_is_the_same_as_none_for_the_real_network(micro: Checkpoint) -> None:
    net = NetworkDenoiser.of(micro.model)
    x, sigma = torch.randn(1, 4, 8, 8, generator=torch.Generator().manual_seed(0)), torch.ones(1)
    plain = encode(micro.clip, "cat")
    area = plain.map(lambda each: Entry(each.context, area=Area(0, 0, 64, 64), strength=0.3))
    with torch.inference_mode():
        torch.testing.assert_close(Conditioned(net, area)(x, sigma), Conditioned(net, plain)(x, sigma))


def fits(model: Model, *entries: Entry) -> None:
    require_fitting("positive", Conditioning(entries), model, Latent(torch.zeros(2, 4, 8, 16)))


def context(rows: int = 1) -> Tensor:
    return torch.zeros(rows, 77, 64)


def test_an_area_outside_of_the_picture_is_told_before_anything_runs(micro: Checkpoint) -> None:
    with pytest.raises(ValueRuleError) as told:
        fits(micro.model, Entry(context(), area=Area(128, 0, 64, 32)))
    assert str(told.value) == (
        "the positive conditioning is for an area of 64 x 32 at x 128, y 0 pixels, outside of the picture of 128 x 64 "
        "pixels; move the area or make the latent larger"
    )
    with pytest.raises(ValueRuleError, match=r"0\.5 x 0\.5 at x 0, y 1 \(shares of the picture\), outside"):
        fits(micro.model, Entry(context(), area=Area(0, 1, 0.5, 0.5, relative=True)))


def test_an_area_that_its_mask_bounds_replace_may_lie_anywhere(micro: Checkpoint) -> None:
    fits(micro.model, Entry(context(), area=Area(4096, 0, 64, 64), mask=Mask(torch.ones(1, 4, 4)), mask_bounds=True))


def test_the_area_of_a_default_does_not_matter(micro: Checkpoint) -> None:
    fits(micro.model, Entry(context(), area=Area(4096, 0, 64, 64), default=True))


def test_one_mask_or_one_for_each_row_is_wanted(micro: Checkpoint) -> None:
    fits(micro.model, *(Entry(context(), mask=Mask(torch.ones(rows, 4, 4))) for rows in (1, 2)))
    with pytest.raises(ValueRuleError, match=r"the positive conditioning has 3 masks, the latent 2 rows; give it one"):
        fits(micro.model, Entry(context(), mask=Mask(torch.ones(3, 4, 4))))


def test_rows_and_features_must_fit(micro: Checkpoint) -> None:
    with pytest.raises(ValueRuleError, match="the positive conditioning has 3 rows, the latent 2"):
        fits(micro.model, Entry(context(3)))
    with pytest.raises(ValueRuleError, match="has 768 features per token, the model takes 64"):
        fits(micro.model, Entry(torch.zeros(1, 77, 768)))
