"""Each way to write a change down, against PEFT or against what the layers that it stands for compute."""

from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional

from nodeflow.diffusion.adapters.formulas import DORA_SCALE, KINDS, MAGNITUDE, Change
from nodeflow.diffusion.errors import ValueRuleError

Draw = Callable[..., Tensor]


def change(scale: float = 1.0, strength: float = 1.0, **parts: Tensor) -> Callable[[Tensor], Tensor]:
    kind = next(kind for kind in KINDS if kind.is_complete(parts))
    formula = Change(kind, tuple(parts), scale, strength)
    return lambda weight: formula(weight, *parts.values())


def close(found: Tensor, expected: Tensor) -> None:
    torch.testing.assert_close(found, expected, rtol=1e-5, atol=1e-6)


def wrapped(layer: nn.Module, config: Any) -> Any:
    """A layer with an adapter of PEFT, its numbers random."""
    from peft import get_peft_model

    torch.manual_seed(3)
    model = get_peft_model(nn.Sequential(layer), config)
    for name, weight in model.named_parameters():
        if "base_layer" not in name:
            nn.init.normal_(weight, std=0.3)
    return model.base_model.model[0]


@pytest.mark.parametrize("layer", [nn.Linear(6, 8), nn.Conv2d(6, 8, 3)], ids=["linear", "convolution"])
@pytest.mark.parametrize("tucker", [False, True], ids=["plain", "tucker"])
def test_loha_is_what_peft_makes_of_it(layer: nn.Linear | nn.Conv2d, tucker: bool) -> None:
    from peft import LoHaConfig

    theirs = wrapped(layer, LoHaConfig(r=4, alpha=2, target_modules=["0"], use_effective_conv2d=tucker))
    names = {"w1_a": "h1_a", "w1_b": "h1_b", "w2_a": "h2_a", "w2_b": "h2_b", "t1": "h1_t", "t2": "h2_t"}
    parts = {ours: getattr(theirs, f"hada_{name}") for name, ours in names.items()}
    given = {name: part["default"].detach() for name, part in parts.items() if "default" in part}
    close(change(2 / 4, **given)(layer.weight), layer.weight + theirs.get_delta_weight("default"))


@pytest.mark.parametrize("layer", [nn.Linear(6, 8), nn.Conv2d(6, 8, 3)], ids=["linear", "convolution"])
@pytest.mark.parametrize("tucker", [False, True], ids=["plain", "tucker"])
@pytest.mark.parametrize("both", [False, True], ids=["one factored", "both factored"])
def test_lokr_is_what_peft_makes_of_it(layer: nn.Linear | nn.Conv2d, tucker: bool, both: bool) -> None:
    from peft import LoKrConfig

    config = LoKrConfig(r=1, alpha=2, target_modules=["0"], use_effective_conv2d=tucker, decompose_both=both)
    theirs = wrapped(layer, config)
    names = {"w1": "k1", "w1_a": "k1_a", "w1_b": "k1_b", "w2": "k2", "w2_a": "k2_a", "w2_b": "k2_b", "t2": "k2_t"}
    parts = {ours: getattr(theirs, f"lokr_{name}") for name, ours in names.items()}
    given = {name: part["default"].detach() for name, part in parts.items() if "default" in part}
    close(change(2.0, **given)(layer.weight), layer.weight + theirs.get_delta_weight("default"))


@pytest.mark.parametrize("layer", [nn.Linear(6, 8), nn.Conv2d(6, 8, 3)], ids=["linear", "convolution"])
def test_dora_is_what_peft_makes_of_it(layer: nn.Linear | nn.Conv2d) -> None:
    from peft import LoraConfig

    theirs = wrapped(layer, LoraConfig(r=3, lora_alpha=6, target_modules=["0"], use_dora=True))
    given = {"down": theirs.lora_A["default"].weight, "up": theirs.lora_B["default"].weight}
    given[MAGNITUDE] = theirs.lora_magnitude_vector["default"].weight.abs() + 0.1
    theirs.lora_magnitude_vector["default"].weight.data = given[MAGNITUDE]
    found = change(6 / 3, **{name: part.detach() for name, part in given.items()})(layer.weight.detach().clone())
    theirs.merge()
    close(found, theirs.base_layer.weight.detach())


@pytest.mark.parametrize(("shape", "axis"), [((1, 6), 0), ((8, 1), 1)], ids=["inputs", "outputs"])
def test_lycoris_tells_by_its_shape_what_the_lengths_of_dora_belong_to(
    shape: tuple[int, int], axis: int, draw: Draw
) -> None:
    weight, lengths = draw(8, 6), draw(*shape).abs()
    found = change(up=draw(8, 2), down=draw(2, 6), **{DORA_SCALE: lengths})(weight)
    close(found.norm(dim=axis), lengths.flatten())


def test_a_core_between_the_factors_of_a_convolution_is_three_convolutions_in_a_row(draw: Draw) -> None:
    down, mid, up = draw(2, 6, 1, 1), draw(3, 2, 3, 3), draw(8, 3, 1, 1)
    x = draw(1, 6, 5, 5)
    expected = functional.conv2d(functional.conv2d(functional.conv2d(x, down), mid), up)
    found = change(up=up, mid=mid, down=down)(torch.zeros(8, 6, 3, 3))
    close(functional.conv2d(x, found), expected)


def test_scale_and_strength_multiply(draw: Draw) -> None:
    up, down, weight = draw(8, 2), draw(2, 6), draw(8, 6)
    close(change(0.5, -3.0, up=up, down=down)(weight), weight - 1.5 * up @ down)


def test_a_difference_is_added_as_it_is(draw: Draw) -> None:
    weight, difference = draw(8, 6, 1, 1), draw(8, 6)
    close(change(strength=2.0, difference=difference)(weight), weight + 2 * difference[:, :, None, None])


def test_a_change_of_another_shape_is_refused(draw: Draw) -> None:
    with pytest.raises(ValueRuleError, match=r"a change of shape \[6, 8\] is none of \[8, 6\]"):
        change(up=draw(6, 2), down=draw(2, 8))(draw(8, 6))
