"""The values check themselves, know their items, and need no torch to be named."""

import subprocess
import sys
from typing import Any

import pytest
import torch
from torch import nn

from nodeflow.diffusion.errors import ValueRuleError
from nodeflow.diffusion.latent_formats import SD1, SDXL
from nodeflow.diffusion.networks import READY_BYTES_PER_SECOND
from nodeflow.diffusion.types import Conditioning, Entry, Image, Item, Latent, Mask, Vae


def image(rows: int = 1, **size: int) -> Image:
    return Image(torch.rand(rows, size.get("height", 4), size.get("width", 6), 3))


def latent(rows: int = 1, **changes: Any) -> Latent:
    return Latent(torch.randn(rows, 4, 2, 3), **changes)


@pytest.mark.parametrize(
    "module",
    ["types", "errors", "latent_formats", "checkpoints", "checkpoints.read", "checkpoints.families", "sampling"],
)
def test_a_module_imports_without_torch(module: str) -> None:
    code = f"import sys; sys.modules['torch'] = None; import nodeflow.diffusion.{module}"
    subprocess.run([sys.executable, "-c", code], check=True)


@pytest.mark.parametrize(
    ("pixels", "message"),
    [
        (torch.rand(4, 6, 3), r"shape \[batch, height, width, channels\] is expected, found \[4, 6, 3\]"),
        (torch.rand(1, 4, 6, 5), "3 or 4 channels are expected last"),
        (torch.rand(0, 4, 6, 3), r"found \[0, 4, 6, 3\]"),
        (torch.rand(1, 4, 6, 3).double(), "float32 is expected, found float64"),
        (torch.full((1, 4, 6, 3), 1.5), r"values must lie in 0\.\.1, found 1.5 to 1.5"),
        (torch.full((1, 4, 6, 3), -0.1), r"values must lie in 0\.\.1"),
        (torch.full((1, 4, 6, 3), float("nan")), r"values must lie in 0\.\.1, found nan"),
        ([[0.0]], "a torch tensor .* is expected, found list"),
    ],
)
def test_pixels_that_are_no_picture_are_refused(pixels: Any, message: str) -> None:
    with pytest.raises(ValueRuleError, match=message):
        Image(pixels)


def test_masks_follow_the_same_rules() -> None:
    with pytest.raises(ValueRuleError, match=r"mask: shape \[batch, height, width\]"):
        Mask(torch.rand(4, 6))
    with pytest.raises(ValueRuleError, match="mask: values must lie"):
        Mask(torch.full((1, 4, 6), 2.0))
    mask = Mask(torch.rand(2, 4, 6))
    assert (len(mask), mask.width, mask.height, mask.nbytes) == (2, 6, 4, 2 * 4 * 6 * 4)
    assert torch.equal(mask.select([1]).concat(mask.select([0])).to("cpu").values, mask.values[[1, 0]])


@pytest.mark.parametrize(
    ("samples", "changes", "message"),
    [
        (torch.randn(4, 2, 3), {}, "shape"),
        (torch.zeros(1, 4, 2, 3, dtype=torch.int64), {}, "floating point is expected, found int64"),
        (torch.full((1, 4, 2, 3), float("inf")), {}, "NaN or infinity"),
        (torch.randn(1, 16, 2, 3), {"format": SD1}, "sd1 has 4 channels"),
        (torch.randn(2, 4, 2, 3), {"items": (Item(0, 1),)}, "1 batch items for 2 rows"),
        (torch.randn(1, 4, 2, 3), {"items": (Item(3, 3),)}, "item 3 does not exist in a batch of 3"),
        (torch.randn(3, 4, 2, 3), {"noise_mask": Mask(torch.ones(2, 8, 8))}, "2 noise masks for 3 rows"),
    ],
)
def test_samples_that_are_no_latent_are_refused(samples: torch.Tensor, changes: Any, message: str) -> None:
    with pytest.raises(ValueRuleError, match=message):
        Latent(samples, **changes)


def test_sizes_are_in_pixels() -> None:
    assert (image().width, image().height) == (6, 4)
    assert (latent().width, latent().height) == (24, 16)
    assert image().nbytes == 4 * 6 * 3 * 4
    assert latent(noise_mask=Mask(torch.ones(1, 8, 8))).nbytes == 4 * 2 * 3 * 4 + 8 * 8 * 4


def test_rows_keep_the_item_they_are() -> None:
    assert image(3).items == (Item(0, 3), Item(1, 3), Item(2, 3))
    picked = image(3).select([2, 0])
    assert picked.items == (Item(2, 3), Item(0, 3))
    assert latent(3).select([1]).items == (Item(1, 3),)


def test_parts_of_one_batch_join_to_it_again() -> None:
    whole = latent(3)
    joined = whole.select([2]).concat(whole.select([0, 1]))
    assert joined.items == (Item(2, 3), Item(0, 3), Item(1, 3))
    assert torch.equal(joined.samples, whole.samples[[2, 0, 1]])


