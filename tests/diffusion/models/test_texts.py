"""What a UNet makes of a text is made once, and forgotten with the text."""

import gc
import weakref

import pytest
import torch
from torch import Tensor

from nodeflow.diffusion.models.passing import Heads, TextMemory


class Counted:
    """An attention layer that counts how often it looks."""

    def __init__(self) -> None:
        self.looks = 0

    def heads_of(self, source: Tensor, /) -> Heads:
        self.looks += 1
        return Heads(source * 2, source * 3)


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
@torch.inference_mode()
def test_keys_and_values_are_made_once_and_gone_with_their_text(dtype: torch.dtype) -> None:
    memory, layer = TextMemory(), Counted()
    context = torch.ones(1, 77, 8)
    first = memory.of(context, dtype).heads_of(layer)
    assert memory.of(context, dtype).heads_of(layer) is first
    assert layer.looks == 1
    held = weakref.ref(first.keys)
    del first, context
    gc.collect()
    assert held() is None
