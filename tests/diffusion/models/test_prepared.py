"""Layers that convert and reorder their weights at first use give what torch's own layers give."""

import copy
from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn

from nodeflow.diffusion.memory import PACKED, packs
from nodeflow.diffusion.models.attention import attention
from nodeflow.diffusion.models.layers import Attention
from nodeflow.diffusion.models.passing import TextMemory
from nodeflow.diffusion.models.prepared import Conv2d, Linear, lazily, readied

TOLERANCES = {torch.float32: 1e-6, torch.bfloat16: 6e-3}


def large(*layers: nn.Module) -> list[nn.Module]:
    torch.manual_seed(0)
    return [layer.requires_grad_(False) for layer in layers]


@pytest.mark.parametrize("dtype", TOLERANCES)
@pytest.mark.parametrize("kept", [torch.float32, torch.float16, torch.bfloat16])
@pytest.mark.parametrize("size", [(1, 1), (5, 3), (16, 16)])
@pytest.mark.parametrize(("kernel", "stride"), [(1, 1), (3, 1), (3, 2)])
def test_a_convolution(
    dtype: torch.dtype,
    kept: torch.dtype,
    size: tuple[int, int],
    kernel: int,
    stride: int,
    relative: Callable[[Tensor, Tensor], float],
) -> None:
    (layer,) = large(Conv2d(256, 272, kernel, stride=stride, padding=kernel // 2))
    assert isinstance(layer, Conv2d)
    layer.weight.data = layer.weight.to(kept)
    bias = layer.bias
    assert bias is not None
    assert packs(layer.weight)
    x = torch.randn(2, 256, *size).to(dtype).contiguous(memory_format=torch.channels_last)
    expected = nn.functional.conv2d(x.float(), layer.weight.float(), bias.float(), stride, kernel // 2)
    bias.data = bias.to(dtype)
    with torch.inference_mode():
        found = layer(x)
        alone = layer(x[:1])
    assert found.dtype == dtype
    assert relative(found.float(), expected) < TOLERANCES[dtype]
    assert relative(alone.float(), found[:1].float()) < TOLERANCES[dtype]
    assert layer.weight.dtype == kept


@pytest.mark.parametrize("dtype", TOLERANCES)
@pytest.mark.parametrize(("width", "packed"), [(320, True), (32, False)])
def test_a_linear_layer(
    dtype: torch.dtype, width: int, packed: bool, relative: Callable[[Tensor, Tensor], float]
) -> None:
    (layer,) = large(Linear(width, width))
    assert isinstance(layer, Linear)
    layer.weight.data = layer.weight.half()
    assert packs(layer.weight) is packed is (layer.weight.numel() >= PACKED)
    x = torch.randn(2, 7, width).to(dtype)
    expected = nn.functional.linear(x.float(), layer.weight.float(), layer.bias.float())
    layer.bias.data = layer.bias.to(dtype)
    with torch.inference_mode():
        assert relative(layer(x).float(), expected) < TOLERANCES[dtype]
    assert relative(layer(x).float(), expected) < TOLERANCES[dtype], "and the same while training"


def test_a_twin_with_other_weights_forgets_what_was_made_of_the_old_ones() -> None:
    (layer,) = large(Linear(320, 320))
    x = torch.randn(3, 320)
    with torch.inference_mode():
        before = layer(x)
        shared = {id(weight): weight for weight in layer.parameters()}
        twin = copy.deepcopy(layer, dict(shared))
        changed = {**shared, id(layer.weight): nn.Parameter(layer.weight * 2, requires_grad=False)}
        other = copy.deepcopy(layer, changed)
        assert twin._made is layer._made
        assert other._made is None
        assert torch.equal(twin(x), before)
        assert not torch.allclose(other(x), before)
        assert torch.equal(layer(x), before)


def test_given_other_numbers_a_layer_computes_with_them() -> None:
    (layer,) = large(Linear(320, 320))
    x = torch.randn(3, 320)
    with torch.inference_mode():
        before = layer(x)
    layer.weight.data = layer.weight * 2
    with torch.inference_mode():
        assert not torch.allclose(layer(x), before)
    layer.to("meta")
    assert layer._made is None, "what is released holds no memory"


def test_layers_of_others_are_replaced() -> None:
    network = readied(nn.Sequential(nn.Linear(2, 3), nn.Sequential(nn.Embedding(5, 2), nn.LayerNorm(2))))
    assert lazily(network) == {"0.weight", "1.0.weight"}
    assert isinstance(network[0], Linear)  # type: ignore[index]


@pytest.mark.parametrize("scale", [1.0, 40.0])
@pytest.mark.parametrize(("queries", "keys"), [(5, 3), (300, 5000), (1000, 1000)])
def test_attention_by_products(
    scale: float, queries: int, keys: int, relative: Callable[[Tensor, Tensor], float]
) -> None:
    torch.manual_seed(0)
    query, key, value = (torch.randn(2, 3, count, 40) for count in (queries, keys, keys))
    query *= scale
    expected = nn.functional.scaled_dot_product_attention(query, key + 3.0, value)
    with torch.inference_mode():
        found = attention(query.bfloat16(), (key + 3.0).bfloat16(), value.bfloat16())
    assert found.shape == expected.shape
    assert relative(found.float(), expected) < (0.02 if scale == 1.0 else 0.3)


def test_what_a_layer_makes_of_a_text_is_made_once() -> None:
    layer, memory, context = Attention(8, 6, 2).requires_grad_(False), TextMemory(), torch.randn(1, 4, 6)
    with torch.inference_mode():
        first = memory.of(context, torch.float32).heads_of(layer)
        assert memory.of(context, torch.float32).heads_of(layer) is first
        assert memory.of(context, torch.bfloat16) is not memory.of(context.clone(), torch.bfloat16)
        assert len(copy.deepcopy(memory)._known) == 0
    assert memory.of(context, torch.float32).heads_of(layer) is not first, "not while weights are learned"
    del context
    assert len(memory._known) == 0, "and forgotten with the text"


def test_a_text_learns_from_what_the_network_makes_of_it() -> None:
    layer, context = Attention(8, 6, 2), torch.randn(1, 4, 6, requires_grad=True)
    heads = TextMemory().of(context, torch.float32).heads_of(layer)
    (gradient,) = torch.autograd.grad(layer.attended(torch.randn(1, 3, 8), heads).square().sum(), [context])
    assert float(gradient.abs().sum()) > 0


def test_without_onednns_operations_layers_compute_as_torchs_own(monkeypatch: pytest.MonkeyPatch) -> None:
    from nodeflow.diffusion import memory

    monkeypatch.setattr(memory, "PACKED_OPERATIONS", ("_of_no_version",))
    memory._onednn_takes_packed.cache_clear()
    try:
        layer, x = Linear(512, 512).requires_grad_(False), torch.randn(3, 512)
        with torch.inference_mode():
            assert not memory.packs(layer.weight)
            assert torch.equal(layer(x), torch.nn.functional.linear(x, layer.weight, layer.bias))
    finally:
        memory._onednn_takes_packed.cache_clear()


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
@pytest.mark.parametrize(("channels", "stride", "side"), [(256, 1, 16), (320, 2, 8), (320, 1, 4)])
def test_the_first_call_of_a_large_convolution_gives_the_bits_of_all_later_ones(
    dtype: torch.dtype, channels: int, stride: int, side: int
) -> None:
    layer = Conv2d(channels, channels, 3, stride=stride, padding=1).requires_grad_(False).to(dtype)
    x = torch.randn(2, channels, side, side).to(dtype).contiguous(memory_format=torch.channels_last)
    with torch.inference_mode():
        first, second, third = layer(x), layer(x), layer(x)
    assert torch.equal(first, second)
    assert torch.equal(second, third)