def test_separate_batches_join_to_a_new_one() -> None:
    assert image().concat(image()).items == (Item(0, 2), Item(1, 2))
    assert latent(2).concat(latent()).items == (Item(0, 3), Item(1, 3), Item(2, 3))


def test_only_what_fits_can_be_joined() -> None:
    with pytest.raises(ValueRuleError, match="only equal sizes"):
        image().concat(image(width=8))
    with pytest.raises(ValueRuleError, match="sd1 and sdxl"):
        latent(format=SD1).concat(latent(format=SDXL))
    with pytest.raises(ValueRuleError, match="take the mask off"):
        latent(noise_mask=Mask(torch.ones(1, 8, 8))).concat(latent())
    assert latent().concat(latent(format=SD1)).format == SD1


@pytest.mark.parametrize(
    ("rows", "message"), [([], "at least one row"), ([3], "there is no row 3"), ([-1], "no row -1")]
)
def test_only_rows_that_exist_can_be_chosen(rows: list[int], message: str) -> None:
    with pytest.raises(ValueRuleError, match=message):
        image(3).select(rows)


def test_a_mask_per_row_is_chosen_with_its_row() -> None:
    masks = Mask(torch.rand(3, 8, 8))
    chosen = latent(3, noise_mask=masks).select([2])
    assert chosen.noise_mask is not None
    assert torch.equal(chosen.noise_mask.values, masks.values[2:])
    shared = latent(3, noise_mask=masks.select([0])).select([1, 2])
    assert shared.noise_mask is not None
    assert len(shared.noise_mask) == 1


def test_changed_copies_leave_the_original() -> None:
    first = image(2)
    second = first.replace(pixels=first.pixels * 0)
    assert float(second.pixels.max()) == 0
    assert float(first.pixels.max()) > 0
    assert second.items == first.items
    assert first.replace(items=[Item(4, 9), Item(5, 9)]).items == (Item(4, 9), Item(5, 9))
    assert latent().replace(samples=torch.zeros(1, 4, 2, 2)).width == 16
    with pytest.raises(AttributeError):
        first.pixels = second.pixels  # type: ignore[misc]


def test_values_move_to_a_device_as_a_whole() -> None:
    moved = latent(noise_mask=Mask(torch.ones(1, 8, 8))).to("cpu")
    assert moved.noise_mask is not None
    assert image(2).select([1]).to("cpu").items == (Item(1, 2),)
    entry = Entry(torch.zeros(1, 77, 8), torch.zeros(1, 4), strength=0.5)
    moved_entry = Conditioning((entry,)).to("cpu").entries[0]
    assert moved_entry.strength == 0.5
    assert moved_entry.pooled is not None


def test_conditionings_are_combined_in_order() -> None:
    first, second = (Conditioning((Entry(torch.full((1, 77, 8), value)),)) for value in (1.0, 2.0))
    both = first.combine(second)
    assert [float(entry.context[0, 0, 0]) for entry in both.entries] == [1.0, 2.0]
    assert both.nbytes == 2 * 77 * 8 * 4


@pytest.mark.parametrize(
    ("entries", "message"),
    [
        (lambda: (), "at least one entry"),
        (lambda: (Entry(torch.zeros(77, 8)),), "shape"),
        (lambda: (Entry(torch.full((1, 77, 8), float("nan"))),), "NaN"),
        (lambda: (Entry(torch.zeros(1, 77, 8), torch.zeros(4)),), "pooled conditioning: shape"),
        (lambda: (Entry(torch.zeros(1, 77, 8), strength=-0.5),), "strength must be 0 or more"),
    ],
)
def test_wrong_conditionings_are_refused(entries: Any, message: str) -> None:
    with pytest.raises(ValueRuleError, match=message):
        Conditioning(entries())


def test_a_network_value_tells_its_size_and_can_be_let_go() -> None:
    network = nn.Linear(4, 4)
    value, shares = Vae(network, SD1), Vae(nn.Sequential(network, network), SD1)
    assert value.nbytes == shares.nbytes == (16 + 4) * 4
    assert value.storages == shares.storages == {id(network.weight): 64, id(network.bias): 16}
    assert value.ready_seconds == pytest.approx(80 / READY_BYTES_PER_SECOND)
    assert (value.device, value.dtype) == ("cpu", "float32")
    assert value.to("cpu") is value
    weight = network.weight
    value.release()
    assert value.device == "meta"
    assert float(weight.detach().abs().sum()) > 0  # whoever else holds the weights keeps them
    with pytest.raises(ValueRuleError, match="this vae was released"):
        value.to("cpu")


def test_a_mask_is_a_picture_in_grey() -> None:
    picture = Mask(torch.tensor([[[0.0, 0.25]]])).as_image()
    assert picture.pixels.tolist() == [[[[0.0] * 3, [0.25] * 3]]]
