"""How many threads a network gets."""

import pytest
import torch
from torch import nn

from nodeflow.diffusion.memory import SMALL_WORK, threads_for

NETWORK = nn.Linear(99, 10)  # 1,000 parameters


@pytest.mark.parametrize(
    ("places", "device", "expected"),
    [(1, "cpu", 1), (SMALL_WORK // 1000, "cpu", 2), (1, "cuda:0", 2)],
    ids=["small work runs on one thread", "large work on all", "a GPU is left alone"],
)
def test_threads(places: int, device: str, expected: int) -> None:
    before = torch.get_num_threads()
    torch.set_num_threads(2)
    try:
        with threads_for(NETWORK, device, places):
            assert torch.get_num_threads() == expected
        assert torch.get_num_threads() == 2
    finally:
        torch.set_num_threads(before)


def test_the_number_is_restored_after_an_error() -> None:
    before = torch.get_num_threads()
    torch.set_num_threads(2)
    try:
        with pytest.raises(ZeroDivisionError), threads_for(NETWORK, "cpu", 1):
            raise ZeroDivisionError
        assert torch.get_num_threads() == 2
    finally:
        torch.set_num_threads(before)
